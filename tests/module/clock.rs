//! A clock that jumps: a day and a year ahead, back again, to the beginning and the end of its range.
//! May use the helpers of this test: the clock is an argument of the host.
//! Must not expect that a token outside its times holds.

use serde_json::json;
use stepgate_testkit::host::Host;
use stepgate_testkit::tokens::{self, Token};

use crate::{
    HOME, ISSUER, KEY, NOW, call, is_alive, policy, reasons, start, started, status, token,
};

const DAY: u64 = 86_400;
/// What a clock may say for a moment, and what it says afterwards is always the truth.
const JUMPS: [u64; 8] = [
    NOW + 3600,
    NOW + DAY,
    NOW + 400 * DAY,
    NOW - 3600,
    NOW - 400 * DAY,
    0,
    u32::MAX as u64 + 7,
    u64::MAX / 1_000_000_000,
];

fn at(host: &mut Host, seconds: u64) {
    host.set_time(seconds as f64);
    host.tick().unwrap();
}

/// A login that happened just then.
fn login(subject: &str, at: u64) -> String {
    Token::new(tokens::claims(ISSUER, subject, at)).sign(&KEY)
}

fn settled() -> Host {
    let mut host = started(&policy(|_| {}));
    for later in 0..12 {
        call(&mut host, &token("alice", later), "200");
    }
    at(&mut host, NOW + 20);
    host
}

#[test]
fn every_request_is_decided_and_the_baseline_kept_however_the_clock_jumps() {
    for jump in JUMPS {
        let mut host = settled();
        let bad = host.metric("stepgate_bad_pages_total");
        at(&mut host, jump);
        // Somebody is there while the clock is wrong: they are decided, whatever becomes of their token.
        let answer = call(&mut host, &login("alice", jump), "200");
        assert!([200, 401].contains(&status(&answer)), "{jump}");
        call(&mut host, &token("bob", 0), "200");
        at(&mut host, NOW + 40);
        let learned = host.metric("stepgate_learned_total");
        let known = call(&mut host, &token("alice", 11), "200");
        assert_eq!(status(&known), 200, "{jump}");
        assert!(!reasons(&known).contains("young-baseline"), "{jump}");
        assert_eq!(host.metric("stepgate_learned_total"), learned, "{jump}");
        // Learning goes on.
        assert_eq!(status(&call(&mut host, &token("alice", 30), "200")), 200);
        assert_eq!(host.metric("stepgate_learned_total"), learned + 1, "{jump}");
        assert_eq!(host.metric("stepgate_bad_pages_total"), bad, "{jump}");
        is_alive(&mut host);
    }
}

#[test]
fn a_clock_that_was_ahead_neither_bars_an_account_nor_lets_it_be_guessed() {
    let guarded = policy(|policy| {
        policy["tiers"] = json!([{ "name": "login", "paths": ["/login"], "class": "login", "login": { "failures": 3 } }]);
    });
    let guess = |host: &mut Host| {
        let headers = [
            (":method", "POST"),
            (":path", "/login"),
            (":authority", "api.test"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        host.open(&headers, false).unwrap();
        let exchange = host.body("username=alice&password=x", true).unwrap();
        if exchange.reply.is_none() {
            host.response(&[(":status", "401")]).unwrap();
        }
        host.finish().unwrap();
        status(&exchange)
    };
    for ahead in [3 * 3600, DAY, 400 * DAY] {
        let mut host = started(&guarded);
        at(&mut host, NOW + ahead);
        let tried: Vec<u32> = (0..30).map(|_| guess(&mut host)).collect();
        assert_eq!(tried.last(), Some(&429), "{ahead}: {tried:?}");
        // Right again: the name is free, and as many guesses as ever bar it.
        at(&mut host, NOW);
        let tried: Vec<u32> = (0..30).map(|_| guess(&mut host)).collect();
        assert_eq!(tried[..3], [200; 3], "{ahead}: {tried:?}");
        assert_eq!(tried.last(), Some(&429), "{ahead}: {tried:?}");
        at(&mut host, NOW + 1200);
        assert_eq!(guess(&mut host), 200, "{ahead}");
    }
}

#[test]
fn what_everybody_does_is_shared_on_time_after_a_jump() {
    for jump in JUMPS {
        let mut host = settled();
        at(&mut host, jump);
        at(&mut host, NOW + 40);
        let shared = |host: &Host| {
            let process = host.state().process.borrow();
            let found = process.data.entries.iter().find(|(name, _)| {
                name.starts_with(b"stepgate/stepgate/population") && !name.ends_with(b"mark")
            });
            found.map(|(_, (_, cas))| *cas)
        };
        let before = shared(&host);
        call(&mut host, &token("carol", 40), "200");
        at(&mut host, NOW + 60);
        assert_ne!(shared(&host), before, "not flushed after {jump}");
    }
}

#[test]
fn keys_and_feeds_are_fetched_on_time_after_a_jump() {
    let fetching = policy(|policy| {
        let issuer = &mut policy["credentials"]["issuers"][0];
        issuer["keys"] = json!(null);
        issuer["jwks"] =
            json!({ "cluster": "idp", "authority": "idp.test", "refresh_seconds": 300 });
        policy["feeds"] = json!([{ "name": "soc", "cluster": "feeds", "authority": "feeds.test", "path": "/v1" }]);
    });
    let keys = tokens::jwks(&[&KEY]).to_string();
    for jump in JUMPS {
        let mut host = crate::vm();
        start(&mut host, &fetching);
        let fetch = |host: &mut Host, seconds: u64| -> Vec<String> {
            let before = host.state().calls.len();
            at(host, seconds);
            let calls = host.state().calls[before..].to_vec();
            for call in &calls {
                let body = match call.upstream.as_str() {
                    "idp" => keys.clone(),
                    _ => "{\"version\":1}".to_owned(),
                };
                host.answer(call.token, &[(":status", "200")], body)
                    .unwrap();
            }
            calls.into_iter().map(|call| call.upstream).collect()
        };
        assert_eq!(fetch(&mut host, NOW), ["idp", "feeds"]);
        fetch(&mut host, jump);
        fetch(&mut host, NOW + 1);
        // From here on everything is as if nothing had been, but for one fetch more.
        let mut later = Vec::new();
        for second in [301, 302, 303] {
            later.extend(fetch(&mut host, NOW + second));
        }
        assert!(later.contains(&"idp".to_owned()), "{jump}: {later:?}");
        assert!(later.contains(&"feeds".to_owned()), "{jump}: {later:?}");
        assert_eq!(status(&call(&mut host, &token("alice", 0), "200")), 200);
    }
}

#[test]
fn two_workers_that_disagree_on_the_time_both_decide_and_both_learn() {
    let mut ahead = settled();
    let mut behind = ahead.sibling();
    behind.set_property(&["source", "address"], HOME);
    start(&mut behind, &policy(|_| {}));
    for round in 0..10 {
        let before = ahead.metric("stepgate_learned_total");
        at(&mut ahead, NOW + 300 + round);
        at(&mut behind, NOW + 60 + round);
        for host in [&mut ahead, &mut behind] {
            let answer = call(host, &token("alice", 20 + round), "200");
            assert_eq!(status(&answer), 200);
            assert!(!reasons(&answer).contains("young-baseline"));
        }
        assert_eq!(ahead.metric("stepgate_learned_total"), before + 1);
    }
}
