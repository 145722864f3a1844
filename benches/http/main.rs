//! `make bench`: what the filter costs a request, in CPU time of a real Envoy with one worker.
//! May use the test kit. Must not count its own time: only Envoy's threads are measured.
//!
//! Each set-up is an Envoy of its own that answers by itself. They take turns in short runs, so that a noisy neighbour
//! disturbs all alike; the median of the runs counts. Then each gets the same requests at a fixed rate, for the latencies.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement stops at whatever goes wrong"
)]

mod load;
mod report;
mod setups;

use report::Measured;
use stepgate_testkit::envoy::binary;

/// Runs of each set-up; odd, so that there is a median.
const RUNS: usize = 7;
/// Requests of one run.
const REQUESTS: usize = 4000;
/// Turns at a fixed rate, and the requests of one.
const TURNS: usize = 5;
const AT_RATE: usize = 2000;

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
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    println!("minting tokens and starting Envoys ...");
    let (mut running, _authz) = setups::start(&words).unwrap();
    let mut measured: Vec<_> = running.iter().map(|_| Measured::default()).collect();
    for run in 0..=RUNS {
        for (setup, measured) in running.iter_mut().zip(&mut measured) {
            let cost = load::at_full_speed(setup, REQUESTS);
            // The first run warms up: connections, caches, the baseline.
            if run > 0 {
                measured.runs.push(cost);
            }
        }
    }
    report::costs(&running, &measured, REQUESTS);
    let slowest = measured.iter().map(Measured::rate).fold(f64::MAX, f64::min);
    let rate = slowest / 2.0;
    for _ in 0..TURNS {
        for (setup, measured) in running.iter_mut().zip(&mut measured) {
            let late = load::at_rate(setup, AT_RATE, rate);
            measured.latencies.extend(late);
        }
    }
    report::latencies(&running, &measured, rate);
    for doubt in running.iter().filter_map(setups::Running::doubt) {
        println!("NOTE: {doubt}");
    }
}
