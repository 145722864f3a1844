//! The source record: who failed and who succeeded from one network or with one client of late, in 112 bytes.
//! May use: recent counters, the byte codec.
//! Must not: name an identity, judge, or outlast a few days: it is traffic and not habit.

use super::bytes::{Reader, Writer};
use super::decay::is_ahead;
use super::page::Activity;
use super::recent::{Decayed, Minutes, Recent};
use crate::signals::features::Features;
use crate::signals::keyed::Locator;

/// Failures of one source in 15 minutes that make a burst.
pub const BURST: u32 = 25;
/// A source that burst stays hot until this long has passed without another failure: a day, since sources return; four
/// hours (the usual length of a ban) where many owners share it, since a newcomer among them suffers for it.
const CALM: u32 = 86_400;
const CALM_SHARED: u32 = 14_400;
/// Identities that succeeded within a day from one network: shared egress.
pub const SHARED: f64 = 8.0;
/// Half-life of the sums, and twice the period of distinct names, in seconds.
pub const HOUR: f64 = 3600.0;
const NAMES: u32 = 1800;
const OWNERS: u32 = 43_200;

/// What a record stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum SourceKind {
    /// A /24 or /48: whoever is behind it, 25 failures are a burst.
    Prefix = 1,
    /// An autonomous system: many people.
    Network,
    /// A client string: many people.
    Client,
    /// One client at one address: as close to a device as an edge can see without a cookie.
    Device,
}

/// Which record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceKey {
    /// What it stands for.
    pub kind: SourceKind,
    /// Its hash, or number.
    pub value: u32,
}

impl SourceKey {
    /// The records a request belongs to; what is absent has none.
    pub fn of(features: &Features) -> impl Iterator<Item = Self> {
        let client = features.user_agent ^ features.tls.rotate_left(16);
        let device = if features.address == 0 || client == 0 {
            0
        } else {
            features.address.rotate_left(8) ^ client
        };
        [
            (SourceKind::Prefix, features.prefix),
            (SourceKind::Network, features.asn),
            (SourceKind::Client, features.user_agent),
            (SourceKind::Device, device),
        ]
        .into_iter()
        .filter(|(_, value)| *value != 0)
        .map(|(kind, value)| Self { kind, value })
    }

    /// Where the record lives. The values are keyed hashes already.
    #[must_use]
    pub const fn locator(self) -> Locator {
        let seed = (self.kind as u64) << 32 | self.value as u64;
        Locator {
            page: mix(seed),
            tag: mix(seed ^ 0x9e37_79b9_7f4a_7c15),
        }
    }
}

/// The finaliser of SplitMix64 (Steele et al. 2014).
const fn mix(seed: u64) -> u64 {
    let x = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What a source learns from one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLesson {
    /// Hash of the identity, or of the name tried; 0: not known.
    pub name: u32,
    /// When, seconds since 1970.
    pub now: u32,
    /// How it ended.
    pub ended: Ended,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The credential was wrong.
    Failed,
    /// It was good and let in.
    Succeeded {
        /// Nothing spoke against it: it may be one of the owners.
        ordinary: bool,
    },
}

/// Failures and successes of late.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Source {
    failures: Minutes,
    /// Hot until then; 0: never was.
    hot: u32,
    /// Names that failed; of a device, all names.
    names: Recent,
    /// Identities that succeeded.
    owners: Recent,
    failed: Decayed,
    succeeded: Decayed,
}

impl Source {
    /// Bytes of a record.
    pub const BYTES: usize = 112;

    /// Learns one lesson.
    pub fn learn(&mut self, kind: SourceKind, lesson: &SourceLesson) {
        let SourceLesson { name, now, ended } = *lesson;
        self.hot = self.hot(now);
        if name != 0 && (ended == Ended::Failed || kind == SourceKind::Device) {
            self.names.add(now / NAMES, name);
        }
        match ended {
            Ended::Failed => {
                self.failures.add(now / 60);
                if self.is_hot(now) {
                    self.heat(now);
                }
                self.failed.add(now, HOUR, 1.0);
            }
            Ended::Succeeded { ordinary: true } => {
                self.owners.add(now / OWNERS, name);
                self.succeeded.add(now, HOUR, 1.0);
            }
            Ended::Succeeded { ordinary: false } => {}
        }
    }

    fn heat(&mut self, now: u32) {
        let calm = if self.is_shared(now) {
            CALM_SHARED
        } else {
            CALM
        };
        self.hot = self.hot.max(now.saturating_add(calm));
    }

    /// Until when it is hot, as far as it became so by now: not what a clock said that was wrong.
    const fn hot(&self, now: u32) -> u32 {
        if is_ahead(self.hot, now.saturating_add(CALM)) {
            0
        } else {
            self.hot
        }
    }

    /// Whether it burst and is not calm again.
    #[must_use]
    pub fn is_hot(&self, now: u32) -> bool {
        now < self.hot(now) || self.burst(now) >= BURST
    }

    /// When it is calm again, in seconds since 1970; absent: it is now.
    #[must_use]
    pub fn hot_until(&self, now: u32) -> Option<u32> {
        let burst = self.failures.below(now, BURST);
        burst.max(Some(self.hot(now)).filter(|hot| now < *hot))
    }

    /// When fewer than `most` names failed here of late, in seconds since 1970; absent: it is so now.
    #[must_use]
    pub fn names_below(&self, now: u32, most: f64) -> Option<u32> {
        let period = now / NAMES;
        (0..=2)
            .map(|later| period.saturating_add(later))
            .find(|period| self.names.estimate(*period) < most)
            .filter(|free| *free > period)
            .map(|free| free.saturating_mul(NAMES))
    }

    /// Whether it might as well never have been: no question is answered otherwise for it, now or later. What fades by the hour
    /// is less than half of the last bit of one after a week.
    #[must_use]
    pub fn is_spent(&self, now: u32) -> bool {
        const WEEK: u32 = 7 * 86_400;
        let last = self.failed.at().max(self.succeeded.at());
        now.saturating_sub(last) > WEEK
            && !self.is_hot(now)
            && self.names(now) <= 0.0
            && self.owners(now) <= 0.0
    }

    /// Failures of the last quarter of an hour.
    #[must_use]
    pub fn burst(&self, now: u32) -> u32 {
        self.failures.sum(now / 60)
    }

    /// Whether many identities use it: then it says nothing about one of them, and is nobody's place.
    #[must_use]
    pub fn is_shared(&self, now: u32) -> bool {
        self.owners(now) >= SHARED
    }

    /// Distinct identities that succeeded within the last 12 to 24 hours.
    #[must_use]
    pub fn owners(&self, now: u32) -> f64 {
        self.owners.estimate(now / OWNERS)
    }

    /// Distinct names of the last 30 to 60 minutes.
    #[must_use]
    pub fn names(&self, now: u32) -> f64 {
        self.names.estimate(now / NAMES)
    }

    /// The same, one more if `name` is not among them.
    #[must_use]
    pub fn names_with(&self, name: u32, now: u32) -> f64 {
        self.names.estimate_with(now / NAMES, name)
    }

    /// Failures of the last hour, decayed.
    #[must_use]
    pub fn failed(&self, now: u32) -> f64 {
        self.failed.read(now, HOUR)
    }

    /// Ordinary successes of the last hour, decayed.
    #[must_use]
    pub fn succeeded(&self, now: u32) -> f64 {
        self.succeeded.read(now, HOUR)
    }

    /// Adds what another record of the same source learned from other attempts.
    pub fn merge(&mut self, other: &Self) {
        self.failures.merge(&other.failures);
        self.owners.merge(&other.owners);
        self.names.merge(&other.names);
        self.hot = self.hot.max(other.hot);
        let latest = self.failures.latest().saturating_mul(60);
        if self.burst(latest) >= BURST {
            self.heat(latest);
        }
        self.failed.merge(&other.failed, HOUR);
        self.succeeded.merge(&other.succeeded, HOUR);
    }

    /// How the page should rank this record against others when space is short: one in a burst or with many owners stays.
    #[must_use]
    pub fn activity(&self) -> Activity {
        let last = self.failed.at().max(self.succeeded.at());
        let weight = self.owners.estimate(last / OWNERS)
            + self.names(last)
            + f64::from(self.burst(last))
            + if last < self.hot(last) { 1000.0 } else { 0.0 };
        Activity::of(weight.max(1.0), last)
    }

    /// Appends the record's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Writer(out);
        let out = &mut out;
        self.failures.encode(out);
        out.u32(self.hot);
        self.names.encode(out);
        self.owners.encode(out);
        self.failed.encode(out);
        self.succeeded.encode(out);
    }

    /// Reads a record back; `None` when the bytes are not one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Reader::new(bytes);
        let input = &mut input;
        let source = Self {
            failures: Minutes::decode(input)?,
            hot: input.u32()?,
            names: Recent::decode(input)?,
            owners: Recent::decode(input)?,
            failed: Decayed::decode(input)?,
            succeeded: Decayed::decode(input)?,
        };
        input.is_empty().then_some(source)
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
