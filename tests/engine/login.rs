//! Login endpoints in the engine: guessing at one name, stuffing and spray are refused, and owners are not.
//! May use the engine's public face: assess, observe, and records kept in maps.
//! Must not need a body: the name that is tried is given.

use stepgate::decision::{Action, Refusal};
use stepgate::evidence::Reason;
use stepgate::headers;
use stepgate::policy::Policy;
use stepgate::signals::login::{BodyKind, LoginBody, LoginFields};
use stepgate::signals::request::{Field, Standing, Subject};

use crate::desk::{Desk, HOME, Try, UPDATED, attempt, bot, has, owner, wait};

#[test]
fn guessing_at_one_name_from_everywhere_is_refused_and_its_owner_is_not() {
    let mut desk = Desk::new("{}");
    assert_eq!(desk.login(owner("alice")).decision.would, Action::Allow);
    let mut reached = 0;
    for n in 0..200 {
        let from = bot(n);
        let guess = Try {
            from: &from,
            ..attempt("alice")
        };
        let said = desk.login(guess);
        match said.decision.refused() {
            None => reached += 1,
            Some(_) => {
                assert!(has(&said, Reason::TooManyFailures));
                assert!((1..=960).contains(&wait(&said)));
            }
        }
    }
    assert_eq!(reached, 10);
    let home = desk.login(owner("alice"));
    assert_eq!(home.decision.refused(), None);
    assert!(has(&home, Reason::OwnPlace));
    // An update of the browser is no stranger; another browser in another network is.
    let updated = Try {
        with: UPDATED,
        ..owner("alice")
    };
    assert_eq!(desk.login(updated).decision.refused(), None);
    assert!(desk.login(attempt("alice")).decision.refused().is_some());
    // Nobody else is touched.
    assert_eq!(desk.login(owner("bob")).decision.refused(), None);
}

#[test]
fn names_that_are_one_to_a_directory_are_counted_as_one() {
    let mut desk = Desk::new("{}");
    assert_eq!(desk.login(owner("alice")).decision.refused(), None);
    let mut reached = 0;
    for n in 0..200 {
        let from = bot(n);
        let hidden = "\u{200b}".repeat(n % 50 + 1);
        let name = match n % 4 {
            0 => format!("al{hidden}ice"),
            1 => format!("\u{e1}lice{hidden}"),
            2 => format!("{hidden}\u{ff41}l\u{12b}ce"),
            _ => format!("alice{hidden}\u{301}"),
        };
        let guess = Try {
            from: &from,
            ..attempt(&name)
        };
        reached += usize::from(desk.login(guess).decision.refused().is_none());
    }
    assert_eq!(reached, 10);
    // In other words as well, but not where the owner is at home.
    assert!(desk.login(attempt("alice")).decision.refused().is_some());
    assert_eq!(desk.login(owner("alice")).decision.refused(), None);
}

#[test]
fn an_account_of_a_name_alike_makes_no_place_of_anothers_ones_own() {
    let mut desk = Desk::new(r#"{"failures":3}"#);
    assert_eq!(desk.login(owner("alice")).decision.refused(), None);
    // Where accents make another name, it is somebody else's, who logs in as often as they like.
    let own = Try {
        right: true,
        ..attempt("\u{e1}lice")
    };
    for _ in 0..6 {
        assert_eq!(desk.login(own).decision.refused(), None);
        desk.now += 60;
    }
    assert_eq!(desk.reach(30, attempt("alice")), 3);
    // Nor do failures at the one keep the owner of the other out at home.
    assert_eq!(desk.login(own).decision.refused(), None);
    assert_eq!(desk.login(owner("alice")).decision.refused(), None);
}

#[test]
fn a_colleague_who_guesses_at_the_office_closes_no_other_place() {
    let mut desk = Desk::new(r#"{"failures":3}"#);
    let office = Try {
        from: "62.1.2.3",
        ..owner("alice")
    };
    for place in [owner("alice"), office] {
        assert_eq!(desk.login(place).decision.refused(), None);
    }
    let colleague = Try {
        from: "62.1.2.77",
        right: false,
        ..office
    };
    assert_eq!(desk.reach(150, colleague), 100);
    // From then on one in five minutes, however long it goes on, until the owner is back.
    desk.now += 300;
    assert_eq!(desk.reach(30, colleague), 1);
    assert!((1..=300).contains(&wait(&desk.login(office))));
    assert_eq!(desk.login(owner("alice")).decision.refused(), None);
    let elsewhere = Try {
        from: "102.89.1.4",
        ..owner("alice")
    };
    assert_eq!(desk.login(elsewhere).decision.refused(), None);
    desk.now += 300;
    assert_eq!(desk.login(office).decision.refused(), None);
}

#[test]
fn our_own_denials_do_not_feed_the_counters() {
    let mut desk = Desk::new("{}");
    assert_eq!(desk.reach(10, attempt("alice")), 10);
    let first = wait(&desk.login(attempt("alice")));
    assert_eq!(desk.reach(300, attempt("alice")), 0);
    // Three hundred refusals later the wait is shorter by the time that passed, not longer.
    let later = wait(&desk.login(attempt("alice")));
    assert_eq!(later, first - 301);
    desk.now += i64::from(later);
    assert_eq!(desk.login(attempt("alice")).decision.refused(), None);
    // Nor did the network become hot by them.
    assert_eq!(desk.login(attempt("bob")).decision.refused(), None);
}

#[test]
fn a_network_that_tries_many_names_is_refused_but_for_those_who_live_there() {
    let mut desk = Desk::new("{}");
    let neighbour = Try {
        from: "185.220.101.200",
        ..owner("carol")
    };
    assert_eq!(desk.login(neighbour).decision.refused(), None);
    // Slower than a burst: a name every five minutes.
    let mut refused = None;
    for n in 0..40 {
        let name = format!("user-{n}");
        let said = desk.login(attempt(&name));
        desk.now += 80;
        if said.decision.refused().is_some() {
            refused = refused.or(Some((n, said)));
        }
    }
    let (n, said) = refused.unwrap();
    assert!((13..=18).contains(&n), "{n}");
    assert!(has(&said, Reason::TooManyFailures));
    assert!((1..=3600).contains(&wait(&said)));
    assert_eq!(desk.login(neighbour).decision.refused(), None);
    let elsewhere = Try {
        from: HOME,
        ..attempt("user-50")
    };
    assert_eq!(desk.login(elsewhere).decision.refused(), None);
}

#[test]
fn a_burst_of_stuffing_is_refused_with_what_it_is() {
    let mut desk = Desk::new("{\"names\": 500}");
    let mut said = None;
    for n in 0..30 {
        let name = format!("user-{n}");
        said = Some(desk.login(attempt(&name)));
    }
    let said = said.unwrap();
    assert!(has(&said, Reason::CredentialStuffing), "{:?}", said.reasons);
    assert_eq!(wait(&said), 3600, "a day, as far as it is said");
}

/// Wrong guesses at so many names from the office, and how many of them reach the upstream.
fn guessed_from_home(desk: &mut Desk, names: usize) -> usize {
    let guess = |n: &usize| {
        let name = format!("guess-{n}");
        let guess = Try {
            right: false,
            ..owner(&name)
        };
        desk.login(guess).decision.refused().is_none()
    };
    (0..names).filter(guess).count()
}

#[test]
fn a_listed_network_counts_where_nobody_is_named_and_denies_as_its_score_does() {
    let listed = |nats: f64| {
        let mut desk = Desk::of(&format!(
            r#"{{"mode":"enforce","networks":[{{"networks":["185.220.101.0/24"],"score":{nats},"expires":"2099-01-01T00:00:00Z","owner":"o","reason":"r"}}],
                "tiers":[{{"name":"login","paths":["/login"],"class":"login"}}]}}"#
        ));
        (desk.login(attempt("alice")), desk.login(owner("bob")))
    };
    let (suspect, elsewhere) = listed(4.0);
    assert_eq!(suspect.decision.refused(), None);
    assert!(has(&suspect, Reason::ListedNetwork));
    assert!(suspect.score.logit > elsewhere.score.logit + 3.9);
    assert!(!has(&elsewhere, Reason::ListedNetwork));
    let (refused, elsewhere) = listed(20.0);
    assert_eq!(refused.decision.refused(), Some(Refusal::Forbidden));
    assert_eq!(elsewhere.decision.refused(), None);
}

#[test]
fn an_office_where_many_log_in_may_err_as_much() {
    let mut desk = Desk::new("{}");
    for n in 0..60 {
        let name = format!("colleague-{n}");
        assert_eq!(desk.login(owner(&name)).decision.refused(), None);
    }
    assert_eq!(guessed_from_home(&mut desk, 100), 100);
    assert_eq!(desk.login(owner("newcomer")).decision.refused(), None);
    // An attack from inside ends all the same, and not for those who live there.
    assert!(guessed_from_home(&mut desk, 600) < 300);
    assert!(desk.login(owner("another")).decision.refused().is_some());
    assert_eq!(desk.login(owner("colleague-7")).decision.refused(), None);
}

#[test]
fn accounts_of_ones_own_make_no_network_an_office() {
    let mut desk = Desk::new("{}");
    for n in 0..200 {
        let name = format!("bot-{}", n % 9);
        assert_eq!(desk.login(owner(&name)).decision.refused(), None);
    }
    assert!(guessed_from_home(&mut desk, 200) <= 40);
}

#[test]
fn shadow_mode_refuses_nothing_and_says_what_it_would() {
    let mut desk = Desk::of(r#"{"tiers":[{"name":"login","paths":["/login"],"class":"login"}]}"#);
    assert_eq!(desk.reach(30, attempt("alice")), 30);
    let said = desk.login(attempt("alice"));
    assert_eq!(said.decision.refused(), None);
    let told = headers::upstream(&said, "d1");
    assert!(
        told.contains(&("x-stepgate-would", "restrict".into())),
        "{told:?}"
    );
    assert!(told.contains(&("x-stepgate-decision", "allow".into())));
    // What would have been refused makes no place the owner's.
    let lucky = Try {
        right: true,
        ..attempt("alice")
    };
    desk.login(lucky);
    assert!(has(&desk.login(attempt("alice")), Reason::TooManyFailures));
}

#[test]
fn a_token_of_ones_own_is_no_way_around() {
    let mut desk = Desk::new("{}");
    let insider = || {
        Standing::Verified(Subject {
            id: "https://idp|mallory".into(),
            ..Subject::default()
        })
    };
    for _ in 0..10 {
        let said = desk.serve("/login", insider(), attempt("alice"));
        assert_eq!(said.decision.refused(), None, "{:?}", said.reasons);
    }
    assert!(wait(&desk.serve("/login", insider(), attempt("alice"))) >= 1);
}

#[test]
fn guessing_at_recovery_codes_is_refused_and_asking_teaches_no_place() {
    let mut desk = Desk::new("{}");
    let asking = Try {
        right: true,
        ..attempt("alice")
    };
    for _ in 0..5 {
        desk.serve("/reset", Standing::Anonymous, asking);
    }
    assert!(desk.accounts.is_empty());
    for _ in 0..10 {
        desk.serve("/reset", Standing::Anonymous, attempt("alice"));
    }
    assert!(wait(&desk.serve("/reset", Standing::Anonymous, asking)) >= 1);
    // Both endpoints guard the same name.
    assert!(desk.login(attempt("alice")).decision.refused().is_some());
}

#[test]
fn the_refusal_is_what_the_policy_says() {
    let mut desk = Desk::new(r#"{"failures":3,"status":403,"unreadable":"refuse"}"#);
    assert_eq!(desk.reach(9, attempt("alice")), 3);
    let said = desk.login(attempt("alice"));
    assert_eq!(said.decision.refused(), Some(Refusal::Restricted));
    let unreadable = desk.login(attempt(""));
    assert_eq!(unreadable.decision.refused(), Some(Refusal::Restricted));
    assert!(has(&unreadable, Reason::UnreadableLogin));
    let mut lenient = Desk::new(r#"{"unreadable":"pass"}"#);
    let passed = lenient.login(attempt(""));
    assert_eq!(passed.decision.refused(), None);
    assert!(has(&passed, Reason::UnreadableLogin));
}

#[test]
fn the_reply_says_when_to_come_back() {
    let desk = Desk::new("{}");
    let tier = &desk.policy.tiers[0];
    let refusal = Refusal::TooMany { retry_after: 73 };
    let reply = headers::reply(refusal, &desk.policy, tier, "d1");
    assert_eq!((reply.status, reply.grpc_status), (429, 8));
    assert!(reply.headers.contains(&("retry-after", "73".into())));
    assert!(
        reply
            .headers
            .contains(&("cache-control", "no-store".into()))
    );
    assert!(reply.body.contains("urn:stepgate:too-many-attempts"));
    assert!(!reply.body.contains("73"));
}

#[test]
fn login_settings_belong_to_login_routes() {
    let refused = Policy::parse(r#"{"tiers":[{"name":"a","login":{}}]}"#).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("tiers[0].login: has no meaning here")
    );
    let refused = Policy::parse(r#"{"login":{"failures":1}}"#).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("login.failures: 1 is out of range")
    );
}

proptest::proptest! {
    #[test]
    fn no_body_and_no_header_stops_the_reading(
        bytes: Vec<u8>,
        begin in "(username=|email=|grant_type=|[{]\"username\":|[{]\"a\":|)",
        header: Vec<u8>,
        token_endpoint: bool,
    ) {
        let fields = LoginFields {
            basic: true,
            names: vec!["username".into(), "email".into()],
            query: true,
            token_endpoint,
            fold_case: true,
        };
        let header = [&b"Basic "[..], &header].concat();
        let body = [begin.as_bytes(), &bytes].concat();
        for kind in [BodyKind::Form, BodyKind::Json] {
            let named = fields.named(Field::Present(&header), &bytes);
            let name = fields.name(named, LoginBody::Whole(kind, &body));
            if let Field::Present(name) = name {
                proptest::prop_assert!(!name.is_empty() && name.trim() == name);
            }
        }
    }
}
