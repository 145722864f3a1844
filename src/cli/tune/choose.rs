//! What is changed: weights from labels, thresholds from a budget. Chosen on one half of the identities only.
//! May use: samples, fit.
//! Must not: look at the half that is held out.

use std::collections::BTreeMap;

use stepgate::decision::Action;
use stepgate::evidence::{Reason, Weights};
use stepgate::score::log_odds;

use super::fit::{self, Example};
use super::sample::{Sample, Samples, is_weighed};

/// Events a reason must have been the strongest in before its weight is fitted.
const SEEN: usize = 30;

/// Attacks and owners' events there must be before anything is fitted.
const ENOUGH: usize = 30;

/// Heaviest weight a policy takes.
const HEAVIEST: f64 = 20.0;

/// Thresholds stay within these probabilities: below, nothing has to be wrong; above, nothing is ever enough.
const STEP_UP: (f64, f64) = (0.05, 0.9999);
const DENY: f64 = 0.999_999;

/// A denial needs this much more than a challenge, in nats.
const APART: f64 = 2.0;

/// Share of the budget that may be denials of owners.
const DENIALS: f64 = 0.05;

/// New weights of reasons, by code order; empty where they stay.
pub(super) type Changed = BTreeMap<Reason, f64>;

/// Weights that tell the labelled attacks from the owners' events, or why there are none.
pub(super) fn weights(samples: &Samples, present: &Weights) -> Result<Changed, String> {
    let known: Vec<_> = samples
        .list
        .iter()
        .filter(|sample| !sample.held_out)
        .collect();
    let attacks = known
        .iter()
        .filter(|sample| sample.attack.is_some())
        .count();
    let owners = known.len() - attacks;
    if attacks < ENOUGH || owners < ENOUGH {
        return Err(format!(
            "{attacks} labelled attacks and {owners} events of owners; {ENOUGH} of each are needed"
        ));
    }
    let mut seen: BTreeMap<Reason, usize> = BTreeMap::new();
    for piece in known.iter().flat_map(|sample| &sample.strongest) {
        *seen.entry(piece.reason).or_default() += 1;
    }
    let fitted: Vec<Reason> = seen
        .into_iter()
        .filter(|(reason, count)| is_weighed(*reason) && *count >= SEEN)
        .map(|(reason, _)| reason)
        .collect();
    let mut of_type: BTreeMap<Option<usize>, usize> = BTreeMap::new();
    for sample in &known {
        *of_type.entry(sample.attack).or_default() += 1;
    }
    let each = attacks.min(owners) as f64;
    let types = of_type.keys().flatten().count() as f64;
    let examples: Vec<_> = known
        .iter()
        .map(|sample| {
            // Owners and attacks count alike, and so does every type of attack: a flood must not drown the rest.
            let alike = of_type.get(&sample.attack).copied().unwrap_or(1) as f64;
            let share = if sample.attack.is_some() { types } else { 1.0 };
            example(sample, &fitted, each / (alike * share))
        })
        .collect();
    let factors = fit::factors(&examples, fitted.len());
    Ok(fitted
        .into_iter()
        .zip(factors)
        .map(|(reason, factor)| {
            let weight = (present.of(reason) * factor).min(HEAVIEST);
            (reason, libm::round(weight * 100.0) / 100.0)
        })
        .filter(|(reason, weight)| (weight - present.of(*reason)).abs() >= 0.005)
        .collect())
}

fn example(sample: &Sample, fitted: &[Reason], weight: f64) -> Example {
    let mut pieces = Vec::with_capacity(sample.strongest.len());
    let mut rest = 0.0;
    for piece in &sample.strongest {
        match fitted.binary_search(&piece.reason) {
            Ok(index) => pieces.push((index, piece.nats)),
            Err(_) => rest += piece.nats,
        }
    }
    Example {
        pieces,
        rest,
        attack: sample.attack.is_some(),
        weight,
    }
}

/// Thresholds as probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Thresholds {
    pub(super) step_up: f64,
    pub(super) deny: f64,
}

impl Thresholds {
    /// Whether the budget asked for more than is sensible.
    pub(super) fn at_bound(self) -> bool {
        self.step_up <= STEP_UP.0 || self.step_up >= STEP_UP.1
    }
}

/// Fitted weights may detect this much less of a type of attack, where there are enough to tell.
const LOST: f64 = 0.02;

/// Whether detection by type, as (events, share), is better in the mean and hardly worse anywhere.
pub(super) fn is_better(fitted: &[(usize, f64)], present: &[(usize, f64)]) -> bool {
    let worse = fitted
        .iter()
        .zip(present)
        .any(|((of, fitted), (_, present))| *of >= ENOUGH && present - fitted > LOST);
    !worse && mean(fitted) > mean(present)
}

/// Detection averaged over types.
pub(super) fn mean(found: &[(usize, f64)]) -> f64 {
    let sum: f64 = found.iter().map(|(_, share)| share).sum();
    sum / found.len().max(1) as f64
}

/// Owners' events that are counted against the budget: people's, or machines' where there are no people.
pub(super) fn counted(samples: &Samples, held_out: bool) -> Vec<&Sample> {
    let of = |machine: bool| -> Vec<&Sample> {
        samples
            .list
            .iter()
            .filter(|sample| sample.attack.is_none() && sample.held_out == held_out)
            .filter(|sample| sample.machine == machine)
            .collect()
    };
    let people = of(false);
    if people.is_empty() { of(true) } else { people }
}

/// Thresholds that challenge a share of owners' events. A denial is never made easier.
pub(super) fn thresholds(samples: &Samples, budget: f64, present: Thresholds) -> Thresholds {
    let owners = counted(samples, false);
    let challenged = owners.iter().filter(|sample| sample.could != Action::Allow);
    let step_up = bar(challenged.map(|sample| sample.logit), owners.len(), budget)
        .clamp(log_odds(STEP_UP.0), log_odds(STEP_UP.1));
    let denied = owners.iter().filter(|sample| sample.could == Action::Deny);
    let deny = bar(
        denied.map(|sample| sample.denial),
        owners.len(),
        budget * DENIALS,
    )
    .max(step_up + APART)
    .min(log_odds(DENY));
    Thresholds {
        step_up: probability(step_up),
        deny: probability(deny).max(present.deny),
    }
}

/// The lowest bar that at most a share of `all` events reaches.
fn bar(scores: impl Iterator<Item = f64>, all: usize, share: f64) -> f64 {
    let mut falling: Vec<_> = scores.collect();
    falling.sort_by(|a, b| b.total_cmp(a));
    let allowed = (share * all as f64) as usize;
    let Some(first_below) = falling.get(allowed) else {
        return f64::NEG_INFINITY;
    };
    let last_above = allowed.checked_sub(1).and_then(|index| falling.get(index));
    match last_above {
        Some(above) if above > first_below => (above + first_below) / 2.0,
        // Equal scores cannot be told apart: the bar lies above all of them.
        _ => first_below + 1e-3,
    }
}

/// Six digits, which people can read, and more where the first are all nines.
fn probability(logit: f64) -> f64 {
    let p = 1.0 / (1.0 + libm::exp(-logit));
    let digits = if p > 0.999 { 1e9 } else { 1e6 };
    libm::round(p * digits) / digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_lets_no_more_than_the_share_above() {
        let scores = [5.0, 4.0, 4.0, 4.0, 1.0];
        let over = |share: f64| {
            let bar = bar(scores.into_iter(), 10, share);
            scores.iter().filter(|score| **score >= bar).count()
        };
        assert_eq!(
            [over(0.0), over(0.1), over(0.3), over(0.4), over(1.0)],
            [0, 1, 1, 4, 5]
        );
    }
}
