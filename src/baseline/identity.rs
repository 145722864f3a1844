//! The identity record: what one person or machine normally does, in at most a quarter of a page.
//! May use: tallies, the byte codec.
//! Must not: score, read a clock, or hold anything that names a person in clear.

use arrayvec::ArrayVec;

use super::bytes::{Reader, Writer};
use super::hours::Hours;
use super::page::Activity;
use super::tally::{Tallies, decay};

/// How many sessions a record remembers.
pub const SESSIONS: usize = 6;
/// How many recent authentication events a record remembers, so that none is learned twice.
pub const RECENT: usize = 4;
/// How many physical places a record remembers: two, so that a journey there and back is seen.
pub const PLACES: usize = 2;

/// Where the networks of an identity lie, finest first.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct NetworkTallies {
    /// Full addresses, hashed.
    pub address: Tallies<8>,
    /// /24 and /48 prefixes, hashed.
    pub prefix: Tallies<8>,
    /// Autonomous systems, in clear.
    pub asn: Tallies<4>,
    /// Countries, in clear.
    pub country: Tallies<4>,
}

/// With what an identity comes, finest first.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ClientTallies {
    /// User agent strings, hashed.
    pub user_agent: Tallies<6>,
    /// Browser families.
    pub browser: Tallies<4>,
    /// Operating systems.
    pub os: Tallies<3>,
    /// Device classes.
    pub device: Tallies<2>,
}

/// A physical place an identity was seen at. Coordinates in hundredths of a degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// Seconds since 1970.
    pub seen: u32,
    /// Latitude times 100.
    pub latitude: i16,
    /// Longitude times 100.
    pub longitude: i16,
    /// Uncertainty in km.
    pub radius: u16,
    /// The network it was seen from.
    pub prefix: u32,
}

/// A session and what it was first used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Session {
    /// Hash of `sid`, or of the token where there is none.
    pub id: u32,
    /// First use, seconds since 1970.
    pub first: u32,
    /// Last use that changed something, seconds since 1970.
    pub seen: u32,
    /// `auth_time` the session was last seen with.
    pub auth_time: u32,
    /// User agent at first use.
    pub user_agent: u32,
    /// TLS fingerprint at first use.
    pub tls: u32,
    /// Network at first use.
    pub asn: u32,
    /// Prefix at first use.
    pub prefix: u32,
    /// Country at first use.
    pub country: u32,
    /// When the last challenge was issued; 0: never.
    pub challenged: u32,
    /// Challenges issued and not solved.
    pub unsolved: u8,
}

/// What one identity normally does.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct IdentityRecord {
    /// First authentication event learned, seconds since 1970.
    pub created: u32,
    /// To when the counts are decayed, seconds since 1970.
    pub updated: u32,
    /// Authentication events learned, not decayed.
    pub history: u32,
    /// Authentication events learned, decayed: the `n` of Witten–Bell.
    pub events: f32,
    /// When the last authentication event was learned, seconds since 1970.
    pub last_event: u32,
    /// `auth_time` of the newest event learned.
    pub auth_time: u32,
    /// Hashes of the last events learned.
    pub recent: ArrayVec<u32, RECENT>,
    /// Networks.
    pub network: NetworkTallies,
    /// Clients.
    pub client: ClientTallies,
    /// Hours of day.
    pub hours: Hours,
    /// Last places, newest first.
    pub places: ArrayVec<Place, PLACES>,
    /// Sessions, most recently used first.
    pub sessions: ArrayVec<Session, SESSIONS>,
}

impl IdentityRecord {
    /// A record that is about to learn its first event.
    #[must_use]
    pub fn new(now: u32) -> Self {
        Self {
            created: now,
            updated: now,
            ..Self::default()
        }
    }

    /// Brings all counts to `now`. Time running backwards changes nothing.
    pub fn decay_to(&mut self, now: u32) {
        if now <= self.updated {
            return;
        }
        let factor = decay(i64::from(now) - i64::from(self.updated));
        self.updated = now;
        self.events = (f64::from(self.events) * factor) as f32;
        self.network.address.decay(factor);
        self.network.prefix.decay(factor);
        self.network.asn.decay(factor);
        self.network.country.decay(factor);
        self.client.user_agent.decay(factor);
        self.client.browser.decay(factor);
        self.client.os.decay(factor);
        self.client.device.decay(factor);
        self.hours.decay(factor);
    }

    /// Adds what another record of the same identity learned from other events.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        let now = self.updated.max(other.updated);
        self.decay_to(now);
        other.decay_to(now);
        if self.history == 0 || (other.history > 0 && other.created < self.created) {
            self.created = other.created;
        }
        self.history = self.history.saturating_add(other.history);
        self.events += other.events;
        self.last_event = self.last_event.max(other.last_event);
        self.auth_time = self.auth_time.max(other.auth_time);
        self.network.address.merge(&other.network.address);
        self.network.prefix.merge(&other.network.prefix);
        self.network.asn.merge(&other.network.asn);
        self.network.country.merge(&other.network.country);
        self.client.user_agent.merge(&other.client.user_agent);
        self.client.browser.merge(&other.client.browser);
        self.client.os.merge(&other.client.os);
        self.client.device.merge(&other.client.device);
        self.hours.merge(&other.hours);
        for event in other.recent {
            self.remember_event(event);
        }
        for place in other.places.into_iter().rev() {
            self.remember_place(place);
        }
        for session in other.sessions.into_iter().rev() {
            self.remember_session(session);
        }
    }

    /// Fewer than 10 events and less than 14 days old: such a baseline can never deny.
    #[must_use]
    pub fn is_young(&self, now: u32) -> bool {
        self.history < 10 && now.saturating_sub(self.created) < 14 * 86_400
    }

    /// Whether the event was learned before.
    #[must_use]
    pub fn knows_event(&self, event: u32) -> bool {
        self.recent.contains(&event)
    }

    /// Remembers that an event was learned.
    pub fn remember_event(&mut self, event: u32) {
        if self.knows_event(event) {
            return;
        }
        if self.recent.is_full() {
            self.recent.pop_at(0);
        }
        let _full = self.recent.try_push(event);
    }

    /// Remembers a place; one entry per network, newest first.
    pub fn remember_place(&mut self, place: Place) {
        // A merge brings older ones.
        let newer = |known: &Place| known.prefix == place.prefix && known.seen > place.seen;
        if self.places.iter().any(newer) {
            return;
        }
        self.places.retain(|known| known.prefix != place.prefix);
        let index = self.places.partition_point(|known| known.seen > place.seen);
        if self.places.is_full() {
            if index == PLACES {
                return;
            }
            self.places.pop();
        }
        let _full = self.places.try_insert(index, place);
    }

    /// The session with this id.
    #[must_use]
    pub fn session(&self, id: u32) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == id)
    }

    /// Stores a session in front of the others; the one longest unused makes room.
    pub fn remember_session(&mut self, session: Session) {
        self.sessions.retain(|known| known.id != session.id);
        if self.sessions.is_full() {
            self.sessions.pop();
        }
        let index = self
            .sessions
            .partition_point(|known| known.seen > session.seen);
        let _full = self.sessions.try_insert(index, session);
    }

    /// How the page should rank this record against others when space is short.
    #[must_use]
    pub fn activity(&self) -> Activity {
        Activity::of(f64::from(self.events), self.updated)
    }

    /// Appends the record's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Writer(out);
        out.u32(self.created);
        out.u32(self.updated);
        out.u32(self.history);
        out.count(self.events);
        out.u32(self.last_event);
        out.u32(self.auth_time);
        out.u8(self.recent.len() as u8);
        for event in &self.recent {
            out.u32(*event);
        }
        self.network.address.encode(&mut out);
        self.network.prefix.encode(&mut out);
        self.network.asn.encode(&mut out);
        self.network.country.encode(&mut out);
        self.client.user_agent.encode(&mut out);
        self.client.browser.encode(&mut out);
        self.client.os.encode(&mut out);
        self.client.device.encode(&mut out);
        self.hours.encode(&mut out);
        out.u8(self.places.len() as u8);
        for place in &self.places {
            out.u32(place.seen);
            out.u16(place.latitude as u16);
            out.u16(place.longitude as u16);
            out.u16(place.radius);
            out.u32(place.prefix);
        }
        out.u8(self.sessions.len() as u8);
        for session in &self.sessions {
            session.encode(&mut out);
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
            events: input.count()?,
            last_event: input.u32()?,
            auth_time: input.u32()?,
            ..Self::default()
        };
        for _ in 0..input.u8()? {
            record.recent.try_push(input.u32()?).ok()?;
        }
        record.network = NetworkTallies {
            address: Tallies::decode(input)?,
            prefix: Tallies::decode(input)?,
            asn: Tallies::decode(input)?,
            country: Tallies::decode(input)?,
        };
        record.client = ClientTallies {
            user_agent: Tallies::decode(input)?,
            browser: Tallies::decode(input)?,
            os: Tallies::decode(input)?,
            device: Tallies::decode(input)?,
        };
        record.hours = Hours::decode(input)?;
        for _ in 0..input.u8()? {
            record
                .places
                .try_push(Place {
                    seen: input.u32()?,
                    latitude: input.u16()? as i16,
                    longitude: input.u16()? as i16,
                    radius: input.u16()?,
                    prefix: input.u32()?,
                })
                .ok()?;
        }
        for _ in 0..input.u8()? {
            record.sessions.try_push(Session::decode(input)?).ok()?;
        }
        input.is_empty().then_some(record)
    }
}

impl Session {
    fn encode(&self, out: &mut Writer<'_>) {
        for field in [
            self.id,
            self.first,
            self.seen,
            self.auth_time,
            self.user_agent,
            self.tls,
            self.asn,
            self.prefix,
            self.country,
            self.challenged,
        ] {
            out.u32(field);
        }
        out.u8(self.unsolved);
    }

    fn decode(input: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            id: input.u32()?,
            first: input.u32()?,
            seen: input.u32()?,
            auth_time: input.u32()?,
            user_agent: input.u32()?,
            tls: input.u32()?,
            asn: input.u32()?,
            prefix: input.u32()?,
            country: input.u32()?,
            challenged: input.u32()?,
            unsolved: input.u8()?,
        })
    }
}
