//! The built module in the real Envoy: two workers, raw sockets, real tokens at the real time.
//! May use the test kit and the cases; the module is `$STEPGATE_WASM`, else `target/stepgate.wasm`.
//! Must not know how the module works inside: what counts is what client, upstream and operator see.
#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a helper of tests is a test: a panic is its failure"
)]

#[path = "envoy/audit.rs"]
mod audit;
#[path = "envoy/bodies.rs"]
mod bodies;
mod cases;
#[path = "envoy/claims.rs"]
mod claims;
#[path = "envoy/containment.rs"]
mod containment;
#[path = "envoy/contention.rs"]
mod contention;
#[path = "envoy/contract.rs"]
mod contract;
#[path = "envoy/crash.rs"]
mod crash;
#[path = "envoy/deceit.rs"]
mod deceit;
#[path = "envoy/exceptions.rs"]
mod exceptions;
#[path = "envoy/feeds.rs"]
mod feeds;
#[path = "envoy/foreign.rs"]
mod foreign;
#[path = "envoy/gateway.rs"]
mod gateway;
#[path = "envoy/guesses.rs"]
mod guesses;
#[path = "envoy/headers.rs"]
mod headers;
#[path = "envoy/hostile.rs"]
mod hostile;
#[path = "envoy/http2.rs"]
mod http2;
#[path = "envoy/keys.rs"]
mod keys;
#[path = "envoy/learning.rs"]
mod learning;
#[path = "envoy/live.rs"]
mod live;
#[path = "envoy/login.rs"]
mod login;
#[path = "envoy/metadata.rs"]
mod metadata;
#[path = "envoy/observability.rs"]
mod observability;
#[path = "envoy/operation.rs"]
mod operation;
#[path = "envoy/protocols.rs"]
mod protocols;
#[path = "envoy/resets.rs"]
mod resets;
#[path = "envoy/restart.rs"]
mod restart;
#[path = "envoy/rollout.rs"]
mod rollout;
#[path = "envoy/sources.rs"]
mod sources;
#[path = "envoy/step_up.rs"]
mod step_up;
#[path = "envoy/tiers.rs"]
mod tiers;
#[path = "envoy/updates.rs"]
mod updates;
