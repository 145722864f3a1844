//! What fuzzing runs: for every parser of foreign bytes a function of bytes that panics where something does not hold.
//! May use the engine's public face, the adapter's modules that need no host, the wasm host of the test kit.
//! Must not know who calls: libFuzzer, or the tests that replay seeds and their mutations on stable Rust.
#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a target speaks by panicking"
)]

mod address;
mod body;
mod claims;
mod cli;
mod client;
#[path = "../../../envoy/src/collect.rs"]
#[allow(
    dead_code,
    clippy::redundant_pub_crate,
    reason = "the adapter is a cdylib: what of it is pure is compiled here again"
)]
mod collect;
mod event;
mod feed;
mod headers;
#[allow(
    clippy::redundant_pub_crate,
    reason = "the command line is a binary: what of it reads logs is compiled here again"
)]
mod import;
mod jwks;
#[path = "../../../envoy/src/metadata.rs"]
#[allow(
    dead_code,
    clippy::redundant_pub_crate,
    reason = "the adapter is a cdylib: what of it is pure is compiled here again"
)]
mod metadata;
pub mod mutate;
#[path = "../../../envoy/src/pairs.rs"]
#[allow(
    dead_code,
    clippy::redundant_pub_crate,
    reason = "the adapter is a cdylib: what of it is pure is compiled here again"
)]
mod pairs;
mod policy;
mod record;
pub mod sequence;
mod snapshot;
mod structs;
mod token;

/// A target: a function of bytes.
pub type Target = fn(&[u8]);

/// Every target that needs no module, by the name of its seeds.
pub const TARGETS: [(&str, Target); 13] = [
    ("address", address::run),
    ("body", body::run),
    ("client", client::run),
    ("event", event::run),
    ("feed", feed::run),
    ("headers", headers::run),
    ("import", import::run),
    ("jwks", jwks::run),
    ("metadata", claims::run),
    ("policy", policy::run),
    ("record", record::run),
    ("snapshot", snapshot::run),
    ("token", token::run),
];

/// When every target begins, in seconds since 1970.
const NOW: u32 = 1_893_456_000;

/// Runs the target of this name.
///
/// # Panics
/// Where something does not hold, or there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.expect("a target of this name").1(data);
}

/// The first byte selects what the rest is taken for.
fn split(data: &[u8]) -> (u8, &[u8]) {
    data.split_first()
        .map_or((0, data), |(mode, rest)| (*mode, rest))
}
