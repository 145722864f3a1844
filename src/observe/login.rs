//! What a login that was accepted teaches: its network an owner, its name a place.
//! May use: every room before.
//! Must not: learn from what would have been refused, from a page that was only read, or from a recovery: who asks has shown
//! nothing.

use super::{Observation, lesson};
use crate::assess::Assessment;
use crate::baseline::account::AccountLesson;
use crate::baseline::source::Ended;
use crate::decision::Action;
use crate::signals::features::{Class, Features};

/// Learns from an accepted attempt.
pub(super) fn succeed(features: &Features, assessment: &Assessment, seen: &mut Observation) {
    let attempt = &assessment.attempt;
    let allowed = assessment.decision.would == Action::Allow;
    let of_name = features.tried.is_some() && features.class == Class::Login && !features.asks_only;
    // A person's own token may be what was accepted: endpoints send on whoever is logged in already, whatever name and password say.
    let of_token = features.verified && !features.kind.is_machine();
    if !(attempt.of_credential && allowed && of_name) || of_token {
        return;
    }
    let ordinary = attempt.ordinary;
    if seen.source.is_none() {
        seen.source = Some(lesson(features, Ended::Succeeded { ordinary }));
    }
    seen.account = ordinary.then_some(AccountLesson::Succeeded);
}
