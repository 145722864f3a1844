//! The published scorers the engine is held against: SIMPLE, EXTEND, a flat likelihood ratio and plain hierarchical
//! Witten-Bell back-off. May use: the values of events and its own counts, unbounded.
//! Must not: know labels, or anything the engine has beyond these: no time, no failures, no sessions.

use std::collections::{HashMap, HashSet};

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

/// What is added to every count of everybody's, and once for the values to come.
const UNSEEN: f64 = 0.5;

/// Counts of one identity, or of everybody.
#[derive(Debug, Default)]
struct Counts {
    events: f64,
    values: [HashMap<u32, f64>; VALUES],
}

impl Counts {
    fn learn(&mut self, values: &[u32; VALUES]) {
        self.events += 1.0;
        for (level, value) in values.iter().enumerate() {
            *self.values[level].entry(*value).or_default() += 1.0;
        }
    }

    fn of(&self, level: usize, value: u32) -> f64 {
        self.values[level].get(&value).copied().unwrap_or(0.0)
    }

    fn distinct(&self, level: usize) -> f64 {
        self.values[level].len() as f64
    }
}

/// All four at once: they share their counts.
#[derive(Debug, Default)]
pub(crate) struct Scorers {
    users: HashMap<u32, Counts>,
    everybody: Counts,
    /// Pairs of a value and the coarser one it was seen under, and how many there are under each.
    pairs: HashSet<(usize, u32, u32)>,
    below: HashMap<(usize, u32), f64>,
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
            if let Some(coarser) = coarser(level) {
                let (value, above) = (row.values[level], row.values[coarser]);
                if self.pairs.insert((level, value, above)) {
                    *self.below.entry((level, above)).or_default() += 1.0;
                }
            }
        }
        self.everybody.learn(&row.values);
        self.users.entry(row.user).or_default().learn(&row.values);
    }

    /// Share of everybody's events with a value.
    fn common(&self, level: usize, value: u32) -> f64 {
        let all = self.everybody.events + UNSEEN * (self.everybody.distinct(level) + 1.0);
        (self.everybody.of(level, value) + UNSEEN) / all
    }

    /// The same among events with the coarser value.
    fn given(&self, level: usize, values: &[u32; VALUES]) -> f64 {
        let Some(coarser) = coarser(level) else {
            return self.common(level, values[level]);
        };
        let above = values[coarser];
        let distinct = self.below.get(&(level, above)).copied().unwrap_or(0.0);
        let all = self.everybody.of(coarser, above) + UNSEEN * (distinct + 1.0);
        (self.everybody.of(level, values[level]) + UNSEEN) / all
    }

    fn simple(&self, user: &Counts, values: &[u32; VALUES]) -> f64 {
        let new = (0..VALUES).filter(|level| user.of(*level, values[*level]) == 0.0);
        new.count() as f64 / VALUES as f64
    }

    fn flat(&self, user: &Counts, values: &[u32; VALUES]) -> f64 {
        let ratio = |level: usize| {
            let common = self.common(level, values[level]);
            let own = (user.of(level, values[level]) + common) / (user.events + 1.0);
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
                own += EXTEND[level] * user.of(level, values[level]) / user.events.max(1.0);
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
                let given = self.given(level, values);
                let seen = user.distinct(level).max(1.0);
                let backed = user.of(level, values[level]) + seen * own * given;
                own = backed / (user.events + seen);
                common *= given;
            }
            score += libm::log(common) - libm::log(own);
        }
        score
    }
}

/// The level one step coarser, unless it is the coarsest of its chain.
fn coarser(level: usize) -> Option<usize> {
    let chain = CHAINS.iter().find(|chain| chain.contains(&level))?;
    chain.contains(&(level + 1)).then_some(level + 1)
}
