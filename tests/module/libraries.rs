//! Tokens that other libraries minted, at the time they were minted for, in the built module.
//! May use `tests/fixtures/tokens.json`.
//! Must not mint: no token here was made by code of ours.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use stepgate_testkit::host::Host;

use crate::{MODULE, bearer, get, reasons, start, status};

/// Whether a token names the key of whoever may use it.
fn is_bound(token: &str) -> bool {
    let payload = token.split('.').nth(1).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["cnf"].is_object()
}

#[test]
fn tokens_of_other_libraries_are_believed_until_they_end() {
    let fixtures = include_str!("../fixtures/tokens.json");
    let fixtures: Value = serde_json::from_str(fixtures).unwrap();
    let cases = fixtures["cases"].as_array().unwrap();
    assert!(cases.len() >= 30);
    for case in cases {
        let name = &case["name"];
        let mut issuer = json!({ "issuer": case["issuer"], "algorithms": [case["algorithm"]] });
        if let Some(audience) = case["audience"].as_str() {
            issuer["audiences"] = json!([audience]);
        }
        match case["jwk"]["k"].as_str() {
            Some(secret) => issuer["secret"] = json!(secret),
            None => issuer["keys"] = json!({ "keys": [case["jwk"]] }),
        }
        let mut host = Host::new(&MODULE).unwrap();
        let now = case["now"].as_f64().unwrap();
        host.set_time(now);
        let memory = json!({ "memory_mib": 1 });
        start(
            &mut host,
            &json!({ "mode": "enforce", "baseline": memory, "credentials": { "issuers": [issuer] } }),
        );
        let token = bearer(case["token"].as_str().unwrap());
        let seen = get(&mut host, &[("authorization", token.as_bytes())]);
        if case["expect"]["sub"].is_null() {
            // The RFC's own example has no subject: verified, and yet nobody.
            assert_eq!(status(&seen), 401, "{name}");
            continue;
        }
        if is_bound(case["token"].as_str().unwrap()) {
            // Bound to a key that this request does not show (RFC 8705, RFC 9449).
            assert_eq!(status(&seen), 401, "{name}");
            continue;
        }
        assert_eq!(status(&seen), 200, "{name}");
        let reasons = reasons(&seen);
        assert!(
            !reasons.contains("unverified") && !reasons.contains("anonymous"),
            "{name}: {reasons}"
        );
        host.set_time(now + 400.0);
        let late = get(&mut host, &[("authorization", token.as_bytes())]);
        assert_eq!(status(&late), 401, "{name}");
    }
}
