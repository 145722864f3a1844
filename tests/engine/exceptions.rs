//! Exceptions in the engine: whom they hold for, what they take off, and what they never touch.
//! May use assess with signals made by hand.
//! Must not expect a particular number.

use std::borrow::Cow;

use serde_json::{Value, json};
use stepgate::assess::{Assessment, Lesson, assess};
use stepgate::baseline::population::Population;
use stepgate::baseline::revocation::Revocations;
use stepgate::decision::{Action, Refusal};
use stepgate::evidence::{Evidence, EvidenceList, Known, Reason};
use stepgate::policy::{Asker, Policy};
use stepgate::signals::address::Address;
use stepgate::signals::features::Features;
use stepgate::signals::keyed::HashKey;
use stepgate::signals::request::{
    ClientSignals, Field, Kind, NetworkSignals, SessionSignals, Signals, Standing, Subject,
};

/// 2026-03-04T10:00:00Z.
pub(crate) const NOW: i64 = 1_772_618_400;
/// The SHA-256 of something else.
const DEVICE: &str = "36ffea6e4bfb8be34ceb1d3a5cb0b8b5fc3a62c3ee15a6eb5a7ec2d5d0d1df5a";

fn subject() -> Subject<'static> {
    Subject {
        id: Cow::Borrowed("https://idp|alice"),
        kind: Kind::Human,
        group: Cow::Borrowed("human:web"),
        client_id: Cow::Borrowed("web"),
    }
}

/// A request of Alice from a country at an address.
pub(crate) fn signals(country: &[u8; 2]) -> Signals<'static> {
    Signals {
        now_ms: NOW * 1000,
        standing: Standing::Verified(subject()),
        network: NetworkSignals {
            address: Field::from(Address::parse("198.51.100.7")),
            country: Field::Present(*country),
            ..NetworkSignals::default()
        },
        client: ClientSignals {
            device: Field::Present(b"cookie-1"),
            ..ClientSignals::default()
        },
        session: SessionSignals {
            id: Field::Present(Cow::Borrowed(b"sid")),
            issued_at: Some(NOW - 60),
            ..SessionSignals::default()
        },
        ..Signals::default()
    }
}

pub(crate) fn policy(section: &str, own: &Value) -> Policy {
    let mut entry = json!({
        "name": "it", "from": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z", "owner": "soc", "reason": "test",
    });
    for (key, value) in own.as_object().unwrap() {
        entry[key] = value.clone();
    }
    let policy = json!({ "mode": "enforce", "exceptions": { section: [entry] } });
    Policy::parse(&policy.to_string()).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn evidence(pieces: &[(Reason, f64)]) -> EvidenceList {
    let piece = |(reason, nats): &(Reason, f64)| Evidence {
        reason: *reason,
        nats: *nats,
    };
    pieces.iter().map(piece).collect()
}

/// What is left of these pieces.
pub(crate) fn damped(
    policy: &Policy,
    signals: &Signals<'_>,
    now: i64,
    left: &[[u8; 2]],
    pieces: &[(Reason, f64)],
) -> Vec<f64> {
    let asker = Asker {
        signals,
        now: now as u32,
        tier: "default",
        left,
    };
    let mut list = evidence(pieces);
    let excepted = policy.exceptions.damp(&asker, &mut list);
    let changed = list
        .iter()
        .zip(pieces)
        .any(|(after, (_, before))| after.nats != *before);
    assert_eq!(!excepted.by.is_empty(), changed, "what was done is told");
    assert_eq!(!excepted.damped.is_empty(), changed);
    list.iter().map(|piece| piece.nats).collect()
}

fn assessed(policy: &Policy, signals: &Signals<'_>, revoked: Option<&Revocations>) -> Assessment {
    let features = Features::of(signals, &HashKey::PUBLIC);
    let everybody = Population::default();
    let mut known = Known::of(&everybody);
    if let Some(revoked) = revoked {
        known = known.with_revocations(revoked);
    }
    assess(policy, &policy.default_tier, signals, &features, &known)
}

#[test]
fn an_exception_holds_where_all_it_names_agrees() {
    let here = signals(b"NO");
    let pieces = [
        (Reason::NewClient, 3.0),
        (Reason::NewDevice, 2.0),
        (Reason::NewAsn, -1.0),
    ];
    let holds = |whom: Value| {
        let mut own = json!({ "signals": ["new-client", "new-asn"] });
        for (key, value) in whom.as_object().unwrap() {
            own[key] = value.clone();
        }
        let left = damped(&policy("allow", &own), &here, NOW, &[], &pieces);
        assert!(
            left == [0.0, 2.0, -1.0] || left == [3.0, 2.0, -1.0],
            "{left:?}"
        );
        left == [0.0, 2.0, -1.0]
    };
    let digest = stepgate::token::digest_api_key(b"cookie-1");
    let digest: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    for (whom, expected) in [
        (json!({ "identities": ["x", "https://idp|alice"] }), true),
        (json!({ "identities": ["alice"] }), false),
        (json!({ "groups": ["human:web"] }), true),
        (json!({ "clients": ["web"] }), true),
        (json!({ "networks": ["198.51.100.0/24"] }), true),
        (json!({ "networks": ["203.0.113.0/24"] }), false),
        (json!({ "devices": [digest] }), true),
        (json!({ "devices": [DEVICE] }), false),
        (
            json!({ "groups": ["human:web"], "networks": ["198.51.100.0/24"] }),
            true,
        ),
        (
            json!({ "groups": ["human:web"], "networks": ["203.0.113.0/24"] }),
            false,
        ),
        (
            json!({ "groups": ["other"], "networks": ["198.51.100.0/24"] }),
            false,
        ),
    ] {
        assert_eq!(holds(whom.clone()), expected, "{whom}");
    }
}

#[test]
fn a_name_nobody_verified_is_nobodys() {
    let own = json!({ "identities": ["https://idp|alice"], "signals": ["new-client"] });
    let mut unverified = signals(b"NO");
    unverified.standing = Standing::Unverified(subject());
    let pieces = [(Reason::NewClient, 3.0)];
    assert_eq!(
        damped(&policy("allow", &own), &unverified, NOW, &[], &pieces),
        [3.0]
    );
    let denied = policy("deny", &json!({ "identities": ["https://idp|alice"] }));
    assert_ne!(
        assessed(&denied, &unverified, None).decision.would,
        Action::Deny
    );
    assert_eq!(
        assessed(&denied, &signals(b"NO"), None).decision.would,
        Action::Deny
    );
}

#[test]
fn a_term_begins_and_ends_at_its_second() {
    let own = json!({ "groups": ["human:web"], "signals": ["new-client"], "from": "2026-03-04T10:00:00Z", "until": "2026-03-04T11:00:00Z" });
    let policy = policy("allow", &own);
    for (now, left) in [
        (NOW - 1, 3.0),
        (NOW, 0.0),
        (NOW + 3599, 0.0),
        (NOW + 3600, 3.0),
    ] {
        assert_eq!(
            damped(
                &policy,
                &signals(b"NO"),
                now,
                &[],
                &[(Reason::NewClient, 3.0)]
            ),
            [left]
        );
    }
}

#[test]
fn a_journey_damps_its_countries_and_its_legs_and_home_is_judged_as_usual() {
    let policy = policy(
        "travel",
        &json!({ "identities": ["https://idp|alice"], "countries": ["US"], "legs": [{ "from": "NO", "to": "US" }],
            "signals": ["new-country", "impossible-travel"] }),
    );
    let pieces = [
        (Reason::NewCountry, 4.0),
        (Reason::ImpossibleTravel, 4.6),
        (Reason::NewDevice, 2.0),
    ];
    for (here, left, expected) in [
        // There, by the leg that was announced.
        (b"US", &[*b"NO"][..], [0.0, 0.0, 2.0]),
        // There, and where it came from is none of its legs.
        (b"US", &[*b"BR"], [0.0, 4.6, 2.0]),
        (b"US", &[*b"NO", *b"BR"], [0.0, 4.6, 2.0]),
        (b"US", &[], [0.0, 4.6, 2.0]),
        // Back home by the same leg: a country that is new there is as new as ever.
        (b"NO", &[*b"US"], [4.0, 0.0, 2.0]),
        (b"NO", &[], [4.0, 4.6, 2.0]),
        // Anywhere else.
        (b"BR", &[*b"NO"], [4.0, 4.6, 2.0]),
    ] {
        assert_eq!(
            damped(&policy, &signals(here), NOW, left, &pieces),
            expected,
            "{here:?} {left:?}"
        );
    }
    let nowhere = Signals {
        network: NetworkSignals::default(),
        ..signals(b"US")
    };
    assert_eq!(
        damped(&policy, &nowhere, NOW, &[*b"NO"], &pieces),
        [4.0, 4.6, 2.0]
    );
}

#[test]
fn a_denylist_denies_or_challenges_and_is_not_learned_from() {
    let own = json!({ "networks": ["198.51.100.0/24"] });
    let found = assessed(&policy("deny", &own), &signals(b"NO"), None);
    assert_eq!(found.decision.refused(), Some(Refusal::Forbidden));
    assert_eq!(found.reasons[0].reason, Reason::Denylisted);
    assert_eq!(found.lesson, Lesson::Nothing);
    assert_eq!(found.grounds.excepted.by, [0]);

    let challenge = json!({ "networks": ["198.51.100.0/24"], "action": "challenge" });
    let challenge = policy("deny", &challenge);
    let found = assessed(&challenge, &signals(b"NO"), None);
    assert_eq!(found.decision.refused(), Some(Refusal::Challenge));
    assert!(
        found
            .reasons
            .iter()
            .any(|piece| piece.reason == Reason::DenylistChallenge)
    );
    // A machine is restricted, a stronger authentication passes, and who is nobody is asked for a credential.
    let mut machine = signals(b"NO");
    machine.standing = Standing::Verified(Subject {
        kind: Kind::Service,
        ..subject()
    });
    assert_eq!(
        assessed(&challenge, &machine, None).decision.would,
        Action::Restrict
    );
    let mut proven = signals(b"NO");
    proven.session.auth_time = Some(NOW - 10);
    proven.session.amr = Some(Cow::Borrowed("pwd otp"));
    assert_eq!(
        assessed(&challenge, &proven, None).decision.would,
        Action::Allow
    );
    let mut nobody = signals(b"NO");
    nobody.standing = Standing::Anonymous;
    assert_eq!(
        assessed(&challenge, &nobody, None).decision.refused(),
        Some(Refusal::IdentityRequired)
    );
    assert_eq!(
        assessed(&policy("deny", &own), &nobody, None)
            .decision
            .refused(),
        Some(Refusal::Forbidden)
    );
}
