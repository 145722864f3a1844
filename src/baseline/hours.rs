//! At which hours an identity is active: 24 hours of a weekday and 24 of a weekend day, UTC.
//! May use: the byte codec, libm.
//! Must not: know time zones (an identity's own habit needs none).

use super::bytes::{Reader, Writer};

/// Hours of both halves of the week.
pub const BINS: usize = 48;
/// Pseudo-events of the prior.
const PRIOR: f64 = 8.0;
/// Counts are quarter events in one byte.
const UNIT: u8 = 4;
/// Days after which every count is halved. The halvings fall on fixed days, so that histograms merge.
const PERIOD: u16 = 120;

/// So many hours take no more bytes with their numbers than behind a bitmap; and what says that there is a bitmap.
const FEW: usize = 6;
const MANY: u8 = 0xff;

/// Decayed counts per hour; 0–23 weekdays, 24–47 weekends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    bins: [u8; BINS],
    /// Number of the period of 120 days since 1970 the counts are halved to.
    period: u16,
}

impl Default for Hours {
    fn default() -> Self {
        Self {
            bins: [0; BINS],
            period: 0,
        }
    }
}

/// An hour of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// 0 to 23, UTC.
    pub hour: usize,
    /// Saturday or Sunday.
    pub weekend: bool,
    /// Day since 1970.
    pub day: u16,
}

impl Hour {
    /// The hour of a time in seconds since 1970, which was a Thursday.
    #[must_use]
    pub const fn of(now: u32) -> Self {
        let day = super::decay::day(now);
        Self {
            hour: ((now / 3600) % 24) as usize,
            weekend: matches!(day % 7, 2 | 3),
            day,
        }
    }
}

/// Triangular kernel: half here, a quarter in each neighbouring hour.
pub(super) fn smooth(hour: usize, at: impl Fn(usize) -> f64) -> f64 {
    (at((hour + 23) % 24) + 2.0 * at(hour) + at((hour + 1) % 24)) / 4.0
}

impl Hours {
    /// Decayed number of events in an hour of one half of the week.
    #[must_use]
    pub fn at(&self, hour: usize, weekend: bool) -> f64 {
        self.bins
            .get(hour + 24 * usize::from(weekend))
            .map_or(0.0, |count| f64::from(*count) / f64::from(UNIT))
    }

    /// `ln p(somebody) - ln p(identity)` of an hour. `usual` is everybody's share of that hour; somebody is half of the
    /// time like everybody, half of the time active at any hour. The identity's habit backs off from this half of the week
    /// to any day to everybody.
    #[must_use]
    pub fn evidence(&self, hour: Hour, usual: f64) -> f64 {
        let both = |hour: usize| self.at(hour, false) + self.at(hour, true);
        let all: f64 = (0..24).map(both).sum();
        let any = (smooth(hour.hour, both) + PRIOR * usual) / (all + PRIOR);
        let half: f64 = (0..24).map(|at| self.at(at, hour.weekend)).sum();
        let here =
            (smooth(hour.hour, |at| self.at(at, hour.weekend)) + PRIOR * any) / (half + PRIOR);
        libm::log((0.5 / 24.0 + 0.5 * usual) / here)
    }

    /// Counts one event.
    pub fn learn(&mut self, hour: Hour) {
        self.halve_to(hour.day / PERIOD);
        if self.bins.iter().any(|count| *count > u8::MAX - UNIT) {
            self.halve();
        }
        if let Some(count) = self
            .bins
            .get_mut(hour.hour + 24 * usize::from(hour.weekend))
        {
            *count = count.saturating_add(UNIT);
        }
    }

    /// Forgets a period that has not begun: counts would not be halved until it has.
    pub(super) fn set_back(&mut self, now: u32) {
        self.period = self.period.min(super::decay::day(now) / PERIOD);
    }

    fn halve_to(&mut self, period: u16) {
        for _ in 0..period.saturating_sub(self.period).min(8) {
            self.halve();
        }
        self.period = self.period.max(period);
    }

    fn halve(&mut self) {
        for count in &mut self.bins {
            *count /= 2;
        }
    }

    /// Adds what was counted apart.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        let period = self.period.max(other.period);
        self.halve_to(period);
        other.halve_to(period);
        for (count, more) in self.bins.iter_mut().zip(other.bins) {
            *count = count.saturating_add(more);
        }
    }

    /// Appends the hours in use: a bitmap and a byte for each bit, or where they are few each with its number.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u16(self.period);
        let used = || (0..).zip(&self.bins).filter(|(_, count)| **count > 0);
        let few = used().count();
        if few <= FEW {
            out.u8(few as u8);
            for (bin, count) in used() {
                out.u8(bin);
                out.u8(*count);
            }
            return;
        }
        let bitmap = used().fold(0_u64, |map, (bin, _)| map | 1 << bin);
        out.u8(MANY);
        out.u32(bitmap as u32);
        out.u16((bitmap >> 32) as u16);
        used().for_each(|(_, count)| out.u8(*count));
    }

    /// Reads a histogram back; `None` when the bytes are not one.
    pub fn decode(input: &mut Reader<'_>) -> Option<Self> {
        let mut hours = Self {
            period: input.u16()?,
            ..Self::default()
        };
        let few = input.u8()?;
        if few == MANY {
            let used = u64::from(input.u32()?) | u64::from(input.u16()?) << 32;
            for (bin, slot) in hours.bins.iter_mut().enumerate() {
                if used & (1 << bin) != 0 {
                    *slot = input.u8().filter(|count| *count > 0)?;
                }
            }
            return Some(hours);
        }
        let mut next = 0;
        for _ in 0..few {
            let bin = usize::from(input.u8()?);
            let slot = hours.bins.get_mut(bin).filter(|_| bin >= next)?;
            *slot = input.u8().filter(|count| *count > 0)?;
            next = bin + 1;
        }
        Some(hours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_know_the_weekend() {
        assert_eq!(Hour::of(3600 * 23).hour, 23);
        assert!(!Hour::of(0).weekend);
        assert!(Hour::of(2 * 86_400).weekend, "1970-01-03 was a Saturday");
        assert!(Hour::of(3 * 86_400).weekend);
        assert!(!Hour::of(4 * 86_400).weekend);
    }

    #[test]
    fn an_unusual_hour_is_evidence_and_a_usual_one_speaks_for_the_owner() {
        let mut hours = Hours::default();
        for day in 0..40 {
            hours.learn(Hour::of(day * 86_400 + 9 * 3600));
        }
        let usual = 1.0 / 24.0;
        assert!(hours.evidence(Hour::of(9 * 3600), usual) < -1.0);
        assert!(hours.evidence(Hour::of(21 * 3600), usual) > 1.0);
    }

    #[test]
    fn a_full_bin_halves_all() {
        let mut hours = Hours::default();
        for _ in 0..200 {
            hours.learn(Hour::of(0));
        }
        let mut bytes = Vec::new();
        hours.encode(&mut Writer(&mut bytes));
        assert_eq!(bytes.len(), 5);
        assert_eq!(Hours::decode(&mut Reader::new(&bytes)), Some(hours));
    }

    #[test]
    fn few_and_many_hours_survive_encoding() {
        for used in 0..=BINS {
            let mut hours = Hours::default();
            for at in 0..used {
                hours.learn(Hour {
                    hour: at % 24,
                    weekend: at >= 24,
                    day: 20_000,
                });
            }
            let mut bytes = Vec::new();
            hours.encode(&mut Writer(&mut bytes));
            assert!(bytes.len() <= 9 + used, "{used}: {}", bytes.len());
            assert_eq!(Hours::decode(&mut Reader::new(&bytes)), Some(hours));
        }
    }
}
