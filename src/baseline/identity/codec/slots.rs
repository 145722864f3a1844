//! The bytes of sessions and places: networks and clients that the tables of the record hold are named by their number there.
//! May use: the byte codec, the record.
//! Must not: judge what it reads.

use super::super::super::bytes::{Reader, Writer};
use super::super::super::session::{Location, Session, SessionClient};
use super::super::super::values::Values;
use super::super::{IdentityRecord, Place};

/// A value that stands in no table.
const ELSEWHERE: u8 = 0xff;

/// What a session has beside what every session has.
const MOVED: u8 = 1;
const CHALLENGED: u8 = 1 << 1;
/// Its `auth_time` is that of the record, or none.
const NEWEST: u8 = 1 << 2;
const NEVER: u8 = 1 << 3;
const KNOWN: u8 = (1 << 4) - 1;

/// A key by its number in a table.
fn name<const N: usize>(table: &Values<N>, key: u32, out: &mut Writer<'_>) {
    let place = table.entries().iter().position(|value| value.key == key);
    match place {
        Some(place) => out.u8(place as u8),
        None => {
            out.u8(ELSEWHERE);
            out.u32(key);
        }
    }
}

fn named<const N: usize>(table: &Values<N>, input: &mut Reader<'_>) -> Option<u32> {
    match input.u8()? {
        ELSEWHERE => input.u32(),
        place => table
            .entries()
            .get(usize::from(place))
            .map(|value| value.key),
    }
}

impl IdentityRecord {
    pub(super) fn encode_slots(&self, out: &mut Writer<'_>) {
        out.u8(self.places.len() as u8);
        for place in &self.places {
            out.var(self.updated.wrapping_sub(place.seen));
            out.u16(place.latitude as u16);
            out.u16(place.longitude as u16);
            out.var(u32::from(place.radius));
            out.u16(place.country);
            name(&self.network.prefix, place.prefix, out);
        }
        out.u8(self.sessions.len() as u8);
        for session in &self.sessions {
            self.encode_session(session, out);
        }
    }

    pub(super) fn decode_slots(&mut self, input: &mut Reader<'_>) -> Option<()> {
        for _ in 0..input.u8()? {
            let place = Place {
                seen: self.updated.wrapping_sub(input.var()?),
                latitude: input.u16()? as i16,
                longitude: input.u16()? as i16,
                radius: u16::try_from(input.var()?).ok()?,
                country: input.u16()?,
                prefix: named(&self.network.prefix, input)?,
            };
            self.places.try_push(place).ok()?;
        }
        for _ in 0..input.u8()? {
            let session = self.decode_session(input)?;
            self.sessions.try_push(session).ok()?;
        }
        Some(())
    }

    fn encode_session(&self, session: &Session, out: &mut Writer<'_>) {
        let moved = session.first != session.latest || session.before != session.latest;
        let challenged = session.challenged | u32::from(session.unsolved | session.alternations);
        let newest = session.auth_time == self.auth_time && session.auth_time != 0;
        let flags = [
            (moved, MOVED),
            (challenged != 0, CHALLENGED),
            (newest, NEWEST),
            (session.auth_time == 0, NEVER),
        ]
        .into_iter()
        .fold(0, |all, (holds, flag)| all | (u8::from(holds) * flag));
        out.u8(flags);
        out.u32(session.id);
        out.var(self.updated.wrapping_sub(session.seen));
        out.var(session.seen.wrapping_sub(session.left));
        if flags & (NEWEST | NEVER) == 0 {
            out.var(session.seen.wrapping_sub(session.auth_time));
        }
        self.encode_location(session.latest, out);
        if moved {
            self.encode_location(session.first, out);
            self.encode_location(session.before, out);
        }
        name(&self.client.user_agent, session.client.exact, out);
        out.u32(session.client.family);
        if challenged != 0 {
            out.u32(session.challenged);
            out.u8(session.unsolved);
            out.u8(session.alternations);
        }
    }

    fn decode_session(&self, input: &mut Reader<'_>) -> Option<Session> {
        let flags = input.u8().filter(|flags| flags & !KNOWN == 0)?;
        let id = input.u32()?;
        let seen = self.updated.wrapping_sub(input.var()?);
        let left = seen.wrapping_sub(input.var()?);
        let auth_time = match flags & (NEWEST | NEVER) {
            0 => seen.wrapping_sub(input.var()?),
            NEWEST => self.auth_time,
            NEVER => 0,
            _ => return None,
        };
        let latest = self.decode_location(input)?;
        let (first, before) = if flags & MOVED != 0 {
            (self.decode_location(input)?, self.decode_location(input)?)
        } else {
            (latest, latest)
        };
        let client = SessionClient {
            exact: named(&self.client.user_agent, input)?,
            family: input.u32()?,
        };
        let mut session = Session {
            id,
            seen,
            auth_time,
            first,
            latest,
            before,
            left,
            client,
            ..Session::default()
        };
        if flags & CHALLENGED != 0 {
            session.challenged = input.u32()?;
            session.unsolved = input.u8()?;
            session.alternations = input.u8()?;
        }
        Some(session)
    }

    fn encode_location(&self, location: Location, out: &mut Writer<'_>) {
        name(&self.network.prefix, location.prefix, out);
        name(&self.network.asn, location.asn, out);
    }

    fn decode_location(&self, input: &mut Reader<'_>) -> Option<Location> {
        Some(Location {
            prefix: named(&self.network.prefix, input)?,
            asn: named(&self.network.asn, input)?,
        })
    }
}
