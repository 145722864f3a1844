//! `make start`: how long an Envoy takes until it is ready with the filter, and what each worker's VM takes.
//! May use the test kit.
//! Must not judge: times of one machine mean nothing on another, so a filter that does nothing takes its turn beside ours.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measurement stops at whatever goes wrong"
)]

#[path = "../http/machine.rs"]
mod machine;

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use stepgate_testkit::envoy::{Envoy, Setup, TempDir, binary};

/// Starts of each set-up; odd, so that there is a median.
const STARTS: usize = 7;
/// Clock ticks of `/proc/PID/stat`, which Linux tells programs in hundredths of a second whatever its own are.
const TICKS_PER_SECOND: f64 = 100.0;

/// A module that exports what a host asks for and does nothing.
const NO_OP: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1)))"#;

/// One row: what is in front of the router, and how many workers there are.
struct Row {
    name: &'static str,
    filter: Option<Value>,
    workers: u32,
    starts: Vec<Start>,
}

/// What one start took.
struct Start {
    seconds: f64,
    cpu_seconds: f64,
    mebibytes: f64,
}

fn main() {
    // `cargo test --benches` only wants to know that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let Some(binary) = binary() else {
        return;
    };
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/stepgate.wasm");
    if !module.is_file() {
        println!(
            "SKIPPED: no module; `make wasm` builds {}",
            module.display()
        );
        return;
    }
    let dir = TempDir::new();
    let no_op = dir.write("no-op.wasm", wat::parse_str(NO_OP).unwrap());
    // Little shared data: what all workers have together is no part of this.
    let policy = json!({ "mode": "enforce", "baseline": { "memory_mib": 1 } }).to_string();
    let (nothing, ours) = (wasm(&no_op, ""), wasm(&module, &policy));
    let mut rows: Vec<Row> = [
        ("no filter", None),
        ("a wasm filter that does nothing", Some(nothing)),
        ("stepgate", Some(ours)),
    ]
    .into_iter()
    .flat_map(|(name, filter)| {
        [1, 2, 8].map(|workers| Row {
            name,
            filter: filter.clone(),
            workers,
            starts: Vec::new(),
        })
    })
    .collect();
    // One more for the page cache.
    for round in 0..=STARTS {
        for row in &mut rows {
            let start = row.start();
            if round > 0 {
                row.starts.push(start);
            }
        }
    }
    println!("{}", machine::describe(&binary, &module));
    println!(
        "{:<33}{:>8}{:>10}{:>10}{:>10}{:>9}",
        "", "workers", "least s", "median s", "CPU s", "RSS MiB"
    );
    for row in &rows {
        row.print();
    }
    let per_worker = |name| {
        let of = |workers| {
            let row = rows
                .iter()
                .find(|row| row.name == name && row.workers == workers);
            middle(row.unwrap().starts.iter().map(|start| start.mebibytes))
        };
        (of(8) - of(2)) / 6.0
    };
    println!(
        "each further worker: {:.1} MiB without a filter, {:.1} with stepgate",
        per_worker("no filter"),
        per_worker("stepgate")
    );
}

impl Row {
    fn start(&self) -> Start {
        let setup = Setup::new(&bootstrap(self.filter.as_ref())).concurrency(self.workers);
        let begun = Instant::now();
        let envoy = setup.start().unwrap();
        Start {
            seconds: begun.elapsed().as_secs_f64(),
            cpu_seconds: cpu_seconds(&envoy),
            mebibytes: resident(&envoy),
        }
    }

    fn print(&self) {
        let seconds = || self.starts.iter().map(|start| start.seconds);
        println!(
            "{:<33}{:>8}{:>10.2}{:>10.2}{:>10.2}{:>9.0}",
            self.name,
            self.workers,
            seconds().fold(f64::MAX, f64::min),
            middle(seconds()),
            middle(self.starts.iter().map(|start| start.cpu_seconds)),
            middle(self.starts.iter().map(|start| start.mebibytes)),
        );
    }
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The CPU time of all its threads so far.
fn cpu_seconds(envoy: &Envoy) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", envoy.pid())).unwrap();
    // The name of the program, the second field, may hold spaces; it ends with a parenthesis.
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let ticks = rest.split(' ').skip(11).take(2);
    let ticks: f64 = ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    ticks / TICKS_PER_SECOND
}

/// What it holds of the machine's memory.
fn resident(envoy: &Envoy) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", envoy.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse::<f64>().unwrap() / 1024.0
}

fn wasm(module: &Path, configuration: &str) -> Value {
    json!({
        "name": "stepgate",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "stepgate",
                "root_id": "stepgate",
                "vm_config": {
                    "vm_id": "stepgate",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module } },
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": configuration,
                },
            },
        },
    })
}

fn bootstrap(filter: Option<&Value>) -> String {
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    });
    let filters: Vec<&Value> = filter.into_iter().chain([&router]).collect();
    json!({
        "static_resources": { "listeners": [{
            "name": "main",
            "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
            "filter_chains": [{ "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": "main",
                    "route_config": { "virtual_hosts": [{
                        "name": "all",
                        "domains": ["*"],
                        "routes": [{ "match": { "prefix": "/" }, "direct_response": { "status": 200 } }],
                    }] },
                    "http_filters": filters,
                },
            }] }],
        }] },
    })
    .to_string()
}
