//! A VM that dies, under every failure policy: who gets an answer, what is still checked, what is still known.
//! May use a module that traps on a request with very many headers, or in the tick after one, and is else the one that ships.
//! Must not wait longer than a condition takes to hold.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stepgate_testkit::envoy::{Envoy, Setup, TempDir, until};
use stepgate_testkit::http::{Canned, Request, Response, Upstream};
use stepgate_testkit::tokens::Key;
use stepgate_testkit::trap::{trapping, trapping_in_tick};

use crate::contract::{at_home, far_away, policy, reasons, token};
use crate::gateway::{bootstrap, listener, module, stepgate};
use crate::updates::Ends;

/// More headers than this stop the VM.
const MOST: i32 = 300;

/// An Envoy with the module that traps, on so many workers; its directory is watched for another listener.
struct Fragile {
    envoy: Envoy,
    upstream: Upstream,
    key: Key,
    dir: TempDir,
    module: std::path::PathBuf,
}

impl Fragile {
    /// Both workers answer, and know alice's home.
    fn kept_its_baseline(&self) {
        until("both workers", || {
            (0..16).all(|_| self.home(60).status == 200).then_some(())
        });
        assert_eq!(self.away(10).status, 401, "alice's home is known");
        assert_eq!(self.envoy.stat("wasmcustom.stepgate_bad_pages_total"), 0);
    }

    fn start(workers: u32, callback: &str, most: i32, failing: &Value) -> Option<Self> {
        let shipped = fs::read(module()?).unwrap();
        Self::with(workers, trapping(&shipped, callback, most), failing)
    }

    /// One whose VMs die in the tick after a request with very many headers.
    fn ticking(workers: u32, failing: &Value) -> Option<Self> {
        let shipped = fs::read(module()?).unwrap();
        Self::with(workers, trapping_in_tick(&shipped, MOST), failing)
    }

    fn with(workers: u32, module: Vec<u8>, failing: &Value) -> Option<Self> {
        let dir = TempDir::new();
        let module = dir.write("trap.wasm", module);
        let upstream = Upstream::start().unwrap();
        let mut boot = bootstrap(&[], &[("api", upstream.port())]);
        boot["node"] = json!({ "id": "test", "cluster": "test" });
        boot["dynamic_resources"] = json!({
            "lds_config": { "path_config_source": { "path": dir.path().join("lds.json") } },
        });
        let key = Key::ed25519("k1");
        publish(&dir, filter(&module, &key, failing));
        let envoy = Setup::new(&boot.to_string())
            .concurrency(workers)
            .start()
            .unwrap_or_else(|error| panic!("{error}"));
        let fragile = Self {
            envoy,
            upstream,
            key,
            dir,
            module,
        };
        until("the listener", || {
            fragile.envoy.listeners().first().map(drop)
        });
        Some(fragile)
    }

    fn send(&self, request: &Request) -> Response {
        let answer = request.send(self.envoy.address());
        answer.unwrap_or_else(|error| panic!("{error}\n{}", self.envoy.logs()))
    }

    fn home(&self, ago: u64) -> Response {
        self.send(&at_home(&token(&self.key, "alice", ago).sign(&self.key)))
    }

    fn away(&self, ago: u64) -> Response {
        self.send(&far_away(&token(&self.key, "alice", ago).sign(&self.key)))
    }

    /// A request no proxy in its senses lets through, which stops the VM that sees it.
    fn fatal(&self) -> Response {
        self.send(&fatal())
    }
}

fn fatal() -> Request {
    (0..=MOST).fold(Request::get("/fatal"), |request, n| {
        request.header(format!("x-{n}"), "1")
    })
}

fn filter(module: &std::path::Path, key: &Key, failing: &Value) -> Value {
    let mut filter = stepgate("stepgate", &policy(key).to_string());
    let config = &mut filter["typed_config"]["config"];
    config["vm_config"]["code"]["local"]["filename"] = json!(module);
    let fields = config.as_object_mut().unwrap();
    fields.remove("failure_policy");
    for (name, value) in failing.as_object().unwrap() {
        fields.insert(name.clone(), value.clone());
    }
    filter
}

fn publish(dir: &TempDir, filter: Value) {
    let mut resource = listener("main", vec![filter]);
    resource["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    let next = dir.write("next", json!({ "resources": [resource] }).to_string());
    fs::rename(next, dir.path().join("lds.json")).unwrap();
}

fn reloading() -> Value {
    json!({ "failure_policy": "FAIL_RELOAD", "reload_config": { "backoff": { "base_interval": "0.01s" } } })
}

/// Sends until told to stop, on connections of its own: the answers, none of which may be missing.
fn honest(address: SocketAddr, over: &AtomicBool) -> Vec<u16> {
    let mut answers = Vec::new();
    while !over.load(Ordering::Relaxed) {
        answers.push(Request::get("/honest").send(address).unwrap().status);
    }
    answers
}

#[test]
fn a_vm_that_reloads_keeps_the_baseline_and_answers_every_request() {
    let Some(fragile) = Fragile::start(2, "proxy_on_request_headers", MOST, &reloading()) else {
        return;
    };
    assert_eq!(fragile.home(60).status, 200);
    let slow = Canned::status(204).after(Duration::from_millis(300));
    fragile.upstream.serve("/slow", slow);
    let (address, over) = (fragile.envoy.address(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let ends = Ends(&over);
        let honest: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| honest(address, &over)))
            .collect();
        // Some are with the upstream while the VMs of both workers die, and again.
        let waiting: Vec<_> = (0..8)
            .map(|_| scope.spawn(move || Request::get("/slow").send(address).unwrap().status))
            .collect();
        until("the slow ones to reach the upstream", || {
            (fragile.upstream.hits("/slow") == 8).then_some(())
        });
        for _ in 0..10 {
            assert_eq!(fragile.fatal().status, 503);
        }
        for waiting in waiting {
            let status = waiting.join().unwrap();
            assert!([204, 503].contains(&status), "{status}");
        }
        drop(ends);
        for honest in honest {
            let answers = honest.join().unwrap();
            let failed = answers.iter().filter(|status| **status == 503).count();
            assert!(answers.iter().all(|status| [200, 503].contains(status)));
            assert!(failed < answers.len(), "all of {failed} failed");
        }
    });
    fragile.envoy.wait_for_log("wasm_fail_stream");
    assert!(fragile.envoy.stat("wasm.stepgate.vm_reload_success") > 0);
    fragile.kept_its_baseline();
}

#[test]
fn a_vm_that_dies_of_a_response_is_made_anew_as_well() {
    let started = Fragile::start(1, "proxy_on_response_headers", 40, &reloading());
    let Some(fragile) = started else { return };
    assert_eq!(fragile.home(60).status, 200);
    let mut many = Canned::status(200);
    for n in 0..50 {
        let name = format!("x-{n}").into_bytes();
        many.headers.0.push((name, b"1".to_vec()));
    }
    fragile.upstream.serve("/many", many);
    assert_eq!(fragile.send(&Request::get("/many")).status, 503);
    until("the VM", || (fragile.home(60).status == 200).then_some(()));
    assert_eq!(fragile.away(10).status, 401);
}

#[test]
fn a_vm_that_dies_in_a_tick_is_made_anew_and_answers_every_request() {
    let Some(fragile) = Fragile::ticking(2, &reloading()) else {
        return;
    };
    assert_eq!(fragile.home(60).status, 200);
    let (address, over) = (fragile.envoy.address(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let ends = Ends(&over);
        let honest: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| honest(address, &over)))
            .collect();
        // Nobody asks for it: the request that brings the trap about is answered, and the VM dies between two of them.
        for times in 1..=3 {
            let reloads = || fragile.envoy.stat("wasm.stepgate.vm_reload_success");
            let before = reloads();
            assert!([200, 503].contains(&fragile.fatal().status));
            until("a VM to die and to come back", || {
                let again = [200, 503].contains(&fragile.fatal().status);
                (again && reloads() > before).then_some(())
            });
            assert!(reloads() >= times);
        }
        drop(ends);
        for honest in honest {
            let answers = honest.join().unwrap();
            let failed = answers.iter().filter(|status| **status == 503).count();
            assert!(answers.iter().all(|status| [200, 503].contains(status)));
            assert!(failed * 2 < answers.len(), "{failed} of {}", answers.len());
        }
    });
    fragile.kept_its_baseline();
}

#[test]
fn a_vm_that_dies_in_a_tick_fails_closed_or_open_as_it_is_told() {
    for (failing, afterwards) in [
        (json!({ "failure_policy": "FAIL_CLOSED" }), 503),
        (json!({ "failure_policy": "FAIL_OPEN" }), 200),
    ] {
        let started = Fragile::ticking(1, &failing);
        let Some(fragile) = started else { return };
        assert_eq!(fragile.home(60).status, 200);
        assert_eq!(fragile.away(20).status, 401);
        assert_eq!(fragile.fatal().status, 200, "{failing}");
        until("the tick", || {
            (fragile.away(10).status == afterwards).then_some(())
        });
        for _ in 0..8 {
            let answer = fragile.away(10);
            assert_eq!(answer.status, afterwards, "{failing}");
            if answer.status == 200 {
                assert_eq!(reasons(&answer), "", "nothing decides any more");
            }
        }
        // Another configuration of the VM makes a new one, which finds what the old one knew.
        let mut healed = filter(&fragile.module, &fragile.key, &failing);
        healed["typed_config"]["config"]["vm_config"]["configuration"] =
            json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": "1" });
        publish(&fragile.dir, healed);
        until("the new VM", || {
            (fragile.away(5).status == 401).then_some(())
        });
        assert_eq!(fragile.home(60).status, 200);
    }
}

#[test]
fn a_vm_that_fails_closed_refuses_until_it_is_replaced() {
    let failing = json!({ "failure_policy": "FAIL_CLOSED" });
    let started = Fragile::start(1, "proxy_on_request_headers", MOST, &failing);
    let Some(fragile) = started else { return };
    assert_eq!(fragile.home(60).status, 200);
    assert_eq!(fragile.fatal().status, 503);
    for _ in 0..8 {
        assert_eq!(fragile.home(60).status, 503);
    }
    // What the operator can do without a restart: other code, or as here another configuration of the VM, makes a new one.
    let mut healed = filter(&fragile.module, &fragile.key, &failing);
    healed["typed_config"]["config"]["vm_config"]["configuration"] =
        json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": "1" });
    publish(&fragile.dir, healed);
    until("the new VM", || {
        (fragile.home(60).status == 200).then_some(())
    });
    assert_eq!(fragile.away(10).status, 401, "alice's home is known");
}

#[test]
fn a_vm_that_fails_open_checks_nothing_afterwards() {
    for (failing, dying) in [
        (json!({ "failure_policy": "FAIL_OPEN" }), 503),
        (json!({ "fail_open": true }), 200),
    ] {
        let started = Fragile::start(1, "proxy_on_request_headers", MOST, &failing);
        let Some(fragile) = started else { return };
        assert_eq!(fragile.home(60).status, 200);
        assert_eq!(fragile.away(20).status, 401);
        assert_eq!(fragile.fatal().status, dying, "{failing}");
        // Everything passes, with whatever the client claims was decided: the API must not trust what is not signed.
        let passed = fragile.away(10);
        assert_eq!(passed.status, 200, "{failing}");
        assert_eq!(reasons(&passed), "");
        let spoofed = Request::get("/").header("x-stepgate-decision", "allow");
        let seen = fragile.send(&spoofed).echoed();
        assert_eq!(seen.text("x-stepgate-decision").as_deref(), Some("allow"));
    }
}
