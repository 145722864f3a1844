//! The decisions of late, so that a verdict on one can be carried out.
//! May use: memory, store, metrics, the engine's verdicts.
//! Must not: keep a name, or grow: a decision has one place by its id, and the later one takes it.

use std::rc::Rc;

use stepgate::baseline::identity::IdentityRecord;
use stepgate::feed::{Judged, Verdict};
use stepgate::observe::{Trace, judge};
use stepgate::signals::features::Features;
use stepgate::signals::keyed::Locator;

use crate::memory::Memory;
use crate::metrics::{Count, Metrics};
use crate::store::{Found, Store, Written};

/// Decisions that are remembered: about a megabyte.
const PLACES: u64 = 4096;

#[derive(Debug)]
pub(crate) struct Verdicts {
    memory: Rc<Memory>,
    /// Without feeds nobody can judge.
    wanted: bool,
}

/// A decision that may be judged, and how it was.
#[derive(Clone, Copy)]
struct Entry {
    id: u64,
    identity: Locator,
    trace: Trace,
    /// 0: not yet; 1: not the owner; 2: the owner.
    judged: u8,
}

impl Entry {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (id, bytes) = bytes.split_first_chunk()?;
        let (page, bytes) = bytes.split_first_chunk()?;
        let (tag, bytes) = bytes.split_first_chunk()?;
        let (judged, trace) = bytes.split_first()?;
        Some(Self {
            id: u64::from_le_bytes(*id),
            identity: Locator {
                page: u64::from_le_bytes(*page),
                tag: u64::from_le_bytes(*tag),
            },
            trace: Trace::read(trace)?,
            judged: *judged,
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(25 + Trace::BYTES);
        for number in [self.id, self.identity.page, self.identity.tag] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.push(self.judged);
        bytes.extend(self.trace.bytes());
        bytes
    }
}

impl Verdicts {
    pub(crate) fn new(memory: &Rc<Memory>, wanted: bool) -> Self {
        Self {
            memory: Rc::clone(memory),
            wanted,
        }
    }

    fn store(&self, entry: &Entry) {
        let place = entry.id % PLACES;
        // A decision that cannot be kept cannot be judged: the verdict will be counted as unknown.
        let _kept = self
            .memory
            .set_sealed(format_args!("v{place:x}"), &entry.bytes(), 0);
    }

    /// Keeps a decision on a verified identity.
    pub(crate) fn note(&self, id: &str, features: &Features) {
        let number = id.get(1..).and_then(|id| u64::from_str_radix(id, 16).ok());
        if let (true, true, Some(id), Some(identity)) =
            (self.wanted, features.verified, number, features.identity)
        {
            self.store(&Entry {
                id,
                identity,
                trace: Trace::of(features),
                judged: 0,
            });
        }
    }

    /// Carries out verdicts. One on a decision is carried out once; repeating one on a session changes nothing.
    pub(crate) fn carry_out(&self, verdicts: &[Verdict], store: &Store, metrics: &Metrics) {
        for verdict in verdicts {
            let judged = 1 + u8::from(verdict.owner);
            let found = match verdict.of {
                Judged::Decision(id) => {
                    let (value, _) = self.memory.open_sealed(format_args!("v{:x}", id % PLACES));
                    let entry = value.and_then(|value| Entry::read(&value));
                    entry.filter(|entry| entry.id == id)
                }
                Judged::Session {
                    identity,
                    session,
                    time,
                } => Some(Entry {
                    id: 0,
                    identity,
                    trace: Trace {
                        time,
                        session,
                        ..Trace::default()
                    },
                    judged: 0,
                }),
            };
            let Some(mut entry) = found.filter(|entry| is_known(entry, store, metrics)) else {
                metrics.count(Count::VerdictUnknown);
                continue;
            };
            if entry.judged == judged {
                continue;
            }
            let owner = verdict.owner;
            // A record that meets too many writers is judged when the document is next changed: its entry stays as it is.
            let written = store.update(
                entry.identity,
                metrics,
                |record: Option<&IdentityRecord>| {
                    let record = record?;
                    let judged = judge(record, &entry.trace, owner);
                    (judged != *record).then_some(judged)
                },
            );
            if matches!(written, Written::Skipped) {
                continue;
            }
            let by_id = matches!(verdict.of, Judged::Decision(_));
            if by_id || matches!(written, Written::Yes) {
                metrics.verdict(owner);
            }
            if let Judged::Decision(id) = verdict.of {
                entry.judged = judged;
                self.store(&entry);
                let who = if owner { "the owner" } else { "not the owner" };
                log::info!("stepgate: verdict on d{id:016x}: {who}");
            }
        }
    }
}

fn is_known(entry: &Entry, store: &Store, metrics: &Metrics) -> bool {
    let found: Found<IdentityRecord> = store.read(entry.identity, metrics);
    matches!(found, Found::Record(_))
}
