//! The life of fetched keys: first fetch, refresh, an issuer that is down or wrong, rotation.
//! May use the helpers of this test.
//! Must not wait: the test moves the clock.

use serde_json::{Value, json};
use stepgate_testkit::host::{Host, HttpCall};
use stepgate_testkit::tokens::{self, Key, Token};

use crate::{ISSUER, KEY, NOW, bearer, get, policy, start, started, status, token, vm};

const OK: [(&str, &str); 1] = [(":status", "200")];

fn fetching() -> Value {
    policy(|policy| {
        let issuer = &mut policy["credentials"]["issuers"][0];
        issuer["keys"] = json!(null);
        issuer["jwks"] = json!({
            "cluster": "idp", "authority": "idp.test", "path": "/keys",
            "refresh_seconds": 300, "timeout_seconds": 5,
        });
    })
}

fn key_set(keys: &[&Key]) -> Vec<u8> {
    tokens::jwks(keys).to_string().into_bytes()
}

/// Ticks at `NOW + seconds`; the calls that went out.
fn tick(host: &mut Host, seconds: f64) -> Vec<HttpCall> {
    host.set_time(NOW as f64 + seconds);
    let before = host.state().calls.len();
    host.tick().unwrap();
    host.state().calls[before..].to_vec()
}

fn ask(host: &mut Host, token: &str) -> u32 {
    let exchange = get(host, &[("authorization", bearer(token).as_bytes())]);
    host.finish().unwrap();
    status(&exchange)
}

/// A VM whose keys are there since `NOW`.
fn supplied() -> Host {
    let mut host = started(&fetching());
    let calls = tick(&mut host, 0.0);
    host.answer(calls[0].token, &OK, key_set(&[&KEY])).unwrap();
    host
}

#[test]
fn keys_are_fetched_on_the_first_tick_and_refreshed() {
    let mut host = started(&fetching());
    assert_eq!(host.state().roots[0].tick_ms, 1000);
    assert_eq!(ask(&mut host, &token("alice", 0)), 401);
    let calls = tick(&mut host, 0.0);
    assert_eq!(
        (calls.len(), calls[0].upstream.as_str(), calls[0].timeout_ms),
        (1, "idp", 5000)
    );
    assert_eq!(calls[0].headers.text(":path").unwrap(), "/keys");
    assert_eq!(calls[0].headers.text(":authority").unwrap(), "idp.test");
    assert!(tick(&mut host, 1.0).is_empty(), "one call at a time");
    host.answer(calls[0].token, &OK, key_set(&[&KEY])).unwrap();
    assert_eq!(ask(&mut host, &token("alice", 0)), 200);
    assert_eq!(
        host.logged("keys of issuer `https://issuer.test`: 1 usable")
            .len(),
        1
    );
    assert!(tick(&mut host, 300.0).is_empty());
    assert_eq!(host.metric("stepgate_jwks_age_seconds"), 299);
    let calls = tick(&mut host, 301.0);
    assert_eq!(calls.len(), 1);
    host.answer(calls[0].token, &OK, key_set(&[&KEY])).unwrap();
    assert_eq!(
        host.logged("1 usable").len(),
        1,
        "nothing new, nothing said"
    );
    assert_eq!(host.metric("stepgate_jwks_fetched_total"), 2);
}

#[test]
fn what_one_vm_fetches_all_take_and_later_ones_begin_with() {
    let mut one = vm();
    start(&mut one, &fetching());
    let mut two = one.sibling();
    start(&mut two, &fetching());
    let calls = tick(&mut one, 0.0);
    assert!(tick(&mut two, 0.0).is_empty(), "one of them has the lease");
    one.answer(calls[0].token, &OK, key_set(&[&KEY])).unwrap();
    // The other need not wait for its tick: a token that has no key looks for it.
    assert_eq!(ask(&mut two, &token("alice", 0)), 200);
    let mut three = one.sibling();
    start(&mut three, &fetching());
    assert_eq!(ask(&mut three, &token("alice", 0)), 200);
    // Another policy with the same source begins with its keys as well.
    let mut other = fetching();
    other["mode"] = json!("shadow");
    start(&mut one, &other);
    assert_eq!(ask(&mut one, &token("alice", 0)), 200);
    assert!(tick(&mut one, 2.0).is_empty());
}

#[test]
fn keys_are_looked_for_at_most_every_tenth_of_a_second() {
    let mut one = started(&fetching());
    let mut two = one.sibling();
    start(&mut two, &fetching());
    assert_eq!(ask(&mut two, &token("alice", 0)), 401);
    let calls = tick(&mut one, 0.0);
    one.answer(calls[0].token, &OK, key_set(&[&KEY])).unwrap();
    two.set_time(NOW as f64 + 0.099);
    assert_eq!(ask(&mut two, &token("alice", 0)), 401, "it has just looked");
    two.set_time(NOW as f64 + 0.1);
    assert_eq!(ask(&mut two, &token("alice", 0)), 200);
    // A flood of made up keys reads shared data no more often than that.
    let made_up = Token::new(tokens::claims(ISSUER, "alice", NOW)).sign(&Key::ed25519("three"));
    let reads = |host: &Host| host.state().used["proxy_get_shared_data"];
    let before = reads(&two);
    for _ in 0..50 {
        assert_eq!(ask(&mut two, &made_up), 401);
    }
    assert!(reads(&two) - before <= 1, "{}", reads(&two) - before);
}

#[test]
fn a_lease_whose_holder_died_lapses() {
    let mut one = started(&fetching());
    let mut two = one.sibling();
    start(&mut two, &fetching());
    assert_eq!(tick(&mut one, 0.0).len(), 1);
    assert!(tick(&mut two, 9.0).is_empty());
    assert_eq!(tick(&mut two, 10.0).len(), 1);
}

#[test]
fn an_issuer_that_is_down_is_asked_ever_less_often_and_its_keys_stay() {
    let mut host = supplied();
    let mut asked = Vec::new();
    for second in 0..700 {
        for call in tick(&mut host, f64::from(second)) {
            asked.push(second);
            // What Envoy makes of a refused connection.
            let down = [(":status", "503")];
            host.answer(call.token, &down, "no healthy upstream")
                .unwrap();
        }
    }
    assert_eq!(asked, [300, 301, 303, 307, 315, 331, 363, 427, 555]);
    assert_eq!(host.logged("cannot be fetched").len(), 1);
    assert_eq!(
        host.logged("status 503; the last good ones are kept").len(),
        1
    );
    assert_eq!(host.metric("stepgate_jwks_failed_total"), 9);
    let late = Token::new(tokens::claims(ISSUER, "alice", NOW + 690)).sign(&KEY);
    assert_eq!(ask(&mut host, &late), 200);
    let calls = tick(&mut host, 900.0);
    host.answer(calls[0].token, &OK, key_set(&[&KEY])).unwrap();
    assert_eq!(host.logged("fetched again").len(), 1);
}

#[test]
fn a_bad_answer_is_a_failure_with_its_reason() {
    let secret = json!({ "keys": [{ "kty": "oct", "k": "A".repeat(43) }] }).to_string();
    let large = vec![b' '; 64 * 1024 + 1];
    let rsa = key_set(&[&Key::rsa("r")]);
    let none: [(&str, &str); 0] = [];
    for (headers, body, why) in [
        (&OK[..], &b"<html>"[..], "not a JWKS: no JSON object"),
        (&OK, b"{\"keys\":[]}", "a JWKS without keys"),
        (&OK, secret.as_bytes(), "a secret in a published JWKS"),
        (&OK, &large, "65537 bytes: at most 65536 are read"),
        (&OK, &rsa, "no key is for `EdDSA`"),
        (&OK, b"\xff", "a JWKS that is not UTF-8"),
        (&[(":status", "302")], &key_set(&[&KEY]), "status 302"),
        (&none, b"", "the connection was reset"),
    ] {
        let mut host = started(&fetching());
        let calls = tick(&mut host, 0.0);
        host.answer(calls[0].token, headers, body).unwrap();
        assert_eq!(host.logged(why).len(), 1, "{why}: {:?}", host.state().logs);
        assert_eq!(host.logged("its tokens are refused").len(), 1);
        assert_eq!(ask(&mut host, &token("alice", 0)), 401);
        assert_eq!(tick(&mut host, 1.0).len(), 1, "asked again");
    }
}

#[test]
fn a_cluster_the_host_does_not_know_is_a_failure() {
    let mut host = vm();
    host.state_mut().clusters = Some(["api".to_owned()].into());
    start(&mut host, &fetching());
    tick(&mut host, 0.0);
    assert_eq!(host.logged("the host does not know the cluster").len(), 1);
    host.state_mut().clusters = None;
    assert_eq!(tick(&mut host, 1.0).len(), 1);
}

#[test]
fn an_unknown_key_is_asked_for_soon_but_not_often() {
    let mut host = supplied();
    let next = Key::ed25519("two");
    let rotated = Token::new(tokens::claims(ISSUER, "alice", NOW)).sign(&next);
    assert_eq!(ask(&mut host, &rotated), 401);
    assert!(tick(&mut host, 9.0).is_empty());
    let calls = tick(&mut host, 10.0);
    assert_eq!(calls.len(), 1);
    host.answer(calls[0].token, &OK, key_set(&[&KEY, &next]))
        .unwrap();
    assert_eq!(ask(&mut host, &rotated), 200);
    assert_eq!(ask(&mut host, &token("alice", 0)), 200);
    // Somebody who makes up key ids causes one fetch in ten seconds.
    let made_up = Token::new(tokens::claims(ISSUER, "alice", NOW)).sign(&Key::ed25519("three"));
    let mut fetches = 0;
    for second in 11..61 {
        ask(&mut host, &made_up);
        for call in tick(&mut host, f64::from(second)) {
            fetches += 1;
            host.answer(call.token, &OK, key_set(&[&KEY, &next]))
                .unwrap();
        }
    }
    assert_eq!(fetches, 5);
}

#[test]
fn a_stranger_cannot_make_the_filter_fetch() {
    let mut host = supplied();
    let stranger = Key::ed25519("x");
    let claims = tokens::claims("https://stranger.test", "alice", NOW);
    for second in 1..30 {
        ask(&mut host, &Token::new(claims.clone()).sign(&stranger));
        ask(&mut host, "garbage");
        ask(&mut host, &tokens::corrupted(&token("alice", 0)));
        assert!(tick(&mut host, f64::from(second)).is_empty());
    }
}

#[test]
fn a_key_that_is_withdrawn_ends_the_tokens_known_by_it() {
    let mut host = supplied();
    let alice = token("alice", 0);
    assert_eq!(ask(&mut host, &alice), 200);
    let calls = tick(&mut host, 300.0);
    host.answer(calls[0].token, &OK, key_set(&[&Key::ed25519("one")]))
        .unwrap();
    assert_eq!(ask(&mut host, &alice), 401);
}

#[test]
fn keys_that_others_put_into_shared_data_are_not_believed() {
    let host = supplied();
    let mut forged = host.sibling();
    for (name, (value, _)) in &mut host.state().process.borrow_mut().data.entries {
        if name.windows(2).any(|pair| pair == b"/k") {
            let mallory = key_set(&[&Key::ed25519("m")]);
            value.truncate(37);
            value.extend(mallory);
        }
    }
    start(&mut forged, &fetching());
    assert_eq!(ask(&mut forged, &token("alice", 0)), 401);
    assert_eq!(tick(&mut forged, 1.0).len(), 1, "fetched anew");
}

#[test]
fn a_configuration_that_drains_fetches_no_more() {
    let mut host = supplied();
    let old = host.state().roots[0].id;
    let mut other = fetching();
    other["credentials"]["issuers"][0]["jwks"]["path"] = json!("/other");
    start(&mut host, &other);
    let calls = tick(&mut host, 1.0);
    assert_eq!(calls[0].headers.text(":path").unwrap(), "/other");
    host.set_time(NOW as f64 + 1000.0);
    host.tick_on(old).unwrap();
    assert_eq!(host.state().calls.len(), 2);
}
