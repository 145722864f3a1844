//! What everybody does: bounded counts shared by all identities, copied into every VM, changed by lessons.
//! May use: the parts beside it, libm.
//! Must not: name an identity, or depend on the order of lessons beyond rounding.

mod codec;
mod issuers;
mod lesson;
mod networks;
pub mod patterns;
mod routes;
mod rows;
mod sessions;
mod sketch;
mod window;

use arrayvec::ArrayVec;

use super::decay::{DAY, factor, is_ahead};
use super::hours::{Hour, smooth};
pub use issuers::Issuer;
use issuers::Issuers;
pub use lesson::{
    Attempt, CredentialLesson, EventLesson, Lesson, PatternLesson, RecentClient, RouteLesson,
    Shared, relations,
};
use networks::Networks;
use patterns::Patterns;
pub use routes::Routes;
pub use sessions::Sessions;
use sketch::Sketch;

/// Clients of recent events: the strangers that versions are compared with.
const RECENT: usize = 32;
const COUNTRIES: usize = 256;
/// Destinations of moves inside sessions.
const MOVES: usize = 256;

/// Everybody.
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    events: f64,
    /// First attempt seen; 0: none.
    first: u32,
    /// To when the counts are decayed.
    updated: u32,
    sketch: Sketch,
    networks: Networks,
    countries: ArrayVec<(u32, f32), COUNTRIES>,
    hours: [f32; 24],
    recent: ArrayVec<RecentClient, RECENT>,
    next: usize,
    relations: [f32; 5],
    patterns: Patterns,
    sessions: Sessions,
    routes: Routes,
    /// Attempts whose credential was good, and wrong.
    attempts: [f64; 2],
    issuers: Issuers,
}

impl Default for Population {
    fn default() -> Self {
        Self {
            events: 0.0,
            first: 0,
            updated: 0,
            sketch: Sketch::default(),
            networks: Networks::default(),
            countries: ArrayVec::new(),
            hours: [0.0; 24],
            recent: ArrayVec::new(),
            next: 0,
            relations: [0.0; 5],
            patterns: Patterns::default(),
            sessions: Sessions::default(),
            routes: Routes::default(),
            attempts: [0.0; 2],
            issuers: Issuers::default(),
        }
    }
}

impl Population {
    fn share_of(&self, count: f64) -> f64 {
        (count + 0.5) / (self.events + 1.0)
    }

    /// Decayed number of learned events.
    #[must_use]
    pub fn events(&self) -> f64 {
        self.events
    }

    /// Decayed number of events with a value; never too few.
    #[must_use]
    pub fn count(&self, kind: Shared, key: u32) -> f64 {
        self.sketch.count(kind as u64, key)
    }

    /// Share of a value.
    #[must_use]
    pub fn share(&self, kind: Shared, key: u32) -> f64 {
        self.share_of(self.count(kind, key))
    }

    /// Share of a provider.
    #[must_use]
    pub fn asn_share(&self, asn: u32) -> f64 {
        self.share_of(
            self.networks
                .get(asn)
                .map_or(0.0, |row| f64::from(row.events)),
        )
    }

    /// Share of a country.
    #[must_use]
    pub fn country_share(&self, country: u32) -> f64 {
        let found = self.countries.iter().find(|(code, _)| *code == country);
        self.share_of(found.map_or(0.0, |(_, count)| f64::from(*count)))
    }

    /// Smoothed share of an hour of the day.
    #[must_use]
    pub fn hour_share(&self, hour: usize) -> f64 {
        let total: f64 = self
            .hours
            .iter()
            .map(|count| f64::from(*count))
            .sum::<f64>()
            + 24.0;
        smooth(hour, |hour| {
            (self.hours.get(hour).map_or(0.0, |count| f64::from(*count)) + 1.0) / total
        })
    }

    /// Shares of newer, same and older versions among strangers in a browser the identity knows.
    #[must_use]
    pub fn browser_relations(&self) -> [f64; 3] {
        let [newer, same, older, ..] = self.relations.map(|count| f64::from(count) + 1.0);
        [newer, same, older].map(|count| count / (newer + same + older))
    }

    /// Shares of not older and older ones among strangers in a system the identity knows.
    #[must_use]
    pub fn os_relations(&self) -> [f64; 2] {
        let [.., current, older] = self.relations.map(|count| f64::from(count) + 1.0);
        [current, older].map(|count| count / (current + older))
    }

    /// Patterns of novelty.
    #[must_use]
    pub const fn patterns(&self) -> &Patterns {
        &self.patterns
    }

    /// Sessions.
    #[must_use]
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// What the tokens of an issuer are like.
    #[must_use]
    pub fn issuer(&self, issuer: u32) -> Option<&Issuer> {
        self.issuers.get(issuer)
    }

    /// Routes.
    #[must_use]
    pub const fn routes(&self) -> &Routes {
        &self.routes
    }

    /// A provider that keeps giving its users fresh addresses explains a fresh address: `-ln(seen / expected)`.
    #[must_use]
    pub fn churn(&self, asn: u32) -> f64 {
        const HOLD: f64 = 10.0;
        self.networks.get(asn).map_or(0.0, |row| {
            -libm::log((f64::from(row.fresh) + HOLD) / (f64::from(row.expected) + HOLD))
        })
    }

    /// Other identities that arrived on this provider within a day, against its daily mean: at least 0.
    #[must_use]
    pub fn burst(&self, asn: u32, identity: u32, now: u32) -> f64 {
        let Some(row) = self.networks.get(asn) else {
            return 0.0;
        };
        let days = (f64::from(now.saturating_sub(self.first)) / f64::from(DAY)).max(1.0);
        let usual = (f64::from(row.arrivals) + 0.5) / days;
        libm::log((row.burst.others(identity, now) + 1.0) / (usual + 1.0)).max(0.0)
    }

    /// For identities without history: an attacker comes from any provider alike, a customer from the usual ones.
    #[must_use]
    pub fn rarity(&self, asn: u32) -> f64 {
        const ANY: f64 = 0.5;
        let networks = self.networks.len() as f64 + 1.0;
        libm::log(1.0 - ANY + ANY / (networks * self.asn_share(asn)))
    }

    /// Share of attempts that fail here.
    #[must_use]
    pub fn failure_share(&self) -> f64 {
        let [succeeded, failed] = self.attempts.map(|count| count + 1.0);
        failed / (succeeded + failed)
    }

    /// Clients of strangers' recent events.
    #[must_use]
    pub fn recent(&self) -> &[RecentClient] {
        &self.recent
    }

    /// Learns one lesson.
    pub fn learn(&mut self, lesson: &Lesson) {
        match lesson {
            Lesson::Attempt(attempt) => self.witness(attempt),
            Lesson::Failure => {
                let [_, wrong] = &mut self.attempts;
                *wrong += 1.0;
            }
            Lesson::Event(event) => self.learn_event(event),
            Lesson::Move { asn, allowed, .. } => {
                self.sessions.moved += 1.0;
                if *allowed {
                    self.sessions.moves.add(*asn, 1.0, MOVES);
                }
            }
            Lesson::Routes(lesson) => {
                self.decay_to(lesson.now);
                self.routes.learn(lesson);
            }
            Lesson::ClientChange(true) => self.sessions.upgrades += 1.0,
            Lesson::ClientChange(false) => self.sessions.changes += 1.0,
        }
    }

    fn witness(&mut self, attempt: &Attempt) {
        if self.first == 0 || is_ahead(self.first, attempt.now) {
            self.first = attempt.now;
        }
        let [good, _] = &mut self.attempts;
        *good += 1.0;
        if attempt.arrival
            && let Some(row) = self.networks.row(attempt.asn)
        {
            row.burst.add(attempt.identity, attempt.now);
        }
    }

    fn learn_event(&mut self, event: &EventLesson) {
        self.decay_to(event.now);
        self.events += 1.0;
        self.sessions.begun += 1.0;
        let shown = event.shown.into_iter().filter(|(_, key)| *key != 0);
        for (kind, key) in event.values.into_iter().chain(shown) {
            self.sketch.add(kind as u64, key);
        }
        if let Some(row) = self.networks.row(event.asn) {
            row.events += 1.0;
            row.arrivals += f32::from(u8::from(event.arrival));
            if let Some(pattern) = &event.pattern
                && let Some((fresh, likely)) = pattern.fresh
            {
                row.fresh += f32::from(u8::from(fresh));
                row.expected += likely as f32;
            }
        }
        self.issuers.learn(&event.credential);
        match self
            .countries
            .iter_mut()
            .find(|(code, _)| *code == event.country)
        {
            Some((_, count)) => *count += 1.0,
            None => {
                let _full = self.countries.try_push((event.country, 1.0));
            }
        }
        if event.human
            && let Some(count) = self.hours.get_mut(Hour::of(event.now).hour)
        {
            *count += 1.0;
        }
        if let Some(pattern) = &event.pattern {
            self.patterns
                .learn(pattern.groups, &pattern.joint, pattern.shown);
        }
        for (count, more) in self.relations.iter_mut().zip(event.relations) {
            *count += f32::from(more);
        }
        if self.relations.iter().any(|count| *count > 1.0e6) {
            self.relations = self.relations.map(|count| count / 2.0);
        }
        self.remember(event.client);
    }

    fn remember(&mut self, client: RecentClient) {
        match self.recent.get_mut(self.next) {
            Some(slot) => *slot = client,
            None => {
                let _full = self.recent.try_push(client);
            }
        }
        self.next = (self.next + 1) % RECENT;
    }

    /// Brings the counts to `now`: once a day is exact enough for a half-life of months.
    fn decay_to(&mut self, now: u32) {
        if self.updated == 0 || is_ahead(self.updated, now) {
            self.updated = now;
        }
        if now.saturating_sub(self.updated) < DAY {
            return;
        }
        let factor = factor(self.updated, now);
        self.updated = now;
        let shrink = |count: &mut f32| *count = (f64::from(*count) * factor) as f32;
        self.events *= factor;
        self.sketch.decay(factor);
        self.networks.decay(factor);
        self.issuers.decay(factor);
        self.countries
            .iter_mut()
            .for_each(|(_, count)| shrink(count));
        self.hours.iter_mut().for_each(shrink);
        self.sessions.decay(factor);
        self.routes.decay(factor);
        self.attempts = self.attempts.map(|count| count * factor);
    }
}
