//! Ten updates in a row, good and bad, by listener and by extension discovery, while clients go on sending.
//! May use Envoy's file subscriptions and what the kernel says of its memory.
//! Must not lose a request: a client that heeds `connection: close` gets an answer to each.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use stepgate_testkit::envoy::{Envoy, Setup, TempDir, until};
use stepgate_testkit::http::{Connection, Upstream};
use stepgate_testkit::tokens::Key;

use crate::contract::{at_home, far_away, policy, token};
use crate::gateway::{bootstrap, listener, module, stepgate};

/// The most that memory may grow over ten updates, in percent.
const GROWTH: u64 = 3;

/// How a policy reaches Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Listener,
    Extension,
}

impl By {
    fn resource(self, policy: &Value) -> Value {
        let filter = stepgate("stepgate", &policy.to_string());
        match self {
            Self::Listener => {
                let mut resource = listener("main", vec![filter]);
                resource["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
                resource
            }
            Self::Extension => json!({
                "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
                "name": "stepgate",
                "typed_config": filter["typed_config"],
            }),
        }
    }

    fn bootstrap(self, file: &Path, upstream: u16) -> Value {
        let watched = json!({ "path_config_source": { "path": file } });
        let discovered = json!({
            "name": "stepgate",
            "config_discovery": {
                "config_source": watched,
                "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
            },
        });
        let listeners = match self {
            Self::Listener => vec![],
            Self::Extension => vec![listener("main", vec![discovered])],
        };
        let mut boot = bootstrap(&listeners, &[("api", upstream)]);
        boot["node"] = json!({ "id": "test", "cluster": "test" });
        if self == Self::Listener {
            boot["dynamic_resources"] = json!({ "lds_config": watched });
        }
        boot
    }

    /// Updates taken, and refused.
    fn updates(self, envoy: &Envoy) -> [u64; 2] {
        let stats = envoy.stats();
        let one = |suffix: &str| {
            let found = stats.iter().find(|(name, _)| name.ends_with(suffix));
            found
                .and_then(|(_, value)| value.parse().ok())
                .unwrap_or_default()
        };
        match self {
            Self::Listener => [
                one("listener_manager.lds.update_success"),
                one("listener_manager.lds.update_rejected"),
            ],
            Self::Extension => [".stepgate.update_success", ".stepgate.update_rejected"].map(one),
        }
    }
}

/// Puts a file in place at once: Envoy watches for moves.
fn publish(dir: &TempDir, resource: &Value) {
    let next = dir.write("next", json!({ "resources": [resource] }).to_string());
    fs::rename(next, dir.path().join("watched.json")).unwrap();
}

fn resident_kib(envoy: &Envoy) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", envoy.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap()
}

/// Ends the clients however the test ends.
pub(crate) struct Ends<'a>(pub(crate) &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends alice's request until told to stop, and counts the answers: an error, another answer or one without a decision fails.
fn client(address: SocketAddr, bearer: &str, over: &AtomicBool) -> usize {
    let (request, mut answered) = (at_home(bearer), 0);
    let mut connection = Connection::open(address).unwrap();
    while !over.load(Ordering::Relaxed) {
        let answer = connection.send(&request).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let decided = answer.echoed().text("x-stepgate-decision");
        assert_eq!(decided.as_deref(), Some("allow"));
        answered += 1;
        if answer.header("connection").as_deref() == Some("close") {
            connection = Connection::open(address).unwrap();
        }
    }
    answered
}

fn ten_in_a_row(by: By) {
    if module().is_none() {
        return;
    }
    let (key, dir) = (Key::ed25519("k1"), TempDir::new());
    let upstream = Upstream::start().unwrap();
    let mut policy = policy(&key);
    let mut change = |n: u64, good: bool| {
        policy["challenge"]["max_age"] = json!(600 + n);
        policy["score"] = if good {
            json!({})
        } else {
            json!({ "step_up": 7 })
        };
        publish(&dir, &by.resource(&policy));
    };
    change(0, true);
    let boot = by.bootstrap(&dir.path().join("watched.json"), upstream.port());
    let envoy = Setup::new(&boot.to_string())
        .concurrency(2)
        .args(&["--drain-time-s", "1", "--drain-strategy", "immediate"])
        .start()
        .unwrap_or_else(|error| panic!("{error}"));
    let address = until("the listener", || {
        envoy.listeners().first().map(|(_, address)| *address)
    });
    let bearer = token(&key, "alice", 30).sign(&key);
    let over = AtomicBool::new(false);
    // Everything that an update leaves behind is gone: drained listeners, roots and their policies.
    let drained = || {
        until("the old configuration to be gone", || {
            let draining: u64 = ["total_listeners_draining", "total_filter_chains_draining"]
                .map(|name| envoy.stat(&format!("listener_manager.{name}")))
                .iter()
                .sum();
            upstream.forget();
            (draining == 0).then_some(())
        });
    };
    std::thread::scope(|scope| {
        let ends = Ends(&over);
        let clients: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| client(address, &bearer, &over)))
            .collect();
        let mut round = |from: u64| {
            for n in from..from + 10 {
                let before = by.updates(&envoy);
                let good = n % 3 != 2;
                change(n, good);
                let which = usize::from(!good);
                until("the update to be taken or refused", || {
                    // It keeps what it is sent.
                    upstream.forget();
                    (by.updates(&envoy)[which] > before[which]).then_some(())
                });
                assert_eq!(by.updates(&envoy)[1 - which], before[1 - which], "{n}");
            }
            drained();
            resident_kib(&envoy)
        };
        // The first ten fill what allocators keep.
        let first = round(1);
        let second = round(11);
        drop(ends);
        for client in clients {
            assert!(client.join().unwrap() > 0);
        }
        println!("{by:?}: {first} KiB resident after ten updates, {second} after ten more");
        assert!(
            second <= first * (100 + GROWTH) / 100,
            "{first} KiB grew to {second}"
        );
    });
    envoy.wait_for_log("score.step_up: 7 is not a probability");
    let away = far_away(&token(&key, "alice", 10).sign(&key));
    assert_eq!(
        away.send(address).unwrap().status,
        401,
        "the baseline stays"
    );
    assert_eq!(envoy.stat("wasmcustom.stepgate_bad_pages_total"), 0);
}

#[test]
fn ten_listener_updates_lose_no_request_and_no_memory() {
    ten_in_a_row(By::Listener);
}

#[test]
fn ten_extension_updates_lose_no_request_and_no_memory() {
    ten_in_a_row(By::Extension);
}
