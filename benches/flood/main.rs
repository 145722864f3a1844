//! `cargo bench --bench flood`: ten million names, addresses and tokens that come once, against the pages of a deployment.
//! May use: the engine's public face, the pages the filter would have, the process's own memory as Linux tells it.
//! Must not: assert a time; noisy machines would fail it. `cargo test` runs a short form of it.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a measurement stops at whatever goes wrong"
)]

mod pages;

use std::process::ExitCode;

use pages::{Deployment, NOW};

/// How large a run is.
struct Size {
    mebibytes: u64,
    active: u32,
    crowd: u32,
}

/// Resident memory of this process in KiB, where the system tells it.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_default()
}

/// Nanoseconds this process has computed, where the system tells it: others use the machine too.
fn computed() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let first = text.split(' ').next();
    first.and_then(|time| time.parse().ok()).unwrap_or_default()
}

/// Microseconds of a visit by each active identity: the least of five rounds.
fn pace(deployment: &mut Deployment, size: &Size, at: i64) -> f64 {
    let round = |round: i64| {
        let begin = computed();
        for n in 0..size.active {
            deployment.visit(&format!("active-{n}"), n, at + round * 3_600);
        }
        computed().saturating_sub(begin)
    };
    let best = (0..5).map(round).min().unwrap_or_default();
    best as f64 / 1e3 / f64::from(size.active)
}

fn known(deployment: &Deployment, size: &Size, what: fn(&Deployment, &str) -> bool) -> u32 {
    let found = (0..size.active).filter(|n| what(deployment, &format!("active-{n}")));
    found.count() as u32
}

fn run(size: &Size) -> Result<(), String> {
    let mut deployment = Deployment::new(size.mebibytes);
    // Forty days in which the active ones log in every second day, from a network each.
    for day in (2..=40).rev().step_by(2) {
        for n in 0..size.active {
            let at = NOW - day * 86_400 + i64::from(n) % 80_000;
            deployment.visit(&format!("active-{n}"), n, at);
        }
    }
    let before = pace(&mut deployment, size, NOW);
    // A first lot brings what the process keeps of its own to its size.
    let first = size.crowd / 3;
    let come = |deployment: &mut Deployment, from: u32, until: u32| {
        for n in from..until {
            // Over a week, whatever the number.
            let at = NOW + 86_400 + i64::from(n) * 604_800 / i64::from(size.crowd);
            deployment.visit(&format!("visitor-{n}"), size.active + n, at);
            deployment.guess(&format!("guess-{n}"), size.active + n, at);
        }
        resident()
    };
    let settled = come(&mut deployment, 0, first);
    let filled = pace(&mut deployment, size, NOW + 2 * 86_400);
    let full = come(&mut deployment, first, size.crowd);
    let pages = deployment.bytes();
    let kept = known(&deployment, size, Deployment::knows);
    let named = known(&deployment, size, Deployment::knows_name);
    let after = pace(&mut deployment, size, NOW + 9 * 86_400);
    let growth = full.saturating_sub(settled);
    println!(
        "{} names, addresses and tokens over pages of {} MiB: {kept} of {} active identities and {named} names kept",
        size.crowd, size.mebibytes, size.active
    );
    println!(
        "evicted {}; pages {pages} bytes; resident {settled} KiB after a third, {full} KiB at the end",
        deployment.evicted()
    );
    println!(
        "a visit of an active one: {before:.2} us with pages nearly empty, {filled:.2} us with full ones, {after:.2} us after the crowd ({:+.1} %)",
        (after / filled - 1.0) * 100.0
    );
    let enough = |found: u32| u64::from(found) * 100 >= u64::from(size.active) * 99;
    if !enough(kept) || !enough(named) {
        return Err("active ones were pushed out".to_owned());
    }
    if deployment.bytes() != size.mebibytes << 20 {
        return Err("the pages have grown".to_owned());
    }
    // Allocators keep some: a mebibyte beside what the pages take.
    if growth > 1024 {
        return Err(format!("{growth} KiB more than before"));
    }
    Ok(())
}

fn main() -> ExitCode {
    let long = std::env::args().any(|argument| argument == "--bench");
    let size = if long {
        Size {
            mebibytes: 64,
            active: 20_000,
            crowd: 10_000_000,
        }
    } else {
        Size {
            mebibytes: 2,
            active: 600,
            crowd: 30_000,
        }
    };
    match run(&size) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("flood: {why}");
            ExitCode::FAILURE
        }
    }
}
