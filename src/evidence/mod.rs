//! Evidence: what in this request speaks for somebody else than the owner, in nats, each with its reason.
//! May use: signals and baseline.
//! Must not: sum, compare with thresholds, or change a record.

mod client;
mod network;
mod novelty;
mod reason;
mod time;
mod velocity;

use arrayvec::ArrayVec;

use crate::baseline::identity::IdentityRecord;
use crate::baseline::population::Population;
use crate::signals::features::Features;

pub use reason::{Family, Nature, REASONS, Reason, Row};

/// Most pieces of evidence one decision can hold.
pub const MAX_EVIDENCE: usize = 32;

/// One reason and its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Why.
    pub reason: Reason,
    /// Log-likelihood ratio in nats; negative speaks for the owner.
    pub nats: f64,
}

/// All evidence of one decision.
pub type EvidenceList = ArrayVec<Evidence, MAX_EVIDENCE>;

/// What evidence is gathered from.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The identity's record decayed to now; absent for a new identity.
    pub identity: Option<&'a IdentityRecord>,
    /// Everybody.
    pub population: &'a Population,
}

/// Gathers the evidence of every family.
#[must_use]
pub fn gather(features: &Features, known: &Known<'_>, weights: &Weights) -> EvidenceList {
    let mut found = Gathered {
        list: EvidenceList::new(),
        weights,
    };
    network::gather(features, known, &mut found);
    client::gather(features, known, &mut found);
    time::gather(features, known, &mut found);
    velocity::gather(features, known, &mut found);
    found.list
}

/// Weights of all reasons: the table's defaults unless the policy says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights(Vec<f64>);

impl Default for Weights {
    fn default() -> Self {
        Self(REASONS.iter().map(|row| row.weight).collect())
    }
}

impl Weights {
    /// Weight of `reason`.
    #[must_use]
    pub fn of(&self, reason: Reason) -> f64 {
        self.0.get(reason as usize).copied().unwrap_or(0.0)
    }

    /// Sets the weight of `reason`.
    pub fn set(&mut self, reason: Reason, weight: f64) {
        if let Some(slot) = self.0.get_mut(reason as usize) {
            *slot = weight;
        }
    }
}

struct Gathered<'a> {
    list: EvidenceList,
    weights: &'a Weights,
}

impl Gathered<'_> {
    /// Adds `strength` times the reason's weight. Nothing is added for zero.
    fn add(&mut self, reason: Reason, strength: f64) {
        let nats = strength * self.weights.of(reason);
        if nats != 0.0 && nats.is_finite() {
            // The list holds more than there are reasons one request can give.
            let _full = self.list.try_push(Evidence { reason, nats });
        }
    }
}
