//! Records of a command: all of them, or as many as the filter's pages would hold.
//! May use: the baseline.
//! Must not: decide what is learned.

mod identities;

use std::hint::black_box;

use arrayvec::ArrayVec;
use stepgate::assess::SOURCES;
use stepgate::baseline::decay::DAY;
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::{Activity, PAGE_BYTES, Page, PageKind};
use stepgate::baseline::snapshot::{SnapshotRecord, SnapshotWriter};
use stepgate::baseline::source::{Source, SourceKey, SourceLesson};
use stepgate::signals::features::Features;
use stepgate::signals::keyed::{HashKey, Locator};

use super::located::Located;
use identities::Identities;

/// Sources from which on those that are spent are forgotten.
const SWEPT: usize = 256;

/// Identities and sources: what is read back is what the filter would read.
#[derive(Debug)]
pub(crate) enum Memory {
    /// Every record. Those of sources, which hardly differ in length, as they are, and until they are spent.
    Unbounded {
        identities: Identities,
        sources: Located<Source>,
        /// The day of the last lesson.
        today: u32,
        /// How many there may be until those that are spent are forgotten: as many again as were left the last time.
        most: usize,
    },
    /// A fixed number of pages; the least active record of a full page makes room.
    Pages {
        identities: Vec<Page>,
        sources: Vec<Page>,
        /// The record that was fetched.
        fetched: Option<Box<IdentityRecord>>,
        buffer: Vec<u8>,
    },
}

impl Memory {
    /// Unbounded, or the pages of so many MiB.
    pub(crate) fn new(mebibytes: Option<u32>, key: &HashKey) -> Self {
        let Some(mebibytes) = mebibytes else {
            return Self::Unbounded {
                identities: Identities::default(),
                sources: Located::default(),
                today: 0,
                most: SWEPT,
            };
        };
        let pages = ((mebibytes as u64) << 20) / PAGE_BYTES as u64;
        let table = |kind: PageKind| vec![Page::empty(kind, key); kind.share(pages) as usize];
        Self::Pages {
            identities: table(PageKind::Identity),
            sources: table(PageKind::Source),
            fetched: None,
            buffer: Vec::new(),
        }
    }

    /// Reads what an event will need, for the processor to have it near.
    pub(crate) fn look_ahead(&self, features: &Features) {
        let Self::Unbounded {
            identities,
            sources,
            ..
        } = self
        else {
            return;
        };
        if let Some(locator) = features.identity {
            black_box(identities.peek(locator));
        }
        if features.login {
            for key in SourceKey::of(features) {
                black_box(sources.get(&key.locator()));
            }
        }
    }

    /// Makes the record of an identity ready, for [`Memory::fetched`].
    pub(crate) fn fetch(&mut self, locator: Locator, key: &HashKey) {
        match self {
            Self::Unbounded { identities, .. } => identities.fetch(locator),
            Self::Pages {
                identities,
                fetched,
                ..
            } => {
                let record = find(identities, locator, key).and_then(IdentityRecord::decode);
                *fetched = record.map(Box::new);
            }
        }
    }

    /// The record that was fetched last: that of this identity.
    pub(crate) fn fetched(&self, locator: Locator) -> Option<&IdentityRecord> {
        match self {
            Self::Unbounded { identities, .. } => identities.fetched(locator),
            Self::Pages { fetched, .. } => fetched.as_deref(),
        }
    }

    /// Stores a record.
    pub(crate) fn store(&mut self, locator: Locator, record: &IdentityRecord, key: &HashKey) {
        match self {
            Self::Unbounded { identities, .. } => identities.store(locator, record),
            Self::Pages {
                identities, buffer, ..
            } => {
                buffer.clear();
                record.encode(buffer);
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
    pub(crate) fn teach(&mut self, source: SourceKey, lesson: &SourceLesson, key: &HashKey) {
        let locator = source.locator();
        if let Self::Unbounded {
            sources,
            today,
            most,
            ..
        } = self
        {
            let (day, week) = (lesson.now / DAY, 7);
            let passed = day.checked_sub(*today);
            *today = day;
            // A line whose clock is wrong, by more than a week or less, must not make the others forgotten.
            if sources.len() >= *most && passed.is_some_and(|days| (1..=week).contains(&days)) {
                let before = lesson.now.saturating_sub(week * DAY);
                sources.retain(|_, source| !source.is_spent(before));
                *most = (2 * sources.len()).max(SWEPT);
            }
            let record = sources.entry(locator).or_default();
            return record.learn(source.kind, lesson);
        }
        let mut record = self.source(source, key).unwrap_or_default();
        record.learn(source.kind, lesson);
        if let Self::Pages {
            sources, buffer, ..
        } = self
        {
            buffer.clear();
            record.encode(buffer);
            put(sources, locator, buffer, record.activity(), key);
        }
    }

    /// Takes over records of a snapshot. Those a smaller memory has no room for are evicted as live ones would be.
    pub(crate) fn load<'a>(
        &mut self,
        records: impl Iterator<Item = SnapshotRecord<'a>>,
        key: &HashKey,
    ) {
        for found in records.filter(|found| found.kind == PageKind::Identity) {
            if let Some(record) = IdentityRecord::decode(found.bytes) {
                self.store(found.locator, &record, key);
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
            for (locator, bytes) in identities.into_bytes() {
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
