//! The score: evidence summed to a probability that somebody else than the owner asks.
//! May use: evidence.
//! Must not: know thresholds or what follows from a score.

use crate::evidence::{Evidence, Family, Nature};

/// A value in thousandths, as it is told.
pub(crate) fn thousandths(value: f64) -> f64 {
    libm::round(value * 1000.0) / 1000.0
}

/// What the evidence adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Score {
    /// Prior plus evidence, in nats, uncapped: it ranks.
    pub logit: f64,
    /// `logistic(logit)`: it decides.
    pub probability: f64,
    /// The same without the novelty of the network, in nats: a denial needs this to be as sure. An owner on a journey or
    /// behind a VPN is new by network and impossible by velocity at once, and can answer a challenge but not a denial.
    pub beyond_network: f64,
}

/// Log-odds of a probability strictly between 0 and 1.
#[must_use]
pub fn log_odds(probability: f64) -> f64 {
    libm::log(probability / (1.0 - probability))
}

/// The strongest reason of each family counts, families add up, from `prior` log-odds.
#[must_use]
pub fn score(evidence: &[Evidence], prior: f64) -> Score {
    let mut strongest = [None; Family::ALL.len()];
    let mut known_network = None;
    for Evidence { reason, nats } in evidence {
        let (family, nature) = (reason.family(), reason.nature());
        // A note without nats says nothing, and hides nothing that speaks for the owner.
        if *nats == 0.0 && nature == Nature::Note {
            continue;
        }
        if let Some(slot) = strongest.get_mut(family as usize) {
            *slot = stronger(*slot, *nats);
        }
        if family == Family::Network && nature != Nature::Novelty {
            known_network = stronger(known_network, *nats);
        }
    }
    let sum = |strongest: [Option<f64>; Family::ALL.len()]| {
        strongest
            .into_iter()
            .fold(prior, |sum, nats| sum + nats.unwrap_or(0.0))
    };
    let logit = sum(strongest);
    let [_, client, time, velocity, token, behaviour] = strongest;
    Score {
        logit,
        probability: 1.0 / (1.0 + libm::exp(-logit)),
        beyond_network: sum([known_network, client, time, velocity, token, behaviour]),
    }
}

fn stronger(known: Option<f64>, nats: f64) -> Option<f64> {
    let weaker = known.is_none_or(|known| known.total_cmp(&nats).is_le());
    if weaker { Some(nats) } else { known }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Reason;

    #[test]
    fn the_strongest_of_a_family_counts_and_families_add_up() {
        let piece = |reason, nats| Evidence { reason, nats };
        let evidence = [
            piece(Reason::NewCountry, 3.0),
            piece(Reason::Anonymiser, 1.0),
            piece(Reason::NewDevice, 2.0),
            piece(Reason::UnusualHour, -1.0),
        ];
        let score = score(&evidence, log_odds(0.01));
        assert!((score.logit - (log_odds(0.01) + 4.0)).abs() < 1e-12);
        assert!((score.probability - 0.355_461).abs() < 1e-5);
        assert!((score.beyond_network - (log_odds(0.01) + 2.0)).abs() < 1e-12);
    }

    #[test]
    fn a_note_hides_nothing() {
        let piece = |reason, nats| Evidence { reason, nats };
        let known = [piece(Reason::UnusualBehaviour, -2.0)];
        let noted = [known[0], piece(Reason::YoungBaseline, 0.0)];
        assert_eq!(score(&noted, 0.0), score(&known, 0.0));
        assert!((score(&noted, 0.0).logit + 2.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_known_is_the_prior() {
        assert!((score(&[], log_odds(0.01)).probability - 0.01).abs() < 1e-12);
    }
}
