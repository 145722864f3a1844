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
    /// Each has one place, by its tag. It is given to one that was read twice while no other was that has this place: who logs in
    /// once a day does not take the place of who works all day.
    ready: Vec<Option<Ready>>,
    /// Tags of those that were read last, by place.
    asked: Vec<u64>,
    /// The one that was read last, or had to leave its place.
    passing: Ready,
    empty: Box<IdentityRecord>,
    buffer: Vec<u8>,
}

#[derive(Debug, Default)]
struct Ready {
    /// Whose it is; absent: nobody's.
    locator: Option<Locator>,
    record: Box<IdentityRecord>,
    /// Since it was read from its bytes.
    changed: bool,
}

impl Default for Identities {
    fn default() -> Self {
        Self {
            bytes: Located::default(),
            ready: (0..READY).map(|_| None).collect(),
            asked: vec![0; READY],
            passing: Ready::default(),
            empty: Box::default(),
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
        self.pass();
        let passing = &mut self.passing;
        let Some(bytes) = self.bytes.get(&locator) else {
            return;
        };
        passing.record.copy_from(&self.empty);
        if passing.record.decode_into_empty(bytes).is_some() {
            passing.locator = Some(locator);
            self.settle(locator);
        }
    }

    /// The record that was fetched.
    pub(super) fn fetched(&self, locator: Locator) -> Option<&IdentityRecord> {
        let settled = self.ready.get(place(locator)).and_then(Option::as_ref);
        [Some(&self.passing), settled]
            .into_iter()
            .flatten()
            .find(|ready| ready.locator == Some(locator))
            .map(|ready| &*ready.record)
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
        let settled = self.ready.get_mut(place(locator)).and_then(Option::as_mut);
        let known = [Some(&mut self.passing), settled]
            .into_iter()
            .flatten()
            .find(|ready| ready.locator == Some(locator));
        if let Some(ready) = known {
            ready.record.copy_from(record);
            ready.changed = true;
            return;
        }
        self.pass();
        // It counts from now on.
        self.bytes.entry(locator).or_default();
        self.passing.record.copy_from(record);
        (self.passing.locator, self.passing.changed) = (Some(locator), true);
        self.settle(locator);
    }

    /// Lets the record go that is passing: it becomes bytes.
    fn pass(&mut self) {
        write_back(&mut self.bytes, &self.passing, &mut self.buffer);
        (self.passing.locator, self.passing.changed) = (None, false);
    }

    /// Gives the record that is passing its place, if it was the last one asked for that has this place.
    fn settle(&mut self, locator: Locator) {
        let place = place(locator);
        let (Some(slot), Some(asked)) = (self.ready.get_mut(place), self.asked.get_mut(place))
        else {
            return;
        };
        if std::mem::replace(asked, locator.tag) == locator.tag {
            let left = slot.replace(std::mem::take(&mut self.passing));
            self.passing = left.unwrap_or_default();
        }
    }

    /// Number of identities.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of all.
    pub(super) fn into_bytes(mut self) -> Located<Box<[u8]>> {
        for ready in self.ready.iter().flatten().chain([&self.passing]) {
            write_back(&mut self.bytes, ready, &mut self.buffer);
        }
        self.bytes
    }
}

fn write_back(bytes: &mut Located<Box<[u8]>>, ready: &Ready, buffer: &mut Vec<u8>) {
    let Some(locator) = ready.locator.filter(|_| ready.changed) else {
        return;
    };
    buffer.clear();
    ready.record.encode(buffer);
    let known = bytes.entry(locator).or_default();
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
    fn who_comes_twice_stays_while_others_pass() {
        let [stays, one, other] = [1, 1 + READY as u64, 1 + 2 * READY as u64].map(at);
        let mut identities = Identities::default();
        identities.store(stays, &record(1));
        identities.fetch(at(2));
        identities.fetch(stays);
        for history in 2..9 {
            for locator in [one, other, stays] {
                identities.fetch(locator);
                identities.store(locator, &record(history));
            }
            let settled = identities.ready[place(stays)].as_ref().unwrap();
            assert_eq!(settled.locator, Some(stays));
            assert_eq!(settled.record.history, history);
        }
        let bytes = identities.into_bytes();
        for locator in [stays, one, other] {
            let read = IdentityRecord::decode(&bytes[&locator]).unwrap();
            assert_eq!(read.history, 8);
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
        identities.fetch(at(1));
        let known = identities.fetched(at(1)).map(|record| record.history);
        assert_eq!(known, Some(1));
    }
}
