//! Snapshots: taken whole or not at all, and what was written is read.
//! May use the engine's snapshots and records.
//! Must not take a record for more than bytes.

use arbitrary::Unstructured;
use stepgate::baseline::page::PageKind;
use stepgate::baseline::snapshot::{Snapshot, SnapshotWriter};
use stepgate::signals::keyed::{Domain, HashKey, Locator};

const KEY: HashKey = HashKey::PUBLIC;

pub(crate) fn run(data: &[u8]) {
    let (mode, data) = crate::split(data);
    match mode % 3 {
        0 => read(data),
        1 => {
            // With the digest it should have: damage that the digest finds is not all there is.
            let Locator { page, tag } = KEY.locate(Domain::Checksum, &[b"snapshot", data]);
            read(&[data, &page.to_le_bytes(), &tag.to_le_bytes()].concat());
        }
        _ => {
            let _short = written(&mut Unstructured::new(data));
        }
    }
}

fn read(data: &[u8]) {
    let Ok(snapshot) = Snapshot::read(data, &KEY) else {
        return;
    };
    let mut taken = 0;
    let mut writer = SnapshotWriter::default();
    writer.trained_on(snapshot.events(), snapshot.newest());
    writer.population(snapshot.population());
    let mut all = snapshot.records();
    while let Some(record) = all.next() {
        taken += record.bytes.len();
        assert!(record.bytes.len() <= record.kind.max_record());
        let from_here = snapshot.records_from(all.position()).count();
        assert!(from_here < usize::try_from(snapshot.len()).unwrap());
        assert!(writer.record(record.kind, record.locator, |out| {
            out.extend_from_slice(record.bytes)
        }));
        if taken > 1 << 16 {
            return;
        }
    }
    assert!(taken <= data.len());
    let again = writer.finish(&KEY);
    let again = Snapshot::read(&again[..], &KEY).expect("what is read can be written");
    assert_eq!(again.len(), snapshot.len());
    assert_eq!(again.population(), snapshot.population());
}

fn written(input: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let mut records = Vec::new();
    for _ in 0..input.int_in_range(0..=12)? {
        let kind = PageKind::from_number(input.int_in_range(1..=4)?).unwrap();
        let locator = Locator {
            page: input.arbitrary()?,
            tag: input.arbitrary()?,
        };
        let length = input.int_in_range(0..=1500usize)?.min(input.len());
        records.push((kind, locator, input.bytes(length)?));
    }
    let (events, newest) = (input.arbitrary()?, input.arbitrary()?);
    let write = |records: &[(PageKind, Locator, &[u8])]| {
        let mut writer = SnapshotWriter::default();
        writer.trained_on(events, newest);
        let kept = records
            .iter()
            .filter(|(kind, locator, bytes)| {
                writer.record(*kind, *locator, |out| out.extend_from_slice(bytes))
            })
            .count();
        (writer.finish(&KEY), kept)
    };
    let (mut bytes, kept) = write(&records);
    let snapshot = Snapshot::read(&bytes[..], &KEY).expect("what was written is read");
    assert_eq!(snapshot.records().count(), kept);
    assert_eq!((snapshot.events(), snapshot.newest()), (events, newest));
    for record in snapshot.records() {
        assert!(records.contains(&(record.kind, record.locator, record.bytes)));
    }
    let at = input.choose_index(bytes.len())?;
    bytes[at] ^= 1 << input.int_in_range(0..=7)?;
    assert!(
        Snapshot::read(&bytes[..], &KEY).is_err(),
        "no bit of it can be changed"
    );
    Ok(())
}
