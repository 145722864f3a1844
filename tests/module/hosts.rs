//! Hosts that lack something: the module configures or refuses, says which, and never stops.
//! May use the helpers of this test.
//! Must not expect more of a host than its status codes.

use serde_json::json;
use stepgate::baseline::page::VERSION;
use stepgate_testkit::host::{Host, OK, UNIMPLEMENTED, imports};

use crate::snapshot::{knows, snapshot, trained};
use crate::{
    HOME, MODULE, NOW, call, get, is_alive, policy, reasons, start, started, status, token, vm,
};

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
    assert_eq!(host.logged("the host lacks shared data: every").len(), 1);
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

/// A host whose shared data is that of ngx_wasm_module.
fn exact(room: Option<usize>) -> Host {
    let mut host = vm();
    {
        let data = &mut host.state().process.borrow_mut().data;
        (data.exact, data.room) = (true, room);
    }
    start(&mut host, &policy(|_| {}));
    host
}

#[test]
fn a_store_that_compares_every_number_is_shared_like_any_other() {
    let mut one = exact(None);
    assert!(one.logged("lacks shared data").is_empty());
    let keys = |host: &Host| host.state().process.borrow().data.entries.len();
    assert!(
        keys(&one) < 10,
        "pages come as they are needed: {}",
        keys(&one)
    );
    let mut two = one.sibling();
    two.set_property(&["source", "address"], HOME);
    start(&mut two, &policy(|_| {}));
    assert!(two.logged("lacks shared data").is_empty());

    call(&mut one, &token("alice", 0), "200");
    call(&mut two, &token("alice", 0), "200");
    assert_eq!(one.metric("stepgate_learned_total"), 1);
    one.conflict(2);
    call(&mut one, &token("alice", 60), "200");
    assert_eq!(one.metric("stepgate_learned_total"), 2);
    assert_eq!(one.metric("stepgate_cas_retries_total"), 2);

    // What everybody does is stored with and without a check, again and again.
    for later in [20, 40, 60] {
        for host in [&mut one, &mut two] {
            call(host, &token(&format!("user{later}"), later), "200");
            host.set_time((NOW + later) as f64);
            host.tick().unwrap();
        }
    }
    let population = format!("stepgate/stepgate/population{VERSION}");
    let data = &one.state().process.borrow().data;
    assert!(data.get(&population).is_some());
    assert!(data.get(format!("{population}-mark")).is_some());
}

#[test]
fn a_store_that_drops_keys_forgets_and_goes_on() {
    let mut host = exact(Some(4));
    for number in 0..30 {
        let name = format!("user{number}");
        assert_eq!(status(&call(&mut host, &token(&name, 0), "200")), 200);
        host.set_time((NOW + number) as f64);
        host.tick().unwrap();
    }
    assert!(host.state().process.borrow().data.entries.len() <= 4);
    assert_eq!(host.metric("stepgate_learned_total"), 30);
    // Nor is a policy refused because the layout was dropped.
    start(&mut host, &policy(|_| {}));
    is_alive(&mut host);
}

#[test]
fn without_ticks_requests_do_their_work() {
    let trained = trained(&snapshot("a key for tests only"));
    let mut host = lacking(&["proxy_set_tick_period_milliseconds"], &trained);
    call(&mut host, &token("alice", 0), "200");
    let marked = |host: &Host| {
        let process = host.state().process.borrow();
        let mark = format!("stepgate/stepgate/population{VERSION}-mark");
        process.data.get(mark).is_some()
    };
    let loaded = |host: &Host| host.metric("stepgate_snapshot_records_total");
    assert!(!marked(&host) && loaded(&host) == 0, "not before its time");
    assert!(!knows(&mut host, 1));

    // What was learned is shared, and the snapshot is loaded, a piece a second.
    let mut seconds = 0;
    while host.logged("snapshot loaded").is_empty() {
        seconds += 1;
        assert!(seconds < 100, "never loaded");
        host.set_time((NOW + seconds) as f64);
        let before = loaded(&host);
        get(&mut host, &[]);
        let piece = loaded(&host);
        get(&mut host, &[]);
        assert_eq!(loaded(&host), piece, "once a second");
        assert!(seconds > 1 || (before == 0 && piece > 0));
    }
    host.set_time((NOW + seconds + 30) as f64);
    get(&mut host, &[]);
    assert!(marked(&host));
    assert!(knows(&mut host, 1));
}

#[test]
fn one_line_says_what_is_missing_and_the_page_on_hosts_what_it_means() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/hosts.md");
    let page = std::fs::read_to_string(page).unwrap();
    let absent = [
        "proxy_get_shared_data",
        "proxy_set_tick_period_milliseconds",
        "proxy_call_foreign_function",
        "proxy_define_metric",
        "proxy_get_current_time_nanoseconds",
    ];
    let mut host = lacking(&absent, &policy(|_| {}));
    let said = host.logged("the host lacks ");
    assert_eq!(said.len(), 1);
    let (_, lacks) = said[0].text.split_once("the host lacks ").unwrap();
    // A lack may say two things of itself, so what is compared is each part.
    let parts: Vec<&str> = lacks.split("; ").collect();
    assert!(parts.len() > absent.len(), "{lacks}");
    for part in parts {
        let told = match part.split_once(": ") {
            Some((what, meaning)) => page
                .lines()
                .any(|line| line.starts_with(&format!("| {what} |")) && line.contains(meaning)),
            None => page.contains(part),
        };
        assert!(told, "docs/hosts.md does not say: {part}");
    }
    get(&mut host, &[]);
    assert!(host.dead().is_none());

    // Where nothing is missing nothing is said.
    let mut whole = vm();
    let verify = |_: &[u8]| Ok(vec![0x08, 1]);
    let foreign = &mut whole.state_mut().foreign;
    foreign.insert("verify_signature".into(), Box::new(verify));
    start(&mut whole, &policy(|_| {}));
    assert!(whole.logged("the host lacks").is_empty());
}

#[test]
fn without_callouts_the_line_says_so_where_something_is_to_be_fetched() {
    let fetching = policy(|policy| {
        let issuer = &mut policy["credentials"]["issuers"][0];
        issuer["keys"] = json!(null);
        issuer["jwks"] = json!({ "cluster": "idp", "authority": "idp.test" });
    });
    let said = |policy| {
        let host = lacking(&["proxy_http_call"], &policy);
        host.logged("callouts: nothing is fetched").len()
    };
    assert_eq!(said(fetching), 1);
    assert_eq!(said(policy(|_| {})), 0);
}

#[test]
fn without_a_clock_no_token_is_in_time() {
    let mut host = lacking(&["proxy_get_current_time_nanoseconds"], &policy(|_| {}));
    let refused = call(&mut host, &token("alice", 0), "200");
    assert_eq!(status(&refused), 401);
    assert_eq!(status(&get(&mut host, &[])), 200);
}

#[test]
fn the_address_is_text_under_the_name_the_host_has_for_it() {
    let journey = |name: Option<&[&str]>| {
        let mut host = vm();
        host.state_mut().properties.remove(&b"source\0address"[..]);
        start(&mut host, &policy(|_| {}));
        let mut told = Vec::new();
        for address in ["198.51.100.7", "203.0.113.9"] {
            if let Some(name) = name {
                host.set_property(name, address);
            }
            for later in 0..12 {
                let exchange = call(&mut host, &token("alice", later * 86_400), "200");
                told.push(reasons(&exchange));
            }
        }
        told
    };
    let of_envoy = journey(Some(&["source", "address"]));
    assert_eq!(of_envoy, journey(Some(&["remote_addr"])));
    assert_ne!(of_envoy, journey(None));
}

#[test]
fn a_host_that_answers_every_property_with_nothing_is_one_without_properties() {
    let mut host = vm();
    host.fix("proxy_get_property", OK);
    start(&mut host, &policy(|_| {}));
    is_alive(&mut host);
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
