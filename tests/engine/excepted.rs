//! What holds of exceptions whatever the evidence: no rule is waived, nothing but what is named is touched, ends are exact.
//! May use proptest and the requests of the exceptions' own tests.
//! Must not expect a particular number.

use proptest::prelude::*;
use serde_json::{Value, json};
use stepgate::assess::assess;
use stepgate::baseline::population::Population;
use stepgate::baseline::revocation::Revocations;
use stepgate::evidence::{Known, Nature, REASONS, Reason};
use stepgate::policy::Policy;
use stepgate::score::score;
use stepgate::signals::features::Features;
use stepgate::signals::keyed::HashKey;
use stepgate::signals::request::{Binding, Standing};

use crate::exceptions::{NOW, damped, evidence, policy, signals};

fn pieces() -> impl Strategy<Value = Vec<(Reason, f64)>> {
    let piece = (0..REASONS.len(), -5.0..10.0_f64).prop_map(|(n, nats)| {
        let row = &REASONS[n];
        let weighs = !matches!(row.nature, Nature::Rule | Nature::Note);
        (row.reason, if weighs { nats } else { 0.0 })
    });
    prop::collection::vec(piece, 0..20).prop_map(|mut list| {
        let mut seen = Vec::new();
        list.retain(|(reason, _)| {
            !seen.contains(reason) && {
                seen.push(*reason);
                true
            }
        });
        list
    })
}

const BINDINGS: [Binding; 5] = [
    Binding::Unbound,
    Binding::Broken,
    Binding::ProofMissing,
    Binding::ProofInvalid,
    Binding::ProofReplayed,
];

/// Everything that may be damped, by every sort of exception at once.
fn everything_excepted() -> Value {
    let all = |wanted: fn(Nature) -> bool| -> Vec<&str> {
        REASONS
            .iter()
            .filter(|row| wanted(row.nature))
            .map(|row| row.code)
            .collect()
    };
    let end = json!({ "from": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z", "owner": "soc", "reason": "test" });
    let with = |own: Value| {
        let mut entry = end.clone();
        for (key, value) in own.as_object().unwrap() {
            entry[key] = value.clone();
        }
        entry
    };
    let signals = all(|nature| !matches!(nature, Nature::Rule | Nature::Note));
    json!({
        "allow": [with(json!({ "name": "a", "networks": ["0.0.0.0/0"], "signals": signals }))],
        "travel": [with(json!({ "name": "t", "identities": ["https://idp|alice"], "countries": ["NO"], "signals": ["new-country"] }))],
        "campaigns": [with(json!({ "name": "c", "tiers": ["default"], "signals": all(|nature| nature == Nature::Novelty) }))],
        "deny": [with(json!({ "name": "d", "networks": ["0.0.0.0/0"] }))],
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_exception_changes_a_decision_led_by_a_rule(
        binding in prop::sample::select(BINDINGS.to_vec()),
        rejected in prop::option::of(prop::sample::select(stepgate::token::Rejection::all())),
        is_revoked in any::<bool>(),
        fenced in any::<bool>(),
        requires in any::<bool>(),
        anonymous in any::<bool>(),
        kinds in prop::sample::subsequence(vec!["allow", "travel", "campaigns", "deny"], 0..=4),
    ) {
        let mut plain = json!({ "mode": "enforce" });
        if fenced {
            plain["fence"] = json!({ "forbidden": ["NO"] });
        }
        if requires {
            plain["tiers"] = json!([{ "name": "default-like", "require_identity": true }]);
        }
        let mut excepting = plain.clone();
        let all = everything_excepted();
        excepting["exceptions"] = kinds.iter().map(|kind| ((*kind).to_owned(), all[*kind].clone())).collect();
        let (plain, excepting) = (Policy::parse(&plain.to_string()).unwrap(), Policy::parse(&excepting.to_string()).unwrap());
        let mut request = signals(b"NO");
        request.session.binding = binding;
        if let Some((code, _)) = rejected {
            request.standing = Standing::Rejected(code);
        } else if anonymous {
            request.standing = Standing::Anonymous;
        }
        let names = Features::of(&request, &HashKey::PUBLIC).credential.names;
        let mut revoked = Revocations::default();
        if is_revoked {
            revoked.revoke_before(names.session, NOW as u32, NOW as u32 + 3600, NOW as u32);
        }
        let of = |policy: &Policy| {
            let features = Features::of(&request, &HashKey::PUBLIC);
            let everybody = Population::default();
            let tier = policy.tiers.first().unwrap_or(&policy.default_tier);
            assess(policy, tier, &request, &features, &Known::of(&everybody).with_revocations(&revoked))
        };
        let (before, after) = (of(&plain), of(&excepting));
        let led_by_rule = before.reasons.first().is_some_and(|piece| piece.reason.nature() == Nature::Rule);
        if led_by_rule {
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn nothing_but_what_is_named_is_damped_and_nothing_is_raised(list in pieces(), named in prop::collection::vec(0..REASONS.len(), 1..6)) {
        let codes: Vec<&str> = named.iter().map(|n| &REASONS[*n])
            .filter(|row| !matches!(row.nature, Nature::Rule | Nature::Note)).map(|row| row.code).collect();
        prop_assume!(!codes.is_empty());
        let policy = policy("allow", &json!({ "groups": ["human:web"], "signals": codes }));
        let after = damped(&policy, &signals(b"NO"), NOW, &[], &list);
        for ((reason, before), after) in list.iter().zip(after) {
            let expected = if codes.contains(&reason.code()) { before.min(0.0) } else { *before };
            prop_assert_eq!(after, expected);
        }
    }

    #[test]
    fn a_campaign_lowers_the_score_by_a_nat_at_most_and_touches_novelty_only(list in pieces()) {
        let novelty: Vec<&str> = REASONS.iter().filter(|row| row.nature == Nature::Novelty).map(|row| row.code).collect();
        let mut twice = json!({ "mode": "enforce", "exceptions": { "campaigns": [] } });
        for name in ["one", "two"] {
            twice["exceptions"]["campaigns"].as_array_mut().unwrap().push(json!({
                "name": name, "groups": ["human:web"], "signals": novelty, "from": "2026-03-01T00:00:00Z",
                "until": "2026-04-01T00:00:00Z", "owner": "it", "reason": "new laptops" }));
        }
        let policy = Policy::parse(&twice.to_string()).unwrap();
        let after = damped(&policy, &signals(b"NO"), NOW, &[], &list);
        let lowered: Vec<(Reason, f64)> = list.iter().zip(&after).map(|((reason, _), nats)| (*reason, *nats)).collect();
        let (before_score, after_score) = (score(&evidence(&list), 0.0), score(&evidence(&lowered), 0.0));
        prop_assert!(after_score.logit <= before_score.logit + 1e-9);
        prop_assert!(after_score.logit >= before_score.logit - 1.0 - 1e-9);
        for ((reason, before), after) in list.iter().zip(after) {
            prop_assert!(after <= *before && (reason.nature() == Nature::Novelty || after == *before));
        }
    }

    #[test]
    fn expiry_is_exact(from in 0..2_000_000_000_u32, lasts in 1..1_000_000_u32, now in any::<u32>(), near in 0..4_u32) {
        let until = from + lasts;
        let written = |time: u32| stepgate::signals::ecs::rfc3339(f64::from(time));
        let policy = policy("allow", &json!({ "groups": ["human:web"], "signals": ["new-client"], "from": written(from), "until": written(until) }));
        for now in [now, (from + near).saturating_sub(2), (until + near).saturating_sub(2)] {
            let left = damped(&policy, &signals(b"NO"), i64::from(now), &[], &[(Reason::NewClient, 3.0)]);
            prop_assert_eq!(left == [0.0], from <= now && now < until);
            prop_assert_eq!(policy.expired(now).count() == 1, until <= now);
        }
    }
}
