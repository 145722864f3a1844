//! Records of a command: all of them, or as many as the filter's pages would hold.
//! May use: the baseline.
//! Must not: decide what is learned.

use arrayvec::ArrayVec;
use stepgate::assess::SOURCES;
use stepgate::baseline::decay::DAY;
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::{Activity, PAGE_BYTES, Page, PageKind};
use stepgate::baseline::snapshot::{SnapshotRecord, SnapshotWriter};
use stepgate::baseline::source::{Source, SourceKey, SourceLesson};
use stepgate::signals::keyed::{HashKey, Locator};

use super::located::Located;

/// Identities and sources: what is read back is what the filter would read.
#[derive(Debug)]
pub(crate) enum Memory {
    /// Every record. Those of identities in the bytes a page would hold, a tenth of what they are in use; those of sources, which
    /// hardly differ, as they are, and until they are spent.
    Unbounded {
        identities: Located<Box<[u8]>>,
        sources: Located<Source>,
        /// The day on which those that were spent were forgotten.
        swept: u32,
    },
    /// A fixed number of pages; the least active record of a full page makes room.
    Pages {
        identities: Vec<Page>,
        sources: Vec<Page>,
    },
}

impl Memory {
    /// Unbounded, or the pages of so many MiB.
    pub(crate) fn new(mebibytes: Option<u32>, key: &HashKey) -> Self {
        let Some(mebibytes) = mebibytes else {
            return Self::Unbounded {
                identities: Located::default(),
                sources: Located::default(),
                swept: 0,
            };
        };
        let pages = ((mebibytes as u64) << 20) / PAGE_BYTES as u64;
        let table = |kind: PageKind| vec![Page::empty(kind, key); kind.share(pages) as usize];
        Self::Pages {
            identities: table(PageKind::Identity),
            sources: table(PageKind::Source),
        }
    }

    /// The record of an identity.
    pub(crate) fn find(&self, locator: Locator, key: &HashKey) -> Option<IdentityRecord> {
        let bytes = match self {
            Self::Unbounded { identities, .. } => &**identities.get(&locator)?,
            Self::Pages { identities, .. } => find(identities, locator, key)?,
        };
        IdentityRecord::decode(bytes)
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
            Self::Unbounded { identities, .. } => match identities.get_mut(&locator) {
                Some(known) if known.len() == buffer.len() => known.copy_from_slice(buffer),
                Some(known) => *known = buffer.as_slice().into(),
                None => drop(identities.insert(locator, buffer.as_slice().into())),
            },
            Self::Pages { identities, .. } => {
                put(identities, locator, buffer, record.activity(), key);
            }
        }
    }

    fn source(&self, key: SourceKey, hash: &HashKey) -> Option<Source> {
        match self {
            Self::Unbounded { sources, .. } => sources.get(&key.locator()).copied(),
            Self::Pages { sources, .. } => {
                find(sources, key.locator(), hash).and_then(Source::decode)
            }
        }
    }

    /// The records of the sources that are known.
    pub(crate) fn sources(
        &self,
        wanted: &[SourceKey],
        key: &HashKey,
    ) -> ArrayVec<(SourceKey, Source), SOURCES> {
        let find = |wanted: &SourceKey| Some((*wanted, self.source(*wanted, key)?));
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
        if let Self::Unbounded { sources, swept, .. } = self {
            let (today, week) = (lesson.now / DAY, 7);
            let passed = today.checked_sub(*swept);
            *swept = today;
            // A line whose clock is wrong, by more than a week or less, must not make the others forgotten.
            if passed.is_some_and(|days| (1..=week).contains(&days)) {
                let before = lesson.now.saturating_sub(week * DAY);
                sources.retain(|_, source| !source.is_spent(before));
            }
            let record = sources.entry(locator).or_default();
            return record.learn(source.kind, lesson);
        }
        let mut record = self.source(source, key).unwrap_or_default();
        record.learn(source.kind, lesson);
        buffer.clear();
        record.encode(buffer);
        if let Self::Pages { sources, .. } = self {
            put(sources, locator, buffer, record.activity(), key);
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

    /// Number of identities.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Unbounded { identities, .. } => identities.len(),
            Self::Pages { identities, .. } => identities.iter().map(Page::len).sum(),
        }
    }

    /// Gives every identity to a snapshot; sources are traffic and not habit. Only unbounded memory knows whole locators;
    /// pages are for measuring.
    pub(crate) fn write(self, snapshot: &mut SnapshotWriter) -> u64 {
        let mut too_long = 0;
        if let Self::Unbounded { identities, .. } = self {
            for (locator, bytes) in identities {
                let fits = snapshot.record(PageKind::Identity, locator, |out| {
                    out.extend_from_slice(&bytes);
                });
                too_long += u64::from(!fits);
            }
        }
        too_long
    }
}

fn find<'p>(pages: &'p [Page], locator: Locator, key: &HashKey) -> Option<&'p [u8]> {
    let page = pages.get(index(pages.len(), locator))?;
    page.find(locator.tag, key).ok().flatten()
}

fn put(pages: &mut [Page], locator: Locator, bytes: &[u8], activity: Activity, key: &HashKey) {
    let index = index(pages.len(), locator);
    if let Some(page) = pages.get_mut(index) {
        // Evictions are what a bound means.
        let _evicted = page.put(locator.tag, bytes, activity, key);
    }
}

fn index(pages: usize, locator: Locator) -> usize {
    (locator.page % pages.max(1) as u64) as usize
}
