//! One configuration in one VM: checks and takes the policy, makes streams, works on ticks.
//! May use: everything in the adapter.
//! Must not: replace a good configuration with a bad one, or start work for a configuration that drains.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use stepgate::policy::{Policy, PolicyError};
use stepgate::signals::keyed::HashKey;

use crate::capabilities::{Capabilities, Lack};
use crate::exchange::Exchange;
use crate::host::{self, BufferType};
use crate::memory::Memory;
use crate::metadata;
use crate::metrics::{Count, Metrics};
use crate::shared::Shared;
use crate::store::Store;

/// Largest configuration read, in bytes.
const MAX_CONFIGURATION: usize = 64 << 20;
/// Between two times that requests do the work of a tick, in milliseconds.
const PERIOD: i64 = 1_000;

thread_local! {
    /// The newest root context of each plugin in this VM: those of older configurations live on until their streams are drained.
    static NEWEST: RefCell<Vec<(Vec<u8>, u32)>> = const { RefCell::new(Vec::new()) };
}

/// A root context.
pub(crate) struct Root {
    id: u32,
    /// What tells this plugin from others that share the VM.
    plugin: Vec<u8>,
    can_call_out: bool,
    /// When requests last did the work of a tick, in milliseconds; absent where the host has ticks.
    worked: Option<Cell<i64>>,
    shared: Option<Rc<Shared>>,
}

impl Root {
    pub(crate) fn new(id: u32) -> Self {
        Self {
            id,
            plugin: Vec::new(),
            can_call_out: false,
            worked: None,
            shared: None,
        }
    }

    fn configure(&mut self) -> Result<(), PolicyError> {
        let bytes =
            host::buffer(BufferType::PluginConfiguration, MAX_CONFIGURATION).unwrap_or_default();
        let text = policy_text(bytes)?;
        let mut policy = Policy::parse(&text)?;
        if let Some(previous) = key_from("STEPGATE_PREVIOUS_KEY") {
            policy.previous_hash_key = Some(previous);
        }
        let key = hash_key(&policy);
        let root_id = host::property("plugin_root_id").unwrap_or_default();
        let memory = Memory::open(&String::from_utf8_lossy(&root_id), key);
        let memory = Rc::new(memory);
        let store = Store::open(Rc::clone(&memory), policy.memory, key)?;
        let metrics = Metrics::define(&policy);
        let now = host::now_ms();
        let shared = Shared::new(policy, key, &memory, store, metrics, now)?;
        let digest = shared.policy.digest;
        shared
            .metrics
            .record(Count::ConfigurationDigest, 0, digest & 0xffff_ffff);
        let number = generation(&memory, digest);
        shared
            .metrics
            .record(Count::ConfigurationGeneration, 0, number);
        shared.refresh(now);
        self.find_out(&shared, &memory);
        self.take_over(root_id);
        self.shared = Some(Rc::new(shared));
        Ok(())
    }

    /// Says what is in force, and what the host cannot do.
    fn find_out(&mut self, shared: &Shared, memory: &Memory) {
        let policy = &shared.policy;
        let host = Capabilities::probe(self.id, memory, shared.fetches());
        self.can_call_out = host.fetches();
        self.worked = host.lacks(Lack::Ticks).then(|| Cell::new(host::now_ms()));
        let verifier = if host.lacks(Lack::Signatures) {
            "this module"
        } else {
            "the host"
        };
        log::info!(
            "stepgate {}: {} mode, {} tiers, {} issuers, policy {:016x}; {verifier} verifies signatures",
            env!("CARGO_PKG_VERSION"),
            stepgate::headers::mode_word(policy.config.mode),
            policy.tiers.len(),
            policy.credentials.issuers.len(),
            policy.digest,
        );
        shared.warn_of_expired(u32::try_from(host::now_ms().div_euclid(1000)).unwrap_or(0));
        for warning in policy.step_up_warnings(shared.key != HashKey::PUBLIC) {
            log::warn!("stepgate: {warning}");
        }
        host.warn();
        if host.lacks(Lack::Ticks) {
            shared.holding.has_no_ticks();
        }
        if !shared.feeds.is_empty() && !self.can_call_out {
            log::error!("stepgate: the host cannot fetch: the filter goes on without its feeds");
        }
        if !shared.sources.is_empty() && !self.can_call_out {
            log::error!(
                "stepgate: the host cannot fetch keys: tokens of issuers with `jwks` are refused as `token-no-keys`; give their keys inline"
            );
        }
    }

    /// Makes this root the one that works for its plugin.
    fn take_over(&mut self, root_id: Vec<u8>) {
        self.plugin = host::property("plugin_name").unwrap_or_default();
        self.plugin.push(0);
        self.plugin.extend(root_id);
        NEWEST.with_borrow_mut(|newest| {
            newest.retain(|(plugin, _)| *plugin != self.plugin);
            newest.push((self.plugin.clone(), self.id));
        });
    }

    /// What does not wait for a request: takes what other VMs learned and fetched, shares what this one did, loads a snapshot.
    fn work(&self, now: i64) {
        let Some(shared) = &self.shared else {
            return;
        };
        shared.refresh(now);
        let seconds = u32::try_from(now.div_euclid(1000)).unwrap_or(0);
        shared.close_idle(seconds);
        shared.journal.sweep(seconds);
        if self.is_newest() {
            shared.warn_of_expired(seconds);
            shared.work(self.can_call_out, now);
        }
    }

    /// The same where the host has no ticks, before a request. A clock set back makes it time.
    fn work_without_ticks(&self) {
        if let Some(worked) = &self.worked {
            let now = host::now_ms();
            if !(worked.get()..worked.get().saturating_add(PERIOD)).contains(&now) {
                worked.set(now);
                self.work(now);
            }
        }
    }

    fn is_newest(&self) -> bool {
        NEWEST.with_borrow(|newest| {
            newest
                .iter()
                .any(|(plugin, id)| *id == self.id && *plugin == self.plugin)
        })
    }
}

/// A hash key from the environment of the VM.
fn key_from(variable: &str) -> Option<HashKey> {
    let secret = std::env::var(variable).ok()?;
    (!secret.is_empty()).then(|| HashKey::from_secret(&secret))
}

/// The policy as JSON. Envoy hands on a StringValue or BytesValue as it is, and of a Struct its protobuf encoding, which begins
/// with a line feed: the tag of its first field.
fn policy_text(bytes: Vec<u8>) -> Result<String, PolicyError> {
    let json = |bytes: &[u8]| serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok();
    if bytes.first() == Some(&b'\n')
        && !json(&bytes)
        && let Some(json) = metadata::whole(&bytes)
    {
        return Ok(json);
    }
    String::from_utf8(bytes).map_err(|_| PolicyError {
        path: String::new(),
        message: "the configuration is not UTF-8".into(),
    })
}

/// The number of a policy among those this process has taken: every VM takes each, the first one counts it.
fn generation(memory: &Memory, digest: u64) -> u64 {
    let name = format_args!("generation");
    let mut number = 0;
    // A VM that is faster has counted the same policy.
    for _ in 0..2 {
        let (value, cas) = memory.open_sealed(name);
        let (last, known) = value
            .as_deref()
            .and_then(<[u8]>::split_first_chunk)
            .and_then(|(last, rest)| Some((u64::from_le_bytes(*last), rest.first_chunk()?)))
            .map_or((0, 0), |(last, known)| (last, u64::from_le_bytes(*known)));
        number = known;
        if known > 0 && last == digest {
            break;
        }
        number = known.saturating_add(1);
        let bytes = [digest.to_le_bytes(), number.to_le_bytes()].concat();
        if memory.set_sealed(name, &bytes, cas).is_ok() {
            break;
        }
    }
    number
}

fn hash_key(policy: &Policy) -> HashKey {
    match key_from("STEPGATE_KEY") {
        Some(key) => key,
        None => policy.hash_key.unwrap_or_else(|| {
            log::warn!("stepgate: neither STEPGATE_KEY nor hash_key is set; the baseline is hashed with a public constant");
            HashKey::PUBLIC
        }),
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, _: usize, body_size: usize, _: usize) {
        if let Some(shared) = &self.shared {
            shared.take_answer(token, body_size, host::now_ms());
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        match self.configure() {
            Ok(()) => true,
            Err(error) => {
                log::error!("stepgate: policy refused: {error}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let now = host::now_ms();
        if let Some(shared) = &self.shared {
            shared
                .holding
                .sweep(self.id, now, |what| shared.metrics.count(what));
        }
        self.work(now);
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        self.work_without_ticks();
        Some(Box::new(Exchange::new(id, self.shared.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
