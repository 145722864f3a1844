//! Clients that are not what they say, and languages.
//! May use: assess and observe, so that what is looked up is what was learned.
//! Must not: fill a population by hand.

use super::*;
use crate::assess::assess;
use crate::evidence::of_login;
use crate::observe::{Outcome, observe};
use crate::policy::Policy;
use crate::signals::keyed::HashKey;
use crate::signals::request::{
    ClientSignals, Field, Kind, SessionSignals, Signals, Standing, Subject,
};
use crate::signals::user_agent::parse;

const NOW: i64 = 1_772_618_400;
const FIREFOX: &[u8] = b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

fn login(number: i64, kind: Kind, tls: &'static [u8], language: &'static [u8]) -> Signals<'static> {
    let shown = |bytes: &'static [u8]| match bytes {
        b"" => Field::Absent,
        bytes => Field::Present(bytes),
    };
    Signals {
        now_ms: (NOW + 3600 * number) * 1000,
        standing: Standing::Verified(Subject {
            id: "https://idp|alice".into(),
            kind,
            ..Subject::default()
        }),
        client: ClientSignals {
            user_agent: Field::Present(FIREFOX),
            parsed: parse(FIREFOX),
            tls: shown(tls),
            language: shown(language),
            ..ClientSignals::default()
        },
        session: SessionSignals {
            auth_time: Some(NOW + 3600 * number),
            ..SessionSignals::default()
        },
        ..Signals::default()
    }
}

/// What everybody and alice are after these logins, which were all allowed.
fn after(logins: &[Signals<'_>]) -> (Population, IdentityRecord) {
    let policy = Policy::parse("{}").unwrap();
    let (mut everybody, mut record) = (Population::default(), None);
    for signals in logins {
        let features = Features::of(signals, &HashKey::PUBLIC);
        let known = Known::of(&everybody).with_identity(record.as_ref());
        let found = assess(&policy, &policy.default_tier, signals, &features, &known);
        let outcome = Outcome { succeeded: true };
        let seen = observe(&features, &found, outcome, &known);
        record = seen.record.map(|new| *new).or(record);
        seen.lessons.iter().for_each(|l| everybody.learn(l));
    }
    (everybody, record.unwrap())
}

fn nats(known: &(Population, IdentityRecord), signals: &Signals<'_>, reason: Reason) -> f64 {
    let mut weights = Weights::default();
    weights.set(Reason::NewLanguage, 1.0);
    let features = Features::of(signals, &HashKey::PUBLIC);
    let (everybody, record) = known;
    let known = Known::of(everybody).with_identity(Some(record));
    let found = of_login(&features, &known, &weights).evidence;
    let named = found.iter().filter(|piece| piece.reason == reason);
    named.map(|piece| piece.nats).sum()
}

fn people(logins: i64, tls: &'static [u8]) -> (Population, IdentityRecord) {
    let logins: Vec<_> = (0..logins)
        .map(|n| login(n, Kind::Human, tls, b"en"))
        .collect();
    after(&logins)
}

#[test]
fn a_handshake_the_browser_never_made_is_a_mismatch() {
    let known = people(220, b"t13d1715h2");
    let shown = |kind, tls| nats(&known, &login(300, kind, tls, b"en"), Reason::TlsMismatch);
    assert_eq!(shown(Kind::Human, b"t13d1715h2"), 0.0);
    assert_eq!(shown(Kind::Human, b"t13d0812h1"), 2.0);
    // Where the proxy says nothing there is nothing to contradict, and machines may be built on anything.
    assert_eq!(shown(Kind::Human, b""), 0.0);
    assert_eq!(shown(Kind::Service, b"t13d0812h1"), 0.0);
}

#[test]
fn few_handshakes_contradict_nobody() {
    let known = people(150, b"t13d1715h2");
    let other = login(300, Kind::Human, b"t13d0812h1", b"en");
    assert_eq!(nats(&known, &other, Reason::TlsMismatch), 0.0);
    // Events without a fingerprint say nothing about handshakes: the proxy may begin to measure at any time.
    let unmeasured = people(400, b"");
    assert_eq!(nats(&unmeasured, &other, Reason::TlsMismatch), 0.0);
}

#[test]
fn a_new_language_is_new_within_bounds() {
    let known = people(40, b"");
    let shown = |kind, language| {
        nats(
            &known,
            &login(300, kind, b"", language),
            Reason::NewLanguage,
        )
    };
    assert_eq!(shown(Kind::Human, b"en;q=0.9, de"), 0.0);
    assert_eq!(shown(Kind::Human, b"ru-RU"), LANGUAGE);
    assert_eq!(shown(Kind::Human, b""), 0.0);
    assert_eq!(shown(Kind::Service, b"ru-RU"), 0.0);
}

#[test]
fn languages_are_kept_and_merge_as_the_rest() {
    let (_, record) = people(12, b"");
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    assert_eq!(IdentityRecord::decode(&bytes).as_ref(), Some(&record));
    let mut merged = IdentityRecord::new(record.created);
    merged.merge(&record);
    assert_eq!(merged.language, record.language);
    assert!(!record.language.entries().is_empty());
}
