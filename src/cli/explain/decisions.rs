//! Decisions with their reasons, and the smallest sets of reasons without which one would have been another.
//! May use: the engine's score and decision.
//! Must not: weigh a reason otherwise than the engine does.

use std::fmt;

use serde::Serialize;
use stepgate::assess::{Assessment, is_safe};
use stepgate::decision::{Action, MAX_UNSOLVED, Standing, decide};
use stepgate::evidence::{Evidence, EvidenceList, Nature, Reason};
use stepgate::policy::Tier;
use stepgate::score::score;
use stepgate::signals::ecs::{Event, rfc3339};
use stepgate::signals::features::Features;
use stepgate::signals::from_event;

use crate::cli::live::Live;

/// Reasons that are left out in every combination: the strongest ones, if there are more.
const TRIED: usize = 10;

/// One decision.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Decided {
    #[serde(rename = "@timestamp")]
    time: String,
    #[serde(rename = "event.action")]
    action: String,
    #[serde(rename = "event.outcome", skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    decision: &'static str,
    logit: f64,
    history: u32,
    reasons: Vec<Told>,
    #[serde(skip)]
    basis: Basis,
}

/// A reason as it is shown.
#[derive(Clone, Debug, Serialize)]
struct Told {
    code: &'static str,
    nats: f64,
    meaning: &'static str,
}

/// What the decision was made of.
#[derive(Clone, Debug)]
struct Basis {
    reasons: EvidenceList,
    features: Features,
    safe: bool,
    incapable: bool,
    tier: Tier,
    would: Action,
}

/// What would change a decision.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    /// Of when.
    time: String,
    decision: &'static str,
    logit: f64,
    step_up_at: f64,
    deny_at: f64,
    /// The rule that led it: no evidence was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    /// All smallest sets of reasons without which the decision is another.
    without: Vec<Without>,
}

/// A set of reasons, and the decision without it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Without {
    pub(super) reasons: Vec<&'static str>,
    pub(super) decision: &'static str,
}

/// The rule among reasons that leads a decision before any score.
pub(super) fn rule(mut reasons: impl Iterator<Item = Reason>) -> Option<Reason> {
    reasons.find(|reason| {
        let beside_the_score = matches!(reason, Reason::Unsolved | Reason::DenylistChallenge);
        reason.nature() == Nature::Rule && !beside_the_score
    })
}

/// Whether leaving a reason out may change a decision.
fn says(piece: &Evidence) -> bool {
    piece.nats != 0.0
        || matches!(
            piece.reason,
            Reason::YoungBaseline
                | Reason::Unsolved
                | Reason::SessionContained
                | Reason::DenylistChallenge
        )
}

/// Every smallest set of reasons without which `decide` says something else, exhaustively.
pub(super) fn smallest<'r>(
    reasons: impl Iterator<Item = &'r Evidence>,
    would: Action,
    decide: impl Fn(&[Reason]) -> Action,
) -> Vec<Without> {
    let tried = reasons.filter(|piece| says(piece));
    let tried: Vec<Reason> = tried.map(|piece| piece.reason).take(TRIED).collect();
    let mut sets: Vec<u32> = (1..1_u32 << tried.len()).collect();
    sets.sort_by_key(|set| set.count_ones());
    let mut found: Vec<Without> = Vec::new();
    for set in sets {
        if found
            .first()
            .is_some_and(|first| first.reasons.len() < set.count_ones() as usize)
        {
            break;
        }
        let left_out: Vec<Reason> = tried
            .iter()
            .enumerate()
            .filter(|(index, _)| set & (1 << index) != 0)
            .map(|(_, reason)| *reason)
            .collect();
        let decision = decide(&left_out);
        if decision != would {
            found.push(Without {
                reasons: left_out.iter().map(|reason| reason.code()).collect(),
                decision: decision.as_str(),
            });
        }
    }
    found
}

impl Decided {
    pub(super) fn of(event: &Event<'_>, assessment: Assessment, tier: Tier, live: &Live) -> Self {
        let signals = from_event::signals(event, &live.policy.credentials.services);
        let reasons = assessment.reasons.iter().map(|piece| Told {
            code: piece.reason.code(),
            nats: piece.nats,
            meaning: piece.reason.row().meaning,
        });
        Self {
            time: rfc3339(event.time),
            action: event.action.as_deref().unwrap_or("request").to_owned(),
            outcome: event.outcome.map(|outcome| outcome.as_str()),
            decision: assessment.decision.would.as_str(),
            logit: assessment.score.logit,
            history: assessment.history,
            reasons: reasons.collect(),
            basis: Basis {
                features: Features::of(&signals, &live.key),
                safe: is_safe(signals.request.method),
                incapable: signals.standing.subject().is_some_and(|subject| {
                    let incapable = &live.policy.challenge.incapable;
                    incapable.names_client(&subject.client_id)
                }),
                would: assessment.decision.would,
                reasons: assessment.reasons,
                tier,
            },
        }
    }

    /// What would change this decision.
    pub(super) fn change(&self, prior: f64) -> Change {
        Change {
            time: self.time.clone(),
            decision: self.decision,
            logit: self.logit,
            step_up_at: self.basis.tier.step_up,
            deny_at: self.basis.tier.deny,
            rule: self.basis.rule().map(Reason::code),
            without: self.basis.smallest(prior),
        }
    }
}

impl Basis {
    /// The rule that led the decision before any score.
    fn rule(&self) -> Option<Reason> {
        rule(self.reasons.iter().map(|piece| piece.reason))
    }

    /// The decision on some of the reasons.
    fn decide(&self, reasons: &EvidenceList, prior: f64) -> Action {
        let has = |reason| reasons.iter().any(|piece| piece.reason == reason);
        let standing = Standing {
            young: has(Reason::YoungBaseline),
            unsolved: if has(Reason::Unsolved) {
                MAX_UNSOLVED
            } else {
                0
            },
            incapable: self.incapable,
            contained: has(Reason::SessionContained),
            challenged: has(Reason::DenylistChallenge),
        };
        let score = score(reasons, prior);
        decide(
            &self.features,
            self.safe,
            reasons,
            score,
            standing,
            &self.tier,
        )
        .would
    }

    /// Every smallest set of reasons without which the decision is another, exhaustively.
    fn smallest(&self, prior: f64) -> Vec<Without> {
        if self.rule().is_some() {
            return Vec::new();
        }
        smallest(self.reasons.iter(), self.would, |left_out| {
            let mut rest = self.reasons.clone();
            rest.retain(|piece| !left_out.contains(&piece.reason));
            self.decide(&rest, prior)
        })
    }
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.time, self.action)?;
        if let Some(outcome) = self.outcome {
            write!(f, " {outcome}")?;
        }
        write!(f, "  {} at {:.1}", self.decision, self.logit)?;
        for (index, reason) in self.reasons.iter().enumerate() {
            let mark = if index == 0 { ":" } else { "," };
            write!(f, "{mark} {}", reason.code)?;
            if reason.nats != 0.0 {
                write!(f, " {:+.1}", reason.nats)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "what would change the decision of {}: {} at {:.1}, step-up from {:.1}, deny from {:.1}",
            self.time, self.decision, self.logit, self.step_up_at, self.deny_at
        )?;
        for Without { reasons, decision } in &self.without {
            writeln!(f, "  without {}: {decision}", reasons.join(" and "))?;
        }
        if let Some(rule) = self.rule {
            return writeln!(
                f,
                "  nothing but the rule {rule}, which goes before all evidence"
            );
        }
        if !self.without.is_empty() {
            return Ok(());
        }
        let short = self.step_up_at - self.logit;
        if short > 0.0 {
            writeln!(
                f,
                "  no reason less changes it; {short:.1} nats more would be needed for a step-up"
            )
        } else {
            writeln!(
                f,
                "  no reason less changes it; a step-up needs a second family or more than novelty"
            )
        }
    }
}
