//! Pages in shared data: read, change, write back if nobody else did, try again.
//! May use: host calls and the engine's pages.
//! Must not: keep a page between requests, or create a key after start.

use std::cell::Cell;

use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::{PAGE_BYTES, Page, PageHealth, PageKind};
use stepgate::signals::keyed::{HashKey, Locator};

use crate::host::{self, Status};
use crate::metrics::{Count, Metrics};

/// How often a write is tried before the learning (never the decision) is skipped.
const TRIES: usize = 3;

/// A CAS number no value has: stores only where the key is missing.
const IF_ABSENT: u32 = u32::MAX;

/// The identity pages of one plugin.
#[derive(Debug)]
pub(crate) struct Store {
    prefix: String,
    pages: u64,
    key: HashKey,
    /// Whether the host has shared data at all.
    available: Cell<bool>,
}

/// What reading a record found.
#[derive(Debug)]
pub(crate) enum Found {
    Record(Box<IdentityRecord>),
    Nothing,
    Unreadable,
}

impl Store {
    /// Opens the table, creating all pages at first start. Page count and hash key hold for the life of the process.
    pub(crate) fn open(root_id: &str, memory: usize, key: HashKey) -> Result<Self, String> {
        let store = Self {
            prefix: format!("stepgate/{root_id}/"),
            pages: (memory / PAGE_BYTES).max(1) as u64,
            key,
            available: Cell::new(true),
        };
        let layout = format!(
            "{:x}/{:x}",
            store.pages,
            key.hash64(stepgate::signals::keyed::Domain::Checksum, b"layout")
        );
        let layout_key = format!("{}layout", store.prefix);
        match host::shared(&layout_key) {
            Ok((found, _)) if found == layout.as_bytes() => return Ok(store),
            Ok((found, _)) => {
                let found = String::from_utf8_lossy(&found).into_owned();
                return Err(format!(
                    "baseline.memory_mib or the hash key differs from what this process started with ({found} against {layout}); restart to change it"
                ));
            }
            Err(Status::NOT_FOUND) => {}
            Err(_) => {
                store.available.set(false);
                return Ok(store);
            }
        }
        let empty = Page::empty(PageKind::Identity, &key);
        for index in 0..store.pages {
            match host::set_shared(&store.page_key(index), empty.as_bytes(), IF_ABSENT) {
                Ok(()) | Err(Status::CAS_MISMATCH) => {}
                Err(_) => {
                    store.available.set(false);
                    return Ok(store);
                }
            }
        }
        let _another_vm_was_first = host::set_shared(&layout_key, layout.as_bytes(), IF_ABSENT);
        Ok(store)
    }

    fn page_key(&self, index: u64) -> String {
        format!("{}i{index:x}", self.prefix)
    }

    fn page(&self, locator: Locator, metrics: &Metrics) -> Option<(Page, u32, PageHealth)> {
        if !self.available.get() {
            return None;
        }
        match host::shared(&self.page_key(locator.page % self.pages)) {
            Ok((bytes, cas)) => {
                let (page, health) = Page::read(bytes, PageKind::Identity, &self.key);
                if health == PageHealth::Bad {
                    metrics.count(Count::BadPage);
                }
                Some((page, cas, health))
            }
            Err(Status::NOT_FOUND) => Some((
                Page::empty(PageKind::Identity, &self.key),
                IF_ABSENT,
                PageHealth::Fresh,
            )),
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
        match self.page(locator, metrics) {
            Some((page, _, _)) => self.record(&page, locator),
            None => Found::Unreadable,
        }
    }

    /// Changes a record. `change` gives the new record, or `None` to leave it; it may be called again after a conflict.
    pub(crate) fn update(
        &self,
        locator: Locator,
        metrics: &Metrics,
        mut change: impl FnMut(Option<&IdentityRecord>) -> Option<IdentityRecord>,
    ) {
        let mut bytes = Vec::with_capacity(512);
        for _ in 0..TRIES {
            let Some((mut page, cas, health)) = self.page(locator, metrics) else {
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
                return;
            };
            bytes.clear();
            changed.encode(&mut bytes);
            match page.put(locator.tag, &bytes, changed.activity(), &self.key) {
                Some(evicted) => metrics.add(Count::Evicted, i64::from(evicted)),
                None => break,
            }
            let key = self.page_key(locator.page % self.pages);
            match host::set_shared(&key, page.as_bytes(), cas) {
                Ok(()) => {
                    metrics.count(Count::Learned);
                    return;
                }
                Err(Status::CAS_MISMATCH) => metrics.count(Count::CasRetry),
                Err(_) => break,
            }
        }
        metrics.count(Count::LearnSkipped);
    }
}
