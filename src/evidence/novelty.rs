//! How new a value is to an identity: hierarchical Witten-Bell back-off against the population.
//! May use: tallies and the population.
//! Must not: know which signal it looks at.

use crate::baseline::population::{Level, Population};
use crate::baseline::tally::Tallies;

/// One level of a chain: what the identity did with this value, and what everybody does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Decayed count of the value in the identity's record.
    count: f64,
    /// Decayed number of events of the identity.
    events: f64,
    /// Distinct values the identity used at this level.
    distinct: f64,
    /// Share of the value among everybody with the same parent.
    share: f64,
}

/// What the identity's table and the population say about `value`. `None` where the value is absent or nothing was
/// learned at this level.
pub(super) fn step<const N: usize>(
    table: &Tallies<N>,
    value: u32,
    population: &Population,
    level: Level,
    parent: (Level, u32),
) -> Option<Step> {
    if value == 0 || table.is_empty() {
        return None;
    }
    let of_parent = population.count(parent.0, parent.1);
    let of_value = population.count(level, value).min(of_parent);
    Some(Step {
        count: table.count(value),
        events: table.total(),
        distinct: table.distinct(),
        share: (of_value + 1.0) / (of_parent + 2.0),
    })
}

/// `ln p(everybody) - ln p(identity)` of a chain given coarsest first. Positive: rather somebody else.
pub(super) fn likelihood_ratio(coarsest_first: impl IntoIterator<Item = Option<Step>>) -> f64 {
    let (mut own, mut everybody) = (1.0, 1.0);
    for step in coarsest_first.into_iter().flatten() {
        everybody *= step.share;
        own = (step.count + step.distinct * own * step.share) / (step.events + step.distinct);
    }
    libm::log(everybody) - libm::log(own)
}
