//! Holds the tests of tokens from outside: the lists of RFC 8725 and OWASP, other libraries' tokens, any bytes at all.
//! May use the engine's public interface and keys made up here.
//! Must not reach into the room: what is tested is what a stranger can send.
#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of tests is a test: a panic is its failure"
)]

mod constant_time;
mod keys;
mod libraries;
mod mint;
mod owasp;
mod properties;
mod rfc8725;
