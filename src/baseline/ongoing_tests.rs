//! Windows that open, are judged and close.

use super::*;

const NOW: u32 = 1_700_000_000;
const GROWN: Judgement = Judgement {
    belief: 0.0,
    level: 0.0,
    windows: 20.0,
};

fn step(route: u32, ratio: f64) -> Step {
    Step {
        now: NOW,
        route,
        ratio,
        judgement: GROWN,
        learned: true,
        ..Step::default()
    }
}

fn window(ratio: f64) -> Closed {
    let mut ongoing = Ongoing::default();
    let closed = (0..100).find_map(|at| ongoing.take(&step(1 + at % 7, ratio)));
    closed.unwrap()
}

#[test]
fn the_owners_window_is_learned_and_a_strangers_is_not() {
    let own = window(-1.0);
    assert_eq!(own.routes.iter().map(|row| row.1).sum::<u16>(), 100);
    assert_eq!(own.requests, 100);
    let other = window(2.0);
    assert!(other.routes.is_empty() && other.requests == 0);
    assert!(other.judgement.belief > 0.9 && own.judgement.belief < 0.01);
}

#[test]
fn what_is_known_from_outside_overrules_the_judgement() {
    let mut ongoing = Ongoing::default();
    for _ in 0..50 {
        ongoing.take(&Step {
            verdict: Some(false),
            ..step(1, -1.0)
        });
    }
    assert!(ongoing.close().routes.is_empty());
    ongoing.take(&Step {
        verdict: Some(true),
        ..step(1, 9.0)
    });
    assert_eq!(ongoing.close().routes, [(1, 1)]);
}

#[test]
fn a_session_in_pieces_carries_belief_but_not_its_sum() {
    let mut ongoing = Ongoing::default();
    for _ in 0..50 {
        ongoing.take(&Step {
            session: 1,
            ..step(1, 3.0)
        });
    }
    let (judgement, piece, sum) = ongoing.with(2, 0.5, GROWN);
    assert!(judgement.belief > 0.5);
    assert_eq!((piece, sum), (1, 0.5));
}

#[test]
fn routes_of_a_window_are_bounded_and_idle_windows_close() {
    let mut ongoing = Ongoing::default();
    for route in 1..90 {
        ongoing.take(&step(route, 0.0));
    }
    assert_eq!(ongoing.pending.len(), PENDING);
    assert!(!ongoing.is_idle(NOW + IDLE) && ongoing.is_idle(NOW + IDLE + 1));
}

#[test]
fn lately_forgets_after_ten_minutes() {
    let mut ongoing = Ongoing::default();
    for object in 1..=40u32 {
        let object = object.wrapping_mul(2_246_822_519);
        ongoing.take(&Step {
            object,
            refused: true,
            sensitive: true,
            ..step(1, 0.0)
        });
    }
    let lately = ongoing.lately(NOW + 1);
    assert_eq!((lately.refused, lately.sensitive), (40.0, 40.0));
    assert!((lately.objects - 40.0).abs() < 10.0, "{}", lately.objects);
    assert_eq!(ongoing.lately(NOW + 600).refused, 0.0);
}

#[test]
fn what_was_done_while_the_clock_was_ahead_neither_counts_nor_blinds() {
    for ahead in [7_200, 86_400, 365 * 86_400] {
        let mut ongoing = Ongoing::default();
        let at = |now| Step {
            now,
            bytes: 1_000,
            ..step(1, -1.0)
        };
        for _ in 0..10 {
            ongoing.take(&at(NOW + ahead));
        }
        assert_eq!((ongoing.minute(NOW).0, ongoing.bytes(NOW)), (1.0, 0.0));
        for _ in 0..5 {
            ongoing.take(&at(NOW));
        }
        assert_eq!((ongoing.minute(NOW).0, ongoing.bytes(NOW)), (6.0, 5_000.0));
        assert_eq!(ongoing.lately(NOW).requests, 5.0, "{ahead}");
        // It closes when its identity has gone.
        assert!(ongoing.is_idle(NOW + 86_400), "{ahead}");
    }
}
