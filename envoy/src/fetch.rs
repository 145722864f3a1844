//! A document behind a cluster: whose turn it is to fetch it, what became of that, and taking what another VM fetched.
//! May use: memory, host calls, metrics.
//! Must not: pause a request, know what a document means, give up the last good one, or log what did not change.
//!
//! One sealed value per document says when the next fetch is due. Who moves that time by CAS from the past into the future
//! has the lease: nobody else fetches before, and if the VM dies the time passes by itself. The document itself lies in
//! pieces beside it, in two places that take turns, so that nobody reads a half of one.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use stepgate::signals::keyed::{Domain, HashKey};

use crate::host::{self, BufferType, MapType};
use crate::memory::Memory;
use crate::metrics::{Count, Metrics};

/// How long a lease outlives the timeout of its fetch, in milliseconds.
const GRACE: i64 = 5_000;
/// The first wait after a failure, doubled by every further one up to the refresh period, in milliseconds.
const FIRST_RETRY: i64 = 1_000;
/// The shortest time between two fetches on account of a wish, in milliseconds.
const EARLIEST: i64 = 10_000;
/// A tick may come this much early, in milliseconds.
const SLACK: i64 = 100;
/// Bytes of a piece: the host holds one lock for all workers while it copies one.
const PIECE: usize = 64 * 1024;
/// Longest entity tag that is kept (RFC 9110 §8.8.3).
const LONGEST_TAG: usize = 256;

/// What to fetch, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// What it is, for the log.
    pub(crate) what: String,
    /// What follows from not having it, for the log: never had, had before.
    pub(crate) meanwhile: [&'static str; 2],
    pub(crate) cluster: String,
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) refresh_seconds: u32,
    pub(crate) timeout_seconds: u32,
    pub(crate) max_bytes: usize,
    /// Value of the header `authorization`: never logged.
    pub(crate) authorization: Option<String>,
    /// Counted for a fetch that succeeded, and for one that failed.
    pub(crate) counts: [Count; 2],
}

impl Target {
    /// Asks for a path of the same place. The answer comes under the number returned.
    pub(crate) fn dispatch(
        &self,
        path: &str,
        accept: &str,
        tag: Option<&str>,
    ) -> Result<u32, String> {
        let mut headers = vec![
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", self.authority.as_str()),
            (":path", path),
            ("accept", accept),
        ];
        headers.extend(tag.map(|tag| ("if-none-match", tag)));
        headers.extend(
            self.authorization
                .as_deref()
                .map(|value| ("authorization", value)),
        );
        let timeout = Duration::from_secs(self.timeout_seconds.into());
        host::call(&self.cluster, headers, timeout).map_err(str::to_owned)
    }
}

/// One document and what this VM has of it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) target: Target,
    memory: Rc<Memory>,
    /// What names the document in memory: the same in every policy that has it.
    id: u64,
    /// Since when this VM wants it.
    since: i64,
    /// When something last wished that it were newer.
    wished: Cell<i64>,
    /// Digest of the last body this VM looked at, and of the one in force here.
    seen: Cell<u64>,
    held: Cell<u64>,
    flight: Cell<Option<u32>>,
}

/// What every VM knows of a document. Times in milliseconds since 1970.
#[derive(Debug, Default, PartialEq)]
struct Record {
    attempted: i64,
    due: i64,
    fetched: i64,
    failures: u32,
    /// Hash of the last failure, so that another one is said.
    failure: u32,
    /// The body: its digest, its length, and in which of the two places it lies.
    body: u64,
    length: u32,
    place: u8,
    tag: Vec<u8>,
}

impl Record {
    const VERSION: u8 = 2;

    fn read(bytes: &[u8]) -> Option<Self> {
        let (version, bytes) = bytes.split_first()?;
        let (attempted, bytes) = bytes.split_first_chunk()?;
        let (due, bytes) = bytes.split_first_chunk()?;
        let (fetched, bytes) = bytes.split_first_chunk()?;
        let (failures, bytes) = bytes.split_first_chunk()?;
        let (failure, bytes) = bytes.split_first_chunk()?;
        let (body, bytes) = bytes.split_first_chunk()?;
        let (length, bytes) = bytes.split_first_chunk()?;
        let (place, tag) = bytes.split_first()?;
        (*version == Self::VERSION).then(|| Self {
            attempted: i64::from_le_bytes(*attempted),
            due: i64::from_le_bytes(*due),
            fetched: i64::from_le_bytes(*fetched),
            failures: u32::from_le_bytes(*failures),
            failure: u32::from_le_bytes(*failure),
            body: u64::from_le_bytes(*body),
            length: u32::from_le_bytes(*length),
            place: *place,
            tag: tag.to_vec(),
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![Self::VERSION];
        for time in [self.attempted, self.due, self.fetched] {
            bytes.extend_from_slice(&time.to_le_bytes());
        }
        bytes.extend_from_slice(&self.failures.to_le_bytes());
        bytes.extend_from_slice(&self.failure.to_le_bytes());
        bytes.extend_from_slice(&self.body.to_le_bytes());
        bytes.extend_from_slice(&self.length.to_le_bytes());
        bytes.push(self.place);
        bytes.extend_from_slice(&self.tag);
        bytes
    }

    /// Whether it is time to ask. A clock set back makes it time.
    fn is_due(&self, wished: i64, now: i64) -> bool {
        let wish = wished >= self.attempted && wished != 0 && now - self.attempted >= EARLIEST;
        now >= self.due || now < self.attempted || wish
    }
}

fn digest(body: &[u8]) -> u64 {
    HashKey::PUBLIC.hash64(Domain::Checksum, body).max(1)
}

impl Source {
    pub(crate) fn new(target: Target, id: &[&str], memory: Rc<Memory>, now: i64) -> Self {
        let parts: Vec<&[u8]> = id.iter().map(|part| part.as_bytes()).collect();
        Self {
            target,
            memory,
            id: HashKey::PUBLIC.locate(Domain::Token, &parts).tag,
            since: now,
            wished: Cell::new(0),
            seen: Cell::new(0),
            held: Cell::new(0),
            flight: Cell::new(None),
        }
    }

    fn load(&self) -> (Record, u32) {
        let (value, cas) = self.memory.open_sealed(format_args!("k{:x}", self.id));
        let record = value.and_then(|value| Record::read(&value));
        (record.unwrap_or_default(), cas)
    }

    fn store(&self, record: &Record, cas: u32) -> bool {
        self.memory
            .set_sealed(format_args!("k{:x}", self.id), &record.bytes(), cas)
            .is_ok()
    }

    /// The body of a record, if it is whole.
    fn body(&self, record: &Record) -> Option<Vec<u8>> {
        let length = record.length as usize;
        if record.body == 0 || length > self.target.max_bytes {
            return None;
        }
        let mut body = Vec::with_capacity(length);
        for piece in 0..length.div_ceil(PIECE) {
            let (value, _) = self
                .memory
                .open_sealed(format_args!("d{:x}.{}.{piece}", self.id, record.place));
            body.extend(value?);
        }
        (digest(&body) == record.body).then_some(body)
    }

    fn keep(&self, record: &mut Record, body: &[u8]) -> bool {
        let place = 1 - record.place.min(1);
        let stored = body.chunks(PIECE).enumerate().all(|(piece, bytes)| {
            let name = format_args!("d{:x}.{place}.{piece}", self.id);
            self.memory.set_sealed(name, bytes, 0).is_ok()
        });
        record.place = place;
        record.body = digest(body);
        record.length = body.len() as u32;
        stored
    }

    /// Notes that something wants a newer one.
    pub(crate) fn wish(&self, now: i64) {
        self.wished.set(now);
    }

    /// Takes what any VM has fetched since the last time, by `accept`. Returns its age in seconds.
    pub(crate) fn take(&self, now: i64, accept: impl FnOnce(&[u8]) -> Result<(), String>) -> i64 {
        let (record, _) = self.load();
        if record.body != self.seen.get()
            && let Some(body) = self.body(&record)
        {
            self.seen.set(record.body);
            // Whoever fetched it has logged what is wrong with it.
            if accept(&body).is_ok() {
                self.held.set(record.body);
            }
        }
        let since = if record.fetched == 0 {
            self.since
        } else {
            record.fetched
        };
        now.saturating_sub(since) / 1000
    }

    /// Asks for it if its time has come and no other VM is at it.
    pub(crate) fn fetch(&self, metrics: &Metrics, now: i64) {
        let (mut record, cas) = self.load();
        if !record.is_due(self.wished.get(), now) {
            return;
        }
        record.attempted = now;
        record.due = now + i64::from(self.target.timeout_seconds) * 1000 + GRACE;
        if !self.store(&record, cas) {
            return;
        }
        // "Not modified" is of use only where what it was compared with is there.
        let known = self.held.get() == record.body && self.body(&record).is_some();
        let tag = std::str::from_utf8(&record.tag)
            .ok()
            .filter(|tag| known && !tag.is_empty());
        match self
            .target
            .dispatch(&self.target.path, "application/json", tag)
        {
            Ok(token) => self.flight.set(Some(token)),
            Err(why) => self.failed(metrics, &why, now),
        }
    }

    /// Takes the answer to the call `token`, if it was for this document, by `accept`, which says what is in it. Whether it was.
    pub(crate) fn answered(
        &self,
        token: u32,
        size: usize,
        metrics: &Metrics,
        now: i64,
        accept: impl FnOnce(&[u8]) -> Result<String, String>,
    ) -> bool {
        if self.flight.get() != Some(token) {
            return false;
        }
        self.flight.set(None);
        let taken = match status_of_answer() {
            Ok(304) => self.unchanged(metrics, now),
            Ok(200) => body_of_answer(size, self.target.max_bytes)
                .and_then(|body| self.changed(&body, metrics, now, accept)),
            Ok(status) => Err(format!("status {status}")),
            Err(why) => Err(why),
        };
        if let Err(why) = taken {
            self.failed(metrics, &why, now);
        }
        true
    }

    fn unchanged(&self, metrics: &Metrics, now: i64) -> Result<(), String> {
        let (mut record, _) = self.load();
        if record.body == 0 || record.body != self.held.get() {
            // Asked without a condition, or what it was compared with is gone.
            record.tag.clear();
            let _kept = self.store(&record, 0);
            return Err("status 304 to what is not there".into());
        }
        self.succeeded(&mut record, metrics, now);
        Ok(())
    }

    fn changed(
        &self,
        body: &[u8],
        metrics: &Metrics,
        now: i64,
        accept: impl FnOnce(&[u8]) -> Result<String, String>,
    ) -> Result<(), String> {
        let (mut record, _) = self.load();
        let new = digest(body);
        // What is in force already stays as it is: what was made of it is known to others by now.
        let said = if new == self.held.get() {
            None
        } else {
            Some(accept(body)?)
        };
        self.seen.set(new);
        self.held.set(new);
        let differs = record.body != new || self.body(&record).is_none();
        if differs && !self.keep(&mut record, body) {
            log::warn!(
                "stepgate: {}: the host has no memory for it: other workers do not see it",
                self.target.what
            );
        }
        if let (true, Some(said)) = (differs, said) {
            log::info!("stepgate: {}: {said}", self.target.what);
        }
        record.tag = tag_of_answer();
        self.succeeded(&mut record, metrics, now);
        Ok(())
    }

    fn succeeded(&self, record: &mut Record, metrics: &Metrics, now: i64) {
        let [fetched, _] = self.target.counts;
        metrics.count(fetched);
        if record.failures > 0 {
            log::info!("stepgate: {}: fetched again", self.target.what);
        }
        record.fetched = now;
        record.due = now + i64::from(self.target.refresh_seconds) * 1000 - SLACK;
        record.failures = 0;
        record.failure = 0;
        // The lease makes this VM the only one to write; a conflict can only be with a lease that lapsed.
        let _kept = self.store(record, 0);
    }

    /// Notes a failure; the first one is logged, and every other one.
    fn failed(&self, metrics: &Metrics, why: &str, now: i64) {
        let [_, failed] = self.target.counts;
        metrics.count(failed);
        let (mut record, cas) = self.load();
        let failure = HashKey::PUBLIC.hash32(Domain::Checksum, why.as_bytes());
        if failure != record.failure {
            let [never, before] = self.target.meanwhile;
            log::warn!(
                "stepgate: {} cannot be fetched from cluster `{}`: {why}; {}",
                self.target.what,
                self.target.cluster,
                if record.fetched == 0 { never } else { before },
            );
        }
        let wait = FIRST_RETRY << record.failures.min(20);
        record.due = now + wait.min(i64::from(self.target.refresh_seconds) * 1000);
        record.failures = record.failures.saturating_add(1);
        record.failure = failure;
        // Lost to another VM, that one knows better.
        let _kept = self.store(&record, cas);
    }
}

/// The status of the answer that is being delivered.
pub(crate) fn status_of_answer() -> Result<u16, String> {
    let status = host::header(MapType::HttpCallResponse, ":status")
        .map_err(|_| "the connection was reset".to_owned())?;
    std::str::from_utf8(&status)
        .ok()
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| "an answer without a status".to_owned())
}

/// The body of the answer that is being delivered, if it is no larger than it may be.
pub(crate) fn body_of_answer(size: usize, most: usize) -> Result<Vec<u8>, String> {
    if size > most {
        return Err(format!("{size} bytes: at most {most} are read"));
    }
    host::buffer(BufferType::HttpCallResponseBody, most)
        .map_err(|status| format!("its body cannot be read (host status {})", status.0))
}

/// The entity tag of the answer, if it can stand in a header again.
fn tag_of_answer() -> Vec<u8> {
    let tag = host::header(MapType::HttpCallResponse, "etag").unwrap_or_default();
    let plain = tag.len() <= LONGEST_TAG && tag.iter().all(|byte| matches!(byte, 0x21..=0x7e));
    if plain { tag } else { Vec::new() }
}
