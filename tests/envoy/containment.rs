//! What a denial closes, on every worker, and what opens it again: an authentication, or a verdict.
//! May use one gateway a test.
//! Must not depend on how strong a piece of evidence is: the policy denies early.

use serde_json::{Value, json};
use stepgate_testkit::envoy::until;
use stepgate_testkit::http::{Canned, Upstream};
use stepgate_testkit::tokens::{Key, Token, now};

use crate::contract::{at_home, far_away, policy, token};
use crate::gateway::{Gateway, module, stepgate};

fn in_session(key: &Key, sid: &str, ago: u64) -> Token {
    token(key, "alice", ago).claim("sid", sid)
}

/// A policy that denies as soon as it would challenge.
fn strict(key: &Key) -> Value {
    let mut policy = policy(key);
    policy["score"] = json!({ "step_up": 0.5, "deny": 0.5 });
    policy
}

/// Logins of alice at home, enough for a baseline.
fn settle(gateway: &Gateway, key: &Key) {
    for n in 0..12 {
        let login =
            in_session(key, &format!("before-{n}"), 7200 - n * 300).claim("exp", now() + 60);
        assert_eq!(gateway.send(&at_home(&login.sign(key))).status, 200);
    }
}

#[test]
fn a_denied_session_stays_denied_on_every_worker_until_a_newer_authentication() {
    let key = Key::ed25519("k1");
    let Some(gateway) = Gateway::start(&strict(&key)) else {
        return;
    };
    settle(&gateway, &key);
    let stolen = in_session(&key, "s1", 60).sign(&key);
    let denied = gateway.send(&far_away(&stolen));
    assert_eq!(denied.status, 403, "{}", denied.text());
    gateway.envoy.wait_for_log("\"stepgate.contained\":true");
    // The thief tries again through a proxy next to the owner, on connections that reach both workers.
    for _ in 0..16 {
        assert_eq!(gateway.send(&at_home(&stolen)).status, 403);
    }
    gateway.envoy.wait_for_log("\"session-contained\"");
    let refreshed = in_session(&key, "s1", 60).claim("jti", "another");
    assert_eq!(gateway.send(&at_home(&refreshed.sign(&key))).status, 403);
    let owner = in_session(&key, "s2", 60).sign(&key);
    assert_eq!(gateway.send(&at_home(&owner)).status, 200);
    // Times are whole seconds: the first authentication of a later one opens the session.
    until("a newer authentication", || {
        let again = in_session(&key, "s1", 0).sign(&key);
        (gateway.send(&at_home(&again)).status == 200).then_some(())
    });
    assert_eq!(gateway.send(&at_home(&stolen)).status, 403);
}

#[test]
fn the_operator_can_switch_containment_off() {
    let key = Key::ed25519("k1");
    let mut policy = strict(&key);
    policy["containment"] = json!(false);
    let Some(gateway) = Gateway::start(&policy) else {
        return;
    };
    settle(&gateway, &key);
    let stolen = in_session(&key, "s1", 60).sign(&key);
    assert_eq!(gateway.send(&far_away(&stolen)).status, 403);
    assert_eq!(gateway.send(&at_home(&stolen)).status, 200);
}

#[test]
fn a_verdict_opens_a_denied_session_and_closes_an_allowed_one() {
    if module().is_none() {
        return;
    }
    let (key, source) = (Key::ed25519("k1"), Upstream::start().unwrap());
    let say = |verdicts: Value| {
        let document = json!({ "version": 1, "verdicts": verdicts });
        source.serve("/feed", Canned::json(&document));
    };
    say(json!([]));
    let mut policy = strict(&key);
    policy["feeds"] = json!([{
        "name": "soc", "cluster": "feeds", "authority": "feeds.test", "path": "/feed", "refresh_seconds": 1,
    }]);
    let filter = stepgate("stepgate", &policy.to_string());
    let Some(gateway) = Gateway::with(vec![filter], &[("feeds", source.port())]) else {
        return;
    };
    settle(&gateway, &key);
    let mine = in_session(&key, "s1", 60).sign(&key);
    let denied = gateway.send(&far_away(&mine));
    assert_eq!(denied.status, 403);
    assert_eq!(gateway.send(&at_home(&mine)).status, 403);
    let id = denied.header("x-stepgate-id").unwrap();
    say(json!([{ "decision": id, "owner": true }]));
    gateway
        .envoy
        .wait_for_log(&format!("verdict on {id}: the owner"));
    let allowed = gateway.send(&at_home(&mine));
    assert_eq!(allowed.status, 200, "{}", allowed.text());
    let id = allowed.echoed().text("x-stepgate-id").unwrap();
    say(json!([{ "decision": id, "owner": false }]));
    gateway
        .envoy
        .wait_for_log(&format!("verdict on {id}: not the owner"));
    for _ in 0..16 {
        assert_eq!(gateway.send(&at_home(&mine)).status, 403);
    }
}
