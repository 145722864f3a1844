//! Events as tuning sees them: the evidence of each family, what it could lead to and the truth where it is known.
//! May use: live, event files, the engine's decision.
//! Must not: let a label or a verdict reach what is learned.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stepgate::assess::Assessment;
use stepgate::decision::{self, Action, Standing};
use stepgate::evidence::{Evidence, Family, Nature, Reason};
use stepgate::policy::Policy;
use stepgate::signals::ecs::{Event, Kind, Outcome};
use stepgate::signals::features::Features;
use stepgate::signals::from_event;
use stepgate::signals::keyed::HashKey;

use super::verdicts::Verdicts;
use crate::cli::live::{Learn, Live};
use crate::cli::memory::Memory;
use crate::cli::progress::Progress;
use crate::cli::{Failure, baseline_file, event_file};

/// One event that counts.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Of the identities nothing is chosen on.
    pub(super) held_out: bool,
    pub(super) machine: bool,
    /// Number of the type of attack; absent for an owner's event.
    pub(super) attack: Option<usize>,
    pub(super) logit: f64,
    /// The score a denial would have to reach.
    pub(super) denial: f64,
    /// The most it could lead to, were the thresholds low enough.
    pub(super) could: Action,
    /// What it led to.
    pub(super) would: Action,
    /// The strongest reason of each family.
    pub(super) strongest: Vec<Evidence>,
}

/// All events that count, in the order of the files.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub(super) list: Vec<Sample>,
    /// Names of types of attack, by their numbers.
    pub(super) attacks: Vec<String>,
    /// Verdicts that were met.
    pub(super) adjudicated: usize,
}

/// What is replayed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) files: &'a [PathBuf],
    pub(super) baseline: Option<&'a Path>,
    pub(super) key: HashKey,
    pub(super) verdicts: &'a Verdicts,
}

/// The name of attacks that only a verdict tells of.
const ADJUDICATED: &str = "adjudicated";

impl Source<'_> {
    /// Replays the files with a policy, as the filter would have learned them.
    pub(super) fn replay(&self, policy: &Policy) -> Result<Samples, Failure> {
        let memory = Memory::new(None, &self.key);
        let mut live = Live::new(policy.clone(), self.key, memory, Learn::Allowed);
        if let Some(path) = self.baseline {
            baseline_file::load(path, &self.key, &mut live)?;
        }
        let mut samples = Samples::default();
        let mut numbers = BTreeMap::new();
        let progress = Progress::over(self.files);
        event_file::each(self.files, &progress, |event| {
            let assessment = live.take(event);
            let verdict = self.verdicts.of(event.id.as_deref());
            samples.adjudicated += usize::from(verdict.is_some());
            if let Some(truth) = truth(event, verdict) {
                let attack = truth.map(|name| {
                    let next = numbers.len();
                    *numbers.entry(name.to_owned()).or_insert(next)
                });
                samples
                    .list
                    .push(self.sample(policy, event, &assessment, attack));
            }
            Ok(())
        })?;
        samples.attacks = vec![String::new(); numbers.len()];
        for (name, number) in numbers {
            if let Some(slot) = samples.attacks.get_mut(number) {
                *slot = name;
            }
        }
        Ok(samples)
    }

    fn sample(
        &self,
        policy: &Policy,
        event: &Event<'_>,
        assessment: &Assessment,
        attack: Option<usize>,
    ) -> Sample {
        let signals = from_event::signals(event, &policy.credentials.services);
        let features = Features::of(&signals, &self.key);
        let mut low = policy.default_tier.clone();
        (low.step_up, low.deny) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let says = |reason| {
            assessment
                .reasons
                .iter()
                .any(|piece| piece.reason == reason)
        };
        let standing = Standing {
            young: says(Reason::YoungBaseline),
            ..Standing::default()
        };
        let score = assessment.score;
        let could =
            decision::decide(&features, false, &assessment.reasons, score, standing, &low).would;
        Sample {
            held_out: features
                .identity
                .is_some_and(|locator| locator.tag % 2 == 1),
            machine: is_machine(event),
            attack,
            logit: score.logit,
            denial: score.logit.min(score.beyond_network),
            could,
            would: assessment.decision.would,
            strongest: strongest(&assessment.reasons),
        }
    }
}

fn is_machine(event: &Event<'_>) -> bool {
    event.kind.is_some_and(|kind| kind != Kind::Human)
}

/// The type of attack, or that it was the owner; absent where an event does not count: failures and requests of people
/// are nobody's challenge.
fn truth<'e>(event: &'e Event<'_>, verdict: Option<bool>) -> Option<Option<&'e str>> {
    let labelled = event.attack.as_deref().filter(|attack| !attack.is_empty());
    match (verdict, labelled) {
        (Some(true), labelled) => Some(Some(labelled.unwrap_or(ADJUDICATED))),
        (None, Some(labelled)) => Some(Some(labelled)),
        (Some(false), _) => Some(None),
        (None, None) => {
            let login = event.action.as_deref() == Some("login");
            let counts = event.outcome != Some(Outcome::Failure) && (is_machine(event) || login);
            counts.then_some(None)
        }
    }
}

/// The pieces that make the score: the strongest of each family.
fn strongest(reasons: &[Evidence]) -> Vec<Evidence> {
    Family::ALL
        .into_iter()
        .filter_map(|family| {
            reasons
                .iter()
                .filter(|piece| piece.reason.family() == family && piece.nats != 0.0)
                .max_by(|a, b| a.nats.total_cmp(&b.nats))
                .copied()
        })
        .collect()
}

/// Whether a weight of this reason means anything for a score.
pub(super) fn is_weighed(reason: Reason) -> bool {
    matches!(reason.nature(), Nature::Novelty | Nature::Suspicion)
}
