//! The snapshot: a trained baseline as bytes, written by `stepgate train` and loaded by the filter.
//! May use: the byte codec, the hash key, the kinds of pages.
//! Must not: know what a record means, read files, or give out a record before the whole was checked.
//!
//! Layout, little-endian: `magic u32, version u8, record version u8, reserved u16, key check u32, events u64, newest u32,
//! records u64, population u32` and its bytes, then per record `kind u8, page u64, tag u64, length u16` and its bytes, in
//! ascending order of kind, page and tag; at the end the keyed SipHash-128 of everything before it.

use std::fmt;

use super::bytes::{Reader, Writer};
use super::page::{self, PageKind};
use crate::signals::keyed::{Domain, HashKey, Locator};

/// Version of the layout of a snapshot.
pub const VERSION: u8 = 1;

const MAGIC: u32 = u32::from_le_bytes(*b"SGBL");
const HEADER: usize = 36;
const RECORD: usize = 19;
const DIGEST: usize = 16;

/// Why bytes were refused as a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// They begin with something else.
    NotASnapshot,
    /// Another version of Stepgate wrote them: of the layout, of the records.
    Version {
        /// Version of the layout found.
        layout: u8,
        /// Version of the records found.
        records: u8,
    },
    /// They were trained with another hash key, so no record would ever be found.
    ForeignKey,
    /// They end too early, or were changed after they were written.
    Damaged,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASnapshot => {
                f.write_str("no snapshot: it does not begin with SGBL; `stepgate train` makes one")
            }
            Self::Version { layout, records } => write!(
                f,
                "the snapshot has version {layout}.{records}, and this is {VERSION}.{}; train it again",
                page::VERSION
            ),
            Self::ForeignKey => f.write_str(
                "the snapshot was trained with another hash key; use the same `STEPGATE_KEY` or `hash_key` for both",
            ),
            Self::Damaged => {
                f.write_str("the snapshot is cut short or was changed: its digest does not hold")
            }
        }
    }
}

impl std::error::Error for SnapshotError {}

/// One record of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotRecord<'a> {
    /// In which kind of page it lives.
    pub kind: PageKind,
    /// Where it lives.
    pub locator: Locator,
    /// Its bytes, as a page holds them.
    pub bytes: &'a [u8],
}

/// A checked snapshot over bytes that the caller lends or gives away.
#[derive(Clone, Debug)]
pub struct Snapshot<B> {
    bytes: B,
    events: u64,
    newest: u32,
    records: u64,
    population: (usize, usize),
}

struct Head {
    events: u64,
    newest: u32,
    records: u64,
    population: usize,
}

fn key_check(key: &HashKey) -> u32 {
    key.hash32(Domain::Checksum, b"snapshot")
}

fn digest(key: &HashKey, bytes: &[u8]) -> [u8; DIGEST] {
    let Locator { page, tag } = key.locate(Domain::Checksum, &[b"snapshot", bytes]);
    let mut digest = [0; DIGEST];
    let (front, back) = digest.split_at_mut(8);
    front.copy_from_slice(&page.to_le_bytes());
    back.copy_from_slice(&tag.to_le_bytes());
    digest
}

fn head(bytes: &[u8], key: &HashKey) -> Result<Head, SnapshotError> {
    let mut input = Reader::new(bytes);
    if input.u32() != Some(MAGIC) {
        return Err(SnapshotError::NotASnapshot);
    }
    let cut = SnapshotError::Damaged;
    let layout = input.u8().ok_or(cut)?;
    let records = input.u8().ok_or(cut)?;
    if (layout, records) != (VERSION, page::VERSION) {
        return Err(SnapshotError::Version { layout, records });
    }
    input.u16().ok_or(cut)?;
    if input.u32().ok_or(cut)? != key_check(key) {
        return Err(SnapshotError::ForeignKey);
    }
    Ok(Head {
        events: input.u64().ok_or(cut)?,
        newest: input.u32().ok_or(cut)?,
        records: input.u64().ok_or(cut)?,
        population: input.u32().ok_or(cut)? as usize,
    })
}

impl<B: AsRef<[u8]>> Snapshot<B> {
    /// Checks the whole: version, hash key, digest and the shape of every record.
    ///
    /// # Errors
    /// Why nothing of it can be used.
    pub fn read(bytes: B, key: &HashKey) -> Result<Self, SnapshotError> {
        let all = bytes.as_ref();
        let Head {
            events,
            newest,
            records,
            population,
        } = head(all, key)?;
        let (body, written) = all
            .split_last_chunk::<DIGEST>()
            .ok_or(SnapshotError::Damaged)?;
        if digest(key, body) != *written {
            return Err(SnapshotError::Damaged);
        }
        let first = HEADER
            .checked_add(population)
            .filter(|end| *end <= body.len())
            .ok_or(SnapshotError::Damaged)?;
        let snapshot = Self {
            bytes,
            events,
            newest,
            records,
            population: (HEADER, first),
        };
        let mut all = snapshot.records();
        let found = all.by_ref().count() as u64;
        if found != records || !all.input.is_empty() {
            return Err(SnapshotError::Damaged);
        }
        Ok(snapshot)
    }

    /// Authentication events it was trained on.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Time of the newest of them, seconds since 1970.
    #[must_use]
    pub fn newest(&self) -> u32 {
        self.newest
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.records
    }

    /// Whether it holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The population, as it encoded itself.
    #[must_use]
    pub fn population(&self) -> &[u8] {
        let (from, to) = self.population;
        self.bytes.as_ref().get(from..to).unwrap_or_default()
    }

    /// All records.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        self.records_from(0)
    }

    /// The records from a [`Records::position`] on, for whoever takes them piece by piece.
    #[must_use]
    pub fn records_from(&self, position: usize) -> Records<'_> {
        let all = self.bytes.as_ref();
        let end = all.len().saturating_sub(DIGEST);
        let from = self.population.1.saturating_add(position).min(end);
        Records {
            input: Reader::new(all.get(from..end).unwrap_or_default()),
            position: from - self.population.1.min(from),
        }
    }
}

/// Records of a snapshot in their order.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    input: Reader<'a>,
    position: usize,
}

impl Records<'_> {
    /// Bytes of records already given out.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = SnapshotRecord<'a>;

    fn next(&mut self) -> Option<SnapshotRecord<'a>> {
        let mut input = self.input;
        let kind = PageKind::from_number(input.u8()?)?;
        let locator = Locator {
            page: input.u64()?,
            tag: input.u64()?,
        };
        let length = usize::from(input.u16()?);
        let bytes = input.take(length).filter(|_| length <= kind.max_record())?;
        self.position += RECORD + length;
        self.input = input;
        Some(SnapshotRecord {
            kind,
            locator,
            bytes,
        })
    }
}

/// Collects records in any order and writes them in one.
#[derive(Clone, Debug, Default)]
pub struct SnapshotWriter {
    bodies: Vec<u8>,
    index: Vec<Entry>,
    population: Vec<u8>,
    events: u64,
    newest: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    kind: u8,
    locator: Locator,
    start: usize,
    length: u16,
}

impl SnapshotWriter {
    /// Says what the snapshot was trained on: authentication events, and the time of the newest in seconds since 1970.
    pub fn trained_on(&mut self, events: u64, newest: u32) {
        self.events = events;
        self.newest = newest;
    }

    /// Takes the population's bytes.
    pub fn population(&mut self, bytes: &[u8]) {
        self.population.clear();
        self.population.extend_from_slice(bytes);
    }

    /// Adds one record, encoded by `encode`. False, and nothing added, where it is longer than a page takes.
    pub fn record(
        &mut self,
        kind: PageKind,
        locator: Locator,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let start = self.bodies.len();
        encode(&mut self.bodies);
        let length = self.bodies.len() - start;
        let fits = length <= kind.max_record();
        if fits {
            self.index.push(Entry {
                kind: kind as u8,
                locator,
                start,
                length: length as u16,
            });
        } else {
            self.bodies.truncate(start);
        }
        fits
    }

    /// The bytes: the same for the same records, in whatever order they were added.
    #[must_use]
    pub fn finish(mut self, key: &HashKey) -> Vec<u8> {
        self.index.sort_unstable();
        let size = HEADER + self.population.len() + self.bodies.len() + DIGEST;
        let mut bytes = Vec::with_capacity(size + self.index.len() * RECORD);
        let mut out = Writer(&mut bytes);
        out.u32(MAGIC);
        out.u8(VERSION);
        out.u8(page::VERSION);
        out.u16(0);
        out.u32(key_check(key));
        out.u64(self.events);
        out.u32(self.newest);
        out.u64(self.index.len() as u64);
        out.u32(self.population.len() as u32);
        out.raw(&self.population);
        for entry in &self.index {
            let end = entry.start + usize::from(entry.length);
            out.u8(entry.kind);
            out.u64(entry.locator.page);
            out.u64(entry.locator.tag);
            out.u16(entry.length);
            out.raw(self.bodies.get(entry.start..end).unwrap_or_default());
        }
        let digest = digest(key, &bytes);
        bytes.extend_from_slice(&digest);
        bytes
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
