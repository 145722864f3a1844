//! Every identity's record in the bytes a page would hold, a tenth of what it is in use; those that were used last lie ready.
//! May use: the codec of records.
//! Must not: give back anything but what was stored.

use stepgate::baseline::identity::IdentityRecord;
use stepgate::signals::keyed::Locator;

use crate::cli::located::Located;

/// How many lie ready: those of some hundred people at work, in two MiB.
const READY: usize = 1024;

/// Records by locator.
#[derive(Debug)]
pub(crate) struct Identities {
    bytes: Located<Box<[u8]>>,
    /// Each has one place, by its tag; the one used last holds it.
    ready: Vec<Option<Ready>>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Ready {
    locator: Locator,
    record: Box<IdentityRecord>,
}

impl Default for Identities {
    fn default() -> Self {
        Self {
            bytes: Located::default(),
            ready: (0..READY).map(|_| None).collect(),
            buffer: Vec::new(),
        }
    }
}

fn place(locator: Locator) -> usize {
    (locator.tag % READY as u64) as usize
}

impl Identities {
    /// Makes a record ready.
    pub(super) fn fetch(&mut self, locator: Locator) {
        if self.fetched(locator).is_some() {
            return;
        }
        let known = self.bytes.get(&locator);
        if let Some(record) = known.and_then(|bytes| IdentityRecord::decode(bytes)) {
            self.put(locator, Box::new(record));
        }
    }

    /// The record that was fetched.
    pub(super) fn fetched(&self, locator: Locator) -> Option<&IdentityRecord> {
        let ready = self.ready.get(place(locator))?.as_ref()?;
        (ready.locator == locator).then_some(&ready.record)
    }

    /// Stores a record.
    pub(super) fn store(&mut self, locator: Locator, record: Box<IdentityRecord>) {
        self.buffer.clear();
        record.encode(&mut self.buffer);
        let known = self.bytes.entry(locator).or_default();
        if known.len() == self.buffer.len() {
            known.copy_from_slice(&self.buffer);
        } else {
            *known = self.buffer.as_slice().into();
        }
        self.put(locator, record);
    }

    fn put(&mut self, locator: Locator, record: Box<IdentityRecord>) {
        if let Some(slot) = self.ready.get_mut(place(locator)) {
            *slot = Some(Ready { locator, record });
        }
    }

    /// Number of identities.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of all.
    pub(super) fn into_bytes(self) -> Located<Box<[u8]>> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tag: u64) -> Locator {
        Locator { page: 7, tag }
    }

    fn record(history: u32) -> IdentityRecord {
        IdentityRecord {
            history,
            ..IdentityRecord::new(1_700_000_000)
        }
    }

    #[test]
    fn what_makes_room_for_others_is_read_back_as_it_was_stored() {
        let many = 3 * READY as u64;
        let mut identities = Identities::default();
        for round in 0..3 {
            for tag in 0..many {
                identities.fetch(at(tag));
                let known = identities.fetched(at(tag)).map(|record| record.history);
                assert_eq!(known, (round > 0).then_some(tag as u32 + round));
                identities.store(at(tag), Box::new(record(tag as u32 + round + 1)));
            }
            assert_eq!(identities.len(), many as usize);
        }
        let bytes = identities.into_bytes();
        for tag in 0..many {
            let read = IdentityRecord::decode(&bytes[&at(tag)]);
            assert_eq!(read, Some(record(tag as u32 + 3)));
        }
    }

    #[test]
    fn a_stranger_has_no_record_and_does_not_count() {
        let mut identities = Identities::default();
        identities.store(at(1), Box::new(record(1)));
        // The same place, another page, and a page that has the place of another.
        for other in [at(1 + READY as u64), Locator { page: 8, tag: 1 }] {
            identities.fetch(other);
            assert_eq!(identities.fetched(other), None);
        }
        assert_eq!(identities.len(), 1);
        assert_eq!(identities.fetched(at(1)), Some(&record(1)));
    }
}
