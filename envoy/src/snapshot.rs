//! Loading a trained baseline: checked whole, then merged into the pages piece by piece, once per process.
//! May use: memory, store, crowd, the engine's snapshots.
//! Must not: use a part of what is not sound as a whole, or hold a worker for longer than a piece takes.
//!
//! One sealed value per snapshot says how far it is. Who moves its time by CAS has the lease for the next piece; should that VM
//! die, the piece is merged again, and its records count twice.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::{PageKind, VERSION};
use stepgate::baseline::population::Population;
use stepgate::baseline::profile::Profile;
use stepgate::baseline::snapshot::{Snapshot, SnapshotRecord};
use stepgate::signals::keyed::{Domain, HashKey};

use crate::crowd::Crowd;
use crate::memory::Memory;
use crate::metrics::{Count, Metrics};
use crate::store::{Record, Store, Written};

/// Merged on one tick, in bytes: about five hundred records, some milliseconds.
const PIECE: usize = 128 * 1024;
/// How long the lease for a piece holds, in milliseconds.
const LEASE: i64 = 10_000;

/// A snapshot that is being loaded, if there is one.
#[derive(Debug)]
pub(crate) struct Loading {
    memory: Rc<Memory>,
    id: u64,
    snapshot: RefCell<Option<Snapshot<Vec<u8>>>>,
    /// Hash of the last refusal, so that it is said once.
    refusal: Cell<u32>,
    /// No other VM has the bytes: the lease is kept from piece to piece.
    alone: bool,
    /// The end of the lease this VM has.
    mine: Cell<i64>,
}

/// How far a snapshot is loaded into the pages of this version: those of another read as empty.
#[derive(Clone, Copy, Default)]
struct Progress {
    position: u64,
    leased: i64,
}

impl Progress {
    const DONE: u64 = u64::MAX;

    fn read(bytes: &[u8]) -> Option<Self> {
        let (position, bytes) = bytes.split_first_chunk()?;
        let (leased, _) = bytes.split_first_chunk()?;
        Some(Self {
            position: u64::from_le_bytes(*position),
            leased: i64::from_le_bytes(*leased),
        })
    }

    fn bytes(self) -> Vec<u8> {
        [self.position.to_le_bytes(), self.leased.to_le_bytes()].concat()
    }
}

impl Loading {
    /// Checks the snapshot of a policy, in base64. What cannot be used is said, counted and left alone.
    pub(crate) fn of(
        text: Option<String>,
        memory: Rc<Memory>,
        key: &HashKey,
        metrics: &Metrics,
    ) -> Self {
        let mut loading = Self {
            memory,
            id: 0,
            snapshot: RefCell::default(),
            refusal: Cell::new(0),
            alone: false,
            mine: Cell::new(0),
        };
        let Some(text) = text else {
            return loading;
        };
        loading.id = HashKey::PUBLIC.hash64(Domain::Checksum, text.as_bytes());
        if loading.progress().0.position == Progress::DONE {
            return loading;
        }
        let read = STANDARD
            .decode(text.trim_ascii())
            .map_err(|_| "is not base64; `stepgate train --base64` writes it".to_owned())
            .and_then(|bytes| loading.put(bytes, key));
        if let Err(why) = read {
            loading.refused(metrics, "baseline.snapshot", &why);
        }
        loading
    }

    /// One that is still to be fetched, under an id that names where from.
    pub(crate) fn of_delivery(id: u64, memory: Rc<Memory>) -> Self {
        Self {
            memory,
            id,
            snapshot: RefCell::default(),
            refusal: Cell::new(0),
            alone: true,
            mine: Cell::new(0),
        }
    }

    fn put(&self, bytes: Vec<u8>, key: &HashKey) -> Result<(), String> {
        let snapshot = Snapshot::read(bytes, key).map_err(|error| error.to_string())?;
        self.snapshot.replace(Some(snapshot));
        Ok(())
    }

    /// Says, once, and counts that a snapshot cannot be used.
    pub(crate) fn refused(&self, metrics: &Metrics, what: &str, why: &str) {
        metrics.count(Count::SnapshotRefused);
        let refusal = HashKey::PUBLIC.hash32(Domain::Checksum, why.as_bytes());
        if self.refusal.replace(refusal) != refusal {
            log::error!("stepgate: snapshot refused: {what}: {why}");
        }
    }

    /// Whether the bytes are here to be loaded.
    pub(crate) fn is_here(&self) -> bool {
        self.snapshot.borrow().is_some()
    }

    /// Takes the bytes that were fetched, in base64 or as they are.
    pub(crate) fn supply(&self, body: Vec<u8>, key: &HashKey) -> Result<(), String> {
        let bytes = STANDARD.decode(body.trim_ascii()).unwrap_or(body);
        self.put(bytes, key)
    }

    /// Takes the lease until then, if there is something to load and nobody has it. A lease that is over long from now was
    /// given by another clock.
    pub(crate) fn lease(&self, now: i64, until: i64) -> bool {
        const LONGEST: i64 = 600_000;
        let (mut progress, cas) = self.progress();
        let leased = (now..=now.saturating_add(LONGEST)).contains(&progress.leased);
        if progress.position == Progress::DONE || leased {
            return false;
        }
        progress.leased = until;
        self.mine.set(until);
        self.store(progress, cas)
    }

    /// Lets nobody try again before then.
    pub(crate) fn postpone(&self, until: i64) {
        let (mut progress, cas) = self.progress();
        progress.leased = until;
        // Lost to another VM, which then has it.
        let _kept = self.store(progress, cas);
    }

    fn progress(&self) -> (Progress, u32) {
        let (value, cas) = self
            .memory
            .open_sealed(format_args!("s{:x}.{VERSION}", self.id));
        let progress = value.and_then(|value| Progress::read(&value));
        (progress.unwrap_or_default(), cas)
    }

    fn store(&self, progress: Progress, cas: u32) -> bool {
        self.memory
            .set_sealed(
                format_args!("s{:x}.{VERSION}", self.id),
                &progress.bytes(),
                cas,
            )
            .is_ok()
    }

    /// Loads the next piece, where no other VM is at it.
    pub(crate) fn tick(&self, store: &Store, crowd: &Crowd, metrics: &Metrics, now: i64) {
        let mut loading = self.snapshot.borrow_mut();
        let Some(snapshot) = loading.as_ref() else {
            return;
        };
        let (mut progress, cas) = self.progress();
        if progress.position == Progress::DONE {
            // Another VM had the last piece: the bytes are not needed any more.
            *loading = None;
            return;
        }
        let mine = self.alone && progress.leased == self.mine.get();
        if !mine && (now..=now.saturating_add(LEASE)).contains(&progress.leased) {
            return;
        }
        progress.leased = now.saturating_add(LEASE);
        if !self.store(progress, cas) {
            return;
        }
        if progress.position == 0
            && let Some(population) = Population::decode(snapshot.population())
        {
            crowd.seed(population, metrics);
        }
        let start = usize::try_from(progress.position).unwrap_or(usize::MAX);
        let mut records = snapshot.records_from(start);
        let mut finished = true;
        while let Some(record) = records.next() {
            merge(&record, store, metrics);
            if records.position().saturating_sub(start) >= PIECE {
                finished = false;
                break;
            }
        }
        progress.leased = if self.alone { progress.leased } else { 0 };
        self.mine.set(progress.leased);
        progress.position = records.position() as u64;
        if finished {
            progress.position = Progress::DONE;
            log::info!(
                "stepgate: snapshot loaded: {} records of {} events",
                snapshot.len(),
                snapshot.events()
            );
            *loading = None;
        }
        let _kept = self.store(progress, 0);
    }
}

fn merge(record: &SnapshotRecord<'_>, store: &Store, metrics: &Metrics) {
    let written = match record.kind {
        PageKind::Identity => IdentityRecord::decode(record.bytes).map(|trained| {
            add(record, store, metrics, trained, |both, trained| {
                both.merge(trained)
            })
        }),
        PageKind::Routes => Profile::decode(record.bytes).map(|trained| {
            add(record, store, metrics, trained, |both, trained| {
                both.merge(trained)
            })
        }),
        // Sources are traffic and not habit: no snapshot holds them.
        PageKind::Source | PageKind::Account => return,
    };
    match written {
        None => metrics.count(Count::BadRecord),
        Some(Written::Yes) => metrics.count(Count::SnapshotRecord),
        Some(Written::Unchanged | Written::Skipped) => {}
    }
}

fn add<R: Record + Clone>(
    record: &SnapshotRecord<'_>,
    store: &Store,
    metrics: &Metrics,
    trained: R,
    merge: impl Fn(&mut R, &R),
) -> Written {
    store.update(record.locator, metrics, |known: Option<&R>| {
        let mut both = known.cloned();
        match &mut both {
            Some(both) => merge(both, &trained),
            None => both = Some(trained.clone()),
        }
        both
    })
}
