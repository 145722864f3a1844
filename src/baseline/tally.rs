//! A bounded table of decayed counts: the values an identity has used, how often, and how many it has used at all.
//! May use: the byte codec, arrayvec, libm.
//! Must not: grow past its bound, or read a clock.

use arrayvec::ArrayVec;

use super::bytes::{Reader, Writer};

/// Seconds in which an old count loses half its weight: 120 days (`docs/design.md`, novelty).
pub const HALF_LIFE: f64 = 120.0 * 86_400.0;

/// Counts below this are forgotten.
const FORGOTTEN: f32 = 1.0 / 64.0;

/// The factor by which counts shrink over `seconds`. Time running backwards shrinks nothing.
#[must_use]
pub fn decay(seconds: i64) -> f64 {
    if seconds <= 0 {
        1.0
    } else {
        libm::exp2(-(seconds as f64) / HALF_LIFE)
    }
}

/// One value and its decayed count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tally {
    /// Hash or code of the value; 0 is never stored.
    pub value: u32,
    /// Decayed number of authentication events with it.
    pub count: f32,
}

/// At most `N` values. When a new one does not fit, the least used makes room and is remembered as `spilled`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Tallies<const N: usize> {
    /// In ascending order of value.
    entries: ArrayVec<Tally, N>,
    /// Decayed number of distinct values that were evicted.
    spilled: f32,
    /// Decayed number of events of evicted values.
    spilled_count: f32,
}

impl<const N: usize> Tallies<N> {
    /// Decayed count of `value`.
    #[must_use]
    pub fn count(&self, value: u32) -> f64 {
        self.entries
            .iter()
            .find(|entry| entry.value == value)
            .map_or(0.0, |entry| f64::from(entry.count))
    }

    /// Whether `value` is in the table.
    #[must_use]
    pub fn contains(&self, value: u32) -> bool {
        self.entries.iter().any(|entry| entry.value == value)
    }

    /// Decayed number of events counted here.
    #[must_use]
    pub fn total(&self) -> f64 {
        f64::from(self.spilled_count)
            + self
                .entries
                .iter()
                .map(|entry| f64::from(entry.count))
                .sum::<f64>()
    }

    /// Number of distinct values used (the `T` of Witten–Bell), evicted ones included as far as they have not decayed.
    #[must_use]
    pub fn distinct(&self) -> f64 {
        self.entries.len() as f64 + f64::from(self.spilled)
    }

    /// The values in ascending order.
    #[must_use]
    pub fn entries(&self) -> &[Tally] {
        &self.entries
    }

    /// Whether nothing was ever counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The most used value.
    #[must_use]
    pub fn most_used(&self) -> Option<u32> {
        self.entries
            .iter()
            .max_by(|a, b| a.count.total_cmp(&b.count).then(b.value.cmp(&a.value)))
            .map(|entry| entry.value)
    }

    /// Counts `value` once more; 0 (absent) counts nothing.
    pub fn add(&mut self, value: u32, count: f32) {
        if value == 0 {
            return;
        }
        match self
            .entries
            .binary_search_by_key(&value, |entry| entry.value)
        {
            Ok(index) => {
                if let Some(entry) = self.entries.get_mut(index) {
                    entry.count += count;
                }
            }
            Err(index) => {
                let index = if self.entries.is_full() {
                    self.spill();
                    self.entries.partition_point(|entry| entry.value < value)
                } else {
                    index
                };
                if self
                    .entries
                    .try_insert(index, Tally { value, count })
                    .is_err()
                {
                    self.spilled += 1.0;
                    self.spilled_count += count;
                }
            }
        }
    }

    /// Multiplies every count by `factor` and forgets what has become negligible.
    pub fn decay(&mut self, factor: f64) {
        if factor >= 1.0 {
            return;
        }
        for entry in &mut self.entries {
            entry.count = (f64::from(entry.count) * factor) as f32;
        }
        self.entries.retain(|entry| entry.count >= FORGOTTEN);
        self.spilled = (f64::from(self.spilled) * factor) as f32;
        self.spilled_count = (f64::from(self.spilled_count) * factor) as f32;
    }

    /// Adds the counts of another table. Both must be decayed to the same time.
    pub fn merge(&mut self, other: &Self) {
        for entry in &other.entries {
            self.add(entry.value, entry.count);
        }
        self.spilled += other.spilled;
        self.spilled_count += other.spilled_count;
    }

    fn spill(&mut self) {
        let least = self
            .entries
            .iter()
            .enumerate()
            .min_by(|(_, a), (_, b)| a.count.total_cmp(&b.count).then(a.value.cmp(&b.value)))
            .map(|(index, _)| index);
        if let Some(gone) = least.and_then(|index| self.entries.pop_at(index)) {
            self.spilled += 1.0;
            self.spilled_count += gone.count;
        }
    }

    /// Appends the table to a record.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u8(self.entries.len() as u8 | if self.spilled > 0.0 { 0x80 } else { 0 });
        if self.spilled > 0.0 {
            out.count(self.spilled);
            out.count(self.spilled_count);
        }
        for entry in &self.entries {
            out.u32(entry.value);
            out.count(entry.count);
        }
    }

    /// Reads a table back; `None` when the bytes are not one.
    pub fn decode(input: &mut Reader<'_>) -> Option<Self> {
        let head = input.u8()?;
        let mut table = Self::default();
        if head & 0x80 != 0 {
            table.spilled = input.count()?;
            table.spilled_count = input.count()?;
        }
        let length = usize::from(head & 0x7f);
        if length > N {
            return None;
        }
        let mut last = 0;
        for _ in 0..length {
            let entry = Tally {
                value: input.u32()?,
                count: input.count()?,
            };
            if entry.value <= last {
                return None;
            }
            last = entry.value;
            table.entries.try_push(entry).ok()?;
        }
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_bounds() {
        let mut table = Tallies::<2>::default();
        for value in [5, 5, 9, 5, 7, 0] {
            table.add(value, 1.0);
        }
        assert_eq!(table.count(5), 3.0);
        assert_eq!(table.count(9), 0.0, "9 made room for 7");
        assert_eq!(table.count(7), 1.0);
        assert_eq!(table.distinct(), 3.0);
        assert_eq!(table.total(), 5.0);
        assert_eq!(table.most_used(), Some(5));
    }

    #[test]
    fn decays_by_half_life() {
        assert_eq!(decay(0), 1.0);
        assert_eq!(decay(-5), 1.0);
        assert!((decay(120 * 86_400) - 0.5).abs() < 1e-12);
        let mut table = Tallies::<4>::default();
        table.add(1, 4.0);
        table.decay(0.5);
        assert_eq!(table.count(1), 2.0);
        table.decay(1.0 / 256.0);
        assert!(table.is_empty());
    }

    #[test]
    fn survives_encoding() {
        let mut table = Tallies::<3>::default();
        for value in 1..=5 {
            table.add(value * 1000, value as f32);
        }
        let mut bytes = Vec::new();
        table.encode(&mut Writer(&mut bytes));
        let mut input = Reader::new(&bytes);
        assert_eq!(Tallies::decode(&mut input), Some(table));
        assert!(input.is_empty());
        assert_eq!(Tallies::<2>::decode(&mut Reader::new(&bytes)), None);
    }
}
