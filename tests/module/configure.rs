//! Taking a policy, refusing one, and changing it in a VM that runs.
//! May use the helpers of this test.
//! Must not test what a policy means.

use serde_json::json;
use stepgate_testkit::host::{exports, imports};

use crate::{MODULE, call, get, is_alive, policy, reasons, start, started, status, token, vm};

/// What the adapter calls.
const CALLED: [&str; 20] = [
    "env.proxy_add_header_map_value",
    "env.proxy_call_foreign_function",
    "env.proxy_define_metric",
    "env.proxy_get_buffer_bytes",
    "env.proxy_get_current_time_nanoseconds",
    "env.proxy_get_header_map_pairs",
    "env.proxy_get_header_map_value",
    "env.proxy_get_property",
    "env.proxy_get_shared_data",
    "env.proxy_http_call",
    "env.proxy_increment_metric",
    "env.proxy_log",
    "env.proxy_record_metric",
    "env.proxy_remove_header_map_value",
    "env.proxy_replace_header_map_value",
    "env.proxy_send_local_response",
    "env.proxy_set_effective_context",
    "env.proxy_set_property",
    "env.proxy_set_shared_data",
    "env.proxy_set_tick_period_milliseconds",
];

/// What the SDK links besides, and nothing calls.
const LINKED: [&str; 15] = [
    "env.proxy_close_stream",
    "env.proxy_continue_stream",
    "env.proxy_dequeue_shared_queue",
    "env.proxy_done",
    "env.proxy_enqueue_shared_queue",
    "env.proxy_get_status",
    "env.proxy_grpc_call",
    "env.proxy_grpc_cancel",
    "env.proxy_grpc_close",
    "env.proxy_grpc_send",
    "env.proxy_grpc_stream",
    "env.proxy_register_shared_queue",
    "env.proxy_resolve_shared_queue",
    "env.proxy_set_buffer_bytes",
    "env.proxy_set_header_map_pairs",
];

/// What the standard library needs of WASI.
const WASI: [&str; 5] = [
    "wasi_snapshot_preview1.environ_get",
    "wasi_snapshot_preview1.environ_sizes_get",
    "wasi_snapshot_preview1.fd_write",
    "wasi_snapshot_preview1.proc_exit",
    "wasi_snapshot_preview1.random_get",
];

#[test]
fn nothing_but_the_named_host_functions_is_imported() {
    for import in imports(&MODULE) {
        let known = [&CALLED[..], &LINKED, &WASI]
            .concat()
            .contains(&import.as_str());
        assert!(
            known,
            "`{import}` is not a host function the module should need"
        );
    }
    let mut host = started(&policy(|_| {}));
    is_alive(&mut host);
    host.tick().unwrap();
    for unused in LINKED {
        let name = unused.trim_start_matches("env.");
        assert!(!host.state().used.contains_key(name), "{name}");
    }
}

#[test]
fn no_callback_is_exported_that_would_cost_a_call_for_nothing() {
    let exports = exports(&MODULE);
    for needed in [
        "proxy_abi_version_0_2_1",
        "proxy_on_memory_allocate",
        "proxy_on_configure",
        "proxy_on_tick",
        "proxy_on_request_headers",
        "proxy_on_request_body",
        "proxy_on_request_trailers",
        "proxy_on_response_headers",
        "proxy_on_http_call_response",
    ] {
        assert!(exports.iter().any(|name| name == needed), "{needed}");
    }
    for idle in [
        "proxy_on_response_body",
        "proxy_on_response_trailers",
        "proxy_on_grpc_receive",
        "proxy_on_queue_ready",
        "proxy_on_new_connection",
    ] {
        assert!(!exports.iter().any(|name| name == idle), "{idle}");
    }
}

#[test]
fn no_configuration_at_all_watches_in_shadow_mode() {
    for text in ["", "{}", "  "] {
        let mut host = vm();
        assert!(host.start(text).unwrap());
        let exchange = get(&mut host, &[]);
        assert_eq!(exchange.header("x-stepgate-mode").unwrap(), "shadow");
        assert_eq!(exchange.header("x-stepgate-decision").unwrap(), "allow");
        assert_eq!(reasons(&exchange), "anonymous");
        assert_eq!(host.logged("public constant").len(), 1);
    }
}

#[test]
fn the_log_says_what_is_in_force_and_never_a_secret() {
    let host = started(&policy(|_| {}));
    assert_eq!(host.logged("enforce mode, 0 tiers, 1 issuers").len(), 1);
    assert_eq!(host.logged("; this module verifies signatures").len(), 1);
    assert!(host.logged("a key for tests only").is_empty());
    assert!(host.logged("public constant").is_empty());
}

#[test]
fn a_bad_configuration_is_refused_with_a_message_and_the_old_one_stays() {
    let mut host = started(&policy(|_| {}));
    for (bad, message) in [
        (
            "{\"mode\":\"on\"}",
            "policy refused: mode: unknown variant `on`",
        ),
        (
            "{\"score\":{\"stepup\":1}}",
            "policy refused: score.stepup: unknown field",
        ),
        ("{", "EOF while parsing an object"),
        (
            "{\"baseline\":{\"memory_mib\":0}}",
            "policy refused: baseline.memory_mib: 0 is out of range",
        ),
    ] {
        assert!(!host.start(bad).unwrap(), "{bad}");
        assert_eq!(
            host.logged(message).len(),
            1,
            "{:?}",
            host.state().logs.last()
        );
        is_alive(&mut host);
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let mut host = vm();
    assert!(host.start("{}").unwrap());
    host.fix("proxy_get_buffer_bytes", 1);
    // A host that gives no configuration gives an empty one.
    assert!(host.start("anything").unwrap());
}

#[test]
fn memory_and_key_hold_for_the_life_of_the_process() {
    let mut host = started(&policy(|_| {}));
    let larger = policy(|policy| policy["baseline"]["memory_mib"] = json!(2));
    assert!(!host.start(&larger.to_string()).unwrap());
    let refused = "baseline.memory_mib: 2 differs from 1, with which this process started";
    assert_eq!(host.logged(refused).len(), 1);
    let other = policy(|policy| policy["hash_key"] = json!("another key for tests"));
    assert!(!host.start(&other.to_string()).unwrap());
    assert_eq!(host.logged("hash_key: differs from the one").len(), 1);
    is_alive(&mut host);
}

#[test]
fn the_canary_changes_nothing_for_those_that_follow() {
    let mut canary = started(&policy(|_| {}));
    is_alive(&mut canary);
    let mut worker = canary.sibling();
    worker.set_property(&["source", "address"], crate::HOME);
    start(&mut worker, &policy(|_| {}));
    let kept = worker.state().process.borrow().data.entries.len();
    let mut another = canary.sibling();
    start(&mut another, &policy(|_| {}));
    assert_eq!(another.state().process.borrow().data.entries.len(), kept);
    is_alive(&mut worker);
}

#[test]
fn a_new_policy_takes_over_in_the_same_vm() {
    let mut host = started(&policy(|_| {}));
    let alice = token("alice", 0);
    assert_eq!(status(&call(&mut host, &alice, "200")), 200);
    assert_eq!(status(&call(&mut host, &alice, "200")), 200);
    assert_eq!(host.metric("stepgate_tokens_verified_total"), 1);
    // What is learned stays; who was verified under the old policy is verified again.
    start(
        &mut host,
        &policy(|policy| policy["mode"] = json!("shadow")),
    );
    let exchange = call(&mut host, &alice, "200");
    assert_eq!(exchange.header("x-stepgate-mode").unwrap(), "shadow");
    assert_eq!(host.metric("stepgate_tokens_verified_total"), 2);
    assert_eq!(host.metric("stepgate_learned_total"), 1);
    // An issuer that is no longer believed is not.
    start(
        &mut host,
        &policy(|policy| {
            policy["credentials"]["issuers"][0]["issuer"] = json!("https://other.test");
        }),
    );
    let exchange = call(&mut host, &alice, "200");
    assert_eq!(status(&exchange), 401);
}
