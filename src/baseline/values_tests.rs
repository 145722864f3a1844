//! Tests of values: probation, bounds, merging.
//! May use: the values.
//! Must not: read a clock.

use super::*;
use crate::baseline::bytes::{Reader, Writer};

fn seen(key: u32, surprising: bool, day: u16) -> Sighting {
    Sighting {
        key,
        surprising,
        day,
        ..Sighting::default()
    }
}

#[test]
fn a_surprising_value_counts_after_three_sightings_on_two_days() {
    let mut values = Values::<4>::default();
    for _ in 0..3 {
        values.learn(seen(1, true, 10));
    }
    assert_eq!((values.count(1), values.distinct()), (0.0, 0.0));
    assert!(values.on_probation(1));
    values.learn(seen(1, true, 11));
    assert_eq!((values.count(1), values.distinct()), (4.0, 1.0));
}

#[test]
fn a_week_or_a_proven_event_ends_probation() {
    let mut values = Values::<4>::default();
    values.learn(seen(1, true, 10));
    values.settle(16);
    assert_eq!(values.count(1), 0.0);
    values.settle(17);
    assert_eq!(values.count(1), 1.0);
    values.learn(seen(2, true, 17));
    values.learn(seen(2, false, 17));
    assert_eq!(values.count(2), 2.0);
}

#[test]
fn a_flood_on_probation_never_evicts_the_established() {
    let mut values = Values::<2>::default();
    values.learn(seen(1, false, 0));
    values.learn(seen(2, false, 0));
    for key in 3..50 {
        values.learn(seen(key, true, 0));
    }
    assert_eq!((values.count(1), values.count(2)), (1.0, 1.0));
    assert_eq!(values.distinct(), 2.0);
}

#[test]
fn distinct_remembers_what_made_room_and_fades() {
    let mut values = Values::<2>::default();
    for key in 1..=5 {
        values.learn(seen(key, false, 0));
    }
    assert_eq!(values.distinct(), 5.0);
    values.decay(0.5);
    assert_eq!(values.distinct(), 2.5);
}

#[test]
fn an_older_version_is_no_upgrade() {
    let known = Version {
        browser: 90,
        os: 12,
    };
    let relation = |browser, os| relation(known, Version { browser, os });
    assert_eq!(relation(91, 12), Relation::Newer);
    assert_eq!(relation(90, 12), Relation::Same);
    assert_eq!(relation(89, 13), Relation::Older);
    assert_eq!(relation(91, 11), Relation::Older);
    assert_eq!(relation(0, 0), Relation::Newer);
}

#[test]
fn survives_encoding() {
    let mut values = Values::<3>::default();
    for key in 1..=4 {
        values.learn(seen(key, key == 4, 9));
    }
    values.learn(Sighting {
        key: 2,
        version: Version { browser: 7, os: 8 },
        ..Sighting::default()
    });
    let mut noted = Counts::default();
    values.note(&mut noted);
    for (counts, form) in [
        (Counts::default(), Form::Hash),
        (noted.clone(), Form::Hash),
        (noted, Form::Code),
    ] {
        let mut bytes = Vec::new();
        values.encode(form, &counts, &mut Writer(&mut bytes));
        let mut input = Reader::new(&bytes);
        let mut read = Values::<3>::default();
        assert_eq!(read.decode(form, &counts, &mut input), Some(()));
        assert_eq!(read, values);
        assert!(input.is_empty());
        let mut input = Reader::new(&bytes);
        let mut smaller = Values::<2>::default();
        assert_eq!(smaller.decode(form, &counts, &mut input), None);
    }
}

#[test]
fn what_was_confirmed_counts_a_day_later_and_never_before() {
    let mut values = Values::<4>::default();
    values.learn(Sighting {
        key: 1,
        confirmed: true,
        day: 100,
        ..Sighting::default()
    });
    for (day, known) in [(100, false), (101, false), (102, true)] {
        values.settle(day);
        assert_eq!(values.count(1) > 0.0, known, "day {day}");
        assert_eq!(values.on_probation(1), !known, "day {day}");
    }
    // On the first days of the epoch as on any other.
    let mut early = Values::<4>::default();
    early.learn(Sighting {
        key: 1,
        confirmed: true,
        day: 1,
        ..Sighting::default()
    });
    early.settle(1);
    assert!(early.on_probation(1));
}
