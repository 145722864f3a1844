//! The pages of identities and sources: read, change, write back if nobody else did, try again.
//! May use: memory and the engine's pages.
//! Must not: keep a page between requests, or create a key after start.

use std::borrow::Borrow;
use std::fmt;
use std::rc::Rc;

use stepgate::baseline::account::Account;
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::{Activity, PAGE_BYTES, Page, PageHealth, PageKind};
use stepgate::baseline::profile::Profile;
use stepgate::baseline::source::Source;
use stepgate::policy::PolicyError;
use stepgate::signals::keyed::{Domain, HashKey, Locator};

use crate::host::Status;
use crate::memory::{IF_ABSENT, Memory};
use crate::metrics::{Count, Metrics};

/// How often a write is tried before the learning (never the decision) is skipped.
const TRIES: usize = 3;
/// The most a VM takes of its own memory for pages.
const OWN_BYTES: usize = 4 << 20;

/// What lives in pages.
pub(crate) trait Record: Sized {
    const KIND: PageKind;
    fn decode(bytes: &[u8]) -> Option<Self>;
    fn encode(&self, bytes: &mut Vec<u8>);
    fn activity(&self) -> Activity;
}

macro_rules! records {
    ($($record:ident in $kind:ident),*) => {$(
        impl Record for $record {
            const KIND: PageKind = PageKind::$kind;

            fn decode(bytes: &[u8]) -> Option<Self> {
                Self::decode(bytes)
            }

            fn encode(&self, bytes: &mut Vec<u8>) {
                self.encode(bytes);
            }

            fn activity(&self) -> Activity {
                self.activity()
            }
        }
    )*};
}

records!(IdentityRecord in Identity, Source in Source, Account in Account, Profile in Routes);

/// The pages of one plugin.
#[derive(Debug)]
pub(crate) struct Store {
    memory: Rc<Memory>,
    pages: u64,
    key: HashKey,
}

/// What reading a record found.
#[derive(Debug)]
pub(crate) enum Found<R> {
    Record(Box<R>),
    Nothing,
    Unreadable,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Yes,
    /// There was nothing to change.
    Unchanged,
    /// Lost to other workers, or to a page that must not be written.
    Skipped,
}

impl Store {
    /// Opens the table, creating all pages at first start, when the host can take its time to grow. Page count and hash key hold
    /// for the life of the process: what is hashed and placed with others would not be found again. A store of fixed size gets its
    /// pages as they are needed: creating all would only push out what is there.
    pub(crate) fn open(
        memory: Rc<Memory>,
        bytes: usize,
        key: HashKey,
    ) -> Result<Self, PolicyError> {
        let bytes = if memory.is_shared() {
            bytes
        } else {
            bytes.min(OWN_BYTES)
        };
        let pages = (bytes / PAGE_BYTES).max(1) as u64;
        let store = Self { memory, pages, key };
        let layout = Layout {
            pages,
            key: key.hash64(Domain::Checksum, b"layout"),
        };
        match store.memory.get(format_args!("layout")) {
            Ok((found, _)) if Layout::is_one(&found) => layout.check(&found)?,
            found @ (Ok(_) | Err(Status::NOT_FOUND)) => {
                if found.is_ok() {
                    store.memory.found_damaged();
                }
                if store.memory.grows() {
                    store.create();
                }
                // Another VM may have been first, with the same layout: configurations reach all VMs alike.
                let _full = store.memory.set(format_args!("layout"), &layout.bytes(), 0);
            }
            Err(_) => {}
        }
        Ok(store)
    }

    fn create(&self) {
        for kind in PageKind::ALL {
            let empty = Page::empty(kind, &self.key);
            for index in 0..kind.share(self.pages) {
                let name = Name { kind, index };
                match self
                    .memory
                    .set(format_args!("{name}"), empty.as_bytes(), IF_ABSENT)
                {
                    Ok(()) | Err(Status::CAS_MISMATCH) => {}
                    // The host is full: what is missing reads as empty.
                    Err(_) => return,
                }
            }
        }
    }

    /// How many pages a table has.
    pub(crate) fn pages_of(&self, kind: PageKind) -> u64 {
        kind.share(self.pages)
    }

    /// A page by its place, to be looked at only; what is wrong with it is counted where it is used.
    pub(crate) fn look(&self, kind: PageKind, index: u64) -> Option<Page> {
        let name = Name { kind, index };
        let (bytes, _) = self.memory.get(format_args!("{name}")).ok()?;
        Some(Page::read(bytes, kind, &self.key).0)
    }

    fn name<R: Record>(&self, locator: Locator) -> Name {
        Name {
            kind: R::KIND,
            index: locator.page % R::KIND.share(self.pages),
        }
    }

    fn page(&self, name: Name, metrics: &Metrics) -> Option<(Page, u32, PageHealth)> {
        match self.memory.get(format_args!("{name}")) {
            Ok((bytes, cas)) => {
                let (page, health) = Page::read(bytes, name.kind, &self.key);
                // Nor is an empty one ours: pages are created whole, and stay so.
                if matches!(health, PageHealth::Bad | PageHealth::Fresh) {
                    metrics.count(Count::BadPage);
                }
                Some((page, cas, health))
            }
            Err(Status::NOT_FOUND) => {
                let page = Page::empty(name.kind, &self.key);
                Some((page, IF_ABSENT, PageHealth::Fresh))
            }
            Err(_) => None,
        }
    }

    fn record<R: Record>(&self, page: &Page, locator: Locator) -> Found<R> {
        match page.find(locator.tag, &self.key) {
            Ok(Some(bytes)) => {
                R::decode(bytes).map_or(Found::Unreadable, |r| Found::Record(Box::new(r)))
            }
            Ok(None) => Found::Nothing,
            Err(_) => Found::Unreadable,
        }
    }

    /// How many values under our names nobody of ours wrote, since this was last asked; pages are counted by themselves.
    pub(crate) fn damaged(&self) -> i64 {
        self.memory.take_damaged()
    }

    /// The record of an identity or a source, or a profile.
    pub(crate) fn read<R: Record>(&self, locator: Locator, metrics: &Metrics) -> Found<R> {
        match self.page(self.name::<R>(locator), metrics) {
            Some((page, _, _)) => self.record(&page, locator),
            None => Found::Unreadable,
        }
    }

    /// Changes a record. `change` gives the new record, or `None` to leave it; it may be called again after a conflict.
    pub(crate) fn update<R: Record, C: Borrow<R>>(
        &self,
        locator: Locator,
        metrics: &Metrics,
        mut change: impl FnMut(Option<&R>) -> Option<C>,
    ) -> Written {
        let name = self.name::<R>(locator);
        let mut bytes = Vec::with_capacity(512);
        for _ in 0..TRIES {
            let Some((mut page, cas, health)) = self.page(name, metrics) else {
                break;
            };
            if health == PageHealth::Newer {
                break;
            }
            let found = match self.record(&page, locator) {
                Found::Record(record) => Some(record),
                Found::Nothing => None,
                Found::Unreadable => {
                    metrics.count(Count::BadRecord);
                    None
                }
            };
            let Some(changed) = change(found.as_deref()) else {
                return Written::Unchanged;
            };
            let changed = changed.borrow();
            bytes.clear();
            changed.encode(&mut bytes);
            match page.put(locator.tag, &bytes, changed.activity(), &self.key) {
                Some(evicted) => metrics.add(Count::Evicted, i64::from(evicted)),
                None => break,
            }
            match self
                .memory
                .set(format_args!("{name}"), page.as_bytes(), cas)
            {
                Ok(()) => return Written::Yes,
                Err(Status::CAS_MISMATCH) => metrics.count(Count::CasRetry),
                Err(_) => break,
            }
        }
        Written::Skipped
    }
}

/// The key of a page.
#[derive(Clone, Copy, Debug)]
struct Name {
    kind: PageKind,
    index: u64,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.kind {
            PageKind::Identity => 'i',
            PageKind::Routes => 'r',
            PageKind::Source => 's',
            PageKind::Account => 'a',
        };
        write!(f, "{mark}{:x}", self.index)
    }
}

/// What must hold for the life of the process. Its checksum is not keyed: it must tell another key from garbage.
struct Layout {
    pages: u64,
    key: u64,
}

impl Layout {
    const BYTES: usize = 16;

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = [self.pages.to_le_bytes(), self.key.to_le_bytes()].concat();
        let check = HashKey::PUBLIC.hash64(Domain::Checksum, &bytes);
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes
    }

    /// Whether a layout was written here, by whomever.
    fn is_one(found: &[u8]) -> bool {
        found
            .split_at_checked(Self::BYTES)
            .is_some_and(|(parts, check)| {
                check
                    == HashKey::PUBLIC
                        .hash64(Domain::Checksum, parts)
                        .to_le_bytes()
            })
    }

    /// Compares with what the process started with.
    fn check(&self, found: &[u8]) -> Result<(), PolicyError> {
        let refused = |path: &str, message: String| PolicyError {
            path: path.into(),
            message,
        };
        let parts = found.get(..Self::BYTES).unwrap_or_default();
        let (pages, key) = parts.split_at_checked(8).unwrap_or_default();
        if pages != self.pages.to_le_bytes() {
            let started = pages.try_into().map_or(0, u64::from_le_bytes);
            let mib = |pages: u64| (pages * PAGE_BYTES as u64) >> 20;
            return Err(refused(
                "baseline.memory_mib",
                format!(
                    "{} differs from {}, with which this process started; restart it to change the memory",
                    mib(self.pages),
                    mib(started)
                ),
            ));
        }
        if key != self.key.to_le_bytes() {
            return Err(refused(
                "hash_key",
                "differs from the one this process started with; restart it to change the key"
                    .into(),
            ));
        }
        Ok(())
    }
}
