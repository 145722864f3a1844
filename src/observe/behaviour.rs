//! From the outcome of a followed request to what is going on, and from a window that closed to what is learned.
//! May use: every room before.
//! Must not: read a clock or a page; create anything for a credential nobody verified.

use super::Outcome;
use crate::assess::Assessment;
use crate::baseline::ongoing::{Ongoing, Step};
use crate::baseline::population::{self, RouteLesson};
use crate::baseline::profile::Closed;
use crate::decision::Action;
use crate::policy::Mode;
use crate::signals::features::{Class, Features};

/// Takes a request that was assessed into what is going on with its identity. Returns the window that it closed: the profile
/// learns it, and everybody by [`lesson`].
pub fn follow(
    features: &Features,
    assessment: &Assessment,
    outcome: Outcome,
    ongoing: &mut Ongoing,
) -> Option<Closed> {
    let conduct = assessment.conduct.filter(|_| features.verified)?;
    let decision = &assessment.decision;
    let passed = match decision.mode {
        Mode::Shadow => decision.would != Action::Deny,
        Mode::Enforce | Mode::Off => decision.would == Action::Allow,
    };
    ongoing.take(&Step {
        now: features.now,
        session: features.session,
        route: features.route,
        object: features.object,
        ratio: conduct.ratio,
        judgement: conduct.judgement,
        learned: passed && outcome.succeeded,
        privileged: features.class == Class::Privileged,
        sensitive: features.class == Class::Sensitive,
        refused: matches!(outcome.status, 401 | 403 | 404),
        bytes: outcome.bytes,
        verdict: assessment.owner,
        loud: conduct.loud,
    })
}

/// What everybody learns from a window.
#[must_use]
pub fn lesson(closed: &Closed) -> Option<population::Lesson> {
    (!closed.routes.is_empty()).then(|| {
        population::Lesson::Routes(Box::new(RouteLesson {
            routes: closed.routes.clone(),
            privileged: closed.privileged > 0,
            now: closed.now,
        }))
    })
}
