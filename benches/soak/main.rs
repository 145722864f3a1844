//! `make soak MINUTES=30`: mixed traffic, honest and hostile, at half load through a real Envoy with two workers.
//! May use the test kit. Must not judge what the filter decides, but that it goes on deciding: answers, memory, time.
//!
//! The rate is half of what the same clients get through when nobody paces them. A run of a minute is part of `make test`
//! and judges no times: there the machine may be busy with anything.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measurement has a clock, and stops at whatever goes wrong"
)]

mod load;
mod report;
mod stage;
mod traffic;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use load::Pace;
use report::Run;
use stage::Stage;
use stepgate_testkit::envoy::binary;
use watch::Watch;

/// Unpaced traffic, to find out what full load is.
const TRIAL: Duration = Duration::from_secs(5);
/// From this length on times are judged as well.
const LONG: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` only wants to know that it builds.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let minutes = match arguments.iter().find(|argument| *argument != "--bench") {
        None => Some(1.0),
        Some(given) => given.parse().ok(),
    };
    let Some(minutes) = minutes.filter(|minutes| (0.5..=1440.0).contains(minutes)) else {
        eprintln!("soak: minutes: {arguments:?} is not a number from 0.5 to 1440");
        return ExitCode::from(2);
    };
    if binary().is_none() {
        return ExitCode::SUCCESS;
    }
    if !stage::module().is_file() {
        println!(
            "SKIPPED: no module; `make wasm` builds {}",
            stage::module().display()
        );
        return ExitCode::SUCCESS;
    }
    match soak(Duration::from_secs_f64(minutes * 60.0)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every limit was kept.
fn soak(length: Duration) -> Result<bool, String> {
    let stage = Stage::start()?;
    let (before, seen) = (stage.vms(), stage.seen());
    let trial = load::drive(&stage, Pace::Unpaced, TRIAL, TRIAL);
    let rate = trial.sent() as f64 / TRIAL.as_secs_f64() / 2.0;
    println!(
        "soak of {:.1} min: two workers, {} clients, {rate:.0} requests a second, half of what they got through unpaced",
        length.as_secs_f64() / 60.0,
        load::CLIENTS,
    );
    let window = watch::window(length);
    let watch = Watch::start(&stage, window);
    let driven = load::drive(&stage, Pace::PerSecond(rate), length, window);
    let watched = watch.stop();
    let run = Run {
        window,
        judges_times: length >= LONG,
        seen: stage.seen() - seen,
        vms: (before, stage.vms()),
        feeds: stage.stat("stepgate_feeds_fetched_total"),
        keys: stage.stat("stepgate_jwks_fetched_total"),
        learned: stage.stat("stepgate_learned_total"),
        trial,
        driven,
        watched,
    };
    Ok(run.report())
}
