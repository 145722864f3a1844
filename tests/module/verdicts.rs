//! Verdicts on decisions, denials that contain, and the snapshot a feed names: what a feed changes in the baseline.
//! May use the helpers of this test.
//! Must not wait: the test moves the clock.

use serde_json::{Value, json};
use stepgate_testkit::host::{Host, HttpCall};
use stepgate_testkit::tokens::{self, Token};

use crate::snapshot::{MANY, knows, snapshot};
use crate::{HOME, ISSUER, KEY, NOW, call, policy, reasons, start, started, status};

const OK: [(&str, &str); 1] = [(":status", "200")];

fn fed() -> Value {
    policy(|policy| {
        policy["baseline"]["memory_mib"] = json!(4);
        policy["feeds"] = json!([{
            "name": "soc", "cluster": "feeds", "authority": "feeds.test", "path": "/v1",
            "refresh_seconds": 10,
        }]);
    })
}

/// A token of alice's session, authenticated at `NOW + later`.
fn token(sid: &str, later: u64) -> String {
    let claims = tokens::claims(ISSUER, "alice", NOW + later);
    Token::new(claims).claim("sid", sid).sign(&KEY)
}

fn tick(host: &mut Host, seconds: u64) -> Vec<HttpCall> {
    host.set_time((NOW + seconds) as f64);
    let before = host.state().calls.len();
    host.tick().unwrap();
    host.state().calls[before..].to_vec()
}

fn feed(host: &mut Host, seconds: u64, document: &Value) {
    let calls = tick(host, seconds);
    assert_eq!(calls.len(), 1, "{:?}", host.state().logs);
    let body = document.to_string();
    host.answer(calls[0].token, &OK, body).unwrap();
}

/// The counter of verdicts that were carried out.
fn applied(verdict: &str) -> String {
    format!("stepgate_verdicts_applied_total.verdict=.={verdict};.;")
}

#[test]
fn a_verdict_closes_the_session_it_was_about_and_another_opens_it() {
    let mut one = started(&fed());
    let mut two = one.sibling();
    two.set_property(&["source", "address"], HOME);
    start(&mut two, &fed());
    let id = call(&mut one, &token("s1", 0), "200")
        .header("x-stepgate-id")
        .unwrap();
    assert_eq!(status(&call(&mut one, &token("s2", 1), "200")), 200);
    feed(
        &mut one,
        10,
        &json!({ "version": 1, "verdicts": [{ "decision": id, "owner": false }] }),
    );
    assert_eq!(one.metric(&applied("attack")), 1);
    assert_eq!(
        one.logged(&format!("verdict on {id}: not the owner")).len(),
        1
    );
    tick(&mut two, 11);
    for host in [&mut one, &mut two] {
        let refused = call(host, &token("s1", 0), "200");
        assert_eq!(status(&refused), 403);
        assert_eq!(status(&call(host, &token("s2", 1), "200")), 200);
        // Somebody who authenticates again is let in.
        assert_eq!(status(&call(host, &token("s1", 11), "200")), 200);
    }
    // The verdict is carried out once, however often the document is changed.
    let other = json!({ "version": 1, "n": 2, "verdicts": [{ "decision": id, "owner": false }] });
    feed(&mut two, 20, &other);
    assert_eq!(one.metric(&applied("attack")), 1);
    let owner = json!({ "version": 1, "verdicts": [{ "decision": id, "owner": true }] });
    feed(&mut two, 30, &owner);
    assert_eq!(one.metric(&applied("owner")), 1);
    assert_eq!(status(&call(&mut one, &token("s1", 0), "200")), 200);
}

#[test]
fn a_verdict_may_name_a_session_and_one_on_nothing_known_is_counted() {
    let mut host = started(&fed());
    call(&mut host, &token("s1", 0), "200");
    feed(
        &mut host,
        10,
        &json!({ "version": 1, "verdicts": [
            { "decision": "d0123456789abcdef", "owner": false },
            { "iss": ISSUER, "sub": "bob", "sid": "s1", "time": NOW, "owner": false },
            { "iss": ISSUER, "sub": "alice", "sid": "s1", "time": NOW + 5, "owner": false },
        ] }),
    );
    assert_eq!(host.metric("stepgate_verdicts_unknown_total"), 2);
    assert_eq!(host.metric(&applied("attack")), 1);
    let refused = call(&mut host, &token("s1", 5), "200");
    assert_eq!(status(&refused), 403);
    let again = json!({ "version": 1, "verdicts": [
        { "iss": ISSUER, "sub": "alice", "sid": "s1", "time": NOW + 5, "owner": false },
    ] });
    feed(&mut host, 20, &again);
    assert_eq!(host.metric(&applied("attack")), 1);
    assert_eq!(status(&call(&mut host, &token("s1", 6), "200")), 200);
}

#[test]
fn without_feeds_no_decision_is_kept() {
    for (policy, kept) in [(policy(|_| {}), false), (fed(), true)] {
        let mut host = started(&policy);
        call(&mut host, &token("s1", 0), "200");
        let process = host.state().process.borrow();
        let found = process
            .data
            .entries
            .keys()
            .any(|name| name.windows(2).any(|pair| pair == b"/v"));
        assert_eq!(found, kept);
    }
}

#[test]
fn the_snapshot_a_feed_names_is_fetched_and_loaded_once() {
    let mut one = started(&fed());
    let mut two = one.sibling();
    two.set_property(&["source", "address"], HOME);
    start(&mut two, &fed());
    feed(
        &mut one,
        0,
        &json!({ "version": 1, "snapshot": { "path": "/baseline-1" } }),
    );
    assert!(!knows(&mut one, 1));
    let calls = tick(&mut one, 1);
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].headers.text(":path").unwrap(), "/baseline-1");
    assert!(tick(&mut two, 1).is_empty(), "one of them has the lease");
    one.answer(calls[0].token, &OK, snapshot("a key for tests only"))
        .unwrap();
    let mut seconds = 1;
    while one.logged("snapshot loaded").is_empty() {
        seconds += 1;
        assert!(seconds < 9, "never loaded: {:?}", one.state().logs);
        assert!(tick(&mut one, seconds).is_empty());
        assert!(tick(&mut two, seconds).is_empty());
    }
    assert_eq!(one.metric("stepgate_snapshot_records_total"), MANY as u64);
    assert!(knows(&mut one, 1) && knows(&mut two, MANY - 1));
    let mut three = one.sibling();
    start(&mut three, &fed());
    tick(&mut three, 9);
    for second in 100..105 {
        for host in [&mut one, &mut two, &mut three] {
            for call in tick(host, second) {
                assert_eq!(call.headers.text(":path").unwrap(), "/v1");
            }
        }
    }
}

#[test]
fn a_snapshot_that_cannot_be_had_or_used_is_said_once_and_asked_for_later() {
    for (headers, body, why) in [
        (
            &OK[..],
            snapshot("another key for tests"),
            "trained with another hash key",
        ),
        (&OK, b"<html>".to_vec(), "no snapshot"),
        (&[(":status", "404")], Vec::new(), "status 404"),
    ] {
        let mut host = started(&fed());
        let document = json!({ "version": 1, "snapshot": { "path": "/baseline-1" } });
        feed(&mut host, 0, &document);
        let calls = tick(&mut host, 1);
        host.answer(calls[0].token, headers, &body).unwrap();
        assert_eq!(host.metric("stepgate_snapshot_refused_total"), 1);
        let asks = |host: &mut Host, second| {
            let calls = tick(host, second);
            calls
                .into_iter()
                .find(|call| call.headers.text(":path").unwrap() == "/baseline-1")
        };
        for second in 2..61 {
            assert!(asks(&mut host, second).is_none(), "{second}");
        }
        let again = asks(&mut host, 62).unwrap();
        host.answer(again.token, headers, &body).unwrap();
        assert_eq!(host.metric("stepgate_snapshot_refused_total"), 2);
        let said = host.logged("snapshot refused: /baseline-1: ");
        assert_eq!(said.len(), 1, "{why}");
        assert!(said[0].text.contains(why), "{}", said[0].text);
        assert!(reasons(&call(&mut host, &token("s1", 0), "200")).contains("young-baseline"));
    }
}
