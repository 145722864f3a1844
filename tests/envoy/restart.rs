//! What is kept when a listener drains and comes back, and what when the process does.
//! May use Envoy's file subscriptions and a feed that names a snapshot.
//! Must not know where anything is kept.

use std::fs;

use serde_json::{Value, json};
use stepgate_testkit::envoy::{Envoy, Setup, TempDir, until};
use stepgate_testkit::http::{Canned, Request, Response, Upstream};
use stepgate_testkit::tokens::Key;

use crate::contract::{at_home, far_away, policy, reasons, token};
use crate::feeds::snapshot;
use crate::gateway::{bootstrap, listener, module, stepgate};

/// Puts the listeners in place at once: Envoy watches for moves.
fn publish(dir: &TempDir, policies: &[&Value]) {
    let resources: Vec<Value> = policies
        .iter()
        .map(|policy| {
            let filter = stepgate("stepgate", &policy.to_string());
            let mut resource = listener("main", vec![filter]);
            resource["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
            resource
        })
        .collect();
    let next = dir.write("next", json!({ "resources": resources }).to_string());
    fs::rename(next, dir.path().join("lds.json")).unwrap();
}

fn start(dir: &TempDir, drain_seconds: &str, clusters: &[(&str, u16)]) -> Envoy {
    let mut boot = bootstrap(&[], clusters);
    boot["node"] = json!({ "id": "test", "cluster": "test" });
    boot["dynamic_resources"] = json!({
        "lds_config": { "path_config_source": { "path": dir.path().join("lds.json") } },
    });
    Setup::new(&boot.to_string())
        .concurrency(2)
        .args(&["--drain-time-s", drain_seconds])
        .start()
        .unwrap_or_else(|error| panic!("{error}"))
}

fn send(envoy: &Envoy, request: &Request) -> Response {
    let address = until("the listener", || {
        envoy.listeners().first().map(|(_, address)| *address)
    });
    request.send(address).unwrap()
}

/// Takes the listener away, waits until Envoy has it no more or, if told so, until it has drained, and puts it back.
fn away_and_back(envoy: &Envoy, dir: &TempDir, policy: &Value, drained: bool) {
    publish(dir, &[]);
    until("the listener to go", || {
        envoy.listeners().is_empty().then_some(())
    });
    let draining = || envoy.stat("listener_manager.total_listeners_draining");
    if drained {
        until("the end of the last VM", || {
            let active = envoy.stat("wasm.envoy.wasm.runtime.v8.active");
            (draining() + active == 0).then_some(())
        });
    } else {
        assert_eq!(draining(), 1);
    }
    let said = || envoy.logs().matches(": enforce mode").count();
    let before = said();
    publish(dir, &[policy]);
    if drained {
        // Envoy answers nothing while it compiles the module: the first thing it says is what the new VM says.
        until("the listener anew", || (said() > before).then_some(()));
    }
}

#[test]
fn a_listener_that_comes_back_while_it_drains_knows_what_it_knew() {
    if module().is_none() {
        return;
    }
    let (key, dir) = (Key::ed25519("k1"), TempDir::new());
    let upstream = Upstream::start().unwrap();
    let policy = policy(&key);
    publish(&dir, &[&policy]);
    let envoy = start(&dir, "600", &[("api", upstream.port())]);
    let home = |ago| send(&envoy, &at_home(&token(&key, "alice", ago).sign(&key)));
    let away = |ago| send(&envoy, &far_away(&token(&key, "alice", ago).sign(&key)));
    assert_eq!(home(60).status, 200);
    away_and_back(&envoy, &dir, &policy, false);
    assert_eq!(away(50).status, 401);
}

#[test]
fn a_listener_that_comes_back_after_it_drained_begins_anew() {
    if module().is_none() {
        return;
    }
    let (key, dir) = (Key::ed25519("k1"), TempDir::new());
    let upstream = Upstream::start().unwrap();
    let mut policy = policy(&key);
    publish(&dir, &[&policy]);
    let envoy = start(&dir, "1", &[("api", upstream.port())]);
    let home = |ago| send(&envoy, &at_home(&token(&key, "alice", ago).sign(&key)));
    let away = |ago| send(&envoy, &far_away(&token(&key, "alice", ago).sign(&key)));
    assert_eq!(home(60).status, 200);
    assert_eq!(away(50).status, 401);
    // So far that another memory, which the process refuses while anything is kept, is taken.
    policy["baseline"]["memory_mib"] = json!(2);
    away_and_back(&envoy, &dir, &policy, true);
    let fresh = away(40);
    assert_eq!(fresh.status, 200);
    assert_eq!(reasons(&fresh), "young-baseline");
}

#[test]
fn a_process_that_comes_back_knows_what_the_snapshot_says_and_no_more() {
    if module().is_none() {
        return;
    }
    let (key, dir) = (Key::ed25519("k1"), TempDir::new());
    let (upstream, source) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let mut trained = Canned::status(200);
    trained.body = snapshot();
    source.serve("/baseline-1", trained);
    source.serve("/feed", Canned::json(&json!({ "version": 1 })));
    let mut policy = policy(&key);
    policy["feeds"] = json!([{
        "name": "soc", "cluster": "feeds", "authority": "feeds.test", "path": "/feed", "refresh_seconds": 1,
    }]);
    publish(&dir, &[&policy]);
    let clusters = [("api", upstream.port()), ("feeds", source.port())];
    let login = |who: &str, ago| at_home(&token(&key, who, ago).sign(&key));
    let journey = |who: &str, ago| far_away(&token(&key, who, ago).sign(&key));
    let envoy = start(&dir, "600", &clusters);
    for who in ["alice", "bob"] {
        assert_eq!(send(&envoy, &login(who, 60)).status, 200);
        assert_eq!(send(&envoy, &journey(who, 50)).status, 401);
    }
    envoy.stop();

    let envoy = start(&dir, "600", &clusters);
    for who in ["alice", "bob"] {
        let forgotten = send(&envoy, &journey(who, 40));
        assert_eq!(forgotten.status, 200);
        assert_eq!(reasons(&forgotten), "young-baseline");
    }
    envoy.stop();

    source.serve(
        "/feed",
        Canned::json(&json!({ "version": 1, "snapshot": { "path": "/baseline-1" } })),
    );
    let envoy = start(&dir, "600", &clusters);
    envoy.wait_for_log("snapshot loaded: 1 records of 200 events");
    let of = |who: &str| reasons(&send(&envoy, &login(who, 30)));
    assert!(!of("alice").contains("young-baseline"), "{}", of("alice"));
    assert!(of("bob").contains("young-baseline"), "{}", of("bob"));
}
