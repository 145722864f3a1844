//! Key sets behind a cluster: whose turn it is to fetch, what became of it, and taking what another VM fetched.
//! May use: memory, host calls, the token room.
//! Must not: pause a request, give up the last good set, or log what did not change.
//!
//! One sealed value per source holds the set and when the next fetch is due. Who moves that time by CAS from the past into the
//! future has the lease: nobody else fetches before, and if the VM dies the time passes by itself.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use stepgate::policy::Policy;
use stepgate::policy::config::JwksConfig;
use stepgate::signals::keyed::{Domain, HashKey};
use stepgate::token::{KeySet, Origin};

use crate::host::{self, BufferType, MapType};
use crate::memory::Memory;
use crate::metrics::{Count, Metrics};

/// The largest set that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// The shortest time between two fetches on account of unknown keys, in milliseconds.
const EARLIEST: i64 = 10_000;
/// How long a lease outlives the timeout of its fetch, in milliseconds.
const GRACE: i64 = 5_000;
/// The first wait after a failure, doubled by every further one up to the refresh period, in milliseconds.
const FIRST_RETRY: i64 = 1_000;

/// The sources of one policy.
#[derive(Debug)]
pub(crate) struct Sources {
    memory: Rc<Memory>,
    sources: Vec<Source>,
    flights: RefCell<Vec<(u32, usize)>>,
}

#[derive(Debug)]
struct Source {
    /// The issuer's place in the policy.
    issuer: usize,
    name: String,
    jwks: JwksConfig,
    /// What names the source in memory: the same in every policy that has it.
    id: u64,
    /// Since when this VM wants the keys.
    since: i64,
    /// When a token last named a key nobody knows.
    wished: Cell<i64>,
    /// When what this VM has was fetched.
    taken: Cell<i64>,
    /// Checksum of the body this VM has.
    body: Cell<u64>,
}

/// What every VM knows of a source. Times in milliseconds since 1970.
#[derive(Debug, Default, PartialEq)]
struct Record {
    attempted: i64,
    due: i64,
    fetched: i64,
    failures: u32,
    body: Vec<u8>,
}

impl Record {
    const VERSION: u8 = 1;

    fn read(bytes: &[u8]) -> Option<Self> {
        let (version, bytes) = bytes.split_first()?;
        let (attempted, bytes) = bytes.split_first_chunk()?;
        let (due, bytes) = bytes.split_first_chunk()?;
        let (fetched, bytes) = bytes.split_first_chunk()?;
        let (failures, body) = bytes.split_first_chunk()?;
        (*version == Self::VERSION).then(|| Self {
            attempted: i64::from_le_bytes(*attempted),
            due: i64::from_le_bytes(*due),
            fetched: i64::from_le_bytes(*fetched),
            failures: u32::from_le_bytes(*failures),
            body: body.to_vec(),
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(29 + self.body.len());
        bytes.push(Self::VERSION);
        for time in [self.attempted, self.due, self.fetched] {
            bytes.extend_from_slice(&time.to_le_bytes());
        }
        bytes.extend_from_slice(&self.failures.to_le_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Whether it is time to ask the issuer. A clock set back makes it time.
    fn is_due(&self, wished: i64, now: i64) -> bool {
        let unknown_key =
            wished >= self.attempted && wished != 0 && now - self.attempted >= EARLIEST;
        now >= self.due || now < self.attempted || unknown_key
    }
}

impl Source {
    fn load(&self, memory: &Memory) -> (Record, u32) {
        let (value, cas) = memory.open_sealed(format_args!("k{:x}", self.id));
        let record = value.and_then(|value| Record::read(&value));
        (record.unwrap_or_default(), cas)
    }

    fn store(&self, memory: &Memory, record: &Record, cas: u32) -> bool {
        let value = record.bytes();
        memory
            .set_sealed(format_args!("k{:x}", self.id), &value, cas)
            .is_ok()
    }

    fn dispatch(&self) -> Result<u32, String> {
        let jwks = &self.jwks;
        let headers = vec![
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", jwks.authority.as_str()),
            (":path", jwks.path.as_str()),
            ("accept", "application/json"),
        ];
        let timeout = Duration::from_secs(jwks.timeout_seconds.into());
        // The one wrapper of the SDK that is used: its dispatcher must know the call to deliver the answer.
        proxy_wasm::hostcalls::dispatch_http_call(&jwks.cluster, headers, None, vec![], timeout)
            .map_err(|_| "the host does not know the cluster".to_owned())
    }

    /// Notes a failure; the first one is logged.
    fn failed(&self, memory: &Memory, metrics: &Metrics, why: &str, now: i64) {
        metrics.count(Count::JwksFailed);
        let (mut record, cas) = self.load(memory);
        if record.failures == 0 {
            let meanwhile = if record.fetched == 0 {
                "its tokens are refused until they are there"
            } else {
                "the last good ones are kept"
            };
            log::warn!(
                "stepgate: keys of issuer `{}` cannot be fetched from cluster `{}`: {why}; {meanwhile}",
                self.name,
                self.jwks.cluster
            );
        }
        let wait = FIRST_RETRY << record.failures.min(20);
        record.due = now + wait.min(i64::from(self.jwks.refresh_seconds) * 1000);
        record.failures = record.failures.saturating_add(1);
        // Lost to another VM, that one knows better.
        let _kept = self.store(memory, &record, cas);
    }

    /// Keeps a set that was just taken, for all VMs.
    fn fetched(&self, memory: &Memory, keys: &Description, body: Vec<u8>, now: i64) {
        let (mut record, _) = self.load(memory);
        if record.body != body {
            log::info!("stepgate: keys of issuer `{}`: {keys}", self.name);
        } else if record.failures > 0 {
            log::info!("stepgate: keys of issuer `{}` are fetched again", self.name);
        }
        record.fetched = now;
        record.due = now + i64::from(self.jwks.refresh_seconds) * 1000;
        record.failures = 0;
        record.body = body;
        // The lease makes this VM the only one to write; a conflict can only be with a lease that lapsed.
        let _kept = self.store(memory, &record, 0);
        self.taken.set(now);
    }
}

/// How many keys, for the log.
struct Description {
    usable: usize,
    left_out: usize,
}

impl std::fmt::Display for Description {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} usable", self.usable)?;
        match self.left_out {
            0 => Ok(()),
            left_out => write!(f, ", {left_out} left out"),
        }
    }
}

/// Puts a set of keys in force for an issuer, or says why not.
pub(crate) type Replace<'a> = dyn Fn(usize, KeySet) -> Result<(), String> + 'a;

impl Sources {
    pub(crate) fn of(policy: &Policy, memory: Rc<Memory>, now: i64) -> Self {
        let issuers = policy.config.credentials.issuers.iter().enumerate();
        let sources = issuers
            .filter_map(|(issuer, written)| {
                let jwks = written.jwks.clone()?;
                let parts = [&written.issuer, &jwks.cluster, &jwks.authority, &jwks.path];
                let id = HashKey::PUBLIC.locate(Domain::Token, &parts.map(|part| part.as_bytes()));
                Some(Source {
                    issuer,
                    name: written.issuer.clone(),
                    jwks,
                    id: id.tag,
                    since: now,
                    wished: Cell::new(0),
                    taken: Cell::new(0),
                    body: Cell::new(0),
                })
            })
            .collect();
        Self {
            memory,
            sources,
            flights: RefCell::default(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Notes that a token named a key nobody knows, so that its issuer is asked sooner.
    pub(crate) fn unknown_key(&self, issuer: usize, now: i64) {
        if let Some(source) = self.sources.iter().find(|source| source.issuer == issuer) {
            source.wished.set(now);
        }
    }

    /// Takes what any VM has fetched since the last time.
    pub(crate) fn take(&self, metrics: &Metrics, replace: &Replace<'_>, now: i64) {
        let mut oldest = 0;
        for source in &self.sources {
            let (record, _) = source.load(&self.memory);
            if record.fetched != source.taken.get() {
                source.taken.set(record.fetched);
                if let Ok(keys) = KeySet::from_jwks(&record.body, Origin::Remote) {
                    // Whoever fetched the set has logged what is wrong with it.
                    let _unfit = source.put_in_force(keys, &record.body, replace);
                }
            }
            let since = if record.fetched == 0 {
                source.since
            } else {
                record.fetched
            };
            oldest = oldest.max(now.saturating_sub(since));
        }
        metrics.keys_are_old(oldest / 1000);
    }

    /// Asks every issuer whose time has come, where no other VM is at it.
    pub(crate) fn fetch(&self, metrics: &Metrics, now: i64) {
        for (index, source) in self.sources.iter().enumerate() {
            let (mut record, cas) = source.load(&self.memory);
            if !record.is_due(source.wished.get(), now) {
                continue;
            }
            record.attempted = now;
            record.due = now + i64::from(source.jwks.timeout_seconds) * 1000 + GRACE;
            if !source.store(&self.memory, &record, cas) {
                continue;
            }
            match source.dispatch() {
                Ok(token) => {
                    let mut flights = self.flights.borrow_mut();
                    // A fetch that was never answered is over when the next one of its source begins.
                    flights.retain(|(_, of)| *of != index);
                    flights.push((token, index));
                }
                Err(why) => source.failed(&self.memory, metrics, &why, now),
            }
        }
    }

    /// Takes an issuer's answer to the call `token`.
    pub(crate) fn answered(
        &self,
        token: u32,
        size: usize,
        metrics: &Metrics,
        replace: &Replace<'_>,
        now: i64,
    ) {
        let flight = {
            let mut flights = self.flights.borrow_mut();
            let found = flights.iter().position(|(flight, _)| *flight == token);
            found.map(|index| flights.swap_remove(index))
        };
        let Some(source) = flight.and_then(|(_, index)| self.sources.get(index)) else {
            return;
        };
        let taken = body_of_answer(size).and_then(|body| {
            let keys = KeySet::from_jwks(&body, Origin::Remote)?;
            let description = Description {
                usable: keys.keys().len(),
                left_out: keys.skipped().len(),
            };
            source.put_in_force(keys, &body, replace)?;
            Ok((description, body))
        });
        match taken {
            Ok((keys, body)) => {
                metrics.count(Count::JwksFetched);
                source.fetched(&self.memory, &keys, body, now);
            }
            Err(why) => source.failed(&self.memory, metrics, &why, now),
        }
    }
}

impl Source {
    /// Replaces the keys if they are others than before: known tokens stay known while the keys do.
    fn put_in_force(&self, keys: KeySet, body: &[u8], replace: &Replace<'_>) -> Result<(), String> {
        let digest = HashKey::PUBLIC.hash64(Domain::Checksum, body);
        if digest != self.body.get() {
            replace(self.issuer, keys)?;
            self.body.set(digest);
        }
        Ok(())
    }
}

fn body_of_answer(size: usize) -> Result<Vec<u8>, String> {
    let status = host::header(MapType::HttpCallResponse, ":status")
        .map_err(|_| "the connection was reset".to_owned())?;
    if status != b"200" {
        // Of the form of a status: the host has parsed it.
        return Err(format!("status {}", status.escape_ascii()));
    }
    if size > MAX_BYTES {
        return Err(format!("{size} bytes: at most {MAX_BYTES} are read"));
    }
    host::buffer(BufferType::HttpCallResponseBody, MAX_BYTES)
        .map_err(|status| format!("its body cannot be read (host status {})", status.0))
}
