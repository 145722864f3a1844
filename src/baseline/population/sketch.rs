//! How common a value is among everybody: a count-min sketch with conservative update.
//! May use: the byte codec.
//! Must not: undercount.
//!
//! Cormode and Muthukrishnan 2005; conservative update after Estan and Varghese 2002.

use crate::baseline::bytes::{Reader, Writer};

/// Cells per row: about a million values with an error below 0.01 % of all events.
const WIDTH: usize = 32_768;
const ROWS: usize = 3;

/// Finalizer of SplitMix64 (Steele et al. 2014): spreads a value over the cells of a row.
pub(super) const fn mix(key: u32, salt: u64) -> u64 {
    let mut x = (key as u64 ^ (salt << 32)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn cells(kind: u64, key: u32) -> [usize; ROWS] {
    let mut cells = [0; ROWS];
    for (row, cell) in cells.iter_mut().enumerate() {
        *cell = row * WIDTH + (mix(key, kind * 16 + row as u64) as usize) % WIDTH;
    }
    cells
}

/// Decayed counts of values of several kinds. No cells at all until one counts: most of a population is they.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sketch(Vec<f32>);

impl Sketch {
    pub(super) fn count(&self, kind: u64, key: u32) -> f64 {
        self.least(cells(kind, key)).into()
    }

    fn least(&self, cells: [usize; ROWS]) -> f32 {
        cells
            .iter()
            .map(|cell| self.0.get(*cell).copied().unwrap_or_default())
            .fold(f32::INFINITY, f32::min)
    }

    /// Counts one event: only the smallest cells grow.
    pub(super) fn add(&mut self, kind: u64, key: u32) {
        let cells = cells(kind, key);
        let grown = self.least(cells) + 1.0;
        self.make_room();
        for cell in cells {
            if let Some(count) = self.0.get_mut(cell) {
                *count = count.max(grown);
            }
        }
    }

    fn make_room(&mut self) {
        if self.0.is_empty() {
            self.0 = vec![0.0; WIDTH * ROWS];
        }
    }

    pub(super) fn decay(&mut self, factor: f64) {
        for count in &mut self.0 {
            *count = (f64::from(*count) * factor) as f32;
        }
    }

    /// Cells in use: an empty service costs no space.
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        let used = self.0.iter().filter(|count| **count > 0.0).count();
        out.u32(used as u32);
        let mut last = 0u32;
        for (cell, count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            // Gaps of 17 bits at most; u16 with an escape would save little.
            out.u32(cell as u32 - last);
            out.count(*count);
            last = cell as u32;
        }
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Option<Self> {
        let mut sketch = Self::default();
        let mut cell = 0usize;
        let used = input.u32()?;
        if used > 0 {
            sketch.make_room();
        }
        for _ in 0..used {
            cell = cell.checked_add(input.u32()? as usize)?;
            *sketch.0.get_mut(cell)? = input.count()?;
        }
        Some(sketch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_was_counted_takes_no_room_and_counts_as_nothing() {
        let empty = Sketch::default();
        assert_eq!(empty.0.capacity(), 0);
        assert_eq!(empty.count(1, 7).to_bits(), 0.0_f64.to_bits());
        let mut bytes = Vec::new();
        empty.encode(&mut Writer(&mut bytes));
        let decoded = Sketch::decode(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(decoded.0.capacity(), 0);
    }

    #[test]
    fn never_undercounts() {
        let mut sketch = Sketch::default();
        for key in 0..50_000u32 {
            sketch.add(1, key);
        }
        assert!((0..50_000).all(|key| sketch.count(1, key) >= 1.0));
        let sum: f64 = (0..50_000).map(|key| sketch.count(1, key)).sum();
        assert!(sum < 4.0 * 50_000.0);
    }
}
