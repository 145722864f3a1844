//! From the outcome of a followed request to what is going on, and from a window that closed to what is learned.
//! May use: every room before.
//! Must not: read a clock or a page; create anything for a credential nobody verified.

use crate::assess::Assessment;
use crate::baseline::ongoing::{Ongoing, Step};
use crate::baseline::population::{self, RouteLesson};
use crate::baseline::profile::Closed;
use crate::decision::Action;
use crate::policy::Mode;
use crate::signals::features::{Class, Features};

/// How a request was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// What was asked for was done.
    pub done: bool,
    /// Status; 0: unknown.
    pub status: u16,
    /// Bytes of the body; 0: unknown.
    pub bytes: u64,
}

impl Response {
    /// An answer of the upstream.
    #[must_use]
    pub const fn of(status: u16, bytes: u64) -> Self {
        Self {
            done: matches!(status, 100..=399),
            status,
            bytes,
        }
    }
}

/// Takes a request that was assessed into what is going on with its identity. Returns the window that it closed: the profile
/// learns it, and everybody by [`lesson_of_window`].
pub fn follow(
    features: &Features,
    assessment: &Assessment,
    response: Response,
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
        learned: passed && response.done,
        privileged: features.class == Class::Privileged,
        sensitive: features.class.is_sensitive(),
        takeover: features.class.takeover_link(),
        refused: matches!(response.status, 401 | 403 | 404),
        bytes: response.bytes,
        verdict: assessment.owner,
        loud: conduct.loud,
        strange: conduct.strange,
    })
}

/// What everybody learns from a window.
#[must_use]
pub fn lesson_of_window(closed: &Closed) -> Option<population::Lesson> {
    (!closed.routes.is_empty()).then(|| {
        population::Lesson::Routes(Box::new(RouteLesson {
            routes: closed.routes.clone(),
            privileged: closed.privileged > 0,
            now: closed.now,
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::{Lesson, assess};
    use crate::baseline::identity::IdentityRecord;
    use crate::baseline::population::Population;
    use crate::baseline::profile::Profile;
    use crate::evidence::{Known, Watched};
    use crate::observe::{Outcome, observe};
    use crate::policy::{Policy, Route, Tier};
    use crate::signals::keyed::HashKey;
    use crate::signals::request::{Kind, RequestSignals, Signals, Standing, Subject};

    const DONE: Response = Response::of(200, 500);

    fn policy() -> Policy {
        Policy::parse(r#"{"tiers":[{"name":"recovery","paths":["/recover"],"class":"recovery"}]}"#)
            .unwrap()
    }

    fn signals(path: &str, verified: bool) -> Signals<'_> {
        let subject = Subject {
            id: "robot".into(),
            kind: Kind::Service,
            ..Subject::default()
        };
        Signals {
            now_ms: 1_700_000_000_000,
            standing: if verified {
                Standing::Verified(subject)
            } else {
                Standing::Unverified(subject)
            },
            request: RequestSignals {
                method: b"GET",
                path: path.as_bytes(),
                ..RequestSignals::default()
            },
            ..Signals::default()
        }
    }

    fn tier<'a>(policy: &'a Policy, path: &'a str) -> &'a Tier {
        policy.tier(&Route {
            path: path.as_bytes(),
            ..Route::default()
        })
    }

    fn asked(path: &str, verified: bool, ongoing: &mut Ongoing) -> Option<Closed> {
        let (policy, population) = (policy(), Population::default());
        let signals = signals(path, verified);
        let features = Features::of(&signals, &HashKey::PUBLIC);
        assert!(policy.watches(&features));
        let before = ongoing.clone();
        let known = Known::of(&population).with_behaviour(Some(Watched {
            profile: None,
            ongoing: Some(&before),
        }));
        let assessment = assess(&policy, &policy.default_tier, &signals, &features, &known);
        follow(&features, &assessment, DONE, ongoing)
    }

    #[test]
    fn a_hundred_requests_make_a_window_and_only_then_something_to_write() {
        let mut ongoing = Ongoing::default();
        for request in 0..99 {
            assert_eq!(
                asked(&format!("/orders/{request}"), true, &mut ongoing),
                None
            );
        }
        let closed = asked("/orders/7", true, &mut ongoing).unwrap();
        assert_eq!(
            closed.routes.iter().map(|row| row.1).collect::<Vec<_>>(),
            [100]
        );
        let mut profile = Profile::default();
        profile.learn(&closed);
        assert_eq!(profile.judgement.windows, 1.0);
        assert!(lesson_of_window(&closed).is_some());
    }

    #[test]
    fn what_nobody_verified_is_not_followed() {
        let mut ongoing = Ongoing::default();
        assert_eq!(asked("/orders/7", false, &mut ongoing), None);
        assert_eq!(ongoing, Ongoing::default());
    }

    #[test]
    fn a_recovery_is_remembered_by_a_record_that_exists_and_proves_nothing() {
        let (policy, population) = (policy(), Population::default());
        let signals = signals("/recover", true);
        let tier = tier(&policy, "/recover");
        let features = Features::of(&signals, &HashKey::PUBLIC).of_class(tier.class);
        let record = IdentityRecord::new(features.now - 9);
        for (known, recovered) in [(None, None), (Some(&record), Some(features.now))] {
            let known = Known::of(&population).with_identity(known);
            let assessment = assess(&policy, tier, &signals, &features, &known);
            assert_eq!(assessment.lesson, Lesson::Recovery);
            let seen = observe(&features, &assessment, Outcome { succeeded: true }, &known);
            assert_eq!(seen.record.map(|record| record.recovered), recovered);
            assert!(seen.lessons.is_empty());
        }
    }
}
