//! The adapter between Stepgate's engine and a proxy-wasm host: the only code that knows Envoy.
#![deny(unsafe_code)]
#![allow(
    missing_docs,
    reason = "nothing is public but what the SDK's macro exports"
)]

mod capabilities;
mod census;
mod clients;
mod collect;
mod credential;
mod crowd;
mod crypto;
mod delivery;
mod exchange;
mod feeds;
mod fetch;
mod holding;
mod host;
mod journal;
mod jwks;
mod login;
mod memory;
mod metadata;
mod metrics;
mod pairs;
mod places;
mod presented;
mod proofs;
mod request;
mod root;
mod shared;
mod snapshot;
mod step_up;
mod store;
mod verdicts;
mod windows;

proxy_wasm::main! {{
    if log::set_logger(&host::HostLog).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
    crypto::install(|name, arguments| {
        host::foreign_function(name, arguments).map_err(|status| status.0)
    });
    proxy_wasm::set_root_context(|id| Box::new(root::Root::new(id)));
}}
