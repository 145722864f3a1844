//! Held and watched bodies of login routes: what the host does with the pauses, and how each of them ends.
//! May use one VM, driven by hand.
//! Must not need Envoy: what it delivers is given.

use serde_json::{Value, json};
use stepgate_testkit::host::{Action, Exchange, Host};

use crate::{BROWSER, policy, started};

fn desk(hold: bool) -> Host {
    desk_of(json!({ "hold_body": hold, "failures": 3 }))
}

pub(crate) fn desk_of(login: Value) -> Host {
    started(&policy(|policy| {
        policy["tiers"] =
            json!([{ "name": "login", "paths": ["/login"], "class": "login", "login": login }]);
    }))
}

fn open(host: &mut Host) -> Exchange {
    let headers = [
        (":method", "POST"),
        (":path", "/login"),
        (":authority", "api.test"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-stepgate-decision", "allow"),
    ];
    host.open(&headers, false).unwrap()
}

/// The same from an address, with a client.
fn open_from(host: &mut Host, address: &str, agent: &str) -> Exchange {
    host.set_property(&["source", "address"], address);
    let headers = [
        (":method", "POST"),
        (":path", "/login"),
        (":authority", "api.test"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("user-agent", agent),
    ];
    host.open(&headers, false).unwrap()
}

/// A login that ends with this status, if it gets there.
fn login(host: &mut Host, body: &str, status: &str) -> Exchange {
    open(host);
    let exchange = host.body(body, true).unwrap();
    if exchange.reply.is_none() {
        host.response(&[(":status", status)]).unwrap();
    }
    host.finish().unwrap();
    exchange
}

pub(crate) fn status(exchange: &Exchange) -> u32 {
    exchange.reply.as_ref().map_or(200, |reply| reply.status)
}

#[test]
fn headers_wait_for_the_body_and_carry_its_decision() {
    let mut host = desk(true);
    let first = open(&mut host);
    assert_eq!(first.action, Action::Pause);
    assert_eq!(host.body("user", false).unwrap().action, Action::Pause);
    let whole = host.body("name=alice", true).unwrap();
    assert_eq!(whole.action, Action::Continue);
    let told: Vec<_> = whole.request.headers.all("x-stepgate-decision");
    assert_eq!(told, [b"allow"], "the spoofed one is gone");
    assert_eq!(whole.request.body, b"username=alice");
    for _ in 0..3 {
        assert_eq!(status(&login(&mut host, "username=alice", "401")), 200);
    }
    assert_eq!(status(&login(&mut host, "username=alice", "200")), 429);
}

#[test]
fn headers_that_do_not_wait_are_cut_off_by_the_body() {
    let mut host = desk(false);
    for _ in 0..3 {
        assert_eq!(open(&mut host).action, Action::Continue);
        assert_eq!(host.body("username=", false).unwrap().action, Action::Pause);
        let whole = host.body("alice", true).unwrap();
        assert_eq!(whole.action, Action::Continue);
        assert_eq!(whole.request.body, b"username=alice");
        host.response(&[(":status", "401")]).unwrap();
        host.finish().unwrap();
    }
    let cut = login(&mut host, "username=alice", "200");
    assert_eq!(status(&cut), 429);
    assert!(
        cut.request.body.is_empty(),
        "nothing of the body has gone on"
    );
}

#[test]
fn a_neighbour_who_guesses_at_many_names_keeps_no_owner_out() {
    for hold in [true, false] {
        let mut host = desk(hold);
        let mut login = |address: &str, agent: &str, name: &str, status: &str| {
            let opened = open_from(&mut host, address, agent);
            assert_eq!(
                opened.reply, None,
                "hold {hold}: refused before the name is known"
            );
            let exchange = host.body(format!("username={name}"), true).unwrap();
            if exchange.reply.is_none() {
                host.response(&[(":status", status)]).unwrap();
            }
            host.finish().unwrap();
            exchange
        };
        let (home, neighbour) = ("81.2.69.142:4711", "81.2.69.77:4711");
        for _ in 0..3 {
            assert_eq!(status(&login(home, BROWSER, "alice", "200")), 200);
        }
        let guesses =
            (0..60).map(|n| status(&login(neighbour, "curl/8", &format!("name-{n}"), "401")));
        let guesses: Vec<_> = guesses.collect();
        assert!(guesses.contains(&429), "hold {hold}: {guesses:?}");
        assert_eq!(
            status(&login(home, BROWSER, "alice", "200")),
            200,
            "hold {hold}"
        );
        let stranger = login(home, BROWSER, "bob", "200");
        assert_eq!(status(&stranger), 429, "hold {hold}");
        assert!(stranger.request.body.is_empty() || hold);
    }
}

#[test]
fn a_body_that_grows_too_long_is_let_go_at_once() {
    for hold in [true, false] {
        let mut host = desk_of(json!({ "hold_body": hold, "unreadable": "pass" }));
        open(&mut host);
        let piece = [b'a'; 10 * 1024];
        assert_eq!(host.body(piece, false).unwrap().action, Action::Pause);
        assert_eq!(host.body(piece, false).unwrap().action, Action::Continue);
        assert_eq!(host.body(piece, true).unwrap().action, Action::Continue);
        host.response(&[(":status", "401")]).unwrap();
        host.finish().unwrap();
    }
}

/// Whether the host was complained of.
fn complaints(host: &Host) -> usize {
    let said = host.state().logs.iter();
    said.filter(|line| line.text.contains("allow_on_headers_stop_iteration"))
        .count()
}

/// A request of which nothing but the headers comes, until it is answered; when that is.
fn silent(host: &mut Host, now: f64) -> f64 {
    host.set_time(now);
    let opened = open(host);
    assert_eq!(opened.action, Action::Pause);
    host.set_time(now + 6.0);
    host.tick().unwrap();
    let reply = host.state().streams[&opened.id].reply.clone().unwrap();
    assert_eq!(reply.status, 408);
    let problem: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(problem["type"], "urn:stepgate:request-timeout");
    now + 6.0
}

#[test]
fn bodies_that_do_not_come_end_the_wait_and_the_waiting() {
    let mut host = desk(true);
    let held = open(&mut host).id;
    // While nobody knows whether bodies come, one request at a time finds out.
    assert_eq!(open(&mut host).action, Action::Continue);
    host.set_time(crate::NOW as f64 + 4.0);
    host.tick().unwrap();
    assert_eq!(host.state().streams[&held].reply, None);
    host.set_time(crate::NOW as f64 + 6.0);
    host.tick().unwrap();
    assert!(host.state().streams[&held].reply.is_some());
    // One client that sends nothing, or two, say nothing of the host.
    let now = silent(&mut host, crate::NOW as f64 + 7.0);
    assert_eq!(complaints(&host), 0);
    let now = silent(&mut host, now);
    assert_eq!(complaints(&host), 1);
    assert_eq!(open(&mut host).action, Action::Continue);
    // Nor do three for ever.
    let now = silent(&mut host, now + 600.0);
    assert_eq!(open(&mut host).action, Action::Continue);
    assert_eq!(complaints(&host), 1, "said once");
    host.set_time(now + 600.0);
    assert_eq!(open(&mut host).action, Action::Pause);
    assert_eq!(
        host.body("username=alice", true).unwrap().action,
        Action::Continue
    );
    for _ in 0..2 {
        assert_eq!(open(&mut host).action, Action::Pause);
    }
}

#[test]
fn a_first_client_that_is_slow_does_not_end_the_holding() {
    let mut host = desk(true);
    let slow = open(&mut host).id;
    assert_eq!(host.body("username=", false).unwrap().action, Action::Pause);
    host.set_time(crate::NOW as f64 + 6.0);
    host.tick().unwrap();
    let reply = host.state().streams[&slow].reply.clone().unwrap();
    assert_eq!(reply.status, 408);
    assert_eq!(complaints(&host), 0);
    // The host has shown that it delivers: two are held at once.
    for _ in 0..2 {
        assert_eq!(open(&mut host).action, Action::Pause);
    }
}

#[test]
fn a_slow_client_ends_nothing_but_its_own_request() {
    let mut host = desk(true);
    login(&mut host, "username=alice", "200");
    let slow = open(&mut host).id;
    host.set_time(crate::NOW as f64 + 10.0);
    host.tick().unwrap();
    assert!(host.state().streams[&slow].reply.is_some());
    assert_eq!(open(&mut host).action, Action::Pause);
}

#[test]
fn where_nothing_is_enforced_a_slow_client_is_let_go_on_and_decided_when_its_body_comes() {
    for (mode, paused) in [("shadow", false), ("enforce", true)] {
        let mut host = started(&policy(|policy| {
            policy["mode"] = json!(mode);
            policy["audit"] = json!({ "sample_permille": 1000 });
            policy["tiers"] =
                json!([{ "name": "login", "class": "login", "login": { "hold_body": true } }]);
        }));
        let slow = open(&mut host).id;
        assert_eq!(host.body("username=", false).unwrap().action, Action::Pause);
        host.set_time(crate::NOW as f64 + 6.0);
        host.tick().unwrap();
        assert_eq!(host.metric("stepgate_body_timeouts_total"), 1);
        let reply = host.state().streams[&slow].reply.clone();
        assert_eq!(reply.map(|reply| reply.status), paused.then_some(408));
        if !paused {
            let whole = host.body("alice", true).unwrap();
            assert_eq!((whole.action, whole.reply), (Action::Continue, None));
            assert_eq!(whole.request.body, b"username=alice");
            // The headers have gone on before: without the spoofed one, and without one of ours.
            assert!(!whole.request.headers.has("x-stepgate-decision"));
            assert_eq!(host.logged("\"event.kind\"").len(), 1, "it was decided");
        }
    }
}

#[test]
fn without_ticks_nothing_is_held() {
    let mut host = crate::vm();
    host.state_mut()
        .fixed
        .insert("proxy_set_tick_period_milliseconds".into(), 12);
    crate::start(
        &mut host,
        &policy(|policy| {
            policy["login"] = json!({ "hold_body": true });
            policy["tiers"] = json!([{ "name": "login", "class": "login" }]);
        }),
    );
    assert_eq!(open(&mut host).action, Action::Continue);
}
