//! Another plugin in the same shared data, which writes garbage under the names of ours.
//! May use a plugin written as text, in a listener of its own under the same `vm_id`.
//! Must not stop the plugin: it goes on as long as requests come.

use serde_json::json;
use stepgate::baseline::page::VERSION;
use stepgate_testkit::tokens::Key;

use crate::contract::{at_home, policy, token};
use crate::gateway::{Gateway, listener, module, stepgate};

/// A plugin that writes the same garbage over each of these names on every request.
fn vandal(names: &[String]) -> Vec<u8> {
    let garbage = 60_000;
    let mut data = String::new();
    let mut calls = String::new();
    let mut at = 4096;
    for name in names {
        data.push_str(&format!("(data (i32.const {at}) \"{name}\")\n"));
        calls.push_str(&format!(
            "(drop (call $set (i32.const {at}) (i32.const {}) (i32.const {garbage}) (i32.const 20) (i32.const 0)))\n",
            name.len()
        ));
        at += name.len();
    }
    assert!(at < garbage);
    let text = format!(
        r#"(module
        (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        {data}
        (data (i32.const {garbage}) "garbage from others!")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "_initialize"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 80000))
        (func (export "proxy_on_context_create") (param i32 i32))
        (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
        (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          {calls} (i32.const 0))
        (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
        (func (export "proxy_on_delete") (param i32)))"#
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn a_plugin_that_writes_garbage_to_our_names_is_found_out_and_survived() {
    if module().is_none() {
        return;
    }
    let dir = stepgate_testkit::envoy::TempDir::new();
    let mut names: Vec<String> = (0..256_u32)
        .flat_map(|n| ["i", "s", "a", "r"].map(|kind| format!("stepgate/stepgate/{kind}{n:x}")))
        .collect();
    names.extend(
        [
            "layout",
            &format!("population{VERSION}"),
            &format!("population{VERSION}-mark"),
            "probe",
        ]
        .map(|name| format!("stepgate/stepgate/{name}")),
    );
    let code = dir.write("vandal.wasm", vandal(&names));
    let mut other = stepgate("vandal", "{}");
    other["name"] = json!("vandal");
    let config = &mut other["typed_config"]["config"];
    config["name"] = json!("vandal");
    config["vm_config"]["code"]["local"]["filename"] = json!(code);
    let key = Key::ed25519("k1");
    let filter = stepgate("stepgate", &policy(&key).to_string());
    let gateway = Gateway::on(
        1,
        &[
            listener("ours", vec![filter]),
            listener("theirs", vec![other]),
        ],
        &[],
    );
    let (ours, theirs) = (
        gateway.envoy.listener("ours"),
        gateway.envoy.listener("theirs"),
    );
    let ask = |bearer: &str| {
        let answer = at_home(bearer).send(ours).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let decision = answer.echoed().text("x-stepgate-decision");
        assert_eq!(decision.as_deref(), Some("allow"));
    };
    let count = |name: &str| {
        gateway
            .envoy
            .stat(&format!("wasmcustom.stepgate_{name}_total"))
    };
    ask(&token(&key, "alice", 900).sign(&key));
    assert_eq!((count("bad_pages"), count("learned")), (0, 1));
    let vms = gateway.vms();
    for round in 0..5 {
        let done = at_home("x").send(theirs).unwrap();
        assert_eq!(done.status, 200, "their listener answers");
        let (found, learned) = (count("bad_pages"), count("learned"));
        let bearer = token(&key, "alice", 800 - round * 100).sign(&key);
        ask(&bearer);
        assert!(count("bad_pages") > found, "round {round}: found out");
        assert_eq!(count("learned"), learned + 1, "round {round}: learned anew");
        ask(&bearer);
        assert_eq!(
            count("learned"),
            learned + 1,
            "round {round}: and kept, so the page is sound"
        );
    }
    // The values that are no pages: found when they are next read, at a tick at the latest.
    stepgate_testkit::envoy::until("the garbage in other values", || {
        (count("bad_values") > 0).then_some(())
    });
    assert_eq!(gateway.vms(), vms);
    assert!(!gateway.envoy.logs().contains("wasm_fail_stream"));
}
