//! The host against a filter written by hand: what the kit promises the tests of the module.
//! May use the kit's host only.
//! Must not need the real module: it is not built when this runs.

#![allow(clippy::unwrap_used, reason = "a helper of tests is a test")]

use stepgate_testkit::headers::Headers;
use stepgate_testkit::host::{Action, Host, NOT_FOUND, UNIMPLEMENTED, exports, imports};

const WAT: &[u8] = include_bytes!("host.wat");

fn started() -> Host {
    let mut host = Host::new(WAT).unwrap();
    assert!(host.start("{}").unwrap());
    host
}

#[test]
fn configuration_and_environment_reach_the_module() {
    let mut host = Host::new(WAT).unwrap();
    let pair = ("STEPGATE_KEY".to_owned(), "k".to_owned());
    host.state_mut().environment.push(pair);
    assert!(!host.start("").unwrap());
    assert!(host.start("{\"a\":1}").unwrap());
    assert_eq!(host.logged("{\"a\":1}").len(), 1);
    assert_eq!(host.logged("STEPGATE_KEY=k").len(), 2);
    assert_eq!(host.state().roots[0].tick_ms, 0);
    assert_eq!(host.state().roots[1].tick_ms, 1000);
}

#[test]
fn headers_keep_their_bytes_and_every_change() {
    let mut host = started();
    let exchange = host.request(&[("X-In", &b"\xff\xfe"[..])]).unwrap();
    assert_eq!(exchange.action, Action::Continue);
    let expected = [("x-in", b"\xff\xfe"), ("x-out", b"\xff\xfe")];
    assert_eq!(exchange.request.headers, Headers::of(&expected));
    assert_eq!(exchange.reply, None);
}

#[test]
fn a_local_reply_is_kept_whole() {
    let mut host = started();
    let exchange = host.request(&[(":path", "/")]).unwrap();
    assert_eq!(exchange.action, Action::Pause);
    let reply = exchange.reply.unwrap();
    assert_eq!((reply.status, reply.grpc_status), (403, 7));
    assert_eq!(reply.body, b"denied");
    assert_eq!(reply.headers.text(":authority").as_deref(), Some("j"));
}

#[test]
fn a_body_is_held_until_the_filter_lets_it_go() {
    let mut host = started();
    host.open(&[("x-in", "1")], false).unwrap();
    let first = host.body("ab", false).unwrap();
    assert_eq!(first.action, Action::Pause);
    assert_eq!(
        (&first.request.body[..], &first.request.held[..]),
        (&b""[..], &b"ab"[..])
    );
    let second = host.body("cd", true).unwrap();
    assert_eq!(second.action, Action::Continue);
    assert_eq!(second.request.body, b"abcd");
}

#[test]
fn workers_share_data_and_conflicts_can_be_provoked() {
    let mut one = started();
    let mut two = one.sibling();
    assert!(two.start("{}").unwrap());
    one.request(&[("x-in", "one")]).unwrap();
    two.conflict(3);
    two.request(&[("x-in", "two")]).unwrap();
    assert_eq!(two.state().used["proxy_set_shared_data"], 4);
    let process = one.state().process.borrow();
    assert_eq!(process.data.get("key").unwrap().0, b"two");
}

#[test]
fn a_host_function_can_be_made_to_fail() {
    let mut host = started();
    host.fix("proxy_get_header_map_value", NOT_FOUND);
    let exchange = host.request(&[("x-in", "1")]).unwrap();
    assert_eq!(exchange.reply.unwrap().status, 403);
    host.fix("proxy_send_local_response", UNIMPLEMENTED);
    assert_eq!(host.request(&[("x-in", "1")]).unwrap().reply, None);
}

#[test]
fn callouts_are_recorded_and_answered() {
    let mut host = started();
    let call = host.state().calls[0].clone();
    assert_eq!((call.upstream.as_str(), call.timeout_ms), ("jwks", 500));
    assert_eq!(call.headers.text(":path").as_deref(), Some("/k"));
    host.answer(call.token, &[(":status", "200")], "the keys")
        .unwrap();
    assert_eq!(host.logged("the keys")[0].level, 3);
    assert!(host.state().calls[0].answered);
}

#[test]
fn request_headers_are_out_of_reach_in_the_response() {
    let mut host = started();
    host.request(&[("x-in", "1")]).unwrap();
    host.response(&[(":status", "200")]).unwrap();
    assert_eq!(host.logged("key")[0].level, 2); // the level is the status: bad argument
}

#[test]
fn an_unknown_import_traps_with_its_name() {
    let mut host = started();
    let trap = host.tick().unwrap_err();
    assert_eq!(trap.during, "proxy_on_tick");
    assert!(trap.cause.contains("`env.proxy_not_there`"), "{trap}");
}

#[test]
fn a_trap_leaves_the_vm_dead_and_inspectable() {
    let mut host = started();
    host.set_property(&["source", "address"], "192.0.2.1:4000");
    host.request(&[("x-in", "1")]).unwrap();
    let trap = host.log().unwrap_err();
    assert_eq!(trap.logged, ["denied"]);
    assert_eq!(host.logged("192.0.2.1:4000").len(), 1);
    assert_eq!(host.state().streams.len(), 1);
    let again = host.request(&[("x-in", "1")]).unwrap_err();
    assert_eq!(again.to_string(), trap.to_string());
}

#[test]
fn a_local_reply_in_the_log_phase_is_a_trap() {
    let mut host = started();
    let trap = host.log_unseen(&[(":path", "/")]).unwrap_err();
    assert!(trap.cause.contains("log phase"), "{trap}");
}

#[test]
fn imports_and_exports_are_listed() {
    assert!(imports(WAT).contains(&"env.proxy_log".to_owned()));
    assert!(imports(WAT).contains(&"wasi_snapshot_preview1.fd_write".to_owned()));
    assert!(exports(WAT).contains(&"proxy_on_tick".to_owned()));
}
