//! The identity record: what one person or machine normally does, in at most a quarter of a page.
//! May use: values, tallies, hours, sessions and their containment.
//! Must not: score, read a clock, or hold anything that names a person in clear.

mod ahead;
mod codec;
mod copies;

use arrayvec::ArrayVec;

use super::containment::Contained;
use super::decay::{DAY, factor};
use super::hours::Hours;
use super::lately::Lately;
use super::page::Activity;
use super::session::Session;
use super::tally::Tallies;
use super::values::Values;

/// How many sessions a record remembers.
pub const SESSIONS: usize = 4;
/// How many recent authentication events a record remembers, so that none is learned twice.
pub const RECENT: usize = 16;
/// How many physical places a record remembers: two, so that a journey there and back is seen.
pub const PLACES: usize = 2;
/// Authentication events after which a record is worth more than that of somebody who just came.
const ESTABLISHED: u32 = 5;
/// How many destinations of moves inside sessions a record remembers.
pub const MOVES: usize = 4;

/// The networks of an identity, finest first.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct NetworkValues {
    /// Full addresses (/64 of IPv6), hashed.
    pub address: Values<8>,
    /// /24 and /48 prefixes, hashed.
    pub prefix: Values<8>,
    /// /20 and /40 blocks, hashed; machines only, whose pools change faster than any table holds.
    pub block: Values<8>,
    /// Autonomous systems, in clear.
    pub asn: Values<4>,
    /// Countries, in clear.
    pub country: Values<4>,
}

/// The clients of an identity, finest first.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ClientValues {
    /// User agent strings, hashed.
    pub user_agent: Values<6>,
    /// Browser families with their operating system.
    pub browser: Values<4>,
    /// Operating systems with their device class.
    pub os: Values<3>,
    /// Device classes.
    pub device: Values<2>,
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
    /// The country it lies in: two letters, 0 unknown.
    pub country: u16,
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
    /// Authentication events learned, decayed: the `n` of Witten-Bell.
    pub events: f32,
    /// When the last authentication event was learned, seconds since 1970.
    pub last_event: u32,
    /// `auth_time` of the newest event learned.
    pub auth_time: u32,
    /// When the credential was last recovered, seconds since 1970; 0: never.
    pub recovered: u32,
    /// Hashes of the last events learned, oldest first.
    pub recent: ArrayVec<u32, RECENT>,
    /// Networks.
    pub network: NetworkValues,
    /// Clients.
    pub client: ClientValues,
    /// Hours of day; people only.
    pub hours: Hours,
    /// Last places, newest first.
    pub places: ArrayVec<Place, PLACES>,
    /// Sessions, most recently used first.
    pub sessions: ArrayVec<Session, SESSIONS>,
    /// Providers that sessions moved to.
    pub moves: Tallies,
    /// The last hour.
    pub lately: Lately,
    /// OAuth clients, hashed.
    pub oauth: Values<4>,
    /// Decayed number of events with more than a password.
    pub multi_factor: f32,
    /// Sessions that were denied.
    pub contained: Contained,
    /// Languages, hashed; people only.
    pub language: Values<2>,
    /// Cities, hashed.
    pub city: Values<3>,
    /// Whether networks were hosting providers': 1 no, 2 yes.
    pub hosting: Values<2>,
    /// Risky grants.
    pub grant: Values<2>,
}

/// Calls a method on every table of values.
macro_rules! each_values {
    ($record:expr, |$values:ident| $body:expr) => {{
        let network = &mut $record.network;
        let client = &mut $record.client;
        {
            let $values = &mut network.address;
            $body
        }
        {
            let $values = &mut network.prefix;
            $body
        }
        {
            let $values = &mut network.block;
            $body
        }
        {
            let $values = &mut network.asn;
            $body
        }
        {
            let $values = &mut network.country;
            $body
        }
        {
            let $values = &mut client.user_agent;
            $body
        }
        {
            let $values = &mut client.browser;
            $body
        }
        {
            let $values = &mut client.os;
            $body
        }
        {
            let $values = &mut client.device;
            $body
        }
        {
            let $values = &mut $record.oauth;
            $body
        }
        {
            let $values = &mut $record.language;
            $body
        }
        {
            let $values = &mut $record.city;
            $body
        }
        {
            let $values = &mut $record.hosting;
            $body
        }
        {
            let $values = &mut $record.grant;
            $body
        }
    }};
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

    /// Brings all counts to `now` and ends probations that are over. Time running backwards changes nothing.
    pub fn decay_to(&mut self, now: u32) {
        if now <= self.updated {
            return;
        }
        let factor = factor(self.updated, now);
        let hour = super::decay::hour(now);
        self.updated = now;
        self.events = (f64::from(self.events) * factor) as f32;
        self.multi_factor = (f64::from(self.multi_factor) * factor) as f32;
        each_values!(self, |values| {
            values.decay(factor);
            values.settle(hour);
        });
        self.moves.decay(factor);
        self.lately.fade(now);
    }

    fn set_back_values(&mut self, hour: u16) {
        each_values!(self, |values| values.set_back(hour));
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
        self.recovered = self.recovered.max(other.recovered);
        let (network, client) = (&mut self.network, &mut self.client);
        network.address.merge(&other.network.address);
        network.prefix.merge(&other.network.prefix);
        network.block.merge(&other.network.block);
        network.asn.merge(&other.network.asn);
        network.country.merge(&other.network.country);
        client.user_agent.merge(&other.client.user_agent);
        client.browser.merge(&other.client.browser);
        client.os.merge(&other.client.os);
        client.device.merge(&other.client.device);
        self.hours.merge(&other.hours);
        self.moves.merge(&other.moves, MOVES);
        self.lately.merge(&other.lately);
        self.oauth.merge(&other.oauth);
        self.language.merge(&other.language);
        self.city.merge(&other.city);
        self.hosting.merge(&other.hosting);
        self.grant.merge(&other.grant);
        self.multi_factor += other.multi_factor;
        self.contained.merge(&other.contained);
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
        self.history == 0 || (self.history < 10 && now.saturating_sub(self.created) < 14 * DAY)
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
        let _room_was_made = self.recent.try_push(event);
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
        let _room_was_made = self.places.try_insert(index, place);
    }

    /// The session with this id.
    #[must_use]
    pub fn session(&self, id: u32) -> Option<&Session> {
        self.sessions
            .iter()
            .find(|session| session.id == id && id != 0)
    }

    /// Stores a session in front of the others; the one longest unused makes room.
    pub fn remember_session(&mut self, session: Session) {
        self.sessions.retain(|known| known.id != session.id);
        if self.sessions.is_full() {
            // A merge brings older ones.
            if self
                .sessions
                .last()
                .is_some_and(|last| last.seen > session.seen)
            {
                return;
            }
            self.sessions.pop();
        }
        let index = self
            .sessions
            .partition_point(|known| known.seen > session.seen);
        let _room_was_made = self.sessions.try_insert(index, session);
    }

    /// How the page should rank this record against others when space is short.
    #[must_use]
    pub fn activity(&self) -> Activity {
        Activity::of(f64::from(self.events), self.updated).established(self.history >= ESTABLISHED)
    }
}
