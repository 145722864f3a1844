//! The built module in a small wasm host: what it leaves behind, never in which order it asks.
//! May use the test kit; the module is found by `STEPGATE_WASM`, else where `make wasm` puts it.
//! Must not use the engine, but to write a snapshot and to compare: the module is known from outside only.
#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a helper of tests is a test: a panic is its failure"
)]

mod baseline;
#[path = "../cases/mod.rs"]
mod cases;
mod clock;
mod configure;
mod cost;
mod feeds;
mod flood;
mod footprint;
mod foreign;
mod guesses;
mod hostile;
mod hosts;
mod jwks;
mod lengthy;
mod libraries;
mod login;
mod metrics;
mod nobody;
mod numbers;
mod owasp;
mod played;
mod receipts;
mod snapshot;
mod stack;
mod upgrade;
mod verdicts;

use std::sync::LazyLock;

use serde_json::{Value, json};
use stepgate_testkit::host::{Exchange, Host};
use stepgate_testkit::tokens::{self, Key, Token};

/// When every test begins, in seconds since the epoch: a Sunday morning in June.
const NOW: u64 = 1_750_000_000;
const ISSUER: &str = "https://issuer.test";
const HOME: &str = "198.51.100.7:4000";
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

static MODULE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let path = std::env::var("STEPGATE_WASM")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target/stepgate.wasm").into());
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("no module at `{path}` ({error}): run `make wasm` first"))
});

static KEY: LazyLock<Key> = LazyLock::new(|| Key::ed25519("one"));

/// A VM that has not started.
fn vm() -> Host {
    let mut host = Host::new(&MODULE).unwrap();
    host.set_property(&["source", "address"], HOME);
    host
}

/// A VM with a policy in force.
fn started(policy: &Value) -> Host {
    let mut host = vm();
    start(&mut host, policy);
    host
}

fn start(host: &mut Host, policy: &Value) {
    let accepted = host.start(&policy.to_string()).unwrap();
    assert!(accepted, "{:?}", host.state().logs);
}

/// An enforcing policy with one issuer and little memory, and what `change` makes of it.
fn policy(change: impl FnOnce(&mut Value)) -> Value {
    let mut policy = json!({
        "mode": "enforce",
        "hash_key": "a key for tests only",
        "baseline": { "memory_mib": 1 },
        "credentials": { "issuers": [{
            "issuer": ISSUER,
            "algorithms": ["EdDSA"],
            "keys": tokens::jwks(&[&KEY]),
        }]},
    });
    change(&mut policy);
    policy
}

/// A token of the test issuer for `subject`, authenticated at `NOW + later`.
fn token(subject: &str, later: u64) -> String {
    Token::new(tokens::claims(ISSUER, subject, NOW + later)).sign(&KEY)
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A request, with `more` after what every client sends.
fn get(host: &mut Host, more: &[(&str, &[u8])]) -> Exchange {
    let mut headers: Vec<(&str, &[u8])> = vec![
        (":method", b"GET"),
        (":path", b"/accounts?page=1"),
        (":authority", b"api.test"),
        ("user-agent", BROWSER.as_bytes()),
    ];
    headers.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    headers.extend_from_slice(more);
    host.request(&headers).unwrap()
}

/// A request with this token, and the response of the upstream.
fn call(host: &mut Host, token: &str, status: &str) -> Exchange {
    let exchange = get(host, &[("authorization", bearer(token).as_bytes())]);
    if exchange.reply.is_none() {
        host.response(&[(":status", status)]).unwrap();
    }
    host.finish().unwrap();
    exchange
}

fn status(exchange: &Exchange) -> u32 {
    exchange.reply.as_ref().map_or(200, |reply| reply.status)
}

fn reasons(exchange: &Exchange) -> String {
    exchange.header("x-stepgate-reasons").unwrap_or_default()
}

/// Whether the VM still decides as it should: an honest request passes, a forged one does not.
fn is_alive(host: &mut Host) {
    let honest = token("alice", 0);
    assert_eq!(status(&call(host, &honest, "200")), 200);
    let forged = tokens::corrupted(&honest);
    assert_eq!(status(&call(host, &forged, "200")), 401);
    assert!(host.dead().is_none());
}
