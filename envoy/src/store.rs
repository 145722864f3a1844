//! The pages of identity records: read, change, write back if nobody else did, try again.
//! May use: memory and the engine's pages.
//! Must not: keep a page between requests, or create a key after start.

use std::rc::Rc;

use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::{Activity, PAGE_BYTES, Page, PageHealth, PageKind};
use stepgate::baseline::profile::Profile;
use stepgate::policy::PolicyError;
use stepgate::signals::keyed::{Domain, HashKey, Locator};

use crate::host::Status;
use crate::memory::{IF_ABSENT, Memory};
use crate::metrics::{Count, Metrics};

/// How often a write is tried before the learning (never the decision) is skipped.
const TRIES: usize = 3;
/// The most a VM takes of its own memory for pages.
const OWN_BYTES: usize = 4 << 20;

/// The identity pages of one plugin.
#[derive(Debug)]
pub(crate) struct Store {
    memory: Rc<Memory>,
    /// Pages of identities.
    pages: u64,
    /// Pages of profiles.
    route_pages: u64,
    key: HashKey,
}

/// What reading a record found.
#[derive(Debug)]
pub(crate) enum Found {
    Record(Box<IdentityRecord>),
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
    /// for the life of the process: what is hashed and placed with others would not be found again.
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
        // One page in eight for the few identities that are followed.
        let route_pages = (pages / 8).max(1);
        let store = Self {
            memory,
            pages: (pages - route_pages).max(1),
            route_pages,
            key,
        };
        let layout = Layout {
            pages,
            key: key.hash64(Domain::Checksum, b"layout"),
        };
        match store.memory.get(format_args!("layout")) {
            Ok((found, _)) if found.len() == Layout::BYTES => layout.check(&found)?,
            Ok(_) | Err(Status::NOT_FOUND) => {
                store.create();
                // Another VM may have been first, with the same layout: configurations reach all VMs alike.
                let _full = store.memory.set(format_args!("layout"), &layout.bytes(), 0);
            }
            Err(_) => {}
        }
        Ok(store)
    }

    fn create(&self) {
        for kind in [PageKind::Identity, PageKind::Routes] {
            let empty = Page::empty(kind, &self.key);
            let name = letter(kind);
            for index in 0..self.count(kind) {
                match self
                    .memory
                    .set(format_args!("{name}{index:x}"), empty.as_bytes(), IF_ABSENT)
                {
                    Ok(()) | Err(Status::CAS_MISMATCH) => {}
                    // The host is full: what is missing reads as empty.
                    Err(_) => return,
                }
            }
        }
    }

    fn count(&self, kind: PageKind) -> u64 {
        match kind {
            PageKind::Routes => self.route_pages,
            PageKind::Identity | PageKind::Source => self.pages,
        }
    }

    fn page(
        &self,
        kind: PageKind,
        locator: Locator,
        metrics: &Metrics,
    ) -> Option<(Page, u32, PageHealth)> {
        let (name, index) = (letter(kind), locator.page % self.count(kind));
        match self.memory.get(format_args!("{name}{index:x}")) {
            Ok((bytes, cas)) => {
                let (page, health) = Page::read(bytes, kind, &self.key);
                if health == PageHealth::Bad {
                    metrics.count(Count::BadPage);
                }
                Some((page, cas, health))
            }
            Err(Status::NOT_FOUND) => {
                let page = Page::empty(kind, &self.key);
                Some((page, IF_ABSENT, PageHealth::Fresh))
            }
            Err(_) => None,
        }
    }

    fn record(&self, page: &Page, locator: Locator) -> Found {
        match page.find(locator.tag, &self.key) {
            Ok(Some(bytes)) => IdentityRecord::decode(bytes)
                .map_or(Found::Unreadable, |r| Found::Record(Box::new(r))),
            Ok(None) => Found::Nothing,
            Err(_) => Found::Unreadable,
        }
    }

    /// The record of an identity.
    pub(crate) fn read(&self, locator: Locator, metrics: &Metrics) -> Found {
        match self.page(PageKind::Identity, locator, metrics) {
            Some((page, _, _)) => self.record(&page, locator),
            None => Found::Unreadable,
        }
    }

    /// The profile of an identity. A damaged one is as none.
    pub(crate) fn profile(&self, locator: Locator, metrics: &Metrics) -> Option<Profile> {
        let (page, _, _) = self.page(PageKind::Routes, locator, metrics)?;
        let bytes = page.find(locator.tag, &self.key).ok().flatten()?;
        Profile::decode(bytes)
    }

    /// Changes the profile of an identity; `change` may be called again after a conflict.
    pub(crate) fn update_profile(
        &self,
        locator: Locator,
        metrics: &Metrics,
        change: impl Fn(&mut Profile),
    ) -> Written {
        self.rewrite(PageKind::Routes, locator, metrics, |page, bytes| {
            let known = page.find(locator.tag, &self.key).ok().flatten();
            let mut profile = known.and_then(Profile::decode).unwrap_or_default();
            change(&mut profile);
            profile.encode(bytes);
            Some(profile.activity())
        })
    }

    /// Changes a record. `change` gives the new record, or `None` to leave it; it may be called again after a conflict.
    pub(crate) fn update(
        &self,
        locator: Locator,
        metrics: &Metrics,
        mut change: impl FnMut(Option<&IdentityRecord>) -> Option<IdentityRecord>,
    ) -> Written {
        self.rewrite(PageKind::Identity, locator, metrics, |page, bytes| {
            let found = match self.record(page, locator) {
                Found::Record(record) => Some(record),
                Found::Nothing => None,
                Found::Unreadable => {
                    metrics.count(Count::BadRecord);
                    None
                }
            };
            let changed = change(found.as_deref())?;
            changed.encode(bytes);
            Some(changed.activity())
        })
    }

    /// Rewrites one record of a page: `encode` appends its bytes and says how active it is, or leaves it.
    fn rewrite(
        &self,
        kind: PageKind,
        locator: Locator,
        metrics: &Metrics,
        mut encode: impl FnMut(&Page, &mut Vec<u8>) -> Option<Activity>,
    ) -> Written {
        let (name, index) = (letter(kind), locator.page % self.count(kind));
        let mut bytes = Vec::with_capacity(512);
        for _ in 0..TRIES {
            let Some((mut page, cas, health)) = self.page(kind, locator, metrics) else {
                break;
            };
            if health == PageHealth::Newer {
                break;
            }
            bytes.clear();
            let Some(activity) = encode(&page, &mut bytes) else {
                return Written::Unchanged;
            };
            match page.put(locator.tag, &bytes, activity, &self.key) {
                Some(evicted) => metrics.add(Count::Evicted, i64::from(evicted)),
                None => break,
            }
            match self
                .memory
                .set(format_args!("{name}{index:x}"), page.as_bytes(), cas)
            {
                Ok(()) => return Written::Yes,
                Err(Status::CAS_MISMATCH) => metrics.count(Count::CasRetry),
                Err(_) => break,
            }
        }
        Written::Skipped
    }
}

/// What the keys of pages of a kind begin with.
const fn letter(kind: PageKind) -> char {
    match kind {
        PageKind::Identity => 'i',
        PageKind::Routes => 'r',
        PageKind::Source => 'a',
    }
}

/// What must hold for the life of the process.
struct Layout {
    pages: u64,
    key: u64,
}

impl Layout {
    const BYTES: usize = 16;

    fn bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (slot, part) in bytes.chunks_exact_mut(8).zip([self.pages, self.key]) {
            slot.copy_from_slice(&part.to_le_bytes());
        }
        bytes
    }

    /// Compares with what the process started with.
    fn check(&self, found: &[u8]) -> Result<(), PolicyError> {
        let refused = |path: &str, message: String| PolicyError {
            path: path.into(),
            message,
        };
        let (pages, key) = found.split_at_checked(8).unwrap_or_default();
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
