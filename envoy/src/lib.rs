//! The adapter between Stepgate and a proxy-wasm host.
#![deny(unsafe_code)]
