//! Tests of snapshots: what is written is read, and nothing else is.

use super::*;

const KEY: HashKey = HashKey::PUBLIC;

fn at(page: u64, tag: u64) -> Locator {
    Locator { page, tag }
}

fn written(order: &[u64]) -> Vec<u8> {
    let mut writer = SnapshotWriter::default();
    writer.trained_on(7, 1_700_000_000);
    writer.population(b"everybody");
    for tag in order {
        let body = vec![*tag as u8; *tag as usize];
        assert!(
            writer.record(PageKind::Identity, at(100 - tag, *tag), |out| {
                out.extend(&body);
            })
        );
    }
    writer.finish(&KEY)
}

#[test]
fn what_was_written_is_read_in_order() {
    let bytes = written(&[1, 2, 3]);
    let snapshot = Snapshot::read(bytes.as_slice(), &KEY).unwrap();
    assert_eq!(snapshot.population(), b"everybody");
    assert_eq!((snapshot.events(), snapshot.newest()), (7, 1_700_000_000));
    let tags: Vec<u64> = snapshot.records().map(|r| r.locator.tag).collect();
    assert_eq!(tags, [3, 2, 1], "ascending by page");
    assert_eq!(snapshot.len(), 3);
    assert!(
        snapshot
            .records()
            .all(|r| r.bytes.len() as u64 == r.locator.tag)
    );
}

#[test]
fn the_order_of_adding_does_not_matter() {
    assert_eq!(written(&[1, 2, 3]), written(&[3, 1, 2]));
}

#[test]
fn reading_goes_on_where_it_stopped() {
    let snapshot = Snapshot::read(written(&[1, 2, 3]), &KEY).unwrap();
    let mut first = snapshot.records();
    first.next();
    let rest: Vec<_> = snapshot.records_from(first.position()).collect();
    assert_eq!(rest, first.collect::<Vec<_>>());
    assert_eq!(snapshot.records_from(usize::MAX).count(), 0);
}

#[test]
fn every_damage_is_refused() {
    let bytes = written(&[1, 2]);
    for length in 0..bytes.len() {
        assert!(Snapshot::read(&bytes[..length], &KEY).is_err(), "{length}");
    }
    for index in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[index] ^= 1;
        assert!(Snapshot::read(damaged, &KEY).is_err(), "{index}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert_eq!(
        Snapshot::read(longer, &KEY).unwrap_err(),
        SnapshotError::Damaged
    );
}

#[test]
fn each_refusal_says_why() {
    let bytes = written(&[1]);
    let why = |bytes: &[u8], key: &HashKey| Snapshot::read(bytes, key).unwrap_err().to_string();
    assert_eq!(
        why(b"{}", &KEY),
        "no snapshot: it does not begin with SGBL; `stepgate train` makes one"
    );
    assert_eq!(
        why(&bytes, &HashKey::from_secret("another")),
        "the snapshot was trained with another hash key; use the same `STEPGATE_KEY` or `hash_key` for both"
    );
    let mut newer = bytes.clone();
    newer[4] = 9;
    assert_eq!(
        why(&newer, &KEY),
        format!(
            "the snapshot has version 9.{0}, and this is 1.{0}; train it again",
            page::VERSION
        )
    );
    assert_eq!(
        why(&bytes[..bytes.len() - 1], &KEY),
        "the snapshot is cut short or was changed: its digest does not hold"
    );
}

#[test]
fn a_record_no_page_takes_is_left_out() {
    let mut writer = SnapshotWriter::default();
    assert!(!writer.record(PageKind::Identity, at(1, 1), |out| {
        out.resize(PageKind::Identity.max_record() + 1, 0);
    }));
    let bytes = writer.finish(&KEY);
    assert!(Snapshot::read(bytes, &KEY).unwrap().is_empty());
}
