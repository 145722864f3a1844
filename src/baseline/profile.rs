//! The profile: which routes or commands an identity uses, and how much of everything, in at most a third of a page.
//! May use: tallies, rates, the byte codec.
//! Must not: score, read a clock, or change with every request: it learns whole windows.
//!
//! 128 routes of 8 bytes, and 86 bytes of totals, judgement and rates: 1,110 bytes at most. It lives in pages of its own, so
//! that identities without routes cost nothing.

use super::bytes::{Reader, Writer};
use super::decay::{factor, is_ahead};
use super::page::Activity;
use super::rate::Rate;
use super::tally::Tallies;

/// Routes a profile knows: as good as unbounded on the Schonlau data, where 64 lose 7 points at 1 % false alarms.
pub const ROUTES: usize = 128;
/// Requests of a full window.
pub const WINDOW: u16 = 100;
/// Active minutes that a rate of requests remembers.
pub const MINUTES: f64 = 256.0;
/// Active hours that a rate of bytes remembers.
pub const HOURS: f64 = 512.0;
/// Windows and turns that the other rates remember.
pub const TURNS: f64 = 256.0;

/// By how much an hour must exceed the mean, in standard deviations, to add to the sum of excess.
const SLACK: f64 = 0.5;
/// Most one hour adds.
const MOST_EXCESS: f64 = 4.0;
/// Sum of excess above which an hour is not normal yet and teaches nothing.
pub const DOUBTFUL: f64 = 4.0;
/// Most the sum comes to: twice what alarms, so that a false alarm ends after some ordinary hours.
const ALARMED: f64 = 16.0;
/// Hours known before excess is summed.
const SETTLED: f64 = 20.0;

/// What the windows so far say of who is at work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Belief that the last window was not the owner's.
    pub belief: f32,
    /// Running median of the mean log-likelihood ratio of this identity's windows, not below zero.
    pub level: f32,
    /// Windows learned, in units of full ones; not decayed.
    pub windows: f32,
}

/// What one identity usually does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// To when the counts are decayed, seconds since 1970.
    pub updated: u32,
    /// Requests by route.
    pub routes: Tallies,
    /// What the windows so far say.
    pub judgement: Judgement,
    /// Windows of any length that were learned, decayed.
    pub turns: f32,
    /// Of these the ones with requests on privileged routes.
    pub privileged: f32,
    /// Such requests in a window that has any.
    pub privileges: Rate,
    /// Requests in an active minute.
    pub requests: Rate,
    /// Distinct objects in an active turn of five minutes.
    pub objects: Rate,
    /// Response bytes in an active hour.
    pub bytes: Rate,
    /// Sum of excess of bytes over many hours (CUSUM, Page 1954).
    pub excess: f32,
}

/// What a window teaches when it closes. Parts of a history taught apart add up to the whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Closed {
    /// When.
    pub now: u32,
    /// The judgement after it.
    pub judgement: Judgement,
    /// Its routes in ascending order; empty where it was not judged the owner's.
    pub routes: Vec<(u32, u16)>,
    /// Requests learned.
    pub requests: u16,
    /// Requests on privileged routes.
    pub privileged: u16,
    /// Requests in the minutes that ended.
    pub minutes: Rate,
    /// Distinct objects in the turns that ended.
    pub objects: Rate,
    /// Bytes of the hours that ended.
    pub hours: Vec<f32>,
}

impl Closed {
    /// Share of a full window.
    fn part(&self) -> f32 {
        f32::from(self.requests) / f32::from(WINDOW)
    }
}

impl Profile {
    /// Brings all counts to `now`. Time running backwards gives nothing back.
    pub fn decay_to(&mut self, now: u32) {
        // One that was decayed while the clock was wrong would not be again until that time.
        if self.updated == 0 || is_ahead(self.updated, now) {
            self.updated = now;
        }
        if now <= self.updated {
            return;
        }
        let factor = factor(self.updated, now);
        self.updated = now;
        self.routes.decay(factor);
        self.turns = (f64::from(self.turns) * factor) as f32;
        self.privileged = (f64::from(self.privileged) * factor) as f32;
    }

    /// Decayed number of windows, in units of full ones.
    #[must_use]
    pub fn windows(&self) -> f64 {
        self.routes.total() / f64::from(WINDOW)
    }

    /// Learns a window.
    pub fn learn(&mut self, closed: &Closed) {
        self.decay_to(closed.now);
        for (route, count) in &closed.routes {
            self.routes.add(*route, f32::from(*count), ROUTES);
        }
        self.judgement = Judgement {
            windows: self.judgement.windows + closed.part(),
            ..closed.judgement
        };
        self.turns += f32::from(u8::from(closed.requests > 0));
        if closed.privileged > 0 {
            self.privileged += 1.0;
            self.privileges.learn(f64::from(closed.privileged), TURNS);
        }
        self.requests.merge(&closed.minutes, MINUTES);
        self.objects.merge(&closed.objects, TURNS);
        for bytes in &closed.hours {
            self.learn_hour(f64::from(*bytes));
        }
    }

    /// The sum of excess after one more hour.
    fn excess_after(&self, excess: f64, bytes: f64) -> f64 {
        if self.bytes.count() < SETTLED {
            return excess;
        }
        let more = self.bytes.deviation(bytes).min(MOST_EXCESS) - SLACK;
        (excess + more).clamp(0.0, ALARMED)
    }

    /// The sum of excess with hours that no window has taught yet.
    #[must_use]
    pub fn excess_with(&self, hours: impl Iterator<Item = f64>) -> f64 {
        hours.fold(f64::from(self.excess), |excess, bytes| {
            self.excess_after(excess, bytes)
        })
    }

    /// An hour that raises the sum is not normal yet; hours teach again once the sum is small.
    fn learn_hour(&mut self, bytes: f64) {
        self.excess = self.excess_after(f64::from(self.excess), bytes) as f32;
        if f64::from(self.excess) <= DOUBTFUL {
            self.bytes.learn(bytes, HOURS);
        }
    }

    /// Adds what another profile of the same identity learned from other windows. The judgement of the later one holds.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        let later = other.updated > self.updated;
        let now = self.updated.max(other.updated);
        self.decay_to(now);
        other.decay_to(now);
        let windows = self.judgement.windows + other.judgement.windows;
        if later {
            self.judgement = other.judgement;
            self.excess = other.excess;
        }
        self.judgement.windows = windows;
        self.routes.merge(&other.routes, ROUTES);
        self.turns += other.turns;
        self.privileged += other.privileged;
        self.privileges.merge(&other.privileges, TURNS);
        self.requests.merge(&other.requests, MINUTES);
        self.objects.merge(&other.objects, TURNS);
        self.bytes.merge(&other.bytes, HOURS);
    }

    /// How the page should rank this profile against others when space is short.
    #[must_use]
    pub fn activity(&self) -> Activity {
        Activity::of(self.routes.total(), self.updated)
    }

    /// Appends the profile's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Writer(out);
        let out = &mut out;
        out.u32(self.updated);
        let judgement = self.judgement;
        for number in [
            judgement.belief,
            judgement.level,
            judgement.windows,
            self.turns,
            self.privileged,
            self.excess,
        ] {
            out.count(number);
        }
        for rate in [self.privileges, self.requests, self.objects, self.bytes] {
            rate.encode(out);
        }
        self.routes.encode(out);
    }

    /// Reads a profile back; `None` when the bytes are not one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Reader::new(bytes);
        let input = &mut input;
        let profile = Self {
            updated: input.u32()?,
            judgement: Judgement {
                belief: input.count()?,
                level: input.count()?,
                windows: input.count()?,
            },
            turns: input.count()?,
            privileged: input.count()?,
            excess: input.count()?,
            privileges: Rate::decode(input)?,
            requests: Rate::decode(input)?,
            objects: Rate::decode(input)?,
            bytes: Rate::decode(input)?,
            routes: Tallies::decode(input, ROUTES)?,
        };
        input.is_empty().then_some(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(first: u32, now: u32) -> Closed {
        Closed {
            now,
            routes: (first..first + 20).map(|route| (route, 5)).collect(),
            requests: 100,
            privileged: 2,
            hours: vec![1e6],
            ..Closed::default()
        }
    }

    #[test]
    fn it_decays_again_after_a_year_that_was_none() {
        let now = 1_700_000_000;
        let mut profile = Profile::default();
        profile.learn(&window(0, now + 365 * 86_400));
        profile.decay_to(now);
        assert_eq!((profile.updated, profile.routes.total()), (now, 100.0));
        profile.decay_to(now + 120 * 86_400);
        assert!((profile.routes.total() - 50.0).abs() < 1e-3);
    }

    #[test]
    fn a_full_profile_is_small_and_survives_encoding() {
        let mut profile = Profile::default();
        for turn in 0..40 {
            profile.learn(&window(turn * 20, 1_700_000_000 + turn));
        }
        assert_eq!(profile.routes.entries().len(), ROUTES);
        let mut bytes = Vec::new();
        profile.encode(&mut bytes);
        assert_eq!(bytes.len(), 1_110);
        assert_eq!(Profile::decode(&bytes), Some(profile));
        for end in 0..bytes.len() {
            assert_eq!(Profile::decode(bytes.get(..end).unwrap()), None);
        }
    }

    #[test]
    fn parts_make_the_whole() {
        let (mut a, mut b, mut whole) = Default::default();
        for turn in 0..10 {
            let closed = window(turn % 4, 1_700_000_000);
            let part: &mut Profile = if turn < 4 { &mut a } else { &mut b };
            part.learn(&closed);
            Profile::learn(&mut whole, &closed);
        }
        a.merge(&b);
        assert_eq!(a.routes, whole.routes);
        assert_eq!(a.judgement, whole.judgement);
        assert_eq!(a.privileged, whole.privileged);
    }

    #[test]
    fn a_slow_drip_adds_up_and_usual_work_does_not() {
        let mut profile = Profile::default();
        let mut seed = 1u64;
        // Sum of twelve uniform numbers: close to normal, standard deviation .8.
        let mut hour = |more: f64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let sum: f64 = (0..12)
                .map(|k| ((seed >> (k * 5)) & 31) as f64 / 31.0)
                .sum();
            libm::exp(10.0 + (sum - 6.0) * 0.8 + more)
        };
        let mut alarms = 0;
        for _ in 0..2000 {
            profile.learn_hour(hour(0.0));
            alarms += i32::from(profile.excess > 8.0);
        }
        assert!(alarms < 40, "{alarms}");
        let found = (0..72).position(|_| {
            profile.learn_hour(hour(0.8));
            profile.excess > 8.0
        });
        assert!(found.is_some_and(|hours| hours < 48), "{found:?}");
    }
}
