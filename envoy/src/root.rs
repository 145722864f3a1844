//! One configuration in one VM: checks and takes the policy, makes streams, works on ticks.
//! May use: everything in the adapter.
//! Must not: replace a good configuration with a bad one, or work on ticks of a configuration that drains.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use stepgate::policy::{Policy, PolicyError};
use stepgate::signals::keyed::HashKey;

use crate::exchange::Exchange;
use crate::host::{self, BufferType};
use crate::metrics::Metrics;
use crate::shared::Shared;
use crate::store::Store;

/// Largest configuration read, in bytes.
const MAX_CONFIGURATION: usize = 64 << 20;

/// Host log levels.
const INFO: u32 = 2;
const WARN: u32 = 3;
const ERROR: u32 = 4;

#[derive(Default)]
pub(crate) struct Root {
    shared: Option<Rc<Shared>>,
}

impl Root {
    fn configure(&mut self) -> Result<(), PolicyError> {
        let bytes =
            host::buffer(BufferType::PluginConfiguration, MAX_CONFIGURATION).unwrap_or_default();
        let text = String::from_utf8(bytes).map_err(|_| PolicyError {
            path: String::new(),
            message: "the configuration is not UTF-8".into(),
        })?;
        let policy = Policy::parse(&text)?;
        let key = self.hash_key(&policy);
        let root_id = host::property("plugin_root_id")
            .ok()
            .and_then(|id| String::from_utf8(id).ok())
            .unwrap_or_default();
        let store = Store::open(&root_id, policy.memory, key).map_err(|message| PolicyError {
            path: String::new(),
            message,
        })?;
        let metrics = Metrics::define();
        metrics.configured(policy.digest);
        host::log(
            INFO,
            &format!(
                "stepgate {}: {} mode, {} tiers, {} issuers, policy {:016x}",
                env!("CARGO_PKG_VERSION"),
                stepgate::headers::mode_word(policy.config.mode),
                policy.tiers.len(),
                policy.credentials.issuers.len(),
                policy.digest,
            ),
        );
        self.shared = Some(Rc::new(Shared::new(root_id, policy, key, store, metrics)));
        Ok(())
    }

    fn hash_key(&self, policy: &Policy) -> HashKey {
        match std::env::var("STEPGATE_KEY") {
            Ok(secret) if !secret.is_empty() => HashKey::from_secret(&secret),
            _ => policy.hash_key.unwrap_or_else(|| {
                host::log(WARN, "stepgate: neither STEPGATE_KEY nor hash_key is set; the baseline is hashed with a public constant");
                HashKey::PUBLIC
            }),
        }
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        match self.configure() {
            Ok(()) => true,
            Err(error) => {
                host::log(ERROR, &format!("stepgate: policy refused: {error}"));
                false
            }
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Exchange::new(self.shared.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
