//! The engine from outside: the cases in the pure engine, their numbers bit for bit, and properties of what it keeps.
//! May use the engine's public face and the cases.
//! Must not need a proxy, a module or the network.
#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of tests is a test: a panic is its failure"
)]

#[path = "engine/capacity.rs"]
mod capacity;
mod cases;
#[path = "engine/clock.rs"]
mod clock;
#[path = "engine/desk.rs"]
mod desk;
#[path = "engine/devices.rs"]
mod devices;
#[path = "engine/excepted.rs"]
mod excepted;
#[path = "engine/exceptions.rs"]
mod exceptions;
#[path = "engine/login.rs"]
mod login;
#[path = "engine/numbers.rs"]
mod numbers;
#[path = "engine/poison.rs"]
mod poison;
#[path = "engine/properties.rs"]
mod properties;
#[path = "engine/records.rs"]
mod records;
#[path = "engine/redirects.rs"]
mod redirects;
#[path = "engine/rules.rs"]
mod rules;

use cases::Case;
use cases::engine::Engine;

fn problems(case: &Case) -> Vec<String> {
    let mut problems = Vec::new();
    let mut engine = Engine::new(&case.policy);
    for wire in &case.history {
        let outcome = engine.play(wire).outcome;
        if outcome.status != 200 {
            let reasons = outcome.reasons.unwrap_or_default();
            problems.push(format!("history does not pass: {reasons:?} on {wire:?}"));
            return problems;
        }
    }
    for (n, wire) in case.requests.iter().enumerate() {
        let played = engine.play(wire);
        let found = wire.expect.problems(&played.outcome);
        if !found.is_empty() {
            let said = played.assessment.map(|said| (said.score, said.reasons));
            problems.push(format!("request {n}: {} ({said:?})", found.join("; ")));
        }
    }
    problems
}

#[test]
fn every_case_comes_out_as_expected() {
    let cases = cases::all(None);
    assert!(cases.len() >= 25);
    let mut failed = Vec::new();
    for case in cases.iter().filter(|case| !case.needs_adapter) {
        for problem in problems(case) {
            failed.push(format!("{}: {problem}", case.name));
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn every_rejection_of_a_token_has_a_case() {
    let cases = cases::all(None);
    for (code, _) in stepgate::token::Rejection::all() {
        // An issuer with inline keys always has some: that state belongs to the adapter.
        let covered = cases.iter().any(|case| case.name.ends_with(code));
        assert!(covered || code == "token-no-keys", "no case for {code}");
    }
}

#[test]
fn the_order_of_headers_changes_nothing() {
    // A part of the cases is enough: they share one reader of headers.
    for case in cases::all(None)
        .iter()
        .filter(|case| !case.needs_adapter)
        .step_by(5)
    {
        let (mut one, mut other) = (Engine::new(&case.policy), Engine::new(&case.policy));
        for wire in case.history.iter().chain(&case.requests) {
            let mut turned = wire.clone();
            turned.headers.reverse();
            let (one, other) = (one.play(wire).assessment, other.play(&turned).assessment);
            assert_eq!(one, other, "{}", case.name);
        }
        assert_eq!(one.bytes(), other.bytes(), "{}", case.name);
    }
}
