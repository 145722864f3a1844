//! `make bench`: what the filter costs a request, in CPU time of a real Envoy with one worker.
//! May use the test kit. Must not count its own time: only Envoy's threads are measured.
//!
//! Each set-up is an Envoy of its own that answers by itself. They take turns in short runs, so that a noisy neighbour
//! disturbs all alike; the median of the runs counts.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement stops at whatever goes wrong"
)]

mod setups;

use std::fs;
use std::net::SocketAddr;

use setups::Running;
use stepgate_testkit::envoy::binary;
use stepgate_testkit::http::Connection;

/// Runs of each set-up; odd, so that there is a median.
const RUNS: usize = 7;
/// Requests of one run.
const REQUESTS: usize = 4000;
/// Connections at a time, each with one request under way.
const CONNECTIONS: usize = 8;

fn main() {
    // `cargo test --benches` only wants to know that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    if binary().is_none() {
        return;
    }
    if !setups::module().is_file() {
        println!(
            "SKIPPED: no module; `make wasm` builds {}",
            setups::module().display()
        );
        return;
    }
    println!("minting tokens and starting Envoys ...");
    let (mut running, _authz) = setups::start().unwrap();
    let mut costs = vec![Vec::with_capacity(RUNS); running.len()];
    for run in 0..=RUNS {
        for (setup, costs) in running.iter_mut().zip(&mut costs) {
            let cost = measure(setup);
            // The first run warms up: connections, caches, the baseline.
            if run > 0 {
                costs.push(cost);
            }
        }
    }
    report(&running, &mut costs);
}

/// CPU time of Envoy for one request, in µs.
fn measure(setup: &mut Running) -> f64 {
    let requests = setup.next(REQUESTS);
    let (address, status) = (setup.envoy.address(), setup.status);
    let before = cpu_nanoseconds(setup.envoy.pid());
    std::thread::scope(|scope| {
        for part in requests.chunks(REQUESTS / CONNECTIONS) {
            scope.spawn(move || send(address, part, status));
        }
    });
    let spent = cpu_nanoseconds(setup.envoy.pid()) - before;
    spent as f64 / REQUESTS as f64 / 1000.0
}

fn send(address: SocketAddr, requests: &[Vec<u8>], status: u16) {
    let mut connection = Connection::open(address).unwrap();
    for request in requests {
        let response = connection.raw(request).unwrap();
        assert_eq!(response.status, status, "{}", response.text());
    }
}

/// Time on a CPU of all threads of a process, as the scheduler counts it.
fn cpu_nanoseconds(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    tasks
        .map(|task| fs::read_to_string(task.path().join("schedstat")).unwrap_or_default())
        .filter_map(|line| line.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

fn report(running: &[Running], costs: &mut [Vec<f64>]) {
    for costs in costs.iter_mut() {
        costs.sort_by(f64::total_cmp);
    }
    let median = |index: usize| costs[index][RUNS / 2];
    let added = |index: usize| {
        let base = running[index].over;
        median(index) - median(base)
    };
    let of = |name| added(running.iter().position(|setup| setup.name == name).unwrap());
    let (reference, asking) = (of(setups::JWT_AUTHN), of(setups::EXT_AUTHZ));
    println!("CPU time of Envoy per request, median of {RUNS} runs of {REQUESTS} requests\n");
    println!(
        "{:<54} {:>7} {:>7} {:>9} {:>12} {:>12}",
        "", "µs", "spread", "added µs", "x jwt_authn", "x ext_authz"
    );
    for (index, setup) in running.iter().enumerate() {
        let spread = costs[index][RUNS - 1] - costs[index][0];
        let (added, ratio, to_asking) = if setup.over == index {
            Default::default()
        } else {
            let added = added(index);
            (
                format!("{added:.1}"),
                format!("{:.2}", added / reference),
                format!("{:.2}", added / asking),
            )
        };
        println!(
            "{:<54} {:>7.1} {spread:>7.1} {added:>9} {ratio:>12} {to_asking:>12}",
            setup.name,
            median(index),
        );
    }
    println!(
        "\nadded: over `no filter`; for the last line over `{}`",
        setups::JWT_AUTHN
    );
    for absent in running.iter().filter_map(Running::doubt) {
        println!("NOTE: {absent}");
    }
}
