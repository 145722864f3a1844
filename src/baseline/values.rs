//! The values an identity has used at one level of a chain, with decayed counts and probation.
//! May use: arrayvec.
//! Must not: grow past its bound, score, or let a flood of new values push out established ones.

mod codec;
mod verdict;

use arrayvec::ArrayVec;

pub use codec::{Counts, Form};

pub use crate::signals::features::ClientVersion as Version;

/// Counts below this are forgotten.
const FORGOTTEN: f32 = 1.0 / 64.0;

/// When a value learned from a surprising event begins to count as known: after three sightings of which the last comes
/// more than this many hours after the first, or a week. Until then it counts as never seen, so that an attacker who got in
/// once is as new the second time. Hours and not days: midnight would end a probation of two days within minutes.
const SIGHTINGS: u8 = 3;
const HOURS: u16 = 24;
const AGE: u16 = 7 * 24;
/// What the owner confirmed waits so many hours and at most two more.
pub const CONFIRMED: u16 = 24;

/// Hours from one hour to another, negative where the other is earlier. They are counted in 16 bits, which hold seven years:
/// what lies more than half of that back is taken for what lies ahead, and waits again.
const fn between(earlier: u16, later: u16) -> i16 {
    later.wrapping_sub(earlier) as i16
}

/// Whether more than so many hours have passed, however late in its hour the first was and however early the second.
const fn passed(earlier: u16, later: u16, hours: u16) -> bool {
    between(earlier, later) > hours as i16
}

/// How a version relates to the newest one known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// An upgrade, or not said.
    Newer,
    /// The same browser version.
    Same,
    /// A step back, which upgrades do not explain.
    Older,
}

/// How `other` relates to `newest`, the newest version known. What is not said is never older.
#[must_use]
pub fn relation(newest: Version, other: Version) -> Relation {
    let older = |known: u16, seen: u16| seen != 0 && known != 0 && seen < known;
    if older(newest.browser, other.browser) || older(newest.os, other.os) {
        Relation::Older
    } else if other.browser != 0 && other.browser == newest.browser && other.os <= newest.os {
        Relation::Same
    } else {
        Relation::Newer
    }
}

fn newest(a: Version, b: Version) -> Version {
    Version {
        browser: a.browser.max(b.browser),
        os: a.os.max(b.os),
    }
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// Hash or code; 0 stands for "absent", which is a value like any other.
    pub key: u32,
    /// Decayed number of events with it.
    pub count: f32,
    /// Sightings while on probation; 0: established.
    pub sightings: u8,
    /// Hour of the first sighting since 1970, modulo 2^16, meaningful on probation only.
    pub since: u16,
    /// Newest version seen with it, at levels that have one.
    pub version: Version,
}

impl Value {
    /// Whether the value counts as known.
    #[must_use]
    pub const fn is_established(&self) -> bool {
        self.sightings == 0
    }

    fn establish(&mut self) {
        self.sightings = 0;
        self.since = 0;
    }
}

/// One sighting of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sighting {
    /// The value.
    pub key: u32,
    /// Its version, where there is one.
    pub version: Version,
    /// Whether the event was surprising and unproven: a new value then starts on probation.
    pub surprising: bool,
    /// Whether the owner was asked and confirmed it: a new value counts as known a day later, which is time to object.
    pub confirmed: bool,
    /// Hour since 1970, modulo 2^16: [`hour`](super::decay::hour).
    pub hour: u16,
}

/// At most `N` values in ascending order of key.
#[derive(Debug, Default, PartialEq)]
pub struct Values<const N: usize> {
    entries: ArrayVec<Value, N>,
    /// Decayed number of established values that made room for others.
    spilled: f32,
}

impl<const N: usize> Clone for Values<N> {
    /// Copies the values at once: a record is copied for every request, and has fourteen tables.
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, other: &Self) {
        self.entries.clear();
        // It holds as many.
        let _room = self.entries.try_extend_from_slice(&other.entries);
        self.spilled = other.spilled;
    }
}

impl<const N: usize> Values<N> {
    /// The established value with this key.
    #[must_use]
    pub fn established(&self, key: u32) -> Option<&Value> {
        self.entries
            .iter()
            .find(|value| value.key == key && value.is_established())
    }

    /// Decayed count of an established value; one on probation counts as never seen.
    #[must_use]
    pub fn count(&self, key: u32) -> f64 {
        self.established(key)
            .map_or(0.0, |value| f64::from(value.count))
    }

    /// Whether the value is waiting to be established.
    #[must_use]
    pub fn on_probation(&self, key: u32) -> bool {
        self.entries
            .iter()
            .any(|value| value.key == key && !value.is_established())
    }

    /// Whether the value was seen before, on probation or not.
    #[must_use]
    pub fn knows(&self, key: u32) -> bool {
        self.entries.iter().any(|value| value.key == key)
    }

    /// Number of distinct established values (the `T` of Witten-Bell), those that made room included; it fades with the
    /// counts.
    #[must_use]
    pub fn distinct(&self) -> f64 {
        f64::from(self.spilled)
            + self
                .entries
                .iter()
                .filter(|value| value.is_established())
                .map(|value| f64::from(value.count.min(1.0)))
                .sum::<f64>()
    }

    /// All values in ascending order of key.
    #[must_use]
    pub fn entries(&self) -> &[Value] {
        &self.entries
    }

    /// Multiplies every count and forgets what has become negligible.
    pub fn decay(&mut self, factor: f64) {
        if factor >= 1.0 {
            return;
        }
        let mut forgets = false;
        for value in &mut self.entries {
            value.count = (f64::from(value.count) * factor) as f32;
            forgets |= value.count < FORGOTTEN;
        }
        if forgets {
            self.entries.retain(|value| value.count >= FORGOTTEN);
        }
        self.spilled = (f64::from(self.spilled) * factor) as f32;
    }

    /// Ends the probation of values that are old enough by this hour.
    pub fn settle(&mut self, hour: u16) {
        for value in &mut self.entries {
            if !value.is_established() && passed(value.since, hour, AGE) {
                value.establish();
            }
        }
    }

    /// Begins the probations anew that began ahead of this hour: the clock was wrong.
    pub fn set_back(&mut self, hour: u16) {
        for value in &mut self.entries {
            if !value.is_established() && between(value.since, hour) < -1 {
                value.since = hour;
            }
        }
    }

    /// Counts one sighting.
    pub fn learn(&mut self, seen: Sighting) {
        if let Some(value) = self.entries.iter_mut().find(|value| value.key == seen.key) {
            value.count += 1.0;
            value.version = newest(value.version, seen.version);
            if !value.is_established() {
                value.sightings = value.sightings.saturating_add(1).min(SIGHTINGS);
                let late = passed(value.since, seen.hour, HOURS);
                if !seen.surprising || (value.sightings >= SIGHTINGS && late) {
                    value.establish();
                }
            }
            return;
        }
        self.insert(Value {
            key: seen.key,
            count: 1.0,
            sightings: u8::from(seen.surprising || seen.confirmed),
            since: match (seen.confirmed, seen.surprising) {
                (true, _) => seen.hour.wrapping_sub(AGE - CONFIRMED),
                (false, true) => seen.hour,
                (false, false) => 0,
            },
            version: seen.version,
        });
    }

    /// Adds a value that is not there. Of a full table the weakest leaves, one on probation before an established one; a
    /// value on probation never pushes out an established one.
    fn insert(&mut self, new: Value) {
        if self.entries.is_full() {
            let weakest = self
                .entries
                .iter()
                .enumerate()
                .min_by(|(_, a), (_, b)| {
                    a.is_established()
                        .cmp(&b.is_established())
                        .then(a.count.total_cmp(&b.count))
                        .then(a.key.cmp(&b.key))
                })
                .map(|(index, value)| (index, *value));
            let Some((index, weakest)) = weakest else {
                return;
            };
            if weakest.is_established() && !new.is_established() {
                return;
            }
            self.entries.remove(index);
            if weakest.is_established() {
                self.spilled += weakest.count.min(1.0);
            }
        }
        let index = self.entries.partition_point(|value| value.key < new.key);
        let _room_was_made = self.entries.try_insert(index, new);
    }

    /// Adds what was learned apart from this. Both must be decayed to the same time. Probation ends where the other side
    /// has ended it, or both sides' sightings suffice.
    pub fn merge(&mut self, other: &Self) {
        self.spilled += other.spilled;
        for theirs in &other.entries {
            match self.entries.iter_mut().find(|ours| ours.key == theirs.key) {
                None => self.insert(*theirs),
                Some(ours) => {
                    ours.count += theirs.count;
                    ours.version = newest(ours.version, theirs.version);
                    let (first, last) = if between(ours.since, theirs.since) < 0 {
                        (theirs.since, ours.since)
                    } else {
                        (ours.since, theirs.since)
                    };
                    let together = ours.sightings.saturating_add(theirs.sightings);
                    let proven = ours.is_established()
                        || theirs.is_established()
                        || (together >= SIGHTINGS && passed(first, last, HOURS));
                    ours.sightings = together.min(SIGHTINGS);
                    ours.since = first;
                    if proven {
                        ours.establish();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "values_tests.rs"]
mod tests;
