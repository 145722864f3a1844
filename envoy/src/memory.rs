//! The memory that outlives a configuration: shared data of the process, or this VM's own where the host has none.
//! May use: host calls, the hash key for seals.
//! Must not: know what a value means, or let a damaged or foreign value pass as a sealed one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{Arguments, Write};

use stepgate::signals::keyed::{Domain, HashKey};

use crate::host::{self, HostResult, Status};

/// How often a value is stored without a check, where the host knows no such store.
const TRIES: usize = 3;

/// A CAS number no value has: stores only where the key is missing.
pub(crate) const IF_ABSENT: u32 = u32::MAX;

const SEAL: usize = 8;

thread_local! {
    /// Stands in for shared data; a static, so that it outlives a configuration as shared data does.
    static OWN: RefCell<BTreeMap<String, (Vec<u8>, u32)>> = const { RefCell::new(BTreeMap::new()) };
}

/// Where values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In shared data, where 0 stores without a check and a missing key accepts any number.
    Shared,
    /// In shared data that compares every number: 0 stores only where the key is missing (ngx_wasm_module). Such a store has a
    /// fixed size and may drop keys.
    Exact,
    /// In this VM.
    Own,
}

/// The values of one plugin, by name.
#[derive(Debug)]
pub(crate) struct Memory {
    prefix: usize,
    // Begins with the prefix; reused, so that no request allocates a key.
    key: RefCell<String>,
    seal: HashKey,
    place: Place,
    damaged: Cell<i64>,
}

impl Memory {
    /// Finds out what the host has.
    pub(crate) fn open(root_id: &str, seal: HashKey) -> Self {
        let key = format!("stepgate/{root_id}/");
        let probe = format!("{key}probe");
        Self {
            prefix: key.len(),
            key: RefCell::new(key),
            seal,
            place: place(&probe),
            damaged: Cell::new(0),
        }
    }

    /// Whether the values are those of all VMs.
    pub(crate) fn is_shared(&self) -> bool {
        self.place != Place::Own
    }

    /// Whether the host keeps what it was given, and grows for it: pages are best created while it can take its time.
    pub(crate) fn grows(&self) -> bool {
        self.place != Place::Exact
    }

    fn with_key<T>(&self, name: Arguments<'_>, work: impl FnOnce(&str) -> T) -> T {
        let mut key = self.key.borrow_mut();
        key.truncate(self.prefix);
        let _infallible = key.write_fmt(name);
        work(&key)
    }

    /// A value and its CAS number.
    pub(crate) fn get(&self, name: Arguments<'_>) -> HostResult<(Vec<u8>, u32)> {
        self.with_key(name, |key| {
            if self.place != Place::Own {
                return host::shared(key);
            }
            OWN.with_borrow(|own| own.get(key).cloned())
                .ok_or(Status::NOT_FOUND)
        })
    }

    /// Stores a value if its CAS number still holds: 0 stores without a check, a missing key accepts any.
    pub(crate) fn set(&self, name: Arguments<'_>, value: &[u8], cas: u32) -> HostResult<()> {
        self.with_key(name, |key| match self.place {
            Place::Shared => host::set_shared(key, value, cas),
            Place::Exact => set_exactly(key, value, cas),
            Place::Own => set_own(key, value, cas),
        })
    }

    /// A sealed value and the CAS number to replace it with. Missing, damaged and foreign ones are `None`.
    pub(crate) fn open_sealed(&self, name: Arguments<'_>) -> (Option<Vec<u8>>, u32) {
        let Ok((mut value, cas)) = self.get(name) else {
            return (None, IF_ABSENT);
        };
        let ours = value
            .split_first_chunk::<SEAL>()
            .is_some_and(|(seal, body)| {
                u64::from_le_bytes(*seal) == self.seal.hash64(Domain::Checksum, body)
            });
        if !ours {
            self.found_damaged();
            return (None, cas);
        }
        value.drain(..SEAL);
        (Some(value), cas)
    }

    /// Notes a value under our names that nobody of ours wrote.
    pub(crate) fn found_damaged(&self) {
        self.damaged.set(self.damaged.get().saturating_add(1));
    }

    /// How many such values were read since this was last asked.
    pub(crate) fn take_damaged(&self) -> i64 {
        self.damaged.take()
    }

    /// Stores a value with a keyed checksum: shared data without a `vm_id` is common to all plugins of the process.
    pub(crate) fn set_sealed(&self, name: Arguments<'_>, body: &[u8], cas: u32) -> HostResult<()> {
        self.set_written(name, cas, body.len(), |value| value.extend_from_slice(body))
    }

    /// The same of a body that is written here, of about so many bytes: a large one is in memory once.
    pub(crate) fn set_written(
        &self,
        name: Arguments<'_>,
        cas: u32,
        bytes: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> HostResult<()> {
        let mut value = Vec::with_capacity(SEAL + bytes);
        value.extend_from_slice(&[0; SEAL]);
        write(&mut value);
        if let Some((seal, body)) = value.split_first_chunk_mut::<SEAL>() {
            *seal = self.seal.hash64(Domain::Checksum, body).to_le_bytes();
        }
        self.set(name, &value, cas)
    }
}

/// Finds out what the host has, with a key of no meaning.
fn place(probe: &str) -> Place {
    let store = || host::set_shared(probe, b"1", 0);
    let stored = match (store(), store()) {
        (Ok(()), Ok(())) => Place::Shared,
        // The second of two stores with 0, or the first where another VM has been here.
        (_, Err(Status::CAS_MISMATCH)) => Place::Exact,
        // Unimplemented in some hosts, full in others.
        _ => Place::Own,
    };
    if host::shared(probe).is_ok() {
        stored
    } else {
        Place::Own
    }
}

/// Stores as [`Memory::set`] promises, where the host compares every number and a missing key has 0.
fn set_exactly(key: &str, value: &[u8], cas: u32) -> HostResult<()> {
    match cas {
        IF_ABSENT => host::set_shared(key, value, 0),
        0 => {
            let mut stored = Err(Status::CAS_MISMATCH);
            for _ in 0..TRIES {
                let held = match host::shared(key) {
                    Ok((_, held)) => held,
                    Err(Status::NOT_FOUND) => 0,
                    Err(status) => return Err(status),
                };
                stored = host::set_shared(key, value, held);
                if stored != Err(Status::CAS_MISMATCH) {
                    break;
                }
            }
            stored
        }
        held => host::set_shared(key, value, held),
    }
}

fn set_own(key: &str, value: &[u8], cas: u32) -> HostResult<()> {
    OWN.with_borrow_mut(|own| {
        let held = own.get(key).map_or(0, |(_, held)| *held);
        if held != 0 && cas != 0 && cas != held {
            return Err(Status::CAS_MISMATCH);
        }
        let next = held.wrapping_add(1).max(1);
        own.insert(key.to_owned(), (value.to_vec(), next));
        Ok(())
    })
}
