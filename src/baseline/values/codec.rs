//! The bytes of a table of values, and of the counts that the tables of a record have in common.
//! May use: the byte codec.
//! Must not: judge what it reads, or take bytes that are not one table.
//!
//! An identity that is always at home has counted its country, its network and its browser equally often: each count of a record
//! is written once, and the values name it.

use arrayvec::ArrayVec;

use super::super::bytes::{Reader, Writer};
use super::{SIGHTINGS, Value, Values, Version};

/// How many counts are shared: as many as the four bits can name beside the one for "none of these".
const SHARED: usize = 15;
/// In the flags of a value: sightings, whether it has a version, and which count it has.
const SIGHTED: u8 = 3;
const VERSIONED: u8 = 4;
const COUNT_AT: u8 = 3;

/// Counts that a record writes once.
#[derive(Clone, Debug, Default)]
pub struct Counts(ArrayVec<f32, SHARED>);

/// What keys of a table look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Hashes: four bytes each.
    Hash,
    /// Codes: mostly small numbers.
    Code,
}

impl Counts {
    /// Takes in a count, while there is room.
    pub fn note(&mut self, count: f32) {
        if self.index(count) == SHARED as u8 {
            let _the_rest_is_written_where_it_stands = self.0.try_push(count);
        }
    }

    fn index(&self, count: f32) -> u8 {
        let same = |known: &f32| known.to_bits() == count.to_bits();
        self.0.iter().position(same).unwrap_or(SHARED) as u8
    }

    fn read(&self, index: u8, input: &mut Reader<'_>) -> Option<f32> {
        match usize::from(index) {
            SHARED => input.count(),
            index => self.0.get(index).copied(),
        }
    }

    /// Appends the counts.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u8(self.0.len() as u8);
        self.0.iter().for_each(|count| out.count(*count));
    }

    /// Reads them back; `None` when the bytes are none.
    pub fn decode(input: &mut Reader<'_>) -> Option<Self> {
        let mut counts = Self::default();
        for _ in 0..input.u8()? {
            counts.0.try_push(input.count()?).ok()?;
        }
        Some(counts)
    }

    /// The first that was noted.
    #[must_use]
    pub fn first(&self) -> Option<f32> {
        self.0.first().copied()
    }
}

impl<const N: usize> Values<N> {
    /// Takes the counts of the table in.
    pub fn note(&self, counts: &mut Counts) {
        self.entries
            .iter()
            .for_each(|value| counts.note(value.count));
    }

    /// Appends the table to a record: a byte, and for each value 5 and less where keys are codes; 4 more with a count of its own,
    /// 2 more on probation, 2 to 6 more with a version.
    pub fn encode(&self, form: Form, counts: &Counts, out: &mut Writer<'_>) {
        out.u8(self.entries.len() as u8 | if self.spilled > 0.0 { 0x80 } else { 0 });
        if self.spilled > 0.0 {
            out.count(self.spilled);
        }
        for value in &self.entries {
            let versioned = value.version != Version::default();
            let index = counts.index(value.count);
            out.u8(value.sightings | (u8::from(versioned) * VERSIONED) | (index << COUNT_AT));
            match form {
                Form::Hash => out.u32(value.key),
                Form::Code => out.var(value.key),
            }
            if usize::from(index) == SHARED {
                out.count(value.count);
            }
            if !value.is_established() {
                out.u16(value.since);
            }
            if versioned {
                out.var(u32::from(value.version.browser));
                out.var(u32::from(value.version.os));
            }
        }
    }

    /// Reads a table back into an empty one; `None` when the bytes are not one. A record is more than two thousand bytes: its
    /// tables are filled where they stand.
    pub fn decode(&mut self, form: Form, counts: &Counts, input: &mut Reader<'_>) -> Option<()> {
        let head = input.u8()?;
        if head & 0x80 != 0 {
            self.spilled = input.count()?;
        }
        let mut last = None;
        for _ in 0..head & 0x7f {
            let flags = input.u8()?;
            let key = match form {
                Form::Hash => input.u32()?,
                Form::Code => input.var()?,
            };
            let sightings = flags & SIGHTED;
            if last.is_some_and(|last| key <= last)
                || sightings > SIGHTINGS
                || usize::from(flags >> COUNT_AT) > SHARED
            {
                return None;
            }
            last = Some(key);
            let count = counts.read(flags >> COUNT_AT, input)?;
            let since = if sightings > 0 { input.u16()? } else { 0 };
            let version = if flags & VERSIONED != 0 {
                Version {
                    browser: u16::try_from(input.var()?).ok()?,
                    os: u16::try_from(input.var()?).ok()?,
                }
            } else {
                Version::default()
            };
            let value = Value {
                key,
                count,
                sightings,
                since,
                version,
            };
            self.entries.try_push(value).ok()?;
        }
        Some(())
    }
}
