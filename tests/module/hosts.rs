//! Hosts that lack something: the module configures or refuses, says which, and never stops.
//! May use the helpers of this test.
//! Must not expect more of a host than its status codes.

use serde_json::json;
use stepgate_testkit::host::{Host, UNIMPLEMENTED, imports};

use crate::{MODULE, NOW, call, get, is_alive, policy, reasons, started, status, token, vm};

fn lacking(functions: &[&str], policy: &serde_json::Value) -> Host {
    let mut host = vm();
    for function in functions {
        host.fix(function, UNIMPLEMENTED);
    }
    assert!(host.start(&policy.to_string()).unwrap());
    host
}

#[test]
fn every_host_function_may_be_missing() {
    let policies = [
        policy(|_| {}),
        policy(|policy| {
            let issuer = &mut policy["credentials"]["issuers"][0];
            issuer["keys"] = json!(null);
            issuer["jwks"] = json!({ "cluster": "idp", "authority": "idp.test" });
        }),
    ];
    for import in imports(&MODULE) {
        let Some(function) = import.strip_prefix("env.") else {
            continue;
        };
        for policy in &policies {
            for status in [UNIMPLEMENTED, 1, 2, 10, u32::MAX] {
                let mut host = vm();
                host.fix(function, status);
                host.start(&policy.to_string())
                    .unwrap_or_else(|trap| panic!("{function} with {status}: {trap}"));
                for _ in 0..2 {
                    host.tick()
                        .unwrap_or_else(|trap| panic!("{function} with {status}: {trap}"));
                    call(&mut host, &token("alice", 0), "200");
                    get(&mut host, &[("x-stepgate-decision", b"allow")]);
                }
            }
        }
    }
}

#[test]
fn functions_that_fail_later_stop_nothing() {
    for import in imports(&MODULE) {
        let Some(function) = import.strip_prefix("env.") else {
            continue;
        };
        let mut host = started(&policy(|_| {}));
        host.fix(function, UNIMPLEMENTED);
        for _ in 0..2 {
            call(&mut host, &token("alice", 0), "200");
            host.tick()
                .unwrap_or_else(|trap| panic!("{function}: {trap}"));
        }
        host.state_mut().fixed.clear();
        is_alive(&mut host);
    }
}

#[test]
fn without_shared_data_a_vm_learns_for_itself() {
    let absent = ["proxy_get_shared_data", "proxy_set_shared_data"];
    let mut host = lacking(&absent, &policy(|_| {}));
    assert_eq!(host.logged("the host has no shared data").len(), 1);
    call(&mut host, &token("alice", 0), "200");
    assert_eq!(host.metric("stepgate_learned_total"), 1);
    call(&mut host, &token("alice", 0), "200");
    assert_eq!(host.metric("stepgate_learned_total"), 1);
    assert!(host.start(&policy(|_| {}).to_string()).unwrap());
    call(&mut host, &token("alice", 0), "200");
    assert_eq!(host.metric("stepgate_learned_total"), 1);
    assert!(host.state().process.borrow().data.entries.is_empty());
}

#[test]
fn without_ticks_or_callouts_keys_must_stand_in_the_policy() {
    let fetching = policy(|policy| {
        let issuer = &mut policy["credentials"]["issuers"][0];
        issuer["keys"] = json!(null);
        issuer["jwks"] = json!({ "cluster": "idp", "authority": "idp.test" });
    });
    for absent in [
        "proxy_set_tick_period_milliseconds",
        "proxy_http_call",
        "proxy_set_effective_context",
    ] {
        let mut host = lacking(&[absent], &fetching);
        assert_eq!(
            host.logged("the host cannot fetch keys").len(),
            1,
            "{absent}"
        );
        host.tick().unwrap();
        let refused = call(&mut host, &token("alice", 0), "200");
        assert_eq!(status(&refused), 401);
        assert!(host.state().calls.is_empty());
    }
}

#[test]
fn a_host_that_takes_no_calls_any_more_stops_nothing() {
    let fetching = policy(|policy| {
        let issuer = &mut policy["credentials"]["issuers"][0];
        issuer["keys"] = json!(null);
        issuer["jwks"] = json!({ "cluster": "idp", "authority": "idp.test" });
    });
    for broken in [1, 3, 6, 8, UNIMPLEMENTED, 99, u32::MAX] {
        let mut host = started(&fetching);
        host.fix("proxy_http_call", broken);
        host.tick()
            .unwrap_or_else(|trap| panic!("status {broken}: {trap}"));
        assert_eq!(host.metric("stepgate_jwks_failed_total"), 1, "{broken}");
        host.state_mut().fixed.clear();
        host.set_time((NOW + 600) as f64);
        host.tick().unwrap();
        assert_eq!(host.state().calls.len(), 1, "asked again: {broken}");
    }
}

#[test]
fn a_host_that_evicts_pages_is_a_host_with_fresh_pages() {
    let mut host = started(&policy(|_| {}));
    call(&mut host, &token("alice", 0), "200");
    host.state().process.borrow_mut().data.entries.clear();
    let exchange = call(&mut host, &token("alice", 0), "200");
    assert_eq!(status(&exchange), 200);
    assert!(reasons(&exchange).contains("young-baseline"));
    assert_eq!(host.metric("stepgate_learned_total"), 2);
}

#[test]
fn the_host_verifies_where_it_can() {
    let mut host = vm();
    let verify = |_: &[u8]| Ok(vec![0x08, 1]);
    let foreign = &mut host.state_mut().foreign;
    foreign.insert("verify_signature".into(), Box::new(verify));
    assert!(host.start(&policy(|_| {}).to_string()).unwrap());
    assert_eq!(host.logged("the host verifies signatures").len(), 1);
}
