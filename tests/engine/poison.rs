//! What an attacker can teach the baseline of somebody else, and how long it takes; and what the attacker cannot take from the owner.
//! May use the engine's public face: assess, observe, and one record.
//! Must not look inside the record: what is known shows in the reasons.

use std::borrow::Cow;

use stepgate::assess::{Assessment, Lesson, assess};
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::population::Population;
use stepgate::decision::Refusal;
use stepgate::evidence::{Known, Reason};
use stepgate::observe::{Outcome, observe};
use stepgate::policy::{Policy, Route};
use stepgate::signals::address::Address;
use stepgate::signals::countries;
use stepgate::signals::features::Features;
use stepgate::signals::keyed::HashKey;
use stepgate::signals::request::{
    ClientSignals, Field, Kind, NetworkSignals, RequestSignals, SessionSignals, Signals, Standing,
    Subject,
};
use stepgate::signals::user_agent;

use crate::desk::{CHROME, FIREFOX, HOME, NOW, has};

pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Where somebody is, and with what.
#[derive(Clone, Copy)]
pub(crate) struct From {
    address: &'static str,
    asn: u32,
    country: [u8; 2],
    agent: &'static str,
}

pub(crate) const OWNER: From = From {
    address: HOME,
    asn: 12_576,
    country: *b"GB",
    agent: CHROME,
};
/// Abroad, with the very client of the owner.
pub(crate) const COPYIST: From = From {
    address: "1.128.3.4",
    asn: 1_221,
    country: *b"AU",
    agent: CHROME,
};
pub(crate) const THIEF: From = From {
    agent: FIREFOX,
    ..COPYIST
};

/// One identity under one policy.
pub(crate) struct Life {
    pub(crate) policy: Policy,
    pub(crate) record: Option<IdentityRecord>,
    everybody: Population,
}

impl Life {
    /// Forty days of logins at home, until `NOW`.
    pub(crate) fn settled(mode: &str) -> Self {
        let policy = format!(r#"{{"mode":"{mode}","challenge":{{"acr_values":["mfa"]}}}}"#);
        let mut life = Self {
            policy: Policy::parse(&policy).unwrap(),
            record: None,
            everybody: Population::default(),
        };
        for day in (1..=40).rev() {
            let said = life.login(OWNER, NOW - day * DAY, &format!("home-{day}"));
            assert_eq!(said.decision.refused(), None, "{:?}", said.reasons);
        }
        life
    }

    /// A login at this time: a new session, with a token of its own.
    pub(crate) fn login(&mut self, from: From, at: i64, sid: &str) -> Assessment {
        self.ask(from, at, at, Some(sid), &format!("{sid}-{at}"))
    }

    pub(crate) fn ask(
        &mut self,
        from: From,
        at: i64,
        auth_time: i64,
        sid: Option<&str>,
        jti: &str,
    ) -> Assessment {
        let session = sid.map_or(Field::Absent, |sid| {
            Field::Present(Cow::Owned(sid.as_bytes().to_vec()))
        });
        let signals = Signals {
            now_ms: at * 1000,
            standing: Standing::Verified(Subject {
                id: Cow::Borrowed("https://idp|alice"),
                kind: Kind::Human,
                group: Cow::Borrowed("human:web"),
                client_id: Cow::Borrowed("web"),
            }),
            network: NetworkSignals {
                address: Field::from(Address::parse(from.address)),
                asn: Field::Present(from.asn),
                country: Field::Present(from.country),
                point: countries::point(from.country),
                ..NetworkSignals::default()
            },
            client: ClientSignals {
                user_agent: Field::Present(from.agent.as_bytes()),
                parsed: user_agent::parse(from.agent.as_bytes()),
                ..ClientSignals::default()
            },
            session: SessionSignals {
                id: session,
                token: Field::Present(Cow::Owned(jti.as_bytes().to_vec())),
                auth_time: Some(auth_time),
                issued_at: Some(at),
                ..SessionSignals::default()
            },
            request: RequestSignals {
                method: b"GET",
                path: b"/orders",
                ..RequestSignals::default()
            },
        };
        let features = Features::of(&signals, &HashKey::PUBLIC);
        let known = Known::of(&self.everybody).with_identity(self.record.as_ref());
        let tier = self.policy.tier(&Route::default());
        let assessment = assess(&self.policy, tier, &signals, &features, &known);
        let waits = matches!(assessment.lesson, Lesson::Event(_) | Lesson::Move);
        if assessment.decision.refused().is_none() || !waits {
            let seen = observe(&features, &assessment, Outcome { succeeded: true }, &known);
            for lesson in &seen.lessons {
                self.everybody.learn(lesson);
            }
            self.record = seen.record.map(|new| *new).or(self.record.take());
        }
        assessment
    }
}

/// Whether the place is still news.
fn is_news(said: &Assessment) -> bool {
    has(said, Reason::NewCountry)
}

/// The hours after which logins from abroad, so many a day from this hour of the day on, are no news any more; the owner is away.
fn hours_until_known(mode: &str, from: From, a_day: i64, begin: i64) -> Option<i64> {
    let mut life = Life::settled(mode);
    let step = DAY / a_day;
    let midnight = NOW - NOW.rem_euclid(DAY) + DAY;
    (0..20 * a_day).find_map(|n| {
        let at = midnight + begin * HOUR + n * step;
        let said = life.login(from, at, &format!("abroad-{n}"));
        (!is_news(&said)).then_some(n * step / HOUR)
    })
}

/// Many a day and few, from any hour on.
const PACES: [(i64, i64); 6] = [(1, 12), (4, 0), (4, 20), (24, 0), (24, 22), (96, 12)];

#[test]
fn a_new_country_that_is_challenged_takes_longer_than_the_probation_however_often_it_is_tried() {
    for from in [COPYIST, THIEF] {
        for (a_day, begin) in PACES {
            let hours = hours_until_known("enforce", from, a_day, begin);
            let late = hours.is_none_or(|hours| hours >= 24);
            assert!(late, "{} {a_day} a day from {begin}: {hours:?}", from.agent);
        }
    }
}

#[test]
fn a_new_country_in_shadow_mode_takes_more_than_24_hours_wherever_midnight_is() {
    for from in [COPYIST, THIEF] {
        for (a_day, begin) in PACES {
            let hours = hours_until_known("shadow", from, a_day, begin);
            let late = hours.is_none_or(|hours| hours >= 24);
            assert!(late, "{} {a_day} a day from {begin}: {hours:?}", from.agent);
        }
        // Three tries around a midnight (UTC), as somebody would who has read the source.
        let mut life = Life::settled("shadow");
        let midnight = NOW - NOW.rem_euclid(DAY) + DAY;
        for minutes in [-10, -5, 5, 10, 60, 720, 1_430] {
            let at = midnight + minutes * 60;
            let said = life.login(from, at, &format!("night-{minutes}"));
            assert!(is_news(&said), "{minutes} min: {:?}", said.reasons);
        }
    }
}

#[test]
fn what_is_challenged_for_two_months_is_still_challenged() {
    let mut life = Life::settled("enforce");
    let mut refused = 0;
    for day in 0..60 {
        let at = NOW + day * DAY;
        let home = life.login(OWNER, at + 9 * HOUR, &format!("office-{day}"));
        assert_eq!(
            home.decision.refused(),
            None,
            "day {day}: {:?}",
            home.reasons
        );
        for hour in [10, 11, 20] {
            let said = life.login(THIEF, at + hour * HOUR, &format!("drip-{day}-{hour}"));
            assert!(
                said.decision.refused().is_some(),
                "day {day}: {:?}",
                said.reasons
            );
            refused += 1;
        }
    }
    assert_eq!(refused, 180);
}

#[test]
fn challenges_that_a_thief_leaves_unsolved_keep_no_owner_out() {
    for (sid, what) in [(Some("stolen"), "a session"), (None, "no session id")] {
        let mut life = Life::settled("enforce");
        let mut forbidden = false;
        for n in 0..20 {
            let at = NOW + n * 60;
            let said = life.ask(THIEF, at, NOW, sid, &format!("thief-{n}"));
            let refusal = said.decision.refused();
            assert!(refusal.is_some(), "{what}, try {n}: {:?}", said.reasons);
            forbidden |=
                refusal == Some(Refusal::Forbidden) || !matches!(refusal, Some(Refusal::Challenge));
        }
        assert!(forbidden, "{what}: the thief is not asked for ever");
        // The owner at home: in the session that was there, in a new one, without one.
        for (n, sid) in [Some("home-1"), Some("fresh"), None]
            .into_iter()
            .enumerate()
        {
            let at = NOW + HOUR + n as i64;
            let said = life.ask(OWNER, at, at, sid, &format!("owner-{n}"));
            assert_eq!(
                said.decision.refused(),
                None,
                "{what}, {sid:?}: {:?}",
                said.reasons
            );
        }
        let before = life.ask(
            OWNER,
            NOW + 2 * HOUR,
            NOW - DAY,
            Some("home-1"),
            "home-again",
        );
        assert_eq!(
            before.decision.refused(),
            None,
            "{what}: {:?}",
            before.reasons
        );
    }
}

#[test]
fn a_stolen_session_that_is_closed_keeps_no_owner_out() {
    let mut life = Life::settled("enforce");
    life.policy =
        Policy::parse(r#"{"mode":"enforce","score":{"step_up":0.5,"deny":0.5}}"#).unwrap();
    let mine = life.login(OWNER, NOW, "mine");
    assert_eq!(mine.decision.refused(), None);
    // The session itself is stolen, and denied abroad: closed for the thief, and for whoever else holds its tokens.
    let stolen = life.ask(THIEF, NOW + 60, NOW, Some("mine"), "mine-2");
    assert_eq!(
        stolen.decision.refused(),
        Some(Refusal::Forbidden),
        "{:?}",
        stolen.reasons
    );
    let closed = life.ask(OWNER, NOW + 120, NOW, Some("mine"), "mine-3");
    assert!(
        has(&closed, Reason::SessionContained),
        "{:?}",
        closed.reasons
    );
    // The owner logs in again where the owner always does, in the same session or a new one, and goes on elsewhere as before.
    for (sid, auth_time) in [
        ("mine", NOW + 180),
        ("new", NOW + 180),
        ("home-1", NOW - DAY),
    ] {
        let said = life.ask(OWNER, NOW + 200, auth_time, Some(sid), sid);
        assert_eq!(said.decision.refused(), None, "{sid}: {:?}", said.reasons);
    }
    // A hundred more sessions of the thief change nothing of that.
    for n in 0..100 {
        life.ask(
            THIEF,
            NOW + 300 + n,
            NOW + 300 + n,
            Some(&format!("t{n}")),
            &format!("t{n}"),
        );
    }
    let said = life.login(OWNER, NOW + 600, "after");
    assert_eq!(said.decision.refused(), None, "{:?}", said.reasons);
}
