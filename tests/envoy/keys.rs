//! Tokens of every algorithm, verified by the host or in the module; key sets fetched from behind a cluster.
//! May use the kit's keys, which another library makes.
//! Must not wait longer than a condition takes to hold.

use serde_json::{Value, json};
use stepgate_testkit::envoy::until;
use stepgate_testkit::http::{Canned, Request, Upstream};
use stepgate_testkit::tokens::{Alg, Key, Token, claims, corrupted, jwks, now, stripped, tampered};

use crate::gateway::{Gateway, module, stepgate};

fn issuer_of(alg: Alg) -> String {
    format!("https://{}.test", alg.name().to_lowercase())
}

fn token(issuer: &str) -> Token {
    Token::new(claims(issuer, "alice", now()))
}

#[test]
fn every_algorithm_verifies_and_no_forgery_does() {
    let secret = [7; 32];
    let rsa = Key::rsa("k1");
    let keys = [
        (Alg::Rs256, rsa.clone()),
        (Alg::Rs384, rsa.clone()),
        (Alg::Rs512, rsa.clone()),
        (Alg::Ps256, rsa),
        (Alg::Es256, Key::p256("k1")),
        (Alg::Es384, Key::p384("k1")),
        (Alg::EdDsa, Key::ed25519("k1")),
        (Alg::Hs256, Key::hmac("k1", &secret)),
    ];
    let issuers: Vec<Value> = keys
        .iter()
        .map(|(alg, key)| {
            let mut issuer = json!({ "issuer": issuer_of(*alg), "algorithms": [alg.name()] });
            match key.pem() {
                Some(pem) => issuer["pem"] = json!([pem]),
                None => issuer["secret"] = key.jwk()["k"].clone(),
            }
            issuer
        })
        .collect();
    let policy = json!({ "mode": "enforce", "baseline": { "memory_mib": 1 }, "credentials": { "issuers": issuers } });
    let Some(gateway) = Gateway::start(&policy) else {
        return;
    };
    let status = |token: &str| gateway.send(&Request::get("/").bearer(token)).status;
    for (alg, key) in &keys {
        let name = alg.name();
        let good = token(&issuer_of(*alg));
        let signed = good.sign_as(key, *alg);
        let response = gateway.send(&Request::get("/").bearer(&signed));
        assert_eq!(response.status, 200, "{name}: {}", response.text());
        let reasons = response
            .echoed()
            .text("x-stepgate-reasons")
            .unwrap_or_default();
        assert!(
            !reasons.contains("unverified") && !reasons.contains("anonymous"),
            "{name}: {reasons}"
        );
        // A second time it is known.
        assert_eq!(status(&signed), 200, "{name}");
        for (forgery, forged) in [
            ("corrupted", corrupted(&signed)),
            ("tampered", tampered(&signed, "sub", "mallory")),
            ("stripped", stripped(&signed)),
            ("unsigned", good.unsigned()),
            (
                "expired",
                good.clone().claim("exp", now() - 100).sign_as(key, *alg),
            ),
            (
                "critical",
                good.clone()
                    .header("crit", json!(["x"]))
                    .header("x", 1)
                    .sign_as(key, *alg),
            ),
        ] {
            assert_eq!(status(&forged), 401, "{name} {forgery}");
        }
        if key.pem().is_some() {
            assert_eq!(status(&good.confused(key)), 401, "{name} confused");
        }
        let stranger = Key::ed25519("k1");
        assert_eq!(
            status(&good.embedded(&stranger, "k1")),
            401,
            "{name} embedded"
        );
    }
}

fn fetched(idp: &Upstream) -> Value {
    let source = json!({ "cluster": "idp", "authority": format!("127.0.0.1:{}", idp.port()), "refresh_seconds": 10, "timeout_seconds": 1 });
    json!({
        "mode": "enforce",
        "baseline": { "memory_mib": 1 },
        "credentials": { "issuers": [{ "issuer": "https://idp.test", "algorithms": ["ES256", "RS256"], "jwks": source }] },
    })
}

#[test]
fn keys_are_fetched_rotated_and_kept_when_the_source_is_down() {
    if module().is_none() {
        return;
    }
    let idp = Upstream::start().unwrap();
    let (first, second) = (Key::p256("first"), Key::rsa("second"));
    idp.jwks(&jwks(&[&first]));
    let filter = stepgate("stepgate", &fetched(&idp).to_string());
    let Some(gateway) = Gateway::with(vec![filter], &[("idp", idp.port())]) else {
        return;
    };
    let status = |key: &Key| {
        let token = token("https://idp.test").sign(key);
        gateway.send(&Request::get("/").bearer(&token)).status
    };
    // One worker fetches them, each takes them over.
    let all = |key: &Key| (0..16).all(|_| status(key) == 200).then_some(());
    until("the keys on every worker", || all(&first));
    // A key nobody knows makes the filter ask again, however often, not more often than it may.
    assert_eq!(status(&second), 401);
    idp.jwks(&jwks(&[&first, &second]));
    until("the new key on every worker", || all(&second));
    let asked = idp.hits("/.well-known/jwks.json");
    for n in 0..50 {
        assert_eq!(status(&Key::ed25519(&format!("guess-{n}"))), 401);
    }
    let more = idp.hits("/.well-known/jwks.json") - asked;
    assert!(more <= 2, "{more} fetches for 50 guesses");
    // Down, or talking nonsense: what was known stays known.
    idp.serve("/.well-known/jwks.json", Canned::status(503));
    assert_eq!(status(&first), 200);
    idp.serve(
        "/.well-known/jwks.json",
        Canned::json(&json!({ "keys": [] })),
    );
    assert_eq!(status(&second), 200);
}

#[test]
fn without_keys_nobody_is_let_in_unverified() {
    if module().is_none() {
        return;
    }
    let idp = Upstream::start().unwrap();
    idp.serve("/.well-known/jwks.json", Canned::status(500));
    let filter = stepgate("stepgate", &fetched(&idp).to_string());
    let Some(gateway) = Gateway::with(vec![filter], &[("idp", idp.port())]) else {
        return;
    };
    until("a fetch", || {
        (idp.hits("/.well-known/jwks.json") > 0).then_some(())
    });
    let token = token("https://idp.test").sign(&Key::p256("first"));
    let refused = gateway.send(&Request::get("/").bearer(&token));
    assert_eq!(refused.status, 401);
    assert_eq!(
        gateway.send(&Request::get("/")).status,
        200,
        "anonymous requests pass as ever"
    );
}
