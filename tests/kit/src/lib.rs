//! What the tests and the demo share: a wasm host, a real Envoy, a client and an upstream, tokens, geo databases.
//! May use the standard library, wasmi, walrus, serde_json and RustCrypto; every part stands alone.
//! Must not depend on the engine or the adapter: what checks them knows them only from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "test support: a panic here is a failed test with a message, and waiting for a process needs a clock"
)]

pub mod envoy;
pub mod headers;
pub mod host;
pub mod http;
pub mod mmdb;
pub mod tokens;
pub mod trap;
