//! How new a chain of values is to an identity: hierarchical Witten-Bell back-off, its expectation, and absence.
//! May use: values.
//! Must not: know which signal it looks at.
//!
//! With `c` the decayed count of the value, `n` the decayed number of events, `t` the distinct values of the level and `g`
//! what an attacker would show there: `R = (c / g + t * R_coarser) / (n + t)`, `R_above = 1`, evidence `-ln R_finest`.
//! Witten and Bell 1991; the hierarchy follows Freeman et al. 2016.

use crate::baseline::decay::DAY;
use crate::baseline::values::Values;

/// Share of attackers who copy a coarse attribute of their victim: country, provider, browser, system, device class. It
/// bounds the trust in a match by its inverse.
pub(super) const MIMICRY_COARSE: f64 = 0.1;
/// Share of attackers who copy a fine one: address, prefix, user agent string.
pub(super) const MIMICRY_FINE: f64 = 0.01;

/// One level of a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Decayed count of the value shown; 0: never seen, or on probation.
    pub(super) count: f64,
    /// Distinct values, at least 1, stretched by absence.
    pub(super) distinct: f64,
    /// Share of the value among everybody.
    pub(super) share: f64,
    /// Share of attackers who copy this attribute.
    pub(super) mimicry: f64,
}

/// Makes steps for one identity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    /// Decayed number of events.
    pub(super) events: f64,
    /// See [`absence`].
    pub(super) stretch: f64,
}

impl Identity {
    pub(super) fn step<const N: usize>(
        &self,
        values: &Values<N>,
        key: u32,
        share: f64,
        mimicry: f64,
    ) -> Step {
        Step {
            count: values.count(key),
            distinct: values.distinct().max(1.0) * self.stretch,
            share,
            mimicry,
        }
    }

    /// `ln p(attacker) - ln p(identity)` of a chain given coarse to fine.
    pub(super) fn chain(&self, coarse_to_fine: &[Step]) -> f64 {
        let mut ratio = 1.0;
        for step in coarse_to_fine {
            let matched = if step.count > 0.0 {
                let copied = step.mimicry * step.count / self.events;
                step.count / ((1.0 - step.mimicry) * step.share + copied)
            } else {
                0.0
            };
            ratio = (matched + step.distinct * ratio) / (self.events + step.distinct);
        }
        -libm::log(ratio)
    }

    /// Probability that the finest matching level is each of four (given coarse to fine, returned fine to coarse), and last
    /// that none matches.
    pub(super) fn expectation(&self, coarse_to_fine: &[Step; 4]) -> [f64; 5] {
        let mut expected = [0.0; 5];
        let mut rest = 1.0;
        for (slot, step) in expected.iter_mut().zip(coarse_to_fine.iter().rev()) {
            let escape = step.distinct / (self.events + step.distinct);
            *slot = rest * (1.0 - escape);
            rest *= escape;
        }
        if let Some(last) = expected.last_mut() {
            *last = rest;
        }
        expected
    }
}

/// Which of four levels (given coarse to fine) is the finest that matches: 0 the finest, 4 none.
pub(super) fn matched(coarse_to_fine: &[Step; 4]) -> usize {
    coarse_to_fine
        .iter()
        .rev()
        .position(|step| step.count > 0.0)
        .unwrap_or(4)
}

/// How much absence stretches the distinct counts, 1 to 2: the longer away compared with the time known, the more has
/// changed. In seconds.
pub(super) fn absence(gap: f64, known_for: f64) -> f64 {
    let grace = 7.0 * f64::from(DAY);
    1.0 + (gap / (known_for + grace)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unseen(distinct: f64) -> Step {
        Step {
            count: 0.0,
            distinct,
            share: 0.1,
            mimicry: 0.1,
        }
    }

    fn identity(events: f64) -> Identity {
        Identity {
            events,
            stretch: 1.0,
        }
    }

    #[test]
    fn an_unseen_value_costs_its_escape_probability() {
        let nats = identity(10.0).chain(&[unseen(1.0), unseen(2.0)]);
        assert!((nats - libm::log(11.0) - libm::log(6.0)).abs() < 1e-12);
    }

    #[test]
    fn trust_in_a_match_is_bounded_by_mimicry() {
        let step = Step {
            count: 1e6,
            distinct: 1.0,
            share: 1e-9,
            mimicry: 0.1,
        };
        assert!(identity(1e6).chain(&[step]) > -libm::log(10.0) - 1e-6);
    }

    #[test]
    fn someone_who_always_changes_pays_little() {
        let nats = identity(20.0).chain(&[unseen(20.0)]);
        assert!((nats - libm::log(2.0)).abs() < 1e-12);
    }

    #[test]
    fn the_expectation_is_a_distribution() {
        let steps = [1.0, 1.0, 2.0, 3.0].map(unseen);
        let sum: f64 = identity(7.0).expectation(&steps).iter().sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
}
