//! What a decision costs, counted and not timed: instructions of the module and calls of the host, against committed figures.
//! May use the metered host.
//! Must not read a clock.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};
use stepgate_testkit::host::Host;
use stepgate_testkit::tokens::{self, Key, Token};

use crate::played::metadata;
use crate::{BROWSER, HOME, ISSUER, MODULE, NOW, bearer, start};

const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/module/cost.txt");

/// Instructions may differ by so much from the figures: other compilers and small changes; more is looked at.
const TOLERANCE: f64 = 0.05;

/// Requests of each kind; the first half is warmth.
const REQUESTS: u64 = 64;

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

struct Cost {
    instructions: u64,
    calls: BTreeMap<String, u32>,
}

fn claims(n: u64) -> Token {
    Token::new(tokens::claims(ISSUER, "alice", NOW))
        .claim("exp", NOW + 3600)
        .claim("sid", "one")
        .claim("jti", format!("token-{n}"))
}

fn cost(kind: &Kind) -> Cost {
    let mut host = Host::metered(&MODULE).unwrap();
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
    let mut instructions = 0;
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
        host.spent();
        host.state_mut().used.clear();
        if host.request(&headers).unwrap().reply.is_none() {
            host.response(&[(":status", "200")]).unwrap();
        }
        host.finish().unwrap();
        if n >= REQUESTS / 2 {
            instructions += host.spent();
        }
    }
    let calls = host.state_mut().used.clone();
    Cost {
        instructions: instructions / (REQUESTS / 2),
        calls,
    }
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
fn a_decision_costs_what_it_did() {
    let mut text = String::new();
    let costs: Vec<_> = kinds().iter().map(|kind| (kind.name, cost(kind))).collect();
    for (name, cost) in &costs {
        let calls: u32 = cost.calls.values().sum();
        writeln!(
            text,
            "{name}: {} instructions, {calls} host calls",
            cost.instructions
        )
        .unwrap();
        for (call, times) in &cost.calls {
            writeln!(text, "    {times} {call}").unwrap();
        }
    }
    println!("{text}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(FIGURES, &text).unwrap();
    }
    let figures = std::fs::read_to_string(FIGURES).unwrap();
    let (ours, theirs) = (split(&text), split(&figures));
    assert_eq!(
        ours.1, theirs.1,
        "other host calls; if this is meant, run with UPDATE=1"
    );
    for ((name, now), (_, before)) in ours.0.iter().zip(&theirs.0) {
        let ratio = *now as f64 / *before as f64;
        assert!(
            (ratio - 1.0).abs() <= TOLERANCE,
            "{name}: {now} instructions where {before} are written down; if this is meant, run with UPDATE=1"
        );
    }
}

/// Instructions by name, and all the rest.
fn split(figures: &str) -> (Vec<(&str, u64)>, Vec<String>) {
    let mut instructions = Vec::new();
    let mut rest = Vec::new();
    for line in figures.lines() {
        match line
            .split_once(": ")
            .and_then(|(name, cost)| Some((name, cost.split_once(" instructions, ")?)))
        {
            Some((name, (number, calls))) => {
                instructions.push((name, number.parse().unwrap()));
                rest.push(format!("{name}: {calls}"));
            }
            None => rest.push(line.to_owned()),
        }
    }
    (instructions, rest)
}
