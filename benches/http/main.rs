//! `make bench`: what the filter costs a request, in CPU time of a real Envoy, beside what else does such work.
//! `make bench-instructions`: the same set-ups in instructions, which nobody else on the machine disturbs.
//! May use the test kit. Must not count its own time: only Envoy's threads are measured.
//!
//! Each set-up is an Envoy of its own that answers by itself. They take turns in many short runs, forwards and backwards, so that
//! a noisy neighbour disturbs all alike. No process is kept to a core: on a busy machine that costs more than wandering. Then each gets requests at a fixed rate, in turns with what it adds to.
#![allow(
    clippy::indexing_slicing,
    reason = "a measurement stops at whatever goes wrong"
)]

mod callgrind;
mod client;
mod filters;
mod instructions;
mod load;
mod machine;
mod report;
mod requests;
mod setups;

use report::Measured;
use requests::Material;
use setups::{Plan, Running};
use stepgate_testkit::envoy::{TempDir, binary};

/// Runs of each set-up; odd, so that there is a median. Many short ones: what disturbs lasts longer than a run.
const RUNS: usize = 41;
/// Requests of one run.
const REQUESTS: usize = 1000;
/// Stretches at a fixed rate, and the requests of one: so short that some are disturbed by nobody.
const STRETCHES: usize = 60;
const AT_RATE: usize = 300;

fn main() -> Result<(), String> {
    // `cargo test --benches` only wants to know that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let Some(envoy) = binary() else {
        return Ok(());
    };
    let module = filters::module();
    if !module.is_file() {
        println!(
            "SKIPPED: no module; `make wasm` builds {}",
            module.display()
        );
        return Ok(());
    }
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let counting = std::env::args().any(|argument| argument == "--instructions");
    let identities = match counting {
        true => requests::FEWER_IDENTITIES,
        false => requests::IDENTITIES,
    };
    let (material, dir) = (Material::mint(identities), TempDir::new());
    let plans = setups::plans(&material, &dir, &words)?;
    let service = setups::service()?;
    println!("{}", machine::describe(&envoy, &module));
    let authz = service.address().port();
    match counting {
        true => instructions::count(&plans, authz, &dir, words.is_empty()),
        false => measure(&plans, authz),
    }
}

fn measure(plans: &[Plan<'_>], authz: u16) -> Result<(), String> {
    let started = plans.iter().map(|plan| plan.start(authz, &[]));
    let mut running = started.collect::<Result<Vec<_>, _>>()?;
    let mut measured: Vec<Measured> = plans
        .iter()
        .map(|plan| Measured::new(plan.name, plan.over))
        .collect();
    for run in 0..=RUNS {
        for index in in_turn(running.len(), run) {
            let cost = load::at_full_speed(&mut running[index], REQUESTS)?;
            // The first run warms up: caches, the baseline.
            if run > 0 {
                measured[index].runs.push(cost);
            }
        }
    }
    report::costs(&measured, REQUESTS);
    let base = |index: usize| plans.iter().position(|plan| plan.name == plans[index].over);
    for measured in &mut measured {
        measured.rate.rate = 0.5e6 / measured.cpu(0.5);
    }
    for stretch in 0..STRETCHES {
        for index in in_turn(running.len(), stretch) {
            // With two workers, the generator would have no core of its own.
            if plans[index].workers > 1 {
                continue;
            }
            let rate = measured[index].rate.rate;
            if let Some(over) = base(index).filter(|over| *over != index) {
                let without = load::at_rate(&mut running[over], AT_RATE, rate)?;
                measured[index].rate.over.push(without);
            }
            let with = load::at_rate(&mut running[index], AT_RATE, rate)?;
            measured[index].rate.stretches.push(with);
        }
    }
    report::latencies(&measured);
    println!("load of the machine at the end: {}", machine::load());
    for doubt in running.iter().filter_map(Running::doubt) {
        println!("NOTE: {doubt}");
    }
    Ok(())
}

/// All set-ups, forwards and backwards by turns: so none always comes after the same one.
fn in_turn(count: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.rotate_left((round / 2) % count.max(1));
    if round % 2 == 1 {
        order.reverse();
    }
    order
}
