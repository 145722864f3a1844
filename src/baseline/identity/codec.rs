//! The bytes of an identity record.
//! May use: the byte codec, the tables a record is made of.
//! Must not: judge what it reads, or take bytes that are not one record.

use super::super::bytes::{Reader, Writer};
use super::super::containment::Contained;
use super::super::hours::Hours;
use super::super::lately::Lately;
use super::super::session::Session;
use super::super::tally::Tallies;
use super::super::values::Values;
use super::{ClientValues, IdentityRecord, MOVES, NetworkValues, Place};

/// Which of the tables at the end a record has.
const LANGUAGE: u8 = 1;
const CITY: u8 = 2;
const HOSTING: u8 = 4;
const GRANT: u8 = 8;

impl IdentityRecord {
    /// Appends the record's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Writer(out);
        let out = &mut out;
        for field in [
            self.created,
            self.updated,
            self.history,
            self.last_event,
            self.auth_time,
            self.recovered,
        ] {
            out.u32(field);
        }
        out.count(self.events);
        out.u8(self.recent.len() as u8);
        self.recent.iter().for_each(|event| out.u32(*event));
        self.network.address.encode(out);
        self.network.prefix.encode(out);
        self.network.block.encode(out);
        self.network.asn.encode(out);
        self.network.country.encode(out);
        self.client.user_agent.encode(out);
        self.client.browser.encode(out);
        self.client.os.encode(out);
        self.client.device.encode(out);
        self.hours.encode(out);
        out.u8(self.places.len() as u8);
        for place in &self.places {
            out.u32(place.seen);
            out.u16(place.latitude as u16);
            out.u16(place.longitude as u16);
            out.u16(place.radius);
            out.u32(place.prefix);
            out.u16(place.country);
        }
        out.u8(self.sessions.len() as u8);
        self.sessions.iter().for_each(|session| session.encode(out));
        self.moves.encode(out);
        self.lately.encode(out);
        self.oauth.encode(out);
        out.count(self.multi_factor);
        self.contained.encode(out);
        // Most records lack most of these: a bit for each that is there, and no byte where none is.
        let present = u8::from(self.language != Values::default()) * LANGUAGE
            | u8::from(self.city != Values::default()) * CITY
            | u8::from(self.hosting != Values::default()) * HOSTING
            | u8::from(self.grant != Values::default()) * GRANT;
        if present == 0 {
            return;
        }
        out.u8(present);
        if present & LANGUAGE != 0 {
            self.language.encode(out);
        }
        if present & CITY != 0 {
            self.city.encode(out);
        }
        if present & HOSTING != 0 {
            self.hosting.encode(out);
        }
        if present & GRANT != 0 {
            self.grant.encode(out);
        }
    }

    /// Reads a record back; `None` when the bytes are not one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Reader::new(bytes);
        let input = &mut input;
        let mut record = Self {
            created: input.u32()?,
            updated: input.u32()?,
            history: input.u32()?,
            last_event: input.u32()?,
            auth_time: input.u32()?,
            recovered: input.u32()?,
            events: input.count()?,
            ..Self::default()
        };
        for _ in 0..input.u8()? {
            record.recent.try_push(input.u32()?).ok()?;
        }
        record.network = NetworkValues {
            address: Values::decode(input)?,
            prefix: Values::decode(input)?,
            block: Values::decode(input)?,
            asn: Values::decode(input)?,
            country: Values::decode(input)?,
        };
        record.client = ClientValues {
            user_agent: Values::decode(input)?,
            browser: Values::decode(input)?,
            os: Values::decode(input)?,
            device: Values::decode(input)?,
        };
        record.hours = Hours::decode(input)?;
        for _ in 0..input.u8()? {
            let place = Place {
                seen: input.u32()?,
                latitude: input.u16()? as i16,
                longitude: input.u16()? as i16,
                radius: input.u16()?,
                prefix: input.u32()?,
                country: input.u16()?,
            };
            record.places.try_push(place).ok()?;
        }
        for _ in 0..input.u8()? {
            record.sessions.try_push(Session::decode(input)?).ok()?;
        }
        record.moves = Tallies::decode(input, MOVES)?;
        record.lately = Lately::decode(input)?;
        record.oauth = Values::decode(input)?;
        record.multi_factor = input.count()?;
        record.contained = Contained::decode(input)?;
        if !input.is_empty() {
            let present = input.u8()?;
            if present == 0 || present & !(LANGUAGE | CITY | HOSTING | GRANT) != 0 {
                return None;
            }
            if present & LANGUAGE != 0 {
                record.language = Values::decode(input)?;
            }
            if present & CITY != 0 {
                record.city = Values::decode(input)?;
            }
            if present & HOSTING != 0 {
                record.hosting = Values::decode(input)?;
            }
            if present & GRANT != 0 {
                record.grant = Values::decode(input)?;
            }
        }
        input.is_empty().then_some(record)
    }
}
