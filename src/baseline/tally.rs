//! A bounded table of decayed counts by the SpaceSaving rule: heavy hitters stay, totals stay exact.
//! May use: the byte codec.
//! Must not: grow past the bound it is given.
//!
//! Metwally et al. 2005: a new key in a full table takes the place and inherits the count of the smallest. So the counts
//! always add up to the number of events.

use super::bytes::{Reader, Writer};

/// One key and its count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tally {
    /// Hash or code of the value.
    pub key: u32,
    /// Decayed number of events.
    pub count: f32,
}

/// Counts in ascending order of key.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Tallies {
    entries: Vec<Tally>,
    total: f32,
    replaced: f32,
}

impl Tallies {
    /// Decayed count of `key`.
    #[must_use]
    pub fn count(&self, key: u32) -> f64 {
        self.entries
            .binary_search_by_key(&key, |entry| entry.key)
            .ok()
            .and_then(|index| self.entries.get(index))
            .map_or(0.0, |entry| f64::from(entry.count))
    }

    /// Decayed number of events.
    #[must_use]
    pub fn total(&self) -> f64 {
        f64::from(self.total)
    }

    /// Number of distinct keys, replaced ones included; fades with the counts.
    #[must_use]
    pub fn distinct(&self) -> f64 {
        f64::from(self.replaced)
            + self
                .entries
                .iter()
                .map(|entry| f64::from(entry.count.min(1.0)))
                .sum::<f64>()
    }

    /// The keys in ascending order.
    #[must_use]
    pub fn entries(&self) -> &[Tally] {
        &self.entries
    }

    /// Counts `count` events of `key` in a table of at most `bound` keys.
    pub fn add(&mut self, key: u32, count: f32, bound: usize) {
        self.total += count;
        match self.entries.binary_search_by_key(&key, |entry| entry.key) {
            Ok(index) => {
                if let Some(entry) = self.entries.get_mut(index) {
                    entry.count += count;
                }
            }
            Err(_) => {
                let inherited = if self.entries.len() >= bound {
                    self.replace_smallest()
                } else {
                    0.0
                };
                let index = self.entries.partition_point(|entry| entry.key < key);
                let count = inherited + count;
                self.entries.insert(index, Tally { key, count });
            }
        }
    }

    fn replace_smallest(&mut self) -> f32 {
        let smallest = self
            .entries
            .iter()
            .enumerate()
            .min_by(|(_, a), (_, b)| a.count.total_cmp(&b.count).then(a.key.cmp(&b.key)))
            .map(|(index, entry)| (index, entry.count));
        let Some((index, count)) = smallest else {
            return 0.0;
        };
        self.entries.remove(index);
        self.replaced += count.min(1.0);
        count
    }

    /// Multiplies every count.
    pub fn decay(&mut self, factor: f64) {
        if factor >= 1.0 {
            return;
        }
        let shrink = |count: &mut f32| *count = (f64::from(*count) * factor) as f32;
        self.entries
            .iter_mut()
            .for_each(|entry| shrink(&mut entry.count));
        shrink(&mut self.total);
        shrink(&mut self.replaced);
    }

    /// Adds what was counted apart; exact while neither table overflowed.
    pub fn merge(&mut self, other: &Self, bound: usize) {
        let total = self.total + other.total;
        let replaced = other.replaced;
        for entry in &other.entries {
            self.add(entry.key, entry.count, bound);
        }
        self.total = total;
        self.replaced += replaced;
    }

    /// Appends the table to a record.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u16(self.entries.len() as u16);
        out.count(self.total);
        out.count(self.replaced);
        for entry in &self.entries {
            out.u32(entry.key);
            out.count(entry.count);
        }
    }

    /// Reads a table of at most `bound` keys back; `None` when the bytes are not one.
    pub fn decode(input: &mut Reader<'_>, bound: usize) -> Option<Self> {
        let length = usize::from(input.u16()?);
        if length > bound {
            return None;
        }
        let mut table = Self {
            entries: Vec::with_capacity(length),
            total: input.count()?,
            replaced: input.count()?,
        };
        let mut last = None;
        for _ in 0..length {
            let entry = Tally {
                key: input.u32()?,
                count: input.count()?,
            };
            if last.is_some_and(|last| entry.key <= last) {
                return None;
            }
            last = Some(entry.key);
            table.entries.push(entry);
        }
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_keeps_its_total_and_its_heavy_hitters() {
        let mut table = Tallies::default();
        for key in [5, 5, 9, 5, 7, 8] {
            table.add(key, 1.0, 2);
        }
        assert_eq!(table.count(5), 3.0);
        assert_eq!(table.total(), 6.0);
        assert_eq!(
            table.entries().iter().map(|entry| entry.count).sum::<f32>(),
            6.0
        );
        assert_eq!(table.distinct(), 4.0);
    }

    #[test]
    fn survives_encoding() {
        let mut table = Tallies::default();
        for key in 0..6 {
            table.add(key, 1.5, 4);
        }
        let mut bytes = Vec::new();
        table.encode(&mut Writer(&mut bytes));
        assert_eq!(Tallies::decode(&mut Reader::new(&bytes), 4), Some(table));
        assert_eq!(Tallies::decode(&mut Reader::new(&bytes), 3), None);
    }
}
