//! The adapter between Stepgate's engine and a proxy-wasm host: the only code that knows Envoy.
#![deny(unsafe_code)]

mod collect;
mod credential;
mod crypto;
mod exchange;
mod host;
mod metadata;
mod metrics;
mod pairs;
mod root;
mod shared;
mod store;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(root::Root::default()));
}}
