//! Key sets behind a cluster: fetched for every issuer that has one, and asked for sooner when a token names an unknown key.
//! May use: fetch, the token room.
//! Must not: give up the last good set.

use std::cell::Cell;
use std::rc::Rc;

use stepgate::policy::Policy;
use stepgate::token::{KeySet, Origin};

use crate::fetch::{Source, Target};
use crate::memory::Memory;
use crate::metrics::{Count, Metrics};

/// The largest set that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// The shortest time between two looks for keys another VM has fetched, in milliseconds: whoever makes up key ids may cause
/// no more.
const LOOK: i64 = 100;

/// The sources of one policy, each with its issuer's place in it.
#[derive(Debug)]
pub(crate) struct Sources {
    sources: Vec<(usize, Source)>,
    looked: Cell<i64>,
}

/// Puts a set of keys in force for an issuer, or says why not.
pub(crate) type Replace<'a> = dyn Fn(usize, KeySet) -> Result<(), String> + 'a;

impl Sources {
    pub(crate) fn of(policy: &Policy, memory: &Rc<Memory>, now: i64) -> Self {
        let issuers = policy.config.credentials.issuers.iter().enumerate();
        let sources = issuers
            .filter_map(|(index, written)| {
                let jwks = written.jwks.as_ref()?;
                let id = [&*written.issuer, &jwks.cluster, &jwks.authority, &jwks.path];
                let target = Target {
                    what: format!("keys of issuer `{}`", written.issuer),
                    meanwhile: [
                        "its tokens are refused until they are there",
                        "the last good ones are kept",
                    ],
                    cluster: jwks.cluster.clone(),
                    authority: jwks.authority.clone(),
                    path: jwks.path.clone(),
                    refresh_seconds: jwks.refresh_seconds,
                    timeout_seconds: jwks.timeout_seconds,
                    max_bytes: MAX_BYTES,
                    authorization: None,
                    counts: [Count::JwksFetched, Count::JwksFailed],
                };
                Some((index, Source::new(target, &id, Rc::clone(memory), now)))
            })
            .collect();
        Self {
            sources,
            looked: Cell::new(0),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Notes that a token named a key nobody knows, so that its issuer is asked sooner.
    pub(crate) fn unknown_key(&self, issuer: usize, now: i64) {
        if let Some((_, source)) = self.sources.iter().find(|(of, _)| *of == issuer) {
            source.wish(now);
        }
    }

    /// Takes what any VM has fetched since the last time.
    pub(crate) fn take(&self, metrics: &Metrics, replace: &Replace<'_>, now: i64) {
        let mut oldest = 0;
        for (issuer, source) in &self.sources {
            let age = source.take(now, |body| {
                replace(*issuer, KeySet::from_jwks(body, Origin::Remote)?)
            });
            oldest = oldest.max(age);
        }
        let oldest = u64::try_from(oldest).unwrap_or(0);
        metrics.record(Count::JwksAge, 0, oldest);
    }

    /// The same between two ticks, for a token that cannot wait; not often. Whether it looked.
    pub(crate) fn look(&self, metrics: &Metrics, replace: &Replace<'_>, now: i64) -> bool {
        let lately = (self.looked.get()..self.looked.get().saturating_add(LOOK)).contains(&now);
        if lately || self.sources.is_empty() {
            return false;
        }
        self.looked.set(now);
        self.take(metrics, replace, now);
        true
    }

    /// Asks every issuer whose time has come, where no other VM is at it.
    pub(crate) fn fetch(&self, metrics: &Metrics, now: i64) {
        for (_, source) in &self.sources {
            source.fetch(metrics, now);
        }
    }

    /// Takes an issuer's answer to the call `token`, if it is one.
    pub(crate) fn answered(
        &self,
        token: u32,
        size: usize,
        metrics: &Metrics,
        replace: &Replace<'_>,
        now: i64,
    ) -> bool {
        self.sources.iter().any(|(issuer, source)| {
            source.answered(token, size, metrics, now, |body| {
                let keys = KeySet::from_jwks(body, Origin::Remote)?;
                let said = described(&keys);
                replace(*issuer, keys)?;
                Ok(said)
            })
        })
    }
}

/// How many keys, for the log.
fn described(keys: &KeySet) -> String {
    let usable = keys.keys().len();
    match keys.skipped().len() {
        0 => format!("{usable} usable"),
        left_out => format!("{usable} usable, {left_out} left out"),
    }
}
