//! Feeds from behind a cluster, on two workers: what is revoked is refused on all of them, what fails changes nothing.
//! May use the kit's upstream as the place feeds come from, and the engine to write a snapshot.
//! Must not wait longer than a condition takes to hold.

use std::time::Duration;

use serde_json::{Value, json};
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::PageKind;
use stepgate::baseline::population::Population;
use stepgate::baseline::snapshot::SnapshotWriter;
use stepgate::signals::keyed::{Domain, HashKey};
use stepgate_testkit::envoy::until;
use stepgate_testkit::http::{Canned, Request, Upstream};
use stepgate_testkit::tokens::{Key, Token, now};

use crate::contract::{ISSUER, policy, reasons, token};
use crate::gateway::{Gateway, module, stepgate};
use crate::login;

const PATH: &str = "/feed";

fn fed(key: &Key, source: &Upstream) -> Value {
    let mut policy = policy(key);
    policy["feeds"] = json!([{
        "name": "soc", "cluster": "feeds", "authority": format!("127.0.0.1:{}", source.port()),
        "path": PATH, "refresh_seconds": 1, "timeout_seconds": 1, "max_bytes": 4096,
    }]);
    policy
}

fn gateway(key: &Key, source: &Upstream) -> Option<Gateway> {
    let filter = stepgate("stepgate", &fed(key, source).to_string());
    Gateway::with(vec![filter], &[("feeds", source.port())])
}

fn revoking(jtis: &[&str]) -> Value {
    let tokens: Vec<_> = jtis
        .iter()
        .map(|jti| json!({ "iss": ISSUER, "jti": jti }))
        .collect();
    json!({ "version": 1, "tokens": tokens })
}

fn signed(key: &Key, who: &str) -> String {
    token(key, who, 0).claim("jti", who).sign(key)
}

fn counted(gateway: &Gateway, name: &str) -> u64 {
    gateway.envoy.stat(&format!("wasmcustom.{name}"))
}

#[test]
fn a_revoked_token_is_refused_on_every_worker_within_a_tick_of_the_feed() {
    if module().is_none() {
        return;
    }
    let (key, source) = (Key::ed25519("k1"), Upstream::start().unwrap());
    source.serve(PATH, Canned::json(&revoking(&[])));
    let Some(gateway) = gateway(&key, &source) else {
        return;
    };
    let (alice, bob) = (signed(&key, "alice"), signed(&key, "bob"));
    let status = |token: &str| gateway.send(&Request::get("/").bearer(token)).status;
    // Connections of their own spread over both workers, which know both tokens by now.
    for _ in 0..16 {
        assert_eq!((status(&alice), status(&bob)), (200, 200));
    }
    let fetches = || counted(&gateway, "stepgate_feeds_fetched_total");
    let before = fetches();
    source.serve(PATH, Canned::json(&revoking(&["alice"])));
    // A fetch that began after the change has been answered: each worker has it when it ticked once.
    until("the feed", || (fetches() > before + 1).then_some(()));
    let fetched = fetches();
    until("the refusal on every worker", || {
        (0..32).all(|_| status(&alice) == 401).then_some(())
    });
    // Fetches are the clock: each takes a tick at least, however busy the machine.
    let ticks = fetches() - fetched;
    assert!(ticks <= 2, "{ticks}");
    assert_eq!(status(&bob), 200);
    gateway.envoy.wait_for_log("feed `soc`: 1 revocations");
    source.serve(PATH, Canned::json(&revoking(&[])));
    until("the token to hold again on every worker", || {
        (0..16).all(|_| status(&alice) == 200).then_some(())
    });
}

#[test]
fn a_list_counts_and_an_order_holds_on_every_worker_until_the_feed_drops_them() {
    if module().is_none() {
        return;
    }
    let (key, source) = (Key::ed25519("k1"), Upstream::start().unwrap());
    source.serve(PATH, Canned::json(&revoking(&[])));
    let Some(gateway) = gateway(&key, &source) else {
        return;
    };
    let (alice, bob) = (signed(&key, "alice"), signed(&key, "bob"));
    let send = |token: &str| gateway.send(&Request::get("/").bearer(token));
    let listed = || reasons(&send(&bob)).contains("listed-network;w=3.5");
    assert!(!listed());
    assert_eq!(send(&alice).status, 200);
    let expires = now() + 3600;
    source.serve(
        PATH,
        Canned::json(&json!({
            "version": 1,
            "networks": [{ "networks": ["0.0.0.0/0", "::/0"], "score": 3.5, "expires": expires }],
            "overrides": [{
                "iss": ISSUER, "sub": "alice", "action": "deny", "expires": expires,
                "owner": "soc", "reason": "case 7",
            }],
        })),
    );
    until("list and order on every worker", || {
        (0..16)
            .all(|_| send(&alice).status == 403 && listed())
            .then_some(())
    });
    source.serve(PATH, Canned::json(&revoking(&[])));
    until("neither on any worker", || {
        (0..16)
            .all(|_| send(&alice).status == 200 && !listed())
            .then_some(())
    });
}

#[test]
fn what_a_feed_said_last_holds_while_it_is_down_or_wrong() {
    if module().is_none() {
        return;
    }
    let (key, source) = (Key::ed25519("k1"), Upstream::start().unwrap());
    let Some(gateway) = gateway(&key, &source) else {
        return;
    };
    let (alice, bob) = (signed(&key, "alice"), signed(&key, "bob"));
    let status = |token: &str| gateway.send(&Request::get("/").bearer(token)).status;
    // The source echoes: JSON, but no feed. The filter goes on without it.
    let line = gateway.envoy.wait_for_log("missing field `version`");
    assert!(line.contains("the filter goes on without it"), "{line}");
    assert_eq!(status(&alice), 200);
    source.serve(PATH, Canned::json(&revoking(&["alice"])));
    until("the revocation on every worker", || {
        (0..16).all(|_| status(&alice) == 401).then_some(())
    });
    let mut redirect = Canned::status(302);
    redirect
        .headers
        .0
        .push((b"location".to_vec(), b"/elsewhere".to_vec()));
    let mut large = Canned::json(&revoking(&[]));
    large.body.extend(vec![b' '; 4096]);
    let mut page = Canned::status(200);
    page.body = b"<html>".to_vec();
    for (answer, why) in [
        (
            Canned::status(503),
            "status 503; what it said last still holds",
        ),
        (redirect, "status 302"),
        (large, "bytes: at most 4096 are read"),
        (page, "expected value"),
        (
            Canned::json(&json!({ "version": 1, "tokens": "all" })),
            "tokens: invalid type",
        ),
        (
            Canned::json(&revoking(&[])).after(Duration::from_secs(3)),
            "status 504",
        ),
    ] {
        source.serve(PATH, answer);
        gateway.envoy.wait_for_log(why);
        for _ in 0..8 {
            assert_eq!((status(&alice), status(&bob)), (401, 200), "{why}");
        }
    }
    assert!(counted(&gateway, "stepgate_feeds_failed_total") >= 6);
    let age = gateway
        .envoy
        .stats()
        .into_iter()
        .find(|(name, _)| name.contains("stepgate_feed_age_seconds"))
        .and_then(|(_, value)| value.parse::<u64>().ok());
    assert!(age.is_some_and(|age| age >= 4), "{age:?}");
    source.serve(PATH, Canned::json(&revoking(&["bob"])));
    until("the feed again", || {
        (0..16)
            .all(|_| status(&alice) == 200 && status(&bob) == 401)
            .then_some(())
    });
}

#[test]
fn the_kill_switch_puts_every_worker_into_shadow_and_back() {
    if module().is_none() {
        return;
    }
    let (key, source) = (Key::ed25519("k1"), Upstream::start().unwrap());
    source.serve(PATH, Canned::json(&json!({ "version": 1 })));
    let Some(gateway) = gateway(&key, &source) else {
        return;
    };
    let forged = Token::new(stepgate_testkit::tokens::claims(ISSUER, "eve", 1)).sign(&key);
    let send = || gateway.send(&Request::get("/").bearer(&forged));
    assert_eq!(send().status, 401);
    source.serve(
        PATH,
        Canned::json(&json!({ "version": 1, "mode": "shadow" })),
    );
    until("shadow on every worker", || {
        (0..16).all(|_| send().status == 200).then_some(())
    });
    let seen = send().echoed();
    assert_eq!(seen.text("x-stepgate-mode").as_deref(), Some("shadow"));
    assert_eq!(seen.text("x-stepgate-would").as_deref(), Some("deny"));
    // Down does not mean back: a switch is thrown on purpose.
    source.serve(PATH, Canned::status(500));
    gateway.envoy.wait_for_log("status 500");
    assert_eq!(send().status, 200);
    source.serve(PATH, Canned::json(&json!({ "version": 1 })));
    until("enforcing on every worker", || {
        (0..16).all(|_| send().status == 401).then_some(())
    });
}

#[test]
fn under_the_kill_switch_no_login_is_refused_wherever_its_name_was_read() {
    if module().is_none() {
        return;
    }
    for hold in [true, false] {
        let source = Upstream::start().unwrap();
        source.serve(PATH, Canned::json(&json!({ "version": 1 })));
        let mut policy = login::policy(&json!({ "failures": 3, "hold_body": hold }));
        policy["feeds"] = json!([{
            "name": "soc", "cluster": "feeds", "authority": "feeds.test", "path": PATH, "refresh_seconds": 1,
        }]);
        let filter = login::filter(&policy, hold);
        let gateway = Gateway::with(vec![filter], &[("feeds", source.port())]).unwrap();
        let guess = || gateway.send(&login::wrong(login::form("alice"))).status;
        for _ in 0..3 {
            assert_eq!(guess(), 401);
        }
        assert_eq!(guess(), 429, "{hold}");
        source.serve(
            PATH,
            Canned::json(&json!({ "version": 1, "mode": "shadow" })),
        );
        until("shadow on every worker", || {
            (0..16).all(|_| guess() == 401).then_some(())
        });
        source.serve(PATH, Canned::json(&json!({ "version": 1 })));
        until("enforcing on every worker", || {
            (0..16).all(|_| guess() == 429).then_some(())
        });
    }
}

#[test]
fn an_order_is_answered_for_in_every_line() {
    if module().is_none() {
        return;
    }
    let (key, source) = (Key::ed25519("k1"), Upstream::start().unwrap());
    let ordering = |action: &str| {
        json!({ "version": 1, "overrides": [{
            "iss": ISSUER, "sub": "alice", "action": action, "expires": now() + 600,
            "owner": "soc", "reason": format!("case 7: {action}") }] })
    };
    source.serve(PATH, Canned::json(&ordering("deny")));
    let Some(gateway) = gateway(&key, &source) else {
        return;
    };
    let alice = signed(&key, "alice");
    let send = || gateway.send(&Request::get("/").bearer(&alice));
    for (action, status) in [("deny", 403), ("step-up", 401), ("allow", 200)] {
        source.serve(PATH, Canned::json(&ordering(action)));
        until("the order on every worker", || {
            (0..16).all(|_| send().status == status).then_some(())
        });
        // An order that lets somebody pass is no routine, however often.
        send();
        let answered = send();
        let id = match status {
            200 => answered.echoed().text("x-stepgate-id").unwrap(),
            _ => answered.header("x-stepgate-id").unwrap(),
        };
        let line = gateway.envoy.wait_for_log(&id);
        assert!(line.contains("\"stepgate.order.owner\":\"soc\""), "{line}");
        let reason = format!("\"stepgate.order.reason\":\"case 7: {action}\"");
        assert!(line.contains(&reason), "{line}");
    }
}

/// A snapshot in which alice has been known for long.
pub(crate) fn snapshot() -> Vec<u8> {
    let key = HashKey::from_secret("a secret of the envoy tests");
    let identity = format!("{ISSUER}|alice");
    let locator = key.locate(Domain::Identity, &[identity.as_bytes()]);
    let record = IdentityRecord {
        created: now() as u32 - 90 * 86_400,
        updated: now() as u32,
        history: 200,
        events: 100.0,
        ..IdentityRecord::default()
    };
    let mut writer = SnapshotWriter::default();
    assert!(writer.record(PageKind::Identity, locator, |out| record.encode(out)));
    let mut population = Vec::new();
    Population::default().encode(&mut population);
    writer.population(&population);
    writer.trained_on(200, now() as u32);
    writer.finish(&key)
}

#[test]
fn the_snapshot_a_feed_names_is_loaded() {
    if module().is_none() {
        return;
    }
    let (key, source) = (Key::ed25519("k1"), Upstream::start().unwrap());
    let mut baseline = Canned::status(200);
    baseline.body = snapshot();
    source.serve("/baseline-1", baseline);
    source.serve(
        PATH,
        Canned::json(&json!({ "version": 1, "snapshot": { "path": "/baseline-1" } })),
    );
    let Some(gateway) = gateway(&key, &source) else {
        return;
    };
    gateway
        .envoy
        .wait_for_log("snapshot loaded: 1 records of 200 events");
    let of = |who: &str| {
        let response = gateway.send(&Request::get("/").bearer(&signed(&key, who)));
        reasons(&response)
    };
    assert!(!of("alice").contains("young-baseline"), "{}", of("alice"));
    assert!(of("bob").contains("young-baseline"));
    assert_eq!(source.hits("/baseline-1"), 1);
}
