//! Tests of values: probation, bounds, merging.
//! May use: the values.
//! Must not: read a clock.

use super::*;
use crate::baseline::bytes::{Reader, Writer};
use crate::baseline::decay::hour;

fn seen(key: u32, surprising: bool, hour: u16) -> Sighting {
    Sighting {
        key,
        surprising,
        hour,
        ..Sighting::default()
    }
}

#[test]
fn a_surprising_value_counts_after_three_sightings_more_than_24_hours_apart() {
    let mut values = Values::<4>::default();
    for _ in 0..3 {
        values.learn(seen(1, true, 10));
    }
    assert_eq!((values.count(1), values.distinct()), (0.0, 0.0));
    assert!(values.on_probation(1));
    // The first may have been late in its hour and this one early: that may be a second less than 24 hours.
    values.learn(seen(1, true, 34));
    assert!(values.on_probation(1));
    values.learn(seen(1, true, 35));
    assert_eq!((values.count(1), values.distinct()), (5.0, 1.0));
}

#[test]
fn three_sightings_around_midnight_are_on_one_day() {
    let minute = |day: u32, minute: u32| hour(day * 86_400 + minute * 60);
    let mut values = Values::<4>::default();
    for at in [
        minute(20_000, 23 * 60 + 50),
        minute(20_000, 23 * 60 + 55),
        minute(20_001, 5),
    ] {
        values.learn(seen(1, true, at));
    }
    assert!(values.on_probation(1));
}

#[test]
fn hours_that_wrap_and_clocks_that_lag_end_no_probation() {
    for first in [0, 3, 20_000, u16::MAX - 3, u16::MAX] {
        let mut values = Values::<4>::default();
        values.learn(seen(1, true, first));
        for later in [0, 1, 24] {
            values.learn(seen(1, true, first.wrapping_add(later)));
        }
        // A worker whose clock is behind.
        values.learn(seen(1, true, first.wrapping_sub(1)));
        values.settle(first.wrapping_sub(1));
        values.settle(first.wrapping_add(168));
        assert!(values.on_probation(1), "{first}");
        let mut late = values.clone();
        late.settle(first.wrapping_add(169));
        assert!(!late.on_probation(1), "{first}");
        // Two parts of the same history.
        for (apart, over) in [(24, false), (25, true)] {
            let mut other = Values::<4>::default();
            other.learn(seen(1, true, first.wrapping_add(apart)));
            let (mut one, mut two) = (values.clone(), other.clone());
            one.merge(&other);
            two.merge(&values);
            assert_eq!(one, two);
            assert_eq!(!one.on_probation(1), over, "{first} and {apart} later");
        }
    }
}

#[test]
fn a_week_or_a_proven_event_ends_probation() {
    let mut values = Values::<4>::default();
    values.learn(seen(1, true, 10));
    values.settle(10 + 7 * 24);
    assert_eq!(values.count(1), 0.0);
    values.settle(11 + 7 * 24);
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
    // In the first hours of the epoch as in any other.
    for first in [1, 2_400, u16::MAX] {
        let mut values = Values::<4>::default();
        values.learn(Sighting {
            key: 1,
            confirmed: true,
            hour: first,
            ..Sighting::default()
        });
        for (hours, known) in [(0, false), (24, false), (25, true)] {
            values.settle(first.wrapping_add(hours));
            assert_eq!(values.count(1) > 0.0, known, "{hours} hours later");
            assert_eq!(values.on_probation(1), !known, "{hours} hours later");
        }
    }
}
