//! How often everybody shows each joint pattern of network and client novelty, against what the chains expect.
//! May use: the byte codec.
//! Must not: see a label, or which values the patterns are made of.
//!
//! The chains treat network and client as independent, and people as strangers to each other. Every learned event corrects
//! that: `kappa = (seen + K) / (expected + K)` per pattern, in four factors one after the other: everybody, length of
//! history, length of absence, habit of novelty. The evidence is `-ln kappa`, normalised. Own.

use crate::baseline::bytes::{Reader, Writer};

/// Network patterns by the finest level that matched: address, prefix, provider, country, none.
pub const NETWORK: usize = 5;
/// Client patterns: same string; known browser in a newer, the same, an older version; known system, an older one; known
/// device class; none.
pub const CLIENT: usize = 8;
/// Joint patterns.
pub const PATTERNS: usize = NETWORK * CLIENT;
/// Everybody, 4 lengths of history, 5 lengths of absence, 4 habits of novelty.
const GROUPS: usize = 14;
/// Pseudo-observations that hold a factor at 1.
const K: f64 = 10.0;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cell {
    seen: f32,
    expected: f32,
}

impl Cell {
    fn kappa(self) -> f64 {
        (f64::from(self.seen) + K) / (f64::from(self.expected) + K)
    }
}

/// Seen and expected patterns of everybody.
#[derive(Clone, Debug, PartialEq)]
pub struct Patterns {
    cells: Vec<Cell>,
}

/// Which factors apply to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups([u8; 4]);

impl Groups {
    /// `gap`: seconds since the last event; `habit`: distinct providers and browsers beyond the first of each, per event.
    #[must_use]
    pub fn new(history: u32, gap: f64, habit: f64) -> Self {
        let h = match history {
            0..=1 => 1,
            2..=4 => 2,
            5..=15 => 3,
            _ => 4,
        };
        let hours = gap / 3600.0;
        let g = if hours < 6.0 {
            5
        } else if hours < 24.0 {
            6
        } else if hours < 168.0 {
            7
        } else if hours < 720.0 {
            8
        } else {
            9
        };
        let t = if habit <= 0.0 {
            10
        } else if habit < 0.1 {
            11
        } else if habit < 0.3 {
            12
        } else {
            13
        };
        Self([0, h, g, t])
    }
}

/// One number per pattern, network-major.
pub type PerPattern = [f64; PATTERNS];

/// Index of a joint pattern.
#[must_use]
pub fn pattern(network: usize, client: usize) -> usize {
    network.min(NETWORK - 1) * CLIENT + client.min(CLIENT - 1)
}

impl Default for Patterns {
    fn default() -> Self {
        Self {
            cells: vec![Cell::default(); GROUPS * PATTERNS],
        }
    }
}

impl Patterns {
    fn group(&self, group: u8) -> Option<&[Cell; PATTERNS]> {
        let (groups, _) = self.cells.as_chunks();
        groups.get(usize::from(group))
    }

    fn group_mut(&mut self, group: u8) -> Option<&mut [Cell; PATTERNS]> {
        let (groups, _) = self.cells.as_chunks_mut();
        groups.get_mut(usize::from(group))
    }

    /// Joint distribution of two independent chains.
    #[must_use]
    pub fn joint(network: &[f64; NETWORK], client: &[f64; CLIENT]) -> PerPattern {
        let mut out = [0.0; PATTERNS];
        let pairs = network
            .iter()
            .flat_map(|a| client.iter().map(move |b| a * b));
        for (o, p) in out.iter_mut().zip(pairs) {
            *o = p;
        }
        out
    }

    /// `kappa` of every pattern, normalised over `joint`.
    #[must_use]
    pub fn factors(&self, groups: Groups, joint: &PerPattern) -> PerPattern {
        let mut out = [1.0; PATTERNS];
        for cells in groups.0.into_iter().filter_map(|g| self.group(g)) {
            for (k, c) in out.iter_mut().zip(cells) {
                *k *= c.kappa();
            }
        }
        let total: f64 = out.iter().zip(joint).map(|(k, p)| k * p).sum();
        if total > 0.0 {
            for k in &mut out {
                *k /= total;
            }
        }
        out
    }

    /// Counts one learned event that showed `shown`.
    pub fn learn(&mut self, groups: Groups, joint: &PerPattern, shown: usize) {
        let mut expect = *joint;
        for g in groups.0 {
            let Some(cells) = self.group_mut(g) else {
                continue;
            };
            // Apart, since a processor divides several numbers at once.
            let before = cells.map(Cell::kappa);
            for (p, ((e, c), kappa)) in expect.iter_mut().zip(cells).zip(before).enumerate() {
                if *e <= 0.0 {
                    continue;
                }
                c.expected += *e as f32;
                if p == shown {
                    c.seen += 1.0;
                }
                // Halving both keeps the ratio and lets old habits fade.
                if c.seen > 1.0e6 || c.expected > 1.0e6 {
                    c.seen /= 2.0;
                    c.expected /= 2.0;
                }
                *e *= kappa;
            }
        }
    }

    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        for cell in &self.cells {
            out.count(cell.seen);
            out.count(cell.expected);
        }
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Option<Self> {
        let mut patterns = Self::default();
        for cell in &mut patterns.cells {
            cell.seen = input.count()?;
            cell.expected = input.count()?;
        }
        Some(patterns)
    }
}
