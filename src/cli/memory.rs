//! Identity records of a command: all of them, or as many as the filter's pages would hold.
//! May use: the baseline.
//! Must not: learn.

use std::collections::HashMap;

use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::{PAGE_BYTES, Page, PageKind};
use stepgate::baseline::snapshot::{SnapshotRecord, SnapshotWriter};
use stepgate::signals::keyed::{HashKey, Locator};

/// Records by locator, in the bytes a page would hold: what is read back is what the filter would read.
#[derive(Debug)]
pub(crate) enum Memory {
    /// Every record.
    Unbounded(HashMap<Locator, Box<[u8]>>),
    /// A fixed number of pages; the least active record of a full page makes room.
    Pages(Vec<Page>),
}

impl Memory {
    /// Unbounded, or the pages of so many MiB.
    pub(crate) fn new(mebibytes: Option<u32>, key: &HashKey) -> Self {
        match mebibytes {
            None => Self::Unbounded(HashMap::new()),
            Some(mebibytes) => {
                let pages = ((mebibytes as usize) << 20) / PAGE_BYTES;
                Self::Pages(vec![Page::empty(PageKind::Identity, key); pages.max(1)])
            }
        }
    }

    /// The record of an identity.
    pub(crate) fn find(&self, locator: Locator, key: &HashKey) -> Option<IdentityRecord> {
        match self {
            Self::Unbounded(records) => records
                .get(&locator)
                .and_then(|bytes| IdentityRecord::decode(bytes)),
            Self::Pages(pages) => pages
                .get(index(pages.len(), locator))
                .and_then(|page| page.find(locator.tag, key).ok().flatten())
                .and_then(IdentityRecord::decode),
        }
    }

    /// Stores a record.
    pub(crate) fn store(
        &mut self,
        locator: Locator,
        record: &IdentityRecord,
        key: &HashKey,
        buffer: &mut Vec<u8>,
    ) {
        buffer.clear();
        record.encode(buffer);
        match self {
            Self::Unbounded(records) => {
                records.insert(locator, buffer.as_slice().into());
            }
            Self::Pages(pages) => {
                let index = index(pages.len(), locator);
                if let Some(page) = pages.get_mut(index) {
                    // Evictions are what a bound means.
                    let _evicted = page.put(locator.tag, buffer, record.activity(), key);
                }
            }
        }
    }

    /// Takes over records of a snapshot. Those a smaller memory has no room for are evicted as live ones would be.
    pub(crate) fn load<'a>(
        &mut self,
        records: impl Iterator<Item = SnapshotRecord<'a>>,
        key: &HashKey,
    ) {
        let mut buffer = Vec::new();
        for found in records.filter(|found| found.kind == PageKind::Identity) {
            if let Some(record) = IdentityRecord::decode(found.bytes) {
                self.store(found.locator, &record, key, &mut buffer);
            }
        }
    }

    /// Number of records.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Unbounded(records) => records.len(),
            Self::Pages(pages) => pages.iter().map(Page::len).sum(),
        }
    }

    /// Gives every record to a snapshot. Only unbounded memory knows whole locators; pages are for measuring.
    pub(crate) fn write(self, snapshot: &mut SnapshotWriter) -> u64 {
        let mut too_long = 0;
        if let Self::Unbounded(records) = self {
            for (locator, bytes) in records {
                let fits = snapshot.record(PageKind::Identity, locator, |out| {
                    out.extend_from_slice(&bytes);
                });
                too_long += u64::from(!fits);
            }
        }
        too_long
    }
}

fn index(pages: usize, locator: Locator) -> usize {
    (locator.page % pages.max(1) as u64) as usize
}
