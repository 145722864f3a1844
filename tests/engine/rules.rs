//! Rules that bypass the score: no authentication, however strong and recent, makes up for them, and nothing is learned.
//! May use assess with signals made by hand.
//! Must not need a token: what the adapter found out about it is given.

use std::borrow::Cow;

use stepgate::assess::{Assessment, Lesson, assess};
use stepgate::baseline::population::Population;
use stepgate::decision::{Action, Refusal};
use stepgate::evidence::{Known, Reason};
use stepgate::feed::{Answerable, Feed, Order, Ordered};
use stepgate::policy::{Mode, Policy};
use stepgate::signals::features::Features;
use stepgate::signals::keyed::HashKey;
use stepgate::signals::request::{
    Binding, Field, NetworkSignals, SessionSignals, Signals, Standing, Subject,
};

const NOW: i64 = 1_772_618_400;

/// A login proven a second ago, from Norway.
fn signals(binding: Binding) -> Signals<'static> {
    Signals {
        now_ms: NOW * 1000,
        standing: Standing::Verified(Subject {
            id: Cow::Borrowed("https://idp|alice"),
            ..Subject::default()
        }),
        network: NetworkSignals {
            country: Field::Present(*b"NO"),
            ..NetworkSignals::default()
        },
        session: SessionSignals {
            id: Field::Present(Cow::Borrowed(b"sid")),
            auth_time: Some(NOW - 1),
            issued_at: Some(NOW - 1),
            amr: Some(Cow::Borrowed("pwd otp")),
            binding,
            ..SessionSignals::default()
        },
        ..Signals::default()
    }
}

fn assessed(policy: &str, signals: &Signals<'_>, feed: Option<&Feed>) -> Assessment {
    let policy = Policy::parse(policy).unwrap();
    let features = Features::of(signals, &HashKey::PUBLIC);
    let everybody = Population::default();
    let mut known = Known::of(&everybody);
    if let Some(feed) = feed {
        known = known.with_feed(feed);
    }
    assess(&policy, &policy.default_tier, signals, &features, &known)
}

fn is_refused(found: &Assessment, reason: Reason, refusal: Refusal) {
    assert_eq!(found.decision.would, Action::Deny);
    assert_eq!(found.decision.refused(), Some(refusal));
    assert_eq!(found.reasons.len(), 1);
    assert_eq!(found.reasons[0].reason, reason);
    assert_eq!(found.lesson, Lesson::Nothing);
}

#[test]
fn no_authentication_mends_a_broken_binding() {
    for (binding, reason, refusal) in [
        (
            Binding::Broken,
            Reason::KeyBindingBroken,
            Refusal::InvalidToken,
        ),
        (
            Binding::ProofMissing,
            Reason::DpopProofMissing,
            Refusal::InvalidProof,
        ),
        (
            Binding::ProofInvalid,
            Reason::DpopProofInvalid,
            Refusal::InvalidProof,
        ),
        (
            Binding::ProofReplayed,
            Reason::DpopReplayed,
            Refusal::InvalidProof,
        ),
    ] {
        let found = assessed(r#"{"mode":"enforce"}"#, &signals(binding), None);
        is_refused(&found, reason, refusal);
        let shadow = assessed("{}", &signals(binding), None);
        assert_eq!(shadow.decision.refused(), None);
        assert_eq!(shadow.decision.would, Action::Deny);
    }
    let held = assessed(r#"{"mode":"enforce"}"#, &signals(Binding::Held), None);
    assert_eq!(held.decision.would, Action::Allow);
}

#[test]
fn no_authentication_mends_a_revocation_but_a_newer_token() {
    let signals = signals(Binding::Unbound);
    let names = Features::of(&signals, &HashKey::PUBLIC).credential.names;
    let now = NOW as u32;
    let mut revoked = Feed::default();
    revoked
        .revocations
        .revoke_before(names.session, now, now + 3600, now);
    let found = assessed(r#"{"mode":"enforce"}"#, &signals, Some(&revoked));
    is_refused(&found, Reason::Revoked, Refusal::InvalidToken);
    let mut newer = signals.clone();
    newer.session.issued_at = Some(NOW);
    let found = assessed(r#"{"mode":"enforce"}"#, &newer, Some(&revoked));
    assert_eq!(found.decision.would, Action::Allow);
}

#[test]
fn a_fence_holds_for_everybody_and_may_be_evidence_instead() {
    let mut anonymous = signals(Binding::Unbound);
    anonymous.standing = Standing::Anonymous;
    let fence = r#"{"mode":"enforce","fence":{"forbidden":["NO"]}}"#;
    for signals in [&signals(Binding::Unbound), &anonymous] {
        let found = assessed(fence, signals, None);
        is_refused(&found, Reason::CountryForbidden, Refusal::Forbidden);
    }
    let evidence = fence.replace("]}", r#"],"action":"evidence"}"#);
    let found = assessed(&evidence, &signals(Binding::Unbound), None);
    assert_eq!(found.decision.would, Action::Allow);
    let reasons: Vec<_> = found.reasons.iter().map(|piece| piece.reason).collect();
    assert!(reasons.contains(&Reason::CountryUnexpected), "{reasons:?}");
}

#[test]
fn an_order_treats_an_identity_otherwise_but_never_waives_a_rule() {
    let now = NOW as u32;
    let enforce = r#"{"mode":"enforce"}"#;
    let alice = signals(Binding::Unbound);
    let names = Features::of(&alice, &HashKey::PUBLIC).credential.names;
    let ordered = |order, until| {
        let mut feed = Feed::default();
        let by = Answerable::of("soc", "case 7");
        feed.order(names.subject, order, Ordered { until, by });
        feed
    };
    let codes = |found: &Assessment| -> Vec<&str> {
        found
            .reasons
            .iter()
            .map(|piece| piece.reason.code())
            .collect()
    };
    let found = assessed(enforce, &alice, Some(&ordered(Order::Deny, now + 1)));
    assert_eq!(found.decision.refused(), Some(Refusal::Forbidden));
    assert!(codes(&found).contains(&"ordered-deny"));
    let found = assessed(enforce, &alice, Some(&ordered(Order::Deny, now)));
    assert_eq!(found.decision.would, Action::Allow, "it is over");
    // A second ago a second factor was used: the step-up is done.
    let step_up = ordered(Order::StepUp, now + 1);
    let found = assessed(enforce, &alice, Some(&step_up));
    assert_eq!(found.decision.would, Action::Allow);
    let mut weak = alice.clone();
    weak.session.amr = None;
    let found = assessed(enforce, &weak, Some(&step_up));
    assert_eq!(found.decision.refused(), Some(Refusal::Challenge));
    // Nobody is refused for a name that a stranger wrote.
    let mut claimed = alice.clone();
    if let Standing::Verified(subject) = claimed.standing {
        claimed.standing = Standing::Unverified(subject);
    }
    let found = assessed(enforce, &claimed, Some(&ordered(Order::Deny, now + 1)));
    assert_eq!(found.decision.would, Action::Allow);
    let mut both = ordered(Order::Allow, now + 1);
    both.revocations
        .revoke_token(names.session, now + 3600, now);
    let found = assessed(enforce, &alice, Some(&both));
    is_refused(&found, Reason::Revoked, Refusal::InvalidToken);
    let broken = assessed(enforce, &signals(Binding::Broken), Some(&both));
    is_refused(&broken, Reason::KeyBindingBroken, Refusal::InvalidToken);
}

#[test]
fn the_kill_switch_blocks_nothing_and_says_what_it_would() {
    let mut feed = Feed {
        shadow: true,
        ..Feed::default()
    };
    let alice = signals(Binding::Unbound);
    let names = Features::of(&alice, &HashKey::PUBLIC).credential.names;
    feed.revocations
        .revoke_token(names.session, u32::MAX, NOW as u32);
    let found = assessed(r#"{"mode":"enforce"}"#, &alice, Some(&feed));
    assert_eq!(found.decision.would, Action::Deny);
    assert_eq!(found.decision.refused(), None);
    assert_eq!(found.decision.mode, Mode::Shadow);
}
