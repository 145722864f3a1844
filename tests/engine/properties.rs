//! What holds of every decision and every policy, whatever is in them.
//! May use proptest and the engine's public face.
//! Must not expect a particular number.

use proptest::prelude::*;
use serde_json::Value;
use stepgate::assess::assess;
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::population::Population;
use stepgate::decision::Action;
use stepgate::evidence::Known;
use stepgate::headers;
use stepgate::policy::{Policy, Route};
use stepgate::signals::features::Features;
use stepgate::signals::request::{Anonymiser, Kind, RequestSignals, Signals, Standing, Subject};

use crate::records::{features, learn};

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Human), Just(Kind::Service), Just(Kind::ApiKey)]
}

fn strange(values: u32) -> impl Strategy<Value = Features> {
    (
        features(values),
        any::<u8>(),
        kind(),
        any::<u32>(),
        any::<bool>(),
    )
        .prop_map(|(features, flags, kind, now, when)| Features {
            anonymiser: Anonymiser(flags),
            kind,
            now: if when { now } else { features.now },
            ..features
        })
}

fn enforcing() -> Policy {
    Policy::parse(r#"{"mode":"enforce","baseline":{"memory_mib":1}}"#).unwrap()
}

fn decide(
    policy: &Policy,
    features: &Features,
    record: Option<&IdentityRecord>,
    method: &[u8],
) -> stepgate::assess::Assessment {
    let subject = Subject {
        kind: features.kind,
        ..Subject::default()
    };
    let signals = Signals {
        now_ms: i64::from(features.now) * 1000,
        standing: if features.verified {
            Standing::Verified(subject)
        } else {
            Standing::Unverified(subject)
        },
        request: RequestSignals {
            method,
            ..RequestSignals::default()
        },
        ..Signals::default()
    };
    let tier = policy.tier(&Route::default());
    let everybody = Population::default();
    let known = Known::of(&everybody).with_identity(record);
    assess(policy, tier, &signals, features, &known)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scores_are_finite_and_headers_well_formed(
        events in prop::collection::vec(strange(6), 0..30),
        request in strange(6),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let policy = enforcing();
        for record in [learn(&events), IdentityRecord::decode(&bytes), None] {
            let said = decide(&policy, &request, record.as_ref(), b"GET");
            prop_assert!(said.score.logit.is_finite());
            prop_assert!((0.0..=1.0).contains(&said.score.probability));
            prop_assert!(said.reasons.iter().all(|piece| piece.nats.is_finite()));
            for pair in said.reasons.windows(2) {
                prop_assert!(pair[0].nats >= pair[1].nats, "the strongest reason is first");
            }
            for (name, value) in headers::upstream(&said, "d0") {
                prop_assert!(headers::is_ours(name.as_bytes()));
                prop_assert!(value.bytes().all(|b| (b' '..=b'~').contains(&b)), "{name}: {value}");
            }
        }
    }

    #[test]
    fn a_young_baseline_and_an_unverified_credential_are_never_denied(
        events in prop::collection::vec(strange(6), 0..9),
        request in strange(6),
        method in prop_oneof![Just(&b"GET"[..]), Just(&b"POST"[..])],
    ) {
        let policy = enforcing();
        let record = learn(&events).filter(|record| record.is_young(request.now));
        let young = decide(&policy, &request, record.as_ref(), method);
        prop_assert_ne!(young.decision.would, Action::Deny);
        let record = learn(&events);
        let unverified = Features { verified: false, ..request };
        let said = decide(&policy, &unverified, record.as_ref(), method);
        prop_assert_ne!(said.decision.would, Action::Deny);
        prop_assert_eq!(said.lesson, stepgate::assess::Lesson::Nothing);
    }

    #[test]
    fn machines_are_not_challenged_and_people_not_restricted(
        events in prop::collection::vec(strange(6), 0..40),
        request in strange(6),
    ) {
        let said = decide(&enforcing(), &request, learn(&events).as_ref(), b"POST");
        let wrong = if request.kind.is_machine() { Action::StepUp } else { Action::Restrict };
        prop_assert_ne!(said.decision.would, wrong);
    }

    #[test]
    fn any_text_is_a_policy_or_an_error(text in ".{0,200}") {
        let _either = Policy::parse(&text);
    }

    #[test]
    fn any_json_is_a_policy_or_an_error_with_a_message(value in json()) {
        if let Err(error) = Policy::parse(&value.to_string()) {
            prop_assert!(!error.message.is_empty());
        }
    }

    #[test]
    fn a_spoiled_value_is_named_by_its_path(spoiled in any::<prop::sample::Index>(), value in json()) {
        let good = everything();
        let mut paths = Vec::new();
        places(&good, "", &mut paths);
        let pointer = &paths[spoiled.index(paths.len())];
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value.clone();
        match Policy::parse(&bad.to_string()) {
            Ok(_) => {}
            Err(error) => {
                let top = pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
                let section = error.path.split(['.', '[']).next().unwrap_or_default().to_owned();
                // A tier may contradict the score it inherits, and the other way round; a campaign names tiers.
                let related = ["score", "tiers", "challenge", "exceptions"];
                let near = section == top || related.contains(&top) && related.contains(&section.as_str());
                prop_assert!(near, "{pointer} = {value}: {error}");
            }
        }
    }

    #[test]
    fn no_bytes_upset_the_choice_of_a_tier(
        path in prop::collection::vec(prop_oneof![Just(b'/'), Just(b'.'), Just(b'%'), Just(b'2'), Just(b'e'), Just(b'f'), any::<u8>()], 0..300),
        host in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let policy = Policy::parse(&everything().to_string()).unwrap();
        let _some = policy.tier(&Route { host: &host, path: &path, method: b"GET", metadata: b"" });
    }
}

/// A policy that says something everywhere.
fn everything() -> Value {
    serde_json::from_str(include_str!("everything.json")).unwrap()
}

#[test]
fn a_policy_with_everything_is_accepted() {
    Policy::parse(&everything().to_string()).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn an_unknown_key_is_refused_wherever_it_stands() {
    let good = everything();
    let mut paths = vec![String::new()];
    places(&good, "", &mut paths);
    for pointer in paths {
        let mut bad = good.clone();
        let free = ["/score/weights", "/credentials/issuers/0/keys"];
        let Some(Value::Object(members)) = bad.pointer_mut(&pointer) else {
            continue;
        };
        if free.iter().any(|free| pointer.starts_with(free)) {
            continue;
        }
        members.insert("surprise".to_owned(), Value::Bool(true));
        let error = Policy::parse(&bad.to_string()).unwrap_err().to_string();
        assert!(error.contains("surprise"), "{pointer}: {error}");
        let last = pointer.rsplit('/').next().unwrap_or_default();
        let named = last
            .parse::<usize>()
            .map_or_else(|_| last.to_owned(), |n| format!("[{n}]"));
        assert!(error.contains(&named), "{pointer}: {error}");
    }
}

fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    let mut go = |value: &Value, name: &str| {
        let at = format!("{at}/{name}");
        into.push(at.clone());
        places(value, &at, into);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| go(value, name)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(n, value)| go(value, &n.to_string())),
        _ => {}
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("mode".to_owned()),
        Just("tiers".to_owned()),
        Just("credentials".to_owned()),
        Just("score".to_owned()),
        "[a-z_]{0,8}",
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
