//! What one VM holds for one configuration: policy, table, population, keys, known tokens.
//! May use: store, metrics, the engine.
//! Must not: be borrowed across a host call that may call back.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use stepgate::assess::Assessment;
use stepgate::baseline::population::{Lesson, Population};
use stepgate::observe::observe;
use stepgate::policy::Policy;
use stepgate::signals::features::Features;
use stepgate::signals::keyed::{Domain, HashKey};
use stepgate::token::{self, Issuer, TokenCache};

use crate::credential::KnownToken;
use crate::metrics::Metrics;
use crate::store::Store;

/// Verified tokens a VM remembers: about 1 MiB.
const KNOWN_TOKENS: usize = 2048;
/// Events a VM keeps for the population between two ticks; later ones only raise its own copy.
const UNFLUSHED: usize = 4096;

/// State of one VM under one configuration.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) root_id: String,
    pub(crate) policy: Policy,
    pub(crate) key: HashKey,
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    pub(crate) population: RefCell<Population>,
    pub(crate) unflushed: RefCell<Vec<Lesson>>,
    issuers: RefCell<Rc<Vec<Issuer>>>,
    known: RefCell<TokenCache<Rc<KnownToken>>>,
    generation: Cell<u64>,
    wanted: Cell<u64>,
    decisions: Cell<u64>,
}

impl Shared {
    pub(crate) fn new(
        root_id: String,
        policy: Policy,
        key: HashKey,
        store: Store,
        metrics: Metrics,
    ) -> Self {
        let issuers = policy.credentials.issuers.clone();
        Self {
            root_id,
            policy,
            key,
            store,
            metrics,
            population: RefCell::default(),
            unflushed: RefCell::default(),
            issuers: RefCell::new(Rc::new(issuers)),
            known: RefCell::new(TokenCache::new(KNOWN_TOKENS)),
            generation: Cell::new(0),
            wanted: Cell::new(0),
            decisions: Cell::new(0),
        }
    }

    /// Digest of a credential: what caches and records may hold of it.
    pub(crate) fn digest(&self, bytes: &[u8]) -> u128 {
        token::digest(bytes, &self.key.secret())
    }

    pub(crate) fn issuers(&self) -> Rc<Vec<Issuer>> {
        Rc::clone(&self.issuers.borrow())
    }

    /// Takes a fetched key set; a set without usable keys leaves the old one in place.
    pub(crate) fn replace_keys(&self, issuer: usize, keys: token::KeySet) -> Result<(), String> {
        let mut issuers = Vec::clone(&self.issuers());
        let Some(changed) = issuers.get_mut(issuer) else {
            return Ok(());
        };
        changed.replace_keys(keys)?;
        self.issuers.replace(Rc::new(issuers));
        // Tokens verified with keys that may be gone are verified again.
        self.generation.set(self.generation.get() + 1);
        Ok(())
    }

    pub(crate) fn known_token(&self, digest: u128, now: i64) -> Option<Rc<KnownToken>> {
        self.known
            .borrow_mut()
            .get(digest, self.generation.get(), now)
            .cloned()
    }

    pub(crate) fn remember_token(
        &self,
        digest: u128,
        valid_until: i64,
        now: i64,
        token: Rc<KnownToken>,
    ) {
        self.known
            .borrow_mut()
            .insert(digest, self.generation.get(), valid_until, now, token);
    }

    /// Notes that a token named a key nobody knows, so that the next tick asks the issuer again.
    pub(crate) fn unknown_key(&self, issuer: usize) {
        self.wanted.set(self.wanted.get() | 1 << (issuer & 63));
    }

    /// Whether keys of this issuer are wanted; forgets it.
    pub(crate) fn take_wanted(&self, issuer: usize) -> bool {
        let bit = 1 << (issuer & 63);
        let wanted = self.wanted.get();
        self.wanted.set(wanted & !bit);
        wanted & bit != 0
    }

    /// Learns from the outcome of a request: the record now, everybody now in this VM's copy and at the next tick in all.
    pub(crate) fn learn(&self, features: &Features, assessment: &Assessment, succeeded: bool) {
        let Some(locator) = features.identity else {
            return;
        };
        let mut lessons = Vec::new();
        {
            let population = self.population.borrow();
            self.store.update(locator, &self.metrics, |record| {
                let seen = observe(features, assessment, succeeded, record, &population);
                lessons = seen.lessons.into_iter().collect();
                seen.record
            });
        }
        let mut population = self.population.borrow_mut();
        let mut unflushed = self.unflushed.borrow_mut();
        for lesson in lessons {
            population.learn(&lesson);
            if unflushed.len() < UNFLUSHED {
                unflushed.push(lesson);
            }
        }
    }

    /// Id of a new decision: a token that begins with a letter (RFC 9651 §3.3.4).
    pub(crate) fn decision_id(&self, now_ms: i64, features: &Features) -> String {
        let number = self.decisions.get();
        self.decisions.set(number.wrapping_add(1));
        let mut seed = [0u8; 24];
        let parts = [
            now_ms as u64,
            number,
            u64::from(features.address) << 32 | u64::from(features.session),
        ];
        for (slot, part) in seed.chunks_exact_mut(8).zip(parts) {
            slot.copy_from_slice(&part.to_le_bytes());
        }
        // The address of this VM's state tells workers apart that decide in the same millisecond.
        let vm = std::ptr::from_ref(self) as u64;
        let hash =
            self.key.hash64(Domain::Decision, &seed) ^ vm.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("d{hash:016x}")
    }
}
