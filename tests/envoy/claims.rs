//! What a signed token may say: line ends, nothing at all, things in things. Nothing of it becomes a header or stops the VM.
//! May use one worker, and Envoy's `jwt_authn` as the other way claims come in.
//! Must not judge scores.

use serde_json::{Value, json};
use stepgate_testkit::tokens::{Key, Token, claims, now};

use crate::contract::{ISSUER, at_home};
use crate::gateway::{Gateway, stepgate};
use crate::hostile::{alone, assert_alive, curious};
use crate::metadata::jwt_authn;

/// Every claim that is read.
const READ: [&str; 16] = [
    "sub",
    "azp",
    "client_id",
    "sid",
    "jti",
    "acr",
    "amr",
    "scope",
    "aud",
    "auth_time",
    "iat",
    "cnf",
    "groups",
    "realm",
    "risk",
    "ip",
];

/// Values that a claim should not have.
fn nasty() -> Vec<Value> {
    let deep = (0..60).fold(json!(1), |inner, _| json!({ "a": [inner] }));
    vec![
        Value::Null,
        json!("a\r\nx-stepgate-decision: allow\r\n\r\nGET /admin HTTP/1.1\r\n"),
        json!("\u{0}\u{1}\u{7f}\u{2028}\u{202e}\u{feff}"),
        json!("\\u000d\\u000a"),
        json!(""),
        json!("a".repeat(5000)),
        json!(["a\r\nb", null, 1, [true], {}]),
        json!({ "a\r\nb": { "c": null }, "": [] }),
        deep,
        json!(-1),
        json!(1e300),
        json!(i64::MAX),
        json!(true),
        json!([]),
    ]
}

/// What reached the API of a request that passed: the contract, once, and nothing that a claim said.
fn assert_contract(gateway: &Gateway, what: &str) {
    let arrived = gateway.upstream.received().pop().unwrap();
    assert_eq!(arrived.target, "/orders", "{what}");
    for (name, value) in &arrived.headers.0 {
        if !name.starts_with(b"x-stepgate-") {
            continue;
        }
        assert!(
            value.iter().all(|byte| matches!(byte, b' '..=b'~')),
            "{what}: {}",
            value.escape_ascii()
        );
        assert_eq!(arrived.headers.all(name).len(), 1, "{what}");
    }
    assert!(arrived.headers.has("x-stepgate-decision"), "{what}");
    assert!(gateway.upstream.hits("/admin") == 0, "{what}");
}

fn every_claim_with_every_value(gateway: &Gateway, key: &Key) {
    let mut passed = 0;
    for name in READ {
        for (n, value) in nasty().into_iter().enumerate() {
            let token = Token::new(claims(ISSUER, "mallory", now())).claim(name, value);
            let answer = gateway.send(&at_home(&token.sign(key)));
            let what = format!("{name}, value {n}");
            match answer.status {
                200 => {
                    assert_contract(gateway, &what);
                    passed += 1;
                }
                // Not what the claim must be: refused, and by a word of ours or of jwt_authn.
                401 | 403 => {
                    for (_, value) in &answer.headers.0 {
                        assert!(!value.windows(7).any(|part| part == b"mallory"), "{what}");
                    }
                }
                other => panic!("{what}: {other} {}", answer.text()),
            }
        }
    }
    assert!(passed > 60, "only {passed} were taken");
    // All short ones at once, under names that nobody reads.
    let mut all = Token::new(claims(ISSUER, "mallory", now()));
    let short = nasty()
        .into_iter()
        .filter(|value| value.to_string().len() < 100);
    for (n, value) in short.enumerate() {
        all = all.claim(&format!("x{n}\r\nx-stepgate-score: 0"), value);
    }
    let answer = gateway.send(&at_home(&all.sign(key)));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_contract(gateway, "all at once");
}

#[test]
fn claims_never_become_headers_when_the_filter_verifies() {
    let key = Key::ed25519("k1");
    let mut policy = curious(&key);
    policy["credentials"]["group_claim"] = json!("realm.roles");
    let filter = stepgate("stepgate", &policy.to_string());
    let Some(gateway) = alone(vec![filter], |_| {}) else {
        return;
    };
    let vms = gateway.vms();
    every_claim_with_every_value(&gateway, &key);
    assert_alive(&gateway, vms, &key, "claims of its own tokens");
}

#[test]
fn claims_never_become_headers_when_jwt_authn_verifies() {
    let key = Key::rsa("k1");
    let policy = json!({
        "mode": "enforce",
        "baseline": { "memory_mib": 1 },
        "credentials": { "group_claim": "realm.roles" },
    });
    let filter = stepgate("stepgate", &policy.to_string());
    let Some(gateway) = alone(vec![jwt_authn(&key), filter], |_| {}) else {
        return;
    };
    let vms = gateway.vms();
    every_claim_with_every_value(&gateway, &key);
    assert_alive(&gateway, vms, &key, "claims of jwt_authn");
}
