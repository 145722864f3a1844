//! A clock that is ahead for a while and then right again: what was noted meanwhile neither keeps the owner out nor lets anybody in.
//! May use the life of one identity as the tests of poisoning play it.
//! Must not look inside the record, but to see that times are of now.

use stepgate::decision::Refusal;
use stepgate::evidence::Reason;
use stepgate::policy::Policy;

use crate::desk::{NOW, has};
use crate::poison::{COPYIST, DAY, HOUR, Life, OWNER, THIEF};

/// How far the clock is ahead, in seconds.
const JUMPS: [i64; 4] = [HOUR, 2 * HOUR, DAY, 365 * DAY];

#[test]
fn a_place_noted_ahead_of_time_is_the_end_of_no_journey() {
    for jump in JUMPS {
        let mut life = Life::settled("enforce");
        let said = life.login(OWNER, NOW + jump, "ahead");
        assert_eq!(said.decision.refused(), None, "{jump}: {:?}", said.reasons);
        // Right again, the owner lands abroad four hours later, or twelve: nobody was at home on that day.
        let said = life.login(COPYIST, NOW + 3 * DAY, "abroad");
        assert!(
            !has(&said, Reason::ImpossibleTravel),
            "{jump}: {:?}",
            said.reasons
        );
        let home = life.login(OWNER, NOW + 5 * DAY, "home-again");
        assert_eq!(home.decision.refused(), None, "{jump}: {:?}", home.reasons);
        assert!(
            !has(&home, Reason::YoungBaseline),
            "{jump}: {:?}",
            home.reasons
        );
    }
}

#[test]
fn a_challenge_of_a_clock_that_was_ahead_can_be_answered() {
    for jump in JUMPS {
        let mut life = Life::settled("enforce");
        for n in 0..4 {
            let at = NOW + jump + n * 60;
            let said = life.ask(THIEF, at, NOW, Some("mine"), &format!("asked-{n}"));
            assert!(
                said.decision.refused().is_some(),
                "{jump}: {:?}",
                said.reasons
            );
        }
        // The clock is right again. Whoever holds the session is still refused, and the owner opens it by logging in.
        let still = life.ask(OWNER, NOW + 60, NOW, Some("mine"), "still");
        assert!(has(&still, Reason::Unsolved), "{jump}: {:?}", still.reasons);
        let late = if jump > HOUR {
            NOW + 120
        } else {
            NOW + jump + 600
        };
        let first = life.ask(OWNER, late, late, Some("mine"), "again");
        let said = life.ask(OWNER, late + 60, late + 60, Some("mine"), "again-2");
        assert_eq!(
            said.decision.refused(),
            None,
            "{jump}: {:?} {:?}",
            first.reasons,
            said.reasons
        );
    }
}

#[test]
fn a_session_closed_ahead_of_time_opens_with_a_newer_authentication_and_not_before() {
    for jump in JUMPS {
        let mut life = Life::settled("enforce");
        life.policy =
            Policy::parse(r#"{"mode":"enforce","score":{"step_up":0.5,"deny":0.5}}"#).unwrap();
        let mine = life.login(OWNER, NOW, "mine");
        assert_eq!(mine.decision.refused(), None, "{:?}", mine.reasons);
        let stolen = life.ask(THIEF, NOW + jump, NOW, Some("mine"), "stolen");
        assert_eq!(
            stolen.decision.refused(),
            Some(Refusal::Forbidden),
            "{jump}: {:?}",
            stolen.reasons
        );
        for later in [60, 120] {
            let closed = life.ask(
                OWNER,
                NOW + later,
                NOW,
                Some("mine"),
                &format!("closed-{later}"),
            );
            assert!(
                has(&closed, Reason::SessionContained),
                "{jump}: {:?}",
                closed.reasons
            );
        }
        let late = if jump > HOUR {
            NOW + 180
        } else {
            NOW + jump + 60
        };
        life.ask(OWNER, late, late, Some("mine"), "back");
        let said = life.ask(OWNER, late + 60, late + 60, Some("mine"), "back-2");
        assert_eq!(said.decision.refused(), None, "{jump}: {:?}", said.reasons);
    }
}

#[test]
fn probation_that_began_ahead_of_time_ends_no_sooner() {
    for jump in JUMPS {
        let mut life = Life::settled("shadow");
        life.login(THIEF, NOW + jump, "ahead-0");
        for n in 0..8 {
            let said = life.login(THIEF, NOW + n * 3 * HOUR, &format!("tried-{n}"));
            assert!(
                has(&said, Reason::NewCountry),
                "{jump}, try {n}: {:?}",
                said.reasons
            );
        }
        let record = life.record.as_ref().unwrap();
        assert!(!record.is_ahead((NOW + DAY) as u32), "{jump}");
    }
}
