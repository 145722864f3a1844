//! Login endpoints in the engine: guessing at one name, stuffing and spray are refused, and owners are not.
//! May use the engine's public face: assess, observe, and records kept in maps.
//! Must not need a body: the name that is tried is given.

use std::collections::BTreeMap;

use stepgate::assess::{Assessment, assess, wants_sources};
use stepgate::baseline::account::Account;
use stepgate::baseline::population::Population;
use stepgate::baseline::source::{Source, SourceKey};
use stepgate::decision::{Action, Refusal};
use stepgate::evidence::{Known, Reason};
use stepgate::headers;
use stepgate::observe::{Outcome, observe};
use stepgate::policy::{Policy, Route};
use stepgate::signals::address::Address;
use stepgate::signals::features::Features;
use stepgate::signals::keyed::{HashKey, Locator};
use stepgate::signals::login::{BodyKind, LoginBody, LoginFields};
use stepgate::signals::request::{
    ClientSignals, Field, NetworkSignals, RequestSignals, Signals, Standing, Subject,
};
use stepgate::signals::user_agent;

const NOW: i64 = 1_772_618_400;
const HOME: &str = "81.2.69.142";
const AWAY: &str = "185.220.101.4";
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
const UPDATED: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// A deployment with a login route, and an upstream that accepts `right` passwords.
struct Desk {
    policy: Policy,
    now: i64,
    accounts: BTreeMap<Locator, Account>,
    sources: BTreeMap<SourceKey, Source>,
    everybody: Population,
}

/// One attempt.
#[derive(Clone, Copy)]
struct Try<'a> {
    name: &'a str,
    from: &'a str,
    with: &'a str,
    right: bool,
}

fn attempt(name: &str) -> Try<'_> {
    Try {
        name,
        from: AWAY,
        with: FIREFOX,
        right: false,
    }
}

fn owner(name: &str) -> Try<'_> {
    Try {
        name,
        from: HOME,
        with: CHROME,
        right: true,
    }
}

impl Desk {
    fn new(login: &str) -> Self {
        Self::of(&format!(
            r#"{{"mode":"enforce","login":{login},"tiers":[
                {{"name":"login","paths":["/login"],"class":"login"}},
                {{"name":"reset","paths":["/reset"],"class":"recovery"}}]}}"#
        ))
    }

    fn of(policy: &str) -> Self {
        Self {
            policy: Policy::parse(policy).unwrap(),
            now: NOW,
            accounts: BTreeMap::new(),
            sources: BTreeMap::new(),
            everybody: Population::default(),
        }
    }

    fn serve(&mut self, path: &str, standing: Standing<'static>, what: Try<'_>) -> Assessment {
        self.now += 1;
        let key = HashKey::PUBLIC;
        let signals = Signals {
            now_ms: self.now * 1000,
            standing,
            network: NetworkSignals {
                address: Field::from(Address::parse(what.from)),
                ..NetworkSignals::default()
            },
            client: ClientSignals {
                user_agent: Field::Present(what.with.as_bytes()),
                parsed: user_agent::parse(what.with.as_bytes()),
                ..ClientSignals::default()
            },
            request: RequestSignals {
                method: b"POST",
                path: path.as_bytes(),
                ..RequestSignals::default()
            },
            ..Signals::default()
        };
        let tier = self.policy.tier(&Route {
            path: path.as_bytes(),
            method: b"POST",
            ..Route::default()
        });
        let name = match what.name {
            "" => Field::Malformed,
            name => Field::Present(name.to_owned()),
        };
        let features = Features::of(&signals, &key)
            .of_class(tier.class)
            .trying(&name, &key);
        let wanted = wants_sources(tier, &signals, &features, None);
        assert!(!wanted.is_empty(), "an attempt reads its sources");
        let found = wanted
            .iter()
            .filter_map(|key| Some((*key, *self.sources.get(key)?)));
        let sources: Vec<_> = found.collect();
        let account = features.tried.and_then(|at| self.accounts.get(&at));
        let known = Known::of(&self.everybody)
            .with_sources(&sources)
            .with_account(account);
        let assessment = assess(&self.policy, tier, &signals, &features, &known);
        if assessment.decision.refused().is_some() {
            return assessment;
        }
        let outcome = Outcome {
            succeeded: what.right,
        };
        let seen = observe(&features, &assessment, outcome, &known);
        for lesson in &seen.lessons {
            self.everybody.learn(lesson);
        }
        if let (Some(at), Some(lesson)) = (features.tried, seen.account) {
            let account = self.accounts.entry(at).or_default();
            account.learn(&features, lesson);
        }
        if let Some(lesson) = &seen.source {
            for key in SourceKey::of(&features) {
                let source = self.sources.entry(key).or_default();
                source.learn(key.kind, lesson);
            }
        }
        assessment
    }

    fn login(&mut self, what: Try<'_>) -> Assessment {
        self.serve("/login", Standing::Anonymous, what)
    }

    /// How many of these attempts reach the upstream.
    fn reach(&mut self, times: usize, what: Try<'_>) -> usize {
        (0..times)
            .filter(|_| self.login(what).decision.refused().is_none())
            .count()
    }
}

fn wait(assessment: &Assessment) -> u32 {
    match assessment.decision.refused() {
        Some(Refusal::TooMany { retry_after }) => retry_after,
        other => panic!("not too many: {other:?} {:?}", assessment.reasons),
    }
}

fn has(assessment: &Assessment, reason: Reason) -> bool {
    assessment
        .reasons
        .iter()
        .any(|piece| piece.reason == reason)
}

/// An address of another network each.
fn bot(n: usize) -> String {
    format!("23.{}.{}.9", n % 200, n / 200)
}

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

#[test]
fn an_office_where_many_log_in_is_never_refused_as_a_network() {
    let mut desk = Desk::new("{}");
    for n in 0..60 {
        let name = format!("colleague-{n}");
        assert_eq!(desk.login(owner(&name)).decision.refused(), None);
    }
    for n in 0..200 {
        let name = format!("guess-{n}");
        let guess = Try {
            right: false,
            ..owner(&name)
        };
        desk.login(guess);
    }
    let newcomer = desk.login(owner("newcomer"));
    assert_eq!(newcomer.decision.refused(), None, "{:?}", newcomer.reasons);
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
    let mut lenient = Desk::new("{}");
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
            token_endpoint,
            fold_case: true,
        };
        let header = [&b"Basic "[..], &header].concat();
        let body = [begin.as_bytes(), &bytes].concat();
        for kind in [BodyKind::Form, BodyKind::Json] {
            let user = fields.user(Field::Present(&header));
            let name = fields.name(user, LoginBody::Whole(kind, &body));
            if let Field::Present(name) = name {
                proptest::prop_assert!(!name.is_empty() && name.trim() == name);
            }
        }
    }
}
