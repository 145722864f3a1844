//! The life of a feed: fetched by one VM, in force in all, kept when the source is down or wrong, milder by a switch.
//! May use the helpers of this test.
//! Must not wait: the test moves the clock.

use serde_json::{Value, json};
use stepgate_testkit::host::{Host, HttpCall};
use stepgate_testkit::tokens::{self, Token};

use crate::{
    HOME, ISSUER, KEY, NOW, bearer, get, is_alive, policy, reasons, start, started, status, vm,
};

const OK: [(&str, &str); 1] = [(":status", "200")];
const AGE: &str = "stepgate_feed_age_seconds.feed=.=soc;.;";

fn fed() -> Value {
    policy(|policy| {
        policy["feeds"] = json!([{
            "name": "soc", "cluster": "feeds", "authority": "feeds.test", "path": "/v1",
            "refresh_seconds": 10, "max_bytes": 400_000,
        }]);
    })
}

/// The token of alice with this `jti`.
fn token(jti: &str) -> String {
    let claims = tokens::claims(ISSUER, "alice", NOW);
    Token::new(claims).claim("jti", jti).sign(&KEY)
}

fn ask(host: &mut Host, token: &str) -> u32 {
    let exchange = get(host, &[("authorization", bearer(token).as_bytes())]);
    host.finish().unwrap();
    status(&exchange)
}

fn tick(host: &mut Host, seconds: f64) -> Vec<HttpCall> {
    host.set_time(NOW as f64 + seconds);
    let before = host.state().calls.len();
    host.tick().unwrap();
    host.state().calls[before..].to_vec()
}

/// Ticks, and answers the one call that goes out.
fn answer(host: &mut Host, seconds: f64, headers: &[(&str, &str)], body: &[u8]) {
    let calls = tick(host, seconds);
    assert_eq!(calls.len(), 1, "{:?}", host.state().logs);
    host.answer(calls[0].token, headers, body).unwrap();
}

fn document(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut document = json!({ "version": 1 });
    change(&mut document);
    document.to_string().into_bytes()
}

fn revoking(jti: &str) -> Vec<u8> {
    document(|document| document["tokens"] = json!([{ "iss": ISSUER, "jti": jti }]))
}

fn sibling(of: &Host) -> Host {
    let mut host = of.sibling();
    host.set_property(&["source", "address"], HOME);
    start(&mut host, &fed());
    host
}

#[test]
fn what_one_vm_fetches_is_in_force_in_all_a_tick_later() {
    let mut one = started(&fed());
    let mut two = sibling(&one);
    for host in [&mut one, &mut two] {
        assert_eq!(ask(host, &token("t1")), 200);
    }
    let calls = tick(&mut one, 0.0);
    assert!(tick(&mut two, 0.0).is_empty(), "one of them has the lease");
    assert_eq!(
        (calls[0].upstream.as_str(), calls[0].timeout_ms),
        ("feeds", 5000)
    );
    assert_eq!(calls[0].headers.text(":path").unwrap(), "/v1");
    one.answer(calls[0].token, &OK, revoking("t1")).unwrap();
    // The token is known to both, and verified no more: being revoked goes first.
    assert_eq!(ask(&mut one, &token("t1")), 401);
    assert_eq!(ask(&mut one, &token("t2")), 200);
    assert_eq!(ask(&mut two, &token("t1")), 200);
    tick(&mut two, 1.0);
    assert_eq!(ask(&mut two, &token("t1")), 401);
    assert_eq!(one.logged("feed `soc`: 1 revocations, 0 lists").len(), 1);
    assert_eq!(one.metric("stepgate_feeds_fetched_total"), 1);
    let verified = one.metric("stepgate_tokens_verified_total");
    ask(&mut two, &token("t1"));
    assert_eq!(one.metric("stepgate_tokens_verified_total"), verified);
    // A worker that starts later, and an update of the policy, begin with it.
    let mut three = sibling(&one);
    assert_eq!(ask(&mut three, &token("t1")), 401);
    let mut other = fed();
    other["score"] = json!({ "step_up": 0.4 });
    start(&mut one, &other);
    assert_eq!(ask(&mut one, &token("t1")), 401);
    // What the next document no longer says holds no more.
    answer(&mut two, 10.0, &OK, &document(|_| {}));
    assert_eq!(ask(&mut two, &token("t1")), 200);
    for host in [&mut one, &mut two, &mut three] {
        is_alive(host);
    }
}

#[test]
fn subjects_sessions_and_clients_are_revoked_by_time() {
    let with_session = |iat: u64| {
        let claims = tokens::claims(ISSUER, "alice", NOW);
        Token::new(claims)
            .claim("sid", "s1")
            .claim("client_id", "web")
            .claim("iat", iat)
            .sign(&KEY)
    };
    for (member, name) in [
        ("subjects", json!({ "iss": ISSUER, "sub": "alice" })),
        ("subjects", json!({ "id": format!("{ISSUER}|alice") })),
        ("sessions", json!({ "iss": ISSUER, "sid": "s1" })),
        ("clients", json!({ "iss": ISSUER, "client_id": "web" })),
    ] {
        let mut host = started(&fed());
        let mut name = name;
        name["time"] = json!(NOW - 10);
        let body = document(|document| document["not_before"][member] = json!([name]));
        answer(&mut host, 0.0, &OK, &body);
        assert_eq!(ask(&mut host, &with_session(NOW - 11)), 401, "{name}");
        assert_eq!(ask(&mut host, &with_session(NOW - 10)), 200, "{name}");
    }
}

#[test]
fn a_bad_answer_is_counted_said_once_and_changes_nothing() {
    let large = vec![b' '; 400_001];
    let none: [(&str, &str); 0] = [];
    for (headers, body, why) in [
        (&OK[..], &b"<html>"[..], "expected value"),
        (&OK, b"{\"error\":\"slow down\"}", "missing field `version`"),
        (
            &OK,
            b"{\"version\":1,\"tokens\":[{\"jti\":\"t1\"}]}",
            "tokens[0]: missing field `iss`",
        ),
        (&OK, &large, "400001 bytes: at most 400000 are read"),
        (&OK, b"{\"version\":1,\"mode\":\"\xff\"}", "is not UTF-8"),
        (&[(":status", "302")], b"{\"version\":1}", "status 302"),
        (&[(":status", "503")], b"down", "status 503"),
        (&none, b"", "the connection was reset"),
    ] {
        let mut host = started(&fed());
        answer(&mut host, 0.0, headers, body);
        let never = host.logged("the filter goes on without it");
        assert_eq!(never.len(), 1, "{why}: {:?}", host.state().logs);
        assert!(never[0].text.contains(why), "{why}: {}", never[0].text);
        assert_eq!(ask(&mut host, &token("t1")), 200);
        answer(&mut host, 1.0, &OK, &revoking("t1"));
        assert_eq!(host.logged("feed `soc`: fetched again").len(), 1);
        for second in [11.0, 12.0, 14.0] {
            answer(&mut host, second, headers, body);
            assert_eq!(ask(&mut host, &token("t1")), 401, "{why}");
        }
        let kept = host.logged("what it said last still holds");
        assert_eq!(kept.len(), 1, "{why}: said once");
        assert_eq!(host.metric("stepgate_feeds_failed_total"), 4);
        assert_eq!(host.metric("stepgate_feeds_fetched_total"), 1);
        assert!(tick(&mut host, 16.0).is_empty(), "asked less often");
        assert_eq!(host.metric(AGE), 15);
        is_alive(&mut host);
    }
}

#[test]
fn not_modified_is_no_answer_to_who_has_nothing() {
    let mut host = started(&fed());
    answer(&mut host, 0.0, &[(":status", "304")], b"");
    assert_eq!(host.logged("status 304 to what is not there").len(), 1);
    answer(&mut host, 1.0, &OK, &revoking("t1"));
    assert_eq!(ask(&mut host, &token("t1")), 401);
}

#[test]
fn an_unchanged_document_is_not_sent_again_and_is_young_again() {
    let mut one = started(&fed());
    let tagged = [(":status", "200"), ("etag", "\"v1\"")];
    let calls = tick(&mut one, 0.0);
    assert_eq!(calls[0].headers.text("if-none-match"), None);
    one.answer(calls[0].token, &tagged, revoking("t1")).unwrap();
    tick(&mut one, 9.0);
    assert_eq!(one.metric(AGE), 9);
    let calls = tick(&mut one, 10.0);
    assert_eq!(
        calls[0].headers.text("if-none-match").as_deref(),
        Some("\"v1\"")
    );
    one.answer(calls[0].token, &[(":status", "304")], "")
        .unwrap();
    tick(&mut one, 11.0);
    assert_eq!(one.metric(AGE), 1);
    assert_eq!(ask(&mut one, &token("t1")), 401);
    assert_eq!(one.logged("feed `soc`: ").len(), 1, "nothing new");
    // A worker that has nothing to compare with asks for all of it; here all pieces were lost.
    for (name, (value, _)) in &mut one.state().process.borrow_mut().data.entries {
        if name.windows(2).any(|pair| pair == b"/d") {
            value.clear();
        }
    }
    let mut two = sibling(&one);
    let calls = tick(&mut two, 20.0);
    assert_eq!(calls[0].headers.text("if-none-match"), None);
    two.answer(calls[0].token, &OK, revoking("t1")).unwrap();
    assert_eq!(ask(&mut two, &token("t1")), 401);
}

#[test]
fn a_large_document_reaches_every_vm_whole() {
    let many: Vec<_> = (0..8_000)
        .map(|n| json!({ "iss": ISSUER, "jti": format!("t{n}") }))
        .collect();
    let body = document(|document| document["tokens"] = json!(many));
    assert!(body.len() > 300_000, "{}", body.len());
    let mut one = started(&fed());
    let mut two = sibling(&one);
    answer(&mut one, 0.0, &OK, &body);
    tick(&mut two, 1.0);
    assert_eq!(ask(&mut two, &token("t7999")), 401);
    assert_eq!(ask(&mut two, &token("t8000")), 200);
    // A part of it that was damaged is no document: what was there before holds.
    answer(&mut one, 10.0, &OK, &revoking("t8000"));
    for (name, (value, _)) in &mut one.state().process.borrow_mut().data.entries {
        if name.windows(2).any(|pair| pair == b"/d") {
            value.pop();
        }
    }
    tick(&mut two, 11.0);
    assert_eq!(ask(&mut two, &token("t7999")), 401);
    assert_eq!(ask(&mut two, &token("t8000")), 200);
    is_alive(&mut two);
}

#[test]
fn a_switch_stops_all_enforcing_in_every_vm() {
    let mut one = started(&fed());
    let mut two = sibling(&one);
    let mut body: Value = serde_json::from_slice(&revoking("t1")).unwrap();
    body["mode"] = json!("shadow");
    answer(&mut one, 0.0, &OK, body.to_string().as_bytes());
    tick(&mut two, 1.0);
    for host in [&mut one, &mut two] {
        let revoked = token("t1");
        let exchange = get(host, &[("authorization", bearer(&revoked).as_bytes())]);
        host.finish().unwrap();
        assert_eq!(status(&exchange), 200);
        assert_eq!(exchange.header("x-stepgate-mode").unwrap(), "shadow");
        assert_eq!(exchange.header("x-stepgate-would").unwrap(), "deny");
        assert_eq!(reasons(&exchange), "revoked");
        assert_eq!(ask(host, &tokens::corrupted(&token("t2"))), 200);
        assert_eq!(host.logged("the kill switch of the feeds is on").len(), 1);
    }
    answer(&mut two, 10.0, &OK, &revoking("t1"));
    assert_eq!(ask(&mut two, &token("t1")), 401);
    assert_eq!(two.logged("the kill switch of the feeds is off").len(), 1);
}

#[test]
fn lists_and_orders_count_until_they_expire() {
    let mut host = started(&fed());
    let body = document(|document| {
        document["networks"] =
            json!([{ "networks": ["198.51.100.0/24"], "score": 3.5, "expires": NOW + 60 }]);
        document["overrides"] = json!([{
            "iss": ISSUER, "sub": "alice", "action": "deny", "expires": NOW + 30,
            "owner": "soc", "reason": "case 7",
        }]);
    });
    answer(&mut host, 0.0, &OK, &body);
    let bob = crate::token("bob", 0);
    let of = |host: &mut Host, token: &str| {
        let exchange = get(host, &[("authorization", bearer(token).as_bytes())]);
        host.finish().unwrap();
        (status(&exchange), reasons(&exchange))
    };
    let (code, why) = of(&mut host, &bob);
    assert_eq!(code, 200);
    assert!(why.contains("listed-network;w=3.5"), "{why}");
    assert_eq!(of(&mut host, &token("t1")).0, 403);
    host.set_time((NOW + 30) as f64);
    assert_eq!(of(&mut host, &token("t1")).0, 200);
    host.set_time((NOW + 60) as f64);
    assert!(!of(&mut host, &bob).1.contains("listed-network"));
}

#[test]
fn a_feed_may_want_a_token_which_nobody_sees() {
    let mut policy = fed();
    policy["feeds"][0]["token_env"] = json!("FEED_TOKEN");
    let mut without = vm();
    assert!(!without.start(&policy.to_string()).unwrap());
    let refusal = "feeds[0].token_env: `FEED_TOKEN` is not in the environment of the VM";
    assert_eq!(without.logged(refusal).len(), 1);
    let mut host = vm();
    let variable = ("FEED_TOKEN".to_owned(), "s3cret".to_owned());
    host.state_mut().environment.push(variable);
    start(&mut host, &policy);
    let calls = tick(&mut host, 0.0);
    assert_eq!(
        calls[0].headers.text("authorization").as_deref(),
        Some("Bearer s3cret")
    );
    host.answer(calls[0].token, &[(":status", "401")], "s3cret")
        .unwrap();
    assert!(host.logged("s3cret").is_empty());
    assert_eq!(host.logged("status 401").len(), 1);
}
