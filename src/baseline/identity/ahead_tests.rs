//! Tests of a record that was written an hour, a day and a year ahead of the clock.
//! May use: the record.
//! Must not: read a clock.

use super::*;
use crate::baseline::decay::{DAY, HOUR};
use crate::baseline::identity::Place;
use crate::baseline::session::Session;
use crate::baseline::values::Sighting;

const NOW: u32 = 1_750_000_000;

/// Known for a month, and used once more when the clock said `then`.
fn used_at(then: u32) -> IdentityRecord {
    let mut record = IdentityRecord::new(NOW - 30 * DAY);
    let seen = |key, surprising, at| Sighting {
        key,
        surprising,
        hour: hour(at),
        ..Sighting::default()
    };
    record.network.country.learn(seen(1, false, NOW - 30 * DAY));
    record.history = 12;
    record.events = 12.0;
    record.bring_to(then);
    record.network.country.learn(seen(2, true, then));
    record.last_event = then;
    record.recovered = then;
    record.remember_place(Place {
        seen: then,
        prefix: 7,
        ..Place::default()
    });
    record.remember_session(Session {
        id: 5,
        seen: then,
        left: then,
        challenged: then,
        unsolved: 3,
        ..Session::default()
    });
    record.contained.close(6, then);
    record.lately.fail(7, then);
    record.lately.used(7, 8, then);
    record
}

#[test]
fn what_was_noted_a_day_or_a_year_ahead_is_set_back_to_now() {
    for ahead in [2 * HOUR, DAY, 365 * DAY] {
        let record = used_at(NOW + ahead);
        assert!(record.is_ahead(NOW));
        let back = record.as_of(NOW, &mut None).clone();
        assert!(!back.is_ahead(NOW), "{ahead}");
        let session = back.session(5).unwrap();
        for time in [
            back.updated,
            back.last_event,
            back.recovered,
            session.challenged,
        ] {
            assert_eq!(time, NOW, "{ahead}");
        }
        // A challenge of then is answered now, and what was closed then opens: both by an authentication, not by waiting.
        assert!(back.contained.holds(6, NOW) && !back.contained.holds(6, NOW + 1));
        assert_eq!(session.unsolved, 3);
        // No journey begins where somebody was at a time nobody knows.
        assert!(back.places.is_empty());
        assert_eq!(back.lately, crate::baseline::lately::Lately::default());
        // Probation begins anew and ends a week from now.
        let mut later = back.clone();
        later.bring_to(NOW + 7 * DAY - HOUR);
        assert!(later.network.country.on_probation(2), "{ahead}");
        later.bring_to(NOW + 7 * DAY + 2 * HOUR);
        assert!(later.network.country.knows(2) && !later.network.country.on_probation(2));
        // What was known is known, and decays again.
        assert_eq!(back.history, 12);
        assert!(back.network.country.established(1).is_some());
        assert!(later.events < back.events);
    }
}

#[test]
fn what_clocks_differ_by_is_believed_and_costs_no_copy() {
    let record = used_at(NOW + HOUR);
    assert!(!record.is_ahead(NOW));
    let mut room = None;
    assert_eq!(*record.as_of(NOW, &mut room), record);
    assert_eq!(room, None);
}

#[test]
fn hours_are_halved_again_after_a_year_that_was_none() {
    use crate::baseline::hours::Hour;
    let mut record = used_at(NOW);
    for _ in 0..20 {
        record.hours.learn(Hour::of(NOW));
    }
    let usual = record.hours.at(Hour::of(NOW).hour, Hour::of(NOW).weekend);
    // Learned once while the clock was a year ahead.
    record.hours.learn(Hour::of(NOW + 365 * DAY));
    record.updated = NOW + 365 * DAY;
    record.bring_to(NOW);
    let later = Hour::of(NOW + 240 * DAY);
    record.hours.learn(later);
    record.hours.learn(later);
    let now = record.hours.at(Hour::of(NOW).hour, Hour::of(NOW).weekend);
    assert!(now < usual / 16.0, "{now} of {usual}");
}
