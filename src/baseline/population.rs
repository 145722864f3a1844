//! How common each value is among everybody: a count-min sketch per service, copied into every VM.
//! May use: the byte codec, siphasher's mixing through keyed hashes made elsewhere.
//! Must not: name an identity.

use super::tally::decay;

/// Cells per row: about a million values with an error below 0.01 % of all events (scoring: sketch sizes).
const WIDTH: usize = 32_768;
const ROWS: usize = 3;

/// Which kind of value is counted. Values of different levels never share a count on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Level {
    /// Full address.
    Address = 1,
    /// Prefix.
    Prefix,
    /// Autonomous system.
    Asn,
    /// Country.
    Country,
    /// User agent string.
    UserAgent,
    /// Browser family.
    Browser,
    /// Operating system.
    Os,
    /// Device class.
    Device,
    /// Hour bin.
    Hour,
}

/// Decayed counts over all identities.
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    cells: Vec<f32>,
    events: f64,
    updated: u32,
}

impl Default for Population {
    fn default() -> Self {
        Self {
            cells: vec![0.0; WIDTH * ROWS],
            events: 0.0,
            updated: 0,
        }
    }
}

/// Finalizer of SplitMix64 (Steele et al. 2014): spreads a value over the cells of a row.
const fn mix(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn cells(level: Level, value: u32) -> impl Iterator<Item = usize> {
    let seed = mix((u64::from(level as u8) << 32) | u64::from(value));
    (0..ROWS).map(move |row| {
        let hash = mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(row as u64 + 1)));
        row * WIDTH + (hash as usize & (WIDTH - 1))
    })
}

impl Population {
    /// Decayed number of events in all.
    #[must_use]
    pub fn events(&self) -> f64 {
        self.events
    }

    /// Decayed number of events with `value`; never less than the truth.
    #[must_use]
    pub fn count(&self, level: Level, value: u32) -> f64 {
        if value == 0 {
            return self.events;
        }
        cells(level, value)
            .filter_map(|cell| self.cells.get(cell))
            .map(|count| f64::from(*count))
            .fold(f64::INFINITY, f64::min)
    }

    /// Counts one event's value.
    pub fn add(&mut self, level: Level, value: u32) {
        if value == 0 {
            return;
        }
        for cell in cells(level, value) {
            if let Some(count) = self.cells.get_mut(cell) {
                *count += 1.0;
            }
        }
    }

    /// Counts one event.
    pub fn add_event(&mut self) {
        self.events += 1.0;
    }

    /// Brings the counts to `now`; at most once an hour, which is exact enough for a half-life of months.
    pub fn decay_to(&mut self, now: u32) {
        if self.updated == 0 {
            self.updated = now;
        }
        let elapsed = i64::from(now) - i64::from(self.updated);
        if elapsed < 86_400 {
            return;
        }
        let factor = decay(elapsed);
        self.updated = now;
        self.events *= factor;
        for count in &mut self.cells {
            *count = (f64::from(*count) * factor) as f32;
        }
    }
}

impl Population {
    /// Takes over what all VMs share.
    pub fn replace_shared(&mut self, shared: Self) {
        *self = shared;
    }

    /// Appends the population's bytes.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.events.to_le_bytes());
        bytes.extend_from_slice(&self.updated.to_le_bytes());
        for cell in &self.cells {
            bytes.extend_from_slice(&cell.to_le_bytes());
        }
    }

    /// Reads it back.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (events, bytes) = bytes.split_first_chunk()?;
        let (updated, bytes) = bytes.split_first_chunk()?;
        let (cells, _) = bytes.as_chunks();
        (cells.len() == WIDTH * ROWS).then(|| Self {
            cells: cells.iter().map(|cell| f32::from_le_bytes(*cell)).collect(),
            events: f64::from_le_bytes(*events),
            updated: u32::from_le_bytes(*updated),
        })
    }
}
