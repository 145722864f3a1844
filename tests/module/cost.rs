//! Which calls of the host a decision makes, by kind of request, against committed figures: they are half of what it costs.
//! May use the host's count of calls.
//! Must not read a clock.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};
use stepgate_testkit::host::Host;
use stepgate_testkit::tokens::{self, Key, Token};

use crate::played::metadata;
use crate::{BROWSER, HOME, ISSUER, MODULE, NOW, bearer, start};

const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/module/cost.txt");

/// Requests of each kind; the last one is counted.
const REQUESTS: u64 = 16;

/// One kind of request under one policy.
struct Kind {
    name: &'static str,
    policy: Value,
    key: Key,
    /// Tokens in turn.
    tokens: u64,
    /// The proxy has verified the token.
    verified: bool,
}

fn claims(n: u64) -> Token {
    Token::new(tokens::claims(ISSUER, "alice", NOW))
        .claim("exp", NOW + 3600)
        .claim("sid", "one")
        .claim("jti", format!("token-{n}"))
}

fn calls(kind: &Kind) -> BTreeMap<String, u32> {
    let mut host = Host::new(&MODULE).unwrap();
    host.set_property(&["source", "address"], HOME);
    // The host's signature check is its own affair.
    let yes = |_: &[u8]| Ok(vec![8, 1]);
    let functions = &mut host.state_mut().foreign;
    functions.insert("verify_signature".into(), Box::new(yes));
    host.set_time(NOW as f64);
    start(&mut host, &kind.policy);
    if kind.verified {
        let claims = tokens::claims(ISSUER, "alice", NOW);
        host.set_property(&["metadata"], metadata(claims.as_object().unwrap()));
    }
    let minted: Vec<_> = (0..kind.tokens)
        .map(|n| bearer(&claims(n).sign(&kind.key)))
        .collect();
    for n in 0..REQUESTS {
        host.set_time((NOW + n) as f64);
        let token = &minted[n as usize % minted.len()];
        let mut headers = vec![
            (":authority", "api.test"),
            (":path", "/api/orders?page=2"),
            (":method", "GET"),
            (":scheme", "https"),
            ("user-agent", BROWSER),
            ("accept", "application/json, text/plain, */*"),
            ("accept-language", "de,en-US;q=0.7,en;q=0.3"),
            ("accept-encoding", "gzip, deflate, br"),
            ("referer", "https://shop.test/orders"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-site", "same-origin"),
            ("cookie", "theme=dark; consent=1; session=b7f0c1f2a9d34e55"),
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "6b0d4d1f-7a0c-4b1d-8d3b-0d6c6c0a5c11"),
        ];
        if !kind.verified {
            headers.push(("authorization", token));
        }
        host.state_mut().used.clear();
        if host.request(&headers).unwrap().reply.is_none() {
            host.response(&[(":status", "200")]).unwrap();
        }
        host.finish().unwrap();
    }
    host.state_mut().used.clone()
}

fn kinds() -> Vec<Kind> {
    let policy = |key: &Key, more: Value| {
        let mut policy = json!({
            "mode": "enforce",
            "hash_key": "a key for tests only",
            "baseline": { "memory_mib": 1 },
            "credentials": { "issuers": [{
                "issuer": ISSUER,
                "algorithms": [key.alg().name()],
                "keys": tokens::jwks(&[key]),
            }]},
        });
        let own = policy.as_object_mut().unwrap();
        own.extend(more.as_object().unwrap().clone());
        policy
    };
    let rsa = || Key::rsa("one");
    let of = |name, policy, tokens, verified| Kind {
        name,
        policy,
        key: rsa(),
        tokens,
        verified,
    };
    let fence = json!({ "fence": { "allowed": ["NO"], "unknown": false } });
    vec![
        of("known-token", policy(&rsa(), json!({})), 1, false),
        of(
            "known-token-shadow",
            policy(&rsa(), json!({ "mode": "shadow" })),
            1,
            false,
        ),
        of("new-token", policy(&rsa(), json!({})), REQUESTS, false),
        of(
            "claims-of-jwt-authn",
            json!({ "mode": "enforce", "baseline": { "memory_mib": 1 } }),
            1,
            true,
        ),
        of("denied", policy(&rsa(), fence), 1, false),
    ]
}

#[test]
fn a_decision_makes_the_calls_it_did() {
    let mut text = String::new();
    for kind in kinds() {
        let calls = calls(&kind);
        writeln!(text, "{}: {}", kind.name, calls.values().sum::<u32>()).unwrap();
        for (call, times) in &calls {
            writeln!(text, "    {times} {call}").unwrap();
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(FIGURES, &text).unwrap();
    }
    let figures = std::fs::read_to_string(FIGURES).unwrap();
    assert_eq!(
        text, figures,
        "other calls of the host; if this is meant, run with UPDATE=1"
    );
}
