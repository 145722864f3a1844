//! The page: a fixed 4 KiB block of records in shared data, where the least active record makes room for a new one.
//! May use: the byte codec and the hash key.
//! Must not: know what a record means, allocate beyond one page, or trust a byte it has not checked.
//!
//! Shared data has no delete and no bound of its own (proxy-wasm/spec issue 32), so memory is a fixed number of pages.
//! Layout, little-endian: `magic u16, version u8, kind u8, key check u32, used u16, records u16`, then per record
//! `tag u64, checksum u32, length u16, activity u16` and its bytes.

use super::bytes::{Reader, Writer};
use crate::signals::keyed::{Domain, HashKey};

/// Size of every page in bytes.
pub const PAGE_BYTES: usize = 4096;
/// Version of the page layout and of the records in it.
pub const VERSION: u8 = 4;

const MAGIC: u16 = 0x4753;
const HEADER: usize = 12;
const SLOT: usize = 16;
/// Bytes of a page above which newcomers make room for newcomers alone: a crowd that comes once must not wash out those who
/// are established but were not here today (after the segmented LRU of Karedla et al. 1994).
const NEWCOMERS: usize = PAGE_BYTES / 2;
/// Largest identity record that fits: a quarter of a page, so that one identity cannot crowd the others out.
pub const MAX_RECORD: usize = PAGE_BYTES / 4;

/// What lives in a page. A page of one kind never reads as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PageKind {
    /// Identity records.
    Identity = 1,
    /// Route tables of identities that call APIs.
    Routes = 2,
    /// Counters of networks and devices.
    Source = 3,
    /// Names that logins try.
    Account = 4,
}

impl PageKind {
    /// Longest record of this kind, in bytes: a quarter of a page, for profiles with their routes a third.
    #[must_use]
    pub const fn max_record(self) -> usize {
        match self {
            Self::Routes => PAGE_BYTES / 3,
            Self::Identity | Self::Source | Self::Account => MAX_RECORD,
        }
    }

    /// The kind with this number in pages and snapshots.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Identity),
            2 => Some(Self::Routes),
            3 => Some(Self::Source),
            4 => Some(Self::Account),
            _ => None,
        }
    }
}

/// What reading a page found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageHealth {
    /// A page of this version and key.
    Sound,
    /// Never written.
    Fresh,
    /// Damaged, foreign, or made with another hash key: reads as empty and is written anew.
    Bad,
    /// Written by an older version: reads as empty and is written anew. No fault: every page is, after an upgrade.
    Older,
    /// Written by a newer version: reads as empty and must not be written.
    Newer,
}

/// One page, held as the bytes that shared data stores.
#[derive(Clone, Debug)]
pub struct Page {
    bytes: Vec<u8>,
    kind: PageKind,
}

#[derive(Clone, Copy)]
struct Slot<'a> {
    tag: u64,
    checksum: u32,
    activity: u16,
    body: &'a [u8],
}

struct Slots<'a>(Reader<'a>);

impl<'a> Iterator for Slots<'a> {
    type Item = Slot<'a>;

    fn next(&mut self) -> Option<Slot<'a>> {
        let tag = self.0.u64()?;
        let checksum = self.0.u32()?;
        let length = self.0.u16()?;
        let activity = self.0.u16()?;
        let body = self.0.take(usize::from(length))?;
        Some(Slot {
            tag,
            checksum,
            activity,
            body,
        })
    }
}

impl Slot<'_> {
    const fn is_established(&self) -> bool {
        Activity(self.activity).is_established()
    }

    fn size(&self) -> usize {
        SLOT + self.body.len()
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut out = Writer(out);
        out.u64(self.tag);
        out.u32(self.checksum);
        out.u16(self.body.len() as u16);
        out.u16(self.activity);
        out.raw(self.body);
    }
}

fn key_check(key: &HashKey, kind: PageKind, version: u8) -> u32 {
    key.hash32(Domain::Checksum, &[kind as u8, version])
}

fn checksum(key: &HashKey, tag: u64, body: &[u8]) -> u32 {
    // The tag is mixed in afterwards: a record moved under another tag fails as well.
    key.hash32(Domain::Checksum, body) ^ (tag as u32) ^ ((tag >> 32) as u32)
}

impl Page {
    /// An empty page.
    #[must_use]
    pub fn empty(kind: PageKind, key: &HashKey) -> Self {
        let mut page = Self {
            bytes: Vec::with_capacity(PAGE_BYTES),
            kind,
        };
        page.assemble(key, std::iter::empty());
        page
    }

    /// Takes over the bytes of shared data.
    #[must_use]
    pub fn read(bytes: Vec<u8>, kind: PageKind, key: &HashKey) -> (Self, PageHealth) {
        let health = Self::examine(&bytes, kind, key);
        match health {
            PageHealth::Sound => (Self { bytes, kind }, health),
            _ => (Self::empty(kind, key), health),
        }
    }

    fn examine(bytes: &[u8], kind: PageKind, key: &HashKey) -> PageHealth {
        if bytes.is_empty() {
            return PageHealth::Fresh;
        }
        let mut head = Reader::new(bytes);
        let (Some(magic), Some(version), Some(found_kind), Some(check), Some(used), Some(_)) = (
            head.u16(),
            head.u8(),
            head.u8(),
            head.u32(),
            head.u16(),
            head.u16(),
        ) else {
            return PageHealth::Bad;
        };
        if magic != MAGIC || bytes.len() != PAGE_BYTES {
            return PageHealth::Bad;
        }
        if version > VERSION {
            return PageHealth::Newer;
        }
        let ours = check == key_check(key, kind, version);
        if found_kind != kind as u8 || !ours || usize::from(used) > PAGE_BYTES {
            return PageHealth::Bad;
        }
        if version < VERSION {
            return PageHealth::Older;
        }
        PageHealth::Sound
    }

    fn slots(&self) -> Slots<'_> {
        let mut head = Reader::new(&self.bytes);
        let used = head.take(8).and_then(|_| head.u16()).unwrap_or(0);
        let body = self
            .bytes
            .get(HEADER..usize::from(used).max(HEADER))
            .unwrap_or(&[]);
        Slots(Reader::new(body))
    }

    /// The bytes of a record, if it is there and undamaged. A damaged record is `Err`.
    ///
    /// # Errors
    /// The record is there but its checksum does not hold.
    pub fn find(&self, tag: u64, key: &HashKey) -> Result<Option<&[u8]>, DamagedRecord> {
        let Some(slot) = self.slots().find(|slot| slot.tag == tag) else {
            return Ok(None);
        };
        if checksum(key, tag, slot.body) == slot.checksum {
            Ok(Some(slot.body))
        } else {
            Err(DamagedRecord)
        }
    }

    /// Stores a record, evicting the least active others until it fits; of newcomers only, while they hold more than half of
    /// the page. Returns how many were evicted, or `None`
    /// when the record is longer than its kind allows and was not stored.
    pub fn put(&mut self, tag: u64, body: &[u8], activity: Activity, key: &HashKey) -> Option<u16> {
        if body.len() > self.kind.max_record() {
            return None;
        }
        let new = Slot {
            tag,
            checksum: checksum(key, tag, body),
            activity: activity.0,
            body,
        };
        let before = std::mem::take(&mut self.bytes);
        let old = Self {
            bytes: before,
            kind: self.kind,
        };
        let mut kept: Vec<Slot<'_>> = old.slots().filter(|slot| slot.tag != tag).collect();
        let mut size: usize = HEADER + new.size() + kept.iter().map(Slot::size).sum::<usize>();
        let mut evicted = 0;
        while size > PAGE_BYTES {
            let newcomers: usize = kept
                .iter()
                .chain(std::iter::once(&new))
                .filter(|slot| !slot.is_established())
                .map(Slot::size)
                .sum();
            let crowded = newcomers > NEWCOMERS;
            let Some((index, least)) = kept.iter().enumerate().min_by_key(|(_, slot)| {
                let spared = crowded && slot.is_established();
                (spared, slot.activity & !Activity::ESTABLISHED, slot.tag)
            }) else {
                break;
            };
            size -= least.size();
            kept.swap_remove(index);
            evicted += 1;
        }
        self.assemble(key, kept.into_iter().chain(std::iter::once(new)));
        Some(evicted)
    }

    fn assemble<'a>(&mut self, key: &HashKey, slots: impl Iterator<Item = Slot<'a>>) {
        let mut body = Vec::with_capacity(PAGE_BYTES);
        let mut records = 0;
        for slot in slots {
            slot.write(&mut body);
            records += 1;
        }
        let bytes = &mut self.bytes;
        bytes.clear();
        let mut out = Writer(bytes);
        out.u16(MAGIC);
        out.u8(VERSION);
        out.u8(self.kind as u8);
        out.u32(key_check(key, self.kind, VERSION));
        out.u16((HEADER + body.len()) as u16);
        out.u16(records);
        out.raw(&body);
        bytes.resize(PAGE_BYTES, 0);
    }

    /// Tags and bytes of all records, damaged ones left out.
    pub fn records<'a>(&'a self, key: &'a HashKey) -> impl Iterator<Item = (u64, &'a [u8])> {
        self.slots()
            .filter(move |slot| checksum(key, slot.tag, slot.body) == slot.checksum)
            .map(|slot| (slot.tag, slot.body))
    }

    /// How many records the page holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots().count()
    }

    /// Whether the page holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of its bytes records take.
    #[must_use]
    pub fn used(&self) -> usize {
        self.slots().map(|slot| slot.size()).sum()
    }

    /// The bytes for shared data: always [`PAGE_BYTES`] long.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A record whose checksum does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedRecord;

/// How active a record is: the logarithm of its exponentially decayed number of events, in a form that does not
/// change as time passes (forward decay, Cormode et al. 2009), so that records are comparable without being rewritten. The
/// highest bit tells established records from newcomers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Activity(u16);

impl Activity {
    const HALF_LIFE: f64 = 30.0 * 86_400.0;
    /// 2020-01-01: activity of older events is zero.
    const EPOCH: f64 = 1_577_836_800.0;
    const STEPS: f64 = 128.0;
    const ESTABLISHED: u16 = 0x8000;

    /// Activity of a record that counted `decayed` events (half-life 30 days) at `now` (seconds since 1970).
    #[must_use]
    pub fn of(decayed: f64, now: u32) -> Self {
        let halves = (f64::from(now) - Self::EPOCH) / Self::HALF_LIFE;
        let level = halves + libm::log2(decayed.max(1.0 / 64.0)) + 8.0;
        Self((level * Self::STEPS).clamp(0.0, f64::from(Self::ESTABLISHED - 1)) as u16)
    }

    /// The same of a record worth keeping, where `established` holds.
    #[must_use]
    pub const fn established(self, established: bool) -> Self {
        if established {
            Self(self.0 | Self::ESTABLISHED)
        } else {
            self
        }
    }

    const fn is_established(self) -> bool {
        self.0 & Self::ESTABLISHED != 0
    }
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
