//! The published scorers the engine is held against: SIMPLE, EXTEND, a flat likelihood ratio and plain hierarchical
//! Witten-Bell back-off. May use: the values of events and its own counts, unbounded.
//! Must not: know labels, or anything the engine has beyond these: no time, no failures, no sessions.

use std::collections::HashMap;

use crate::data::{Row, VALUES};

/// A scorer by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scorer {
    /// Share of values that are new (Wiefling et al. 2021; what OpenAM does).
    Simple,
    /// Freeman et al. 2016 as published with the weights of Wiefling et al.
    Extend,
    /// Sum of log-likelihood ratios over all values.
    Flat,
    /// Witten-Bell back-off along two chains, nothing else.
    HierWb,
}

impl Scorer {
    pub(crate) const ALL: [Self; 4] = [Self::Simple, Self::Extend, Self::Flat, Self::HierWb];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Simple => "SIMPLE",
            Self::Extend => "EXTEND as published",
            Self::Flat => "flat LLR",
            Self::HierWb => "HierWB",
        }
    }
}

/// The chains, finest value first, as ranges of a row's values.
const CHAINS: [std::ops::Range<usize>; 2] = [0..3, 3..VALUES];

/// Weights of the values in EXTEND, by chain.
const EXTEND: [f64; VALUES] = [0.6, 0.3, 0.1, 0.5387, 0.2680, 0.1882, 0.0051];

/// A value within what is coarser than it: two browsers of one name on two systems are two.
type Path = [u32; VALUES];

/// Counts of one identity, or of everybody.
#[derive(Debug, Default)]
struct Counts {
    events: f64,
    plain: [HashMap<u32, f64>; VALUES],
    paths: [HashMap<Path, f64>; VALUES],
}

/// The path to a value: itself and the coarser ones of its chain.
fn path(values: &[u32; VALUES], level: usize) -> Path {
    let end = CHAINS
        .iter()
        .find(|chain| chain.contains(&level))
        .map_or(VALUES, |chain| chain.end);
    let mut path = [0; VALUES];
    path[level..end].copy_from_slice(&values[level..end]);
    path
}

impl Counts {
    fn learn(&mut self, values: &[u32; VALUES]) {
        self.events += 1.0;
        for (level, value) in values.iter().enumerate() {
            *self.plain[level].entry(*value).or_default() += 1.0;
            *self.paths[level].entry(path(values, level)).or_default() += 1.0;
        }
    }

    fn plain(&self, level: usize, value: u32) -> f64 {
        self.plain[level].get(&value).copied().unwrap_or(0.0)
    }

    fn path(&self, level: usize, path: &Path) -> f64 {
        self.paths[level].get(path).copied().unwrap_or(0.0)
    }
}

/// All four at once: they share their counts.
#[derive(Debug, Default)]
pub(crate) struct Scorers {
    users: HashMap<u32, Counts>,
    everybody: Counts,
    /// Distinct finer values under a path, for smoothing.
    children: HashMap<(usize, Path), f64>,
}

impl Scorers {
    /// Scores of a row, in the order of [`Scorer::ALL`].
    pub(crate) fn score(&self, row: &Row) -> [f64; 4] {
        let nobody = Counts::default();
        let user = self.users.get(&row.user).unwrap_or(&nobody);
        let values = &row.values;
        [
            self.simple(user, values),
            self.extend(user, values),
            self.flat(user, values),
            self.hierarchical(user, values),
        ]
    }

    pub(crate) fn learn(&mut self, row: &Row) {
        for level in 0..VALUES {
            let own = path(&row.values, level);
            if self.everybody.path(level, &own) == 0.0 {
                let parent = (level, parent(&own, level));
                *self.children.entry(parent).or_default() += 1.0;
            }
        }
        self.everybody.learn(&row.values);
        self.users.entry(row.user).or_default().learn(&row.values);
    }

    /// Share of everybody's events with a value, one more for those to come.
    fn common(&self, level: usize, value: u32) -> f64 {
        let distinct = self.everybody.plain[level].len() as f64;
        (self.everybody.plain(level, value) + 1.0) / (self.everybody.events + distinct + 1.0)
    }

    fn simple(&self, user: &Counts, values: &[u32; VALUES]) -> f64 {
        let new = (0..VALUES).filter(|level| user.plain(*level, values[*level]) == 0.0);
        new.count() as f64 / VALUES as f64
    }

    fn flat(&self, user: &Counts, values: &[u32; VALUES]) -> f64 {
        let ratio = |level: usize| {
            let common = self.common(level, values[level]);
            let own = (user.plain(level, values[level]) + common) / (user.events + 1.0);
            libm::log(common) - libm::log(own)
        };
        (0..VALUES).map(ratio).sum()
    }

    fn extend(&self, user: &Counts, values: &[u32; VALUES]) -> f64 {
        let mut score = 0.0;
        for chain in CHAINS {
            let (mut common, mut own) = (0.0, 0.0);
            for level in chain {
                common += EXTEND[level] * self.common(level, values[level]);
                own += EXTEND[level] * user.plain(level, values[level]) / user.events.max(1.0);
            }
            let own = if own > 0.0 { own } else { common / 4.0 };
            score += libm::log(common) - libm::log(own);
        }
        // Attackers choose any account, owners log in as often as they do.
        let attacked = 1.0 / (self.users.len() as f64).max(1.0);
        let legitimate = user.events.max(1.0) / self.everybody.events.max(1.0);
        score + libm::log(attacked) - libm::log(legitimate)
    }

    fn hierarchical(&self, user: &Counts, values: &[u32; VALUES]) -> f64 {
        let mut score = 0.0;
        for chain in CHAINS {
            let (mut common, mut own) = (1.0, 1.0);
            for level in chain.rev() {
                let path = path(values, level);
                let parent = parent(&path, level);
                let above = if parent == [0; VALUES] {
                    self.everybody.events
                } else {
                    self.everybody.path(level + 1, &parent)
                };
                let distinct = self.children.get(&(level, parent)).copied().unwrap_or(0.0);
                let given = (self.everybody.path(level, &path) + 1.0) / (above + distinct + 1.0);
                let seen = (user.paths[level].len() as f64).max(1.0);
                own = (user.path(level, &path) + seen * own * given) / (user.events + seen);
                common *= given;
            }
            score += libm::log(common) - libm::log(own);
        }
        score
    }
}

/// The path one step coarser; nothing for the coarsest of a chain.
fn parent(path: &Path, level: usize) -> Path {
    let mut parent = *path;
    parent[level] = 0;
    parent
}
