//! What an operator sees: statistics, access logs, refused configurations, updates.
//! May use Envoy's admin interface, its log and its file subscriptions.
//! Must not read the module's memory.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use stepgate_testkit::envoy::{Setup, TempDir, until};
use stepgate_testkit::http::{Request, Upstream};
use stepgate_testkit::tokens::Key;

use crate::contract::{at_home, far_away, policy, token};
use crate::gateway::{Gateway, bootstrap, listener, module, stepgate};

#[test]
fn decisions_are_counted_and_logged() {
    let key = Key::ed25519("k1");
    let Some(gateway) = Gateway::start(&policy(&key)) else {
        return;
    };
    assert_eq!(
        gateway
            .send(&at_home(&token(&key, "alice", 20).sign(&key)))
            .status,
        200
    );
    let refused = gateway.send(&far_away(&token(&key, "alice", 10).sign(&key)));
    assert_eq!(refused.status, 401);
    let spoofed = Request::get("/spoofed").header("x-stepgate-score", "0");
    assert_eq!(gateway.send(&spoofed).status, 200);

    let stats = gateway.envoy.stats();
    let counted = |parts: &[&str]| -> u64 {
        let found = stats.iter().filter(|(name, _)| {
            name.starts_with("wasmcustom.stepgate_") && parts.iter().all(|part| name.contains(part))
        });
        found
            .filter_map(|(_, value)| value.parse::<u64>().ok())
            .sum()
    };
    assert_eq!(counted(&["requests_total", "=allow", "=enforce"]), 2);
    assert_eq!(counted(&["requests_total", "=step-up", "=enforce"]), 1);
    assert_eq!(counted(&["requests_total", "=deny"]), 0);
    assert_eq!(counted(&["reasons_total", "=impossible-travel"]), 1);
    assert_eq!(counted(&["reasons_total", "=anonymous"]), 1);
    assert_eq!(counted(&["spoofed_headers_total"]), 1);
    assert!(counted(&["learned_total"]) >= 1);
    assert!(
        stats
            .keys()
            .any(|name| name.starts_with("wasmcustom.stepgate_score"))
    );

    // The access log has the decision of passed and of refused requests, and its id.
    let id = refused.header("x-stepgate-id").unwrap();
    let line = gateway.envoy.wait_for_log(&id);
    let line = if line.contains("ACCESS") {
        line
    } else {
        gateway.envoy.wait_for_log(&format!("step-up {id}"))
    };
    assert!(
        line.contains("ACCESS /orders 401 stepgate_step_up step-up"),
        "{line}"
    );
    let passed = gateway.envoy.wait_for_log("ACCESS /spoofed");
    assert!(passed.contains("200 via_upstream allow d"), "{passed}");

    // The audit line says why, in the field names of events, without naming the person.
    let audit = until("the audit line", || {
        let logs = gateway.envoy.logs();
        let line = logs
            .lines()
            .find(|line| line.contains(&id) && line.contains("@timestamp"))?;
        let json = line.get(line.find('{')?..)?;
        let end = json.rfind('}')?;
        serde_json::from_str::<Value>(json.get(..=end)?).ok()
    });
    assert_eq!(audit["stepgate.would"], "step-up");
    assert!(
        audit["stepgate.reasons"]["impossible-travel"]
            .as_f64()
            .is_some_and(|nats| nats > 1.0)
    );
    assert_eq!(audit["source.ip"], "1.128.3.0");
    assert!(audit["user.hash"].is_string() && audit["user.id"].is_null());
    let logs = gateway.envoy.logs();
    assert!(!logs.contains("alice"), "a name in the log");
}

#[test]
fn a_bad_policy_is_refused_with_its_path() {
    if module().is_none() {
        return;
    }
    // Every message has its test in the engine; here two show that it reaches the operator.
    for (policy, message) in [
        (json!({ "scores": {} }), "unknown field `scores`"),
        (
            json!({ "tiers": [{ "name": "a", "step_up": 2.0 }] }),
            "tiers[0].step_up: 2 is not a probability",
        ),
    ] {
        let filter = stepgate("stepgate", &policy.to_string());
        let setup =
            Setup::new(&bootstrap(&[listener("main", vec![filter])], &[("api", 1)]).to_string());
        let (accepted, said) = setup.validate().unwrap();
        assert!(!accepted, "{policy}");
        assert!(said.contains(message), "no `{message}` in:\n{said}");
    }
}

/// Puts a file in place at once: Envoy watches for moves.
fn publish(dir: &Path, policy: &Value) {
    let filter = stepgate("stepgate", &policy.to_string());
    let mut resource = listener("main", vec![filter]);
    resource["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    let text = json!({ "resources": [resource] }).to_string();
    fs::write(dir.join("next"), text).unwrap();
    fs::rename(dir.join("next"), dir.join("lds.json")).unwrap();
}

#[test]
fn a_bad_update_leaves_the_good_policy_in_force() {
    if module().is_none() {
        return;
    }
    let key = Key::ed25519("k1");
    let upstream = Upstream::start().unwrap();
    let dir = TempDir::new();
    let mut policy = policy(&key);
    publish(dir.path(), &policy);
    let mut boot = bootstrap(&[], &[("api", upstream.port())]);
    boot["node"] = json!({ "id": "test", "cluster": "test" });
    boot["dynamic_resources"] =
        json!({ "lds_config": { "path_config_source": { "path": dir.path().join("lds.json") } } });
    let envoy = Setup::new(&boot.to_string())
        .concurrency(2)
        .start()
        .unwrap_or_else(|error| panic!("{error}"));
    let address = until("the listener", || {
        envoy.listeners().first().map(|(_, address)| *address)
    });
    let send = |request: &Request| request.send(address).unwrap();
    assert_eq!(
        send(&at_home(&token(&key, "alice", 30).sign(&key))).status,
        200
    );

    let mut bad = policy.clone();
    bad["score"] = json!({ "step_up": 7 });
    publish(dir.path(), &bad);
    until("the refusal", || {
        (envoy.stat("listener_manager.lds.update_rejected") == 1).then_some(())
    });
    envoy.wait_for_log("score.step_up: 7 is not a probability");
    assert_eq!(
        send(&far_away(&token(&key, "alice", 20).sign(&key))).status,
        401,
        "the old policy holds"
    );

    // What cannot change while the process lives is refused as well.
    let mut other = policy.clone();
    other["baseline"]["memory_mib"] = json!(2);
    publish(dir.path(), &other);
    until("the second refusal", || {
        (envoy.stat("listener_manager.lds.update_rejected") == 2).then_some(())
    });
    envoy.wait_for_log("memory_mib");

    // A good update takes over, and what was learned stays.
    policy["mode"] = json!("shadow");
    publish(dir.path(), &policy);
    let watches = || {
        send(&Request::get("/"))
            .echoed()
            .text("x-stepgate-mode")
            .as_deref()
            == Some("shadow")
    };
    until("the update on every worker", || {
        (0..16).all(|_| watches()).then_some(())
    });
    let passed = send(&far_away(&token(&key, "alice", 10).sign(&key)));
    assert_eq!(passed.status, 200, "{}", passed.text());
    let upstream_saw = passed.echoed();
    assert_eq!(
        upstream_saw.text("x-stepgate-mode").as_deref(),
        Some("shadow")
    );
    assert_eq!(
        upstream_saw.text("x-stepgate-would").as_deref(),
        Some("step-up")
    );
}
