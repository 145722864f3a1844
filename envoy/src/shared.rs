//! What one VM holds for one configuration: policy, pages, population, keys, known tokens.
//! May use: store, crowd, key sources, metrics, the engine.
//! Must not: be borrowed across a host call that may call back.

use std::cell::{Cell, Ref, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use arrayvec::ArrayVec;
use stepgate::assess::{Assessment, SOURCES};
use stepgate::baseline::account::Account;
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::profile::Profile;
use stepgate::baseline::source::{Source, SourceKey};
use stepgate::evidence::Known;
use stepgate::observe::{self, Outcome, Response, observe};
use stepgate::policy::{Policy, PolicyError};
use stepgate::receipt::Receipts;
use stepgate::signals::features::Features;
use stepgate::signals::keyed::{Domain, HashKey, Locator};
use stepgate::token::{self, Issuer, KeySet, TokenCache};

use crate::census::Census;
use crate::clients::Clients;
use crate::collect::Wanted;
use crate::crowd::Crowd;
use crate::feeds::Feeds;
use crate::holding::Holding;
use crate::journal::Journal;
use crate::jwks::Sources;
use crate::memory::Memory;
use crate::metrics::{Count, Metrics};
use crate::presented::KnownToken;
use crate::proofs::Proofs;
use crate::snapshot::Loading;
use crate::store::{Found, Store, Written};
use crate::verdicts::Verdicts;
use crate::windows::{Taught, Windows};

/// Verified tokens a VM remembers: about 1 MiB of claims as they are usual, and no more than so many times `max_bytes`.
const KNOWN_TOKENS: usize = 2048;

/// State of one VM under one configuration.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) policy: Policy,
    pub(crate) wanted: Wanted,
    pub(crate) key: HashKey,
    /// Absent where there are none.
    pub(crate) receipts: Option<Receipts>,
    pub(crate) store: Store,
    pub(crate) crowd: Crowd,
    pub(crate) sources: Sources,
    pub(crate) feeds: Feeds,
    pub(crate) verdicts: Verdicts,
    loading: Loading,
    pub(crate) metrics: Metrics,
    pub(crate) journal: Journal,
    census: Census,
    /// Requests that wait for their bodies.
    pub(crate) holding: Holding,
    windows: RefCell<Windows>,
    issuers: RefCell<Rc<Vec<Issuer>>>,
    known: RefCell<TokenCache<Rc<KnownToken>>>,
    pub(crate) clients: Clients,
    pub(crate) proofs: Proofs,
    /// Rises with every change of keys: tokens known under others are verified again.
    generation: Cell<u64>,
    /// Numbers the decisions, from a random one on: VMs are copies of each other and decide in the same millisecond.
    decisions: Cell<u64>,
    /// Lists and exceptions that had expired when it was last said.
    expired: Cell<usize>,
}

impl Shared {
    /// # Errors
    /// What the policy needs and the environment lacks.
    pub(crate) fn new(
        mut policy: Policy,
        key: HashKey,
        memory: &Rc<Memory>,
        store: Store,
        metrics: Metrics,
        now: i64,
    ) -> Result<Self, PolicyError> {
        let cookie = policy.challenge.receipt.as_deref();
        let previous = policy.previous_hash_key.as_ref();
        Ok(Self {
            wanted: Wanted::of(&policy),
            receipts: cookie.and_then(|cookie| Receipts::new(cookie, &key, previous)),
            key,
            store,
            crowd: Crowd::new(Rc::clone(memory)),
            sources: Sources::of(&policy, memory, now),
            feeds: Feeds::of(&policy, key, memory, now)?,
            verdicts: Verdicts::new(memory, !policy.config.feeds.is_empty()),
            // Taken out of the policy: megabytes that are of no use once they are loaded.
            loading: Loading::of(
                policy.config.baseline.snapshot.take(),
                Rc::clone(memory),
                &key,
                &metrics,
            ),
            metrics,
            journal: Journal::new(&policy),
            census: Census::default(),
            holding: Holding::default(),
            windows: RefCell::default(),
            issuers: RefCell::new(Rc::new(policy.credentials.issuers.clone())),
            known: RefCell::new(TokenCache::new(KNOWN_TOKENS)),
            clients: Clients::default(),
            proofs: Proofs::new(memory),
            generation: Cell::new(0),
            decisions: Cell::new(RandomState::new().hash_one(now)),
            expired: Cell::new(0),
            policy,
        })
    }

    /// Digest of a credential: what caches and records may hold of it.
    pub(crate) fn digest(&self, bytes: &[u8]) -> u128 {
        token::digest(bytes, &self.key.secret())
    }

    pub(crate) fn issuers(&self) -> Rc<Vec<Issuer>> {
        Rc::clone(&self.issuers.borrow())
    }

    fn replace_keys(&self, issuer: usize, keys: KeySet) -> Result<(), String> {
        let mut issuers = Vec::clone(&self.issuers());
        if let Some(changed) = issuers.get_mut(issuer) {
            changed.replace_keys(keys)?;
        }
        self.issuers.replace(Rc::new(issuers));
        self.generation.set(self.generation.get().wrapping_add(1));
        Ok(())
    }

    /// Whether anything is fetched.
    pub(crate) fn fetches(&self) -> bool {
        !self.sources.is_empty() || !self.feeds.is_empty()
    }

    /// Takes what other VMs fetched and learned, and shares what this one did.
    pub(crate) fn refresh(&self, now: i64) {
        let replace = |issuer, keys| self.replace_keys(issuer, keys);
        self.sources.take(&self.metrics, &replace, now);
        self.feeds.take(&self.metrics, now);
        self.crowd.tick(&self.metrics, now);
        self.metrics.add(Count::BadValue, self.store.damaged());
    }

    /// Does a piece of what one VM does for all.
    pub(crate) fn work(&self, can_call_out: bool, now: i64) {
        self.metrics.count(Count::Heartbeat);
        self.census.tick(&self.store, &self.metrics);
        if can_call_out {
            self.sources.fetch(&self.metrics, now);
            self.feeds.fetch(&self.metrics, now);
        }
        let with = (&self.store, &self.crowd, &self.metrics);
        self.feeds.load(can_call_out, with, now);
        self.loading
            .tick(&self.store, &self.crowd, &self.metrics, now);
    }

    /// Takes the answer to a call of this VM.
    pub(crate) fn take_answer(&self, token: u32, size: usize, now: i64) {
        let replace = |issuer, keys| self.replace_keys(issuer, keys);
        let keys = self
            .sources
            .answered(token, size, &self.metrics, &replace, now);
        if keys {
            return;
        }
        if let Some(verdicts) = self.feeds.answered(token, size, &self.metrics, now) {
            self.verdicts
                .carry_out(&verdicts, &self.store, &self.metrics);
        }
    }

    /// Looks for keys another VM has fetched since the last tick. Whether the issuers have others now.
    pub(crate) fn look_for_keys(&self, now: i64) -> bool {
        let before = self.generation.get();
        let replace = |issuer, keys| self.replace_keys(issuer, keys);
        self.sources.look(&self.metrics, &replace, now) && self.generation.get() != before
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

    /// The record of the name that a login tries.
    pub(crate) fn account(&self, features: &Features) -> Option<Box<Account>> {
        match self.store.read(features.tried?, &self.metrics) {
            Found::Record(account) => Some(account),
            Found::Nothing | Found::Unreadable => None,
        }
    }

    /// The records of the sources that are known.
    pub(crate) fn sources(&self, wanted: &[SourceKey]) -> ArrayVec<(SourceKey, Source), SOURCES> {
        let read = |key: &SourceKey| match self.store.read(key.locator(), &self.metrics) {
            Found::Record(source) => Some((*key, *source)),
            Found::Nothing | Found::Unreadable => None,
        };
        wanted.iter().filter_map(read).take(SOURCES).collect()
    }

    /// Learns from the outcome of a request: the records now, everybody now in this VM's copy and at the next tick in all.
    pub(crate) fn learn(&self, features: &Features, assessment: &Assessment, outcome: Outcome) {
        let mut lessons = ArrayVec::new();
        let (mut source, mut account) = (None, None);
        {
            let population = self.crowd.population();
            let mut learn = |record: Option<&IdentityRecord>| {
                let known = Known::of(&population).with_identity(record);
                let seen = observe(features, assessment, outcome, &known);
                (lessons, source, account) = (seen.lessons, seen.source, seen.account);
                seen.record
            };
            match features.identity {
                Some(locator) => {
                    let written = self.store.update(locator, &self.metrics, learn);
                    self.count(written);
                }
                None => drop(learn(None)),
            }
        }
        for lesson in lessons {
            self.crowd.learn(lesson);
        }
        if let (Some(locator), Some(lesson)) = (features.tried, account) {
            let learn = |record: Option<&Account>| {
                let mut record = record.cloned().unwrap_or_default();
                record.learn(features, lesson);
                Some(record)
            };
            let written = self.store.update(locator, &self.metrics, learn);
            self.count(written);
        }
        if let Some(lesson) = &source {
            for key in SourceKey::of(features) {
                let learn = |record: Option<&Source>| {
                    let mut record = record.copied().unwrap_or_default();
                    record.learn(key.kind, lesson);
                    Some(record)
                };
                // Lessons are counted by identity; what a source missed shows as conflicts.
                let _counted_as_conflicts = self.store.update(key.locator(), &self.metrics, learn);
            }
        }
    }

    fn count(&self, written: Written) {
        match written {
            Written::Yes => self.metrics.count(Count::Learned),
            Written::Skipped => self.metrics.count(Count::LearnSkipped),
            Written::Unchanged => {}
        }
    }

    /// Windows of routes.
    pub(crate) fn windows(&self) -> Ref<'_, Windows> {
        self.windows.borrow()
    }

    /// The profile of an identity that is followed; its window is closed first if it was left alone.
    pub(crate) fn wake(&self, locator: Locator, now: u32) -> Option<Profile> {
        let taught = self.windows.borrow_mut().wake(locator, now);
        self.learn_window(taught);
        match self.store.read(locator, &self.metrics) {
            Found::Record(profile) => Some(*profile),
            Found::Nothing | Found::Unreadable => None,
        }
    }

    /// Takes a request into what is going on with its identity; writes only what closed.
    pub(crate) fn follow(&self, features: &Features, assessment: &Assessment, response: Response) {
        let Some(locator) = features.identity.filter(|_| features.verified) else {
            return;
        };
        let (closed, pushed_out) = {
            let mut windows = self.windows.borrow_mut();
            let (ongoing, pushed_out) = windows.open(locator);
            let closed = observe::follow(features, assessment, response, ongoing);
            (closed.map(|closed| (locator, closed)), pushed_out)
        };
        self.learn_window(closed);
        self.learn_window(pushed_out);
    }

    /// Names the lists and exceptions that have expired, whenever there are more of them.
    pub(crate) fn warn_of_expired(&self, now: u32) {
        let count = self.policy.expired(now).count();
        if self.expired.replace(count) < count {
            for expired in self.policy.expired(now) {
                log::warn!("stepgate: {expired}");
            }
        }
    }

    /// Closes windows that were left alone.
    pub(crate) fn close_idle(&self, now: u32) {
        let taught = self.windows.borrow_mut().sweep(now);
        taught
            .into_iter()
            .for_each(|taught| self.learn_window(Some(taught)));
    }

    fn learn_window(&self, taught: Option<Taught>) {
        let Some((locator, closed)) = taught else {
            return;
        };
        let learn = |profile: Option<&Profile>| {
            let mut profile = profile.cloned().unwrap_or_default();
            profile.learn(&closed);
            Some(profile)
        };
        let written = self.store.update(locator, &self.metrics, learn);
        self.count(written);
        if let Some(lesson) = observe::lesson_of_window(&closed) {
            self.crowd.learn(lesson);
        }
    }

    /// A number this VM gives once.
    pub(crate) fn next_number(&self) -> u64 {
        let number = self.decisions.get();
        self.decisions.set(number.wrapping_add(1));
        number
    }

    /// Id of a new decision: a token that begins with a letter (RFC 9651 §3.3.4).
    pub(crate) fn decision_id(&self, now_ms: i64, features: &Features) -> String {
        let number = self.next_number();
        let mut seed = [0u8; 24];
        let parts = [
            now_ms as u64,
            number,
            u64::from(features.address) << 32 | u64::from(features.session),
        ];
        for (slot, part) in seed.chunks_exact_mut(8).zip(parts) {
            slot.copy_from_slice(&part.to_le_bytes());
        }
        format!("d{:016x}", self.key.hash64(Domain::Decision, &seed))
    }
}
