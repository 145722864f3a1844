//! Every identity's record in the bytes a page would hold, a tenth of what it is in use; those that were used last lie ready, and
//! become bytes when others take their place.
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
    /// Of every identity; those that lie ready may be older here, or none.
    bytes: Located<Box<[u8]>>,
    /// Each has one place, by its tag; the one used last holds it.
    ready: Vec<Option<Ready>>,
    /// The one that is about to lie ready.
    coming: Box<IdentityRecord>,
    empty: IdentityRecord,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Ready {
    locator: Locator,
    record: Box<IdentityRecord>,
    /// Since it was read from its bytes.
    changed: bool,
}

impl Default for Identities {
    fn default() -> Self {
        Self {
            bytes: Located::default(),
            ready: (0..READY).map(|_| None).collect(),
            coming: Box::default(),
            empty: IdentityRecord::default(),
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
        let Some(bytes) = self.bytes.get(&locator) else {
            return;
        };
        self.coming.copy_from(&self.empty);
        if self.coming.decode_into_empty(bytes).is_some() {
            self.come(locator, false);
        }
    }

    /// The record that was fetched.
    pub(super) fn fetched(&self, locator: Locator) -> Option<&IdentityRecord> {
        let ready = self.ready.get(place(locator))?.as_ref()?;
        (ready.locator == locator).then_some(&ready.record)
    }

    /// Something of the record, wherever it is.
    pub(super) fn peek(&self, locator: Locator) -> u64 {
        match self.fetched(locator) {
            Some(record) => record.history.into(),
            None => self
                .bytes
                .get(&locator)
                .and_then(|bytes| bytes.first())
                .map_or(0, |byte| u64::from(*byte)),
        }
    }

    /// Stores a record.
    pub(super) fn store(&mut self, locator: Locator, record: &IdentityRecord) {
        match self.ready.get_mut(place(locator)) {
            Some(Some(ready)) if ready.locator == locator => {
                ready.record.copy_from(record);
                ready.changed = true;
            }
            _ => {
                // It counts from now on.
                self.bytes.entry(locator).or_default();
                self.coming.copy_from(record);
                self.come(locator, true);
            }
        }
    }

    /// Puts the record that is coming to its place. The one that was there becomes bytes.
    fn come(&mut self, locator: Locator, changed: bool) {
        let Some(slot) = self.ready.get_mut(place(locator)) else {
            return;
        };
        match slot {
            Some(ready) => {
                if ready.changed {
                    write_back(&mut self.bytes, ready, &mut self.buffer);
                }
                std::mem::swap(&mut ready.record, &mut self.coming);
                (ready.locator, ready.changed) = (locator, changed);
            }
            None => {
                let record = std::mem::take(&mut self.coming);
                *slot = Some(Ready {
                    locator,
                    record,
                    changed,
                });
            }
        }
    }

    /// Number of identities.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of all.
    pub(super) fn into_bytes(mut self) -> Located<Box<[u8]>> {
        for ready in self.ready.iter().flatten().filter(|ready| ready.changed) {
            write_back(&mut self.bytes, ready, &mut self.buffer);
        }
        self.bytes
    }
}

fn write_back(bytes: &mut Located<Box<[u8]>>, ready: &Ready, buffer: &mut Vec<u8>) {
    buffer.clear();
    ready.record.encode(buffer);
    let known = bytes.entry(ready.locator).or_default();
    if known.len() == buffer.len() {
        known.copy_from_slice(buffer);
    } else {
        *known = buffer.as_slice().into();
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
                identities.store(at(tag), &record(tag as u32 + round + 1));
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
        identities.store(at(1), &record(1));
        // The same place, another page, and a page that has the place of another.
        for other in [at(1 + READY as u64), Locator { page: 8, tag: 1 }] {
            identities.fetch(other);
            assert_eq!(identities.fetched(other), None);
        }
        assert_eq!(identities.len(), 1);
        assert_eq!(identities.fetched(at(1)), Some(&record(1)));
    }
}
