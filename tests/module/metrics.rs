//! What is counted beyond decisions: the fill of the pages, generations of the policy, the heartbeat, audit lines held back.

use serde_json::json;

use crate::{NOW, call, policy, start, started, status, token};

#[test]
fn the_fill_of_the_pages_is_counted_in_turns() {
    let mut host = started(&policy(|_| {}));
    let gauge = |name: &str, table: &str| format!("stepgate_{name}.table=.={table};.;");
    for who in 0..30 {
        assert_eq!(
            status(&call(&mut host, &token(&format!("p{who}"), 0), "200")),
            200
        );
    }
    // Four tables of 256 pages together, 64 of them on a tick.
    for second in 1..8 {
        host.set_time((NOW + second) as f64);
        host.tick().unwrap();
    }
    assert_eq!(host.metric(&gauge("pages", "identity")), 176);
    assert_eq!(host.metric(&gauge("pages", "account")), 16);
    assert_eq!(host.metric(&gauge("records", "identity")), 30);
    let used = host.metric(&gauge("pages_used", "identity"));
    assert!((20..=30).contains(&used), "{used}");
    let bytes = host.metric(&gauge("page_bytes_used", "identity"));
    assert!((30 * 50..30 * 400).contains(&bytes), "{bytes}");
    assert_eq!(host.metric(&gauge("records", "routes")), 0);
    assert_eq!(host.metric("stepgate_heartbeats_total"), 7);
}

#[test]
fn a_policy_counts_once_however_many_vms_take_it() {
    let first = policy(|_| {});
    let mut host = started(&first);
    let number =
        |host: &stepgate_testkit::host::Host| host.metric("stepgate_configuration_generation");
    assert_eq!(number(&host), 1);
    let mut sibling = host.sibling();
    start(&mut sibling, &first);
    assert_eq!(number(&host), 1);
    let second = policy(|policy| policy["mode"] = json!("shadow"));
    start(&mut host, &second);
    start(&mut sibling, &second);
    assert_eq!(number(&host), 2);
    // One that is refused is none.
    let bad = policy(|policy| policy["baseline"]["memory_mib"] = json!(2));
    assert!(!host.start(&bad.to_string()).unwrap());
    assert_eq!(number(&host), 2);
    start(&mut host, &first);
    assert_eq!(number(&host), 3, "back again is a change too");
}

#[test]
fn held_back_audit_lines_are_said_when_their_window_ends() {
    let mut host = started(&policy(|policy| {
        policy["audit"] = json!({ "repeat_seconds": 60 });
    }));
    for second in 0..5 {
        host.set_time((NOW + second) as f64);
        assert_eq!(status(&call(&mut host, "not.a.token", "200")), 401);
    }
    assert_eq!(host.metric("stepgate_audit_lines_total"), 1);
    assert_eq!(host.metric("stepgate_audit_suppressed_total"), 4);
    assert_eq!(host.logged("token-garbage").len(), 1);
    host.set_time((NOW + 59) as f64);
    host.tick().unwrap();
    assert!(host.logged("stepgate.suppressed").is_empty());
    host.set_time((NOW + 60) as f64);
    host.tick().unwrap();
    let said = host.logged("\"stepgate.suppressed\":4");
    assert_eq!(said.len(), 1, "{:?}", host.state().logs);
    assert_eq!(status(&call(&mut host, "not.a.token", "200")), 401);
    assert_eq!(host.metric("stepgate_audit_lines_total"), 2);
}

#[test]
fn a_label_of_a_tier_is_its_name_and_beyond_fifteen_other() {
    let mut host = started(&policy(|policy| {
        let tiers = (0..20).map(|n| json!({ "name": format!("t{n}"), "paths": [format!("/{n}")] }));
        policy["tiers"] = tiers.collect();
    }));
    for n in [0, 14, 15, 19] {
        crate::get(&mut host, &[(":path", format!("/{n}").as_bytes())]);
        host.finish().unwrap();
    }
    let allowed = |tier: &str| {
        host.metric(&format!(
            "stepgate_requests_total.decision=.=allow;.;mode=.=enforce;.;tier=.={tier};.;"
        ))
    };
    for (tier, count) in [("t0", 1), ("t14", 1), ("other", 2), ("default", 0)] {
        assert_eq!(allowed(tier), count, "{tier}");
    }
}
