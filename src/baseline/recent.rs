//! Counters of the last minutes and hours: distinct values, minutes of a quarter of an hour, sums that fade.
//! May use: the byte codec, libm.
//! Must not: know what is counted. All merge: bits are united, minutes and sums added at the later time.

use super::bytes::{Reader, Writer};
use super::decay::is_ahead;

/// Distinct values of the period now and of the one before it: an answer for the last one to two periods.
///
/// Linear counting in 128 bits each (Whang et al. 1990): up to a few hundred values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    period: u32,
    now: u128,
    before: u128,
}

const BITS: u32 = 128;
/// More set bits than this are written as they are, fewer one by one.
const SPARSE: u32 = 24;
const DENSE: u8 = u8::MAX;

const fn bit(value: u32) -> u128 {
    1 << (value.wrapping_mul(0x9e37_79b9) >> 25)
}

impl Recent {
    fn turned(mut self, period: u32) -> Self {
        if period > self.period {
            let next = period == self.period.saturating_add(1);
            self.before = if next { self.now } else { 0 };
            self.now = 0;
            self.period = period;
        } else if self.period > period.saturating_add(1) {
            // Counted while the clock was wrong: it would count as new for as long as that was.
            self = Self {
                period,
                ..Self::default()
            };
        }
        self
    }

    /// Counts a value. One of the period before is late; what is of a later period than the next is forgotten.
    pub fn add(&mut self, period: u32, value: u32) {
        *self = self.turned(period);
        if period == self.period {
            self.now |= bit(value);
        } else {
            self.before |= bit(value);
        }
    }

    /// Forgets what is too old, and itself when nothing is left.
    pub fn fade(&mut self, period: u32) {
        *self = self.turned(period);
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Whether nothing was counted of late.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.now | self.before == 0
    }

    /// Distinct values; at most 621.
    #[must_use]
    pub fn estimate(&self, period: u32) -> f64 {
        let turned = self.turned(period);
        let zeros = f64::from((turned.now | turned.before).count_zeros()).max(1.0);
        f64::from(BITS) * libm::log(f64::from(BITS) / zeros)
    }

    /// The same, one more if `value` is not among them.
    #[must_use]
    pub fn estimate_with(mut self, period: u32, value: u32) -> f64 {
        self.add(period, value);
        self.estimate(period)
    }

    /// Unites with what was counted apart.
    pub fn merge(&mut self, other: &Self) {
        let period = self.period.max(other.period);
        let (a, b) = (self.turned(period), other.turned(period));
        *self = Self {
            period,
            now: a.now | b.now,
            before: a.before | b.before,
        };
    }

    /// Appends all bits: 36 bytes.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.period);
        out.raw(&self.now.to_le_bytes());
        out.raw(&self.before.to_le_bytes());
    }

    /// Reads all bits back.
    pub fn decode(input: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            period: input.u32()?,
            now: bits(input)?,
            before: bits(input)?,
        })
    }

    /// Appends few bits one by one: 2 to 6 bytes and one for each, at most 37. The period counts from one near it.
    pub fn encode_sparse(&self, near: u32, out: &mut Writer<'_>) {
        let set = self.now.count_ones() + self.before.count_ones();
        if set > SPARSE {
            out.u8(DENSE);
            self.encode(out);
            return;
        }
        out.u8(set as u8);
        if set == 0 {
            return;
        }
        out.var(near.wrapping_sub(self.period));
        for (half, mark) in [(self.now, 0), (self.before, BITS as u8)] {
            let mut rest: u128 = half;
            while rest != 0 {
                out.u8(rest.trailing_zeros() as u8 | mark);
                rest &= rest - 1;
            }
        }
    }

    /// Reads what [`Recent::encode_sparse`] wrote.
    pub fn decode_sparse(near: u32, input: &mut Reader<'_>) -> Option<Self> {
        let set = input.u8()?;
        if set == DENSE {
            return Self::decode(input);
        }
        let mut recent = Self::default();
        if set > 0 {
            recent.period = near.wrapping_sub(input.var()?);
        }
        for _ in 0..set {
            let index = u32::from(input.u8()?);
            let half = if index < BITS {
                &mut recent.now
            } else {
                &mut recent.before
            };
            *half |= 1 << (index % BITS);
        }
        Some(recent)
    }
}

fn bits(input: &mut Reader<'_>) -> Option<u128> {
    let low = u128::from(input.u64()?);
    Some(low | u128::from(input.u64()?) << 64)
}

const MINUTES: u32 = 16;

/// Counts per minute for a quarter of an hour: no arrangement of 25 failures in 15 minutes escapes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minutes {
    latest: u32,
    ring: [u8; MINUTES as usize],
}

impl Minutes {
    fn turn(&mut self, minute: u32) {
        if self.latest > minute.saturating_add(MINUTES) {
            // Counted while the clock was wrong.
            *self = Self {
                latest: minute,
                ..Self::default()
            };
        }
        let gone = minute.saturating_sub(self.latest).min(MINUTES);
        for back in 0..gone {
            let index = minute.wrapping_sub(back) % MINUTES;
            if let Some(count) = self.ring.get_mut(index as usize) {
                *count = 0;
            }
        }
        self.latest = self.latest.max(minute);
    }

    /// Counts one event.
    pub fn add(&mut self, minute: u32) {
        self.turn(minute);
        if self.latest.saturating_sub(minute) < MINUTES
            && let Some(count) = self.ring.get_mut((minute % MINUTES) as usize)
        {
            *count = count.saturating_add(1);
        }
    }

    /// Events of the quarter of an hour up to `minute`.
    #[must_use]
    pub fn sum(&self, minute: u32) -> u32 {
        let mut turned = *self;
        turned.turn(minute);
        turned.ring.iter().map(|count| u32::from(*count)).sum()
    }

    /// When the quarter of an hour up to then has fewer than `most` events, in seconds since 1970; absent: it has now.
    #[must_use]
    pub fn below(&self, now: u32, most: u32) -> Option<u32> {
        let minute = now / 60;
        (0..=MINUTES)
            .map(|later| minute.saturating_add(later))
            .find(|minute| self.sum(*minute) < most)
            .filter(|free| *free > minute)
            .map(|free| free.saturating_mul(60))
    }

    /// The newest minute something was counted in.
    #[must_use]
    pub const fn latest(&self) -> u32 {
        self.latest
    }

    /// Adds what was counted apart.
    pub fn merge(&mut self, other: &Self) {
        let (mut a, mut b) = (*self, *other);
        let latest = a.latest.max(b.latest);
        a.turn(latest);
        b.turn(latest);
        for (count, more) in a.ring.iter_mut().zip(b.ring) {
            *count = count.saturating_add(more);
        }
        *self = a;
    }

    /// Appends 20 bytes.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.latest);
        out.raw(&self.ring);
    }

    /// Reads them back.
    pub fn decode(input: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            latest: input.u32()?,
            ring: input.take(MINUTES as usize)?.try_into().ok()?,
        })
    }
}

/// A sum that halves in a half-life which its owner knows. Merges by adding at the later time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Decayed {
    value: f32,
    at: u32,
}

impl Decayed {
    /// The sum at `now`: all of it where that is a little earlier, nothing where it was summed while the clock was wrong.
    #[must_use]
    pub fn read(&self, now: u32, half_life: f64) -> f64 {
        if self.value == 0.0 || is_ahead(self.at, now) {
            return 0.0;
        }
        match now.saturating_sub(self.at) {
            0 => self.value.into(),
            passed => f64::from(self.value) * libm::exp2(-f64::from(passed) / half_life),
        }
    }

    /// When it was last added to.
    #[must_use]
    pub const fn at(&self) -> u32 {
        self.at
    }

    /// Adds `amount` of the time `now`, which may be a little earlier than the last.
    pub fn add(&mut self, now: u32, half_life: f64, amount: f64) {
        if is_ahead(self.at, now) {
            *self = Self::default();
        }
        let late = Self {
            value: amount as f32,
            at: now,
        };
        self.merge(&late, half_life);
    }

    /// Adds what was summed apart.
    pub fn merge(&mut self, other: &Self, half_life: f64) {
        let at = self.at.max(other.at);
        self.value = (self.read(at, half_life) + other.read(at, half_life)) as f32;
        self.at = at;
    }

    /// Appends 8 bytes.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.count(self.value);
        out.u32(self.at);
    }

    /// Reads them back.
    pub fn decode(input: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            value: input.count()?,
            at: input.u32()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_values_are_counted_closely_and_forgotten() {
        for n in [1u32, 5, 20, 100] {
            let mut recent = Recent::default();
            for value in 0..n {
                recent.add(7, value.wrapping_mul(2_246_822_519) ^ 77);
            }
            let off = (recent.estimate(7) - f64::from(n)).abs();
            assert!(off <= 1.0 + 0.2 * f64::from(n), "{n}");
            assert_eq!(recent.estimate(8), recent.estimate(7));
            assert_eq!(recent.estimate(9), 0.0);
            recent.fade(9);
            assert_eq!(recent, Recent::default());
        }
    }

    #[test]
    fn parts_merge_and_survive_encoding() {
        for n in [0u32, 3, 30, 300] {
            let (mut a, mut b, mut whole) =
                (Recent::default(), Recent::default(), Recent::default());
            for value in 0..n {
                let period = 5 + value % 2;
                let part = if value % 3 == 0 { &mut a } else { &mut b };
                part.add(period, value);
                whole.add(period, value);
            }
            a.merge(&b);
            assert_eq!(a, whole);
            let mut bytes = Vec::new();
            whole.encode_sparse(7, &mut Writer(&mut bytes));
            assert!(bytes.len() <= 37);
            let read = Recent::decode_sparse(7, &mut Reader::new(&bytes));
            assert_eq!(read, Some(whole));
        }
    }

    #[test]
    fn what_was_counted_while_the_clock_was_wrong_neither_counts_nor_blinds() {
        const NOW: u32 = 1_750_000_000;
        for ahead in [3 * 3600, 86_400, 365 * 86_400] {
            let wrong = NOW + ahead;
            let (mut recent, mut minutes, mut sum) =
                (Recent::default(), Minutes::default(), Decayed::default());
            for value in 0..60 {
                recent.add(wrong / 1800, value);
                minutes.add(wrong / 60);
                sum.add(wrong, 3600.0, 1.0);
            }
            assert_eq!(recent.estimate(NOW / 1800), 0.0, "{ahead}");
            assert_eq!(minutes.sum(NOW / 60), 0, "{ahead}");
            assert_eq!(minutes.below(NOW, 10), None, "{ahead}");
            assert_eq!(sum.read(NOW, 3600.0), 0.0, "{ahead}");
            // What happens now counts now.
            recent.add(NOW / 1800, 7);
            minutes.add(NOW / 60);
            sum.add(NOW, 3600.0, 1.0);
            assert!((recent.estimate(NOW / 1800) - 1.0).abs() < 0.1);
            assert_eq!(minutes.sum(NOW / 60), 1);
            assert_eq!(sum.read(NOW, 3600.0), 1.0);
        }
    }

    #[test]
    fn sums_fade_and_late_amounts_count_less() {
        let mut sum = Decayed::default();
        sum.add(1000, 100.0, 4.0);
        sum.add(900, 100.0, 4.0);
        assert!((sum.read(1100, 100.0) - 3.0).abs() < 1e-6);
        assert_eq!(sum.read(0, 100.0), 6.0);
    }
}
