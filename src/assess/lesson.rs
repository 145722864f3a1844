//! What may be learned from a request, once its outcome is known.
//! May use: decisions, tiers, features.
//! Must not: decide, or look at a record.

use crate::baseline::population::PatternLesson;
use crate::decision::{Action, Decision};
use crate::policy::{Mode, Tier};
use crate::signals::features::{Class, Features};

/// What the baseline may learn from a request.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Lesson {
    /// Nothing: not verified, denied, or nothing new.
    #[default]
    Nothing,
    /// That the credential was tried here: an authentication event that was not allowed.
    Attempt(Novel),
    /// A new authentication event, once the upstream has accepted it.
    Event(Novel),
    /// A session was used from elsewhere or with another client.
    Move,
    /// A challenge was issued to this session.
    Challenge(Novel),
    /// The session was denied and is to stay so; with what was new, where that began an authentication event.
    Contain(Option<Novel>),
    /// The credential was recovered.
    Recovery,
}

impl Lesson {
    /// The same request, believed to be the owner's whatever was decided: how published protocols learn.
    #[must_use]
    pub fn trusted(self) -> Self {
        match self {
            Self::Event(novel)
            | Self::Attempt(novel)
            | Self::Challenge(novel)
            | Self::Contain(Some(novel)) => Self::Event(Novel {
                surprising: false,
                confirmed: false,
                ..novel
            }),
            Self::Move | Self::Nothing | Self::Contain(None) => Self::Move,
            Self::Recovery => Self::Recovery,
        }
    }

    /// The same request, known not to be the owner's: it was tried, no more.
    #[must_use]
    pub fn distrusted(self) -> Self {
        match self {
            Self::Event(novel)
            | Self::Attempt(novel)
            | Self::Challenge(novel)
            | Self::Contain(Some(novel)) => Self::Attempt(novel),
            Self::Move | Self::Nothing | Self::Recovery | Self::Contain(None) => Self::Nothing,
        }
    }
}

/// What was new about an authentication event.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Novel {
    /// Its new values start on probation.
    pub surprising: bool,
    /// They were confirmed by the owner, who was asked.
    pub confirmed: bool,
    /// The identity was never seen with this provider.
    pub network: bool,
    /// What the population may learn about patterns of novelty.
    pub pattern: Option<Box<PatternLesson>>,
}

/// What may be learned from a request that was decided on.
pub(super) fn lesson(
    features: &Features,
    tier: &Tier,
    decision: &Decision,
    is_event: bool,
    moves: bool,
    contains: bool,
    novel: impl FnOnce() -> Novel,
) -> Lesson {
    if !features.verified || tier.mode == Mode::Off {
        return Lesson::Nothing;
    }
    match decision.would {
        Action::Allow if features.class == Class::Recovery => Lesson::Recovery,
        Action::Allow if is_event => Lesson::Event(novel()),
        Action::Allow if moves => Lesson::Move,
        // Nobody is challenged in shadow mode: what would have been asked for is learned on probation.
        Action::StepUp if tier.mode == Mode::Shadow && is_event => Lesson::Event(Novel {
            surprising: true,
            ..novel()
        }),
        Action::StepUp if tier.mode == Mode::Shadow && moves => Lesson::Move,
        Action::StepUp if tier.mode == Mode::Enforce => Lesson::Challenge(novel()),
        // A credential without sessions is judged anew with every request.
        Action::Deny if contains && features.session != 0 => Lesson::Contain(is_event.then(novel)),
        _ if is_event => Lesson::Attempt(novel()),
        _ => Lesson::Nothing,
    }
}
