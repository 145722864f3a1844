//! Records of a command: all of them, or as many as the filter's pages would hold.
//! May use: the baseline.
//! Must not: decide what is learned.

use arrayvec::ArrayVec;
use stepgate::assess::SOURCES;
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::{Activity, PAGE_BYTES, Page, PageKind};
use stepgate::baseline::snapshot::{SnapshotRecord, SnapshotWriter};
use stepgate::baseline::source::{Source, SourceKey, SourceLesson};
use stepgate::signals::keyed::{HashKey, Locator};

use super::located::Located;

/// Identities and sources.
#[derive(Debug)]
pub(crate) struct Memory {
    identities: Table,
    sources: Table,
}

/// Records by locator, in the bytes a page would hold: what is read back is what the filter would read.
#[derive(Debug)]
enum Table {
    /// Every record.
    Unbounded(Located<Box<[u8]>>),
    /// A fixed number of pages; the least active record of a full page makes room.
    Pages(Vec<Page>),
}

impl Memory {
    /// Unbounded, or the pages of so many MiB.
    pub(crate) fn new(mebibytes: Option<u32>, key: &HashKey) -> Self {
        let Some(mebibytes) = mebibytes else {
            return Self {
                identities: Table::Unbounded(Located::default()),
                sources: Table::Unbounded(Located::default()),
            };
        };
        let pages = ((mebibytes as u64) << 20) / PAGE_BYTES as u64;
        let table =
            |kind: PageKind| Table::Pages(vec![Page::empty(kind, key); kind.share(pages) as usize]);
        Self {
            identities: table(PageKind::Identity),
            sources: table(PageKind::Source),
        }
    }

    /// The record of an identity.
    pub(crate) fn find(&self, locator: Locator, key: &HashKey) -> Option<IdentityRecord> {
        self.identities
            .find(locator, key)
            .and_then(IdentityRecord::decode)
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
        self.identities
            .store(locator, buffer, record.activity(), key);
    }

    /// The records of the sources that are known.
    pub(crate) fn sources(
        &self,
        wanted: &[SourceKey],
        key: &HashKey,
    ) -> ArrayVec<(SourceKey, Source), SOURCES> {
        let find = |wanted: &SourceKey| {
            let bytes = self.sources.find(wanted.locator(), key)?;
            Some((*wanted, Source::decode(bytes)?))
        };
        wanted.iter().filter_map(find).take(SOURCES).collect()
    }

    /// Teaches a source.
    pub(crate) fn teach(
        &mut self,
        source: SourceKey,
        lesson: &SourceLesson,
        key: &HashKey,
        buffer: &mut Vec<u8>,
    ) {
        let locator = source.locator();
        let mut record = self
            .sources
            .find(locator, key)
            .and_then(Source::decode)
            .unwrap_or_default();
        record.learn(source.kind, lesson);
        buffer.clear();
        record.encode(buffer);
        self.sources.store(locator, buffer, record.activity(), key);
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

    /// Number of identities.
    pub(crate) fn len(&self) -> usize {
        match &self.identities {
            Table::Unbounded(records) => records.len(),
            Table::Pages(pages) => pages.iter().map(Page::len).sum(),
        }
    }

    /// Gives every identity to a snapshot; sources are traffic and not habit. Only unbounded memory knows whole locators;
    /// pages are for measuring.
    pub(crate) fn write(self, snapshot: &mut SnapshotWriter) -> u64 {
        let mut too_long = 0;
        if let Table::Unbounded(records) = self.identities {
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

impl Table {
    fn find(&self, locator: Locator, key: &HashKey) -> Option<&[u8]> {
        match self {
            Self::Unbounded(records) => records.get(&locator).map(|bytes| &**bytes),
            Self::Pages(pages) => pages
                .get(index(pages.len(), locator))
                .and_then(|page| page.find(locator.tag, key).ok().flatten()),
        }
    }

    fn store(&mut self, locator: Locator, bytes: &[u8], activity: Activity, key: &HashKey) {
        match self {
            Self::Unbounded(records) => match records.get_mut(&locator) {
                Some(record) if record.len() == bytes.len() => record.copy_from_slice(bytes),
                _ => drop(records.insert(locator, bytes.into())),
            },
            Self::Pages(pages) => {
                let index = index(pages.len(), locator);
                if let Some(page) = pages.get_mut(index) {
                    // Evictions are what a bound means.
                    let _evicted = page.put(locator.tag, bytes, activity, key);
                }
            }
        }
    }
}

fn index(pages: usize, locator: Locator) -> usize {
    (locator.page % pages.max(1) as u64) as usize
}
