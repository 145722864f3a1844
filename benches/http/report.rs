//! What was measured, as tables on stdout.
//! May use std.
//! Must not measure.

use crate::load::Run;
use crate::setups::{self, Running};

/// All that was measured of one set-up.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) runs: Vec<Run>,
    /// Latencies at the common rate, in µs.
    pub(crate) latencies: Vec<f64>,
}

impl Measured {
    fn cpu(&self) -> f64 {
        median(self.runs.iter().map(|run| run.cpu))
    }

    /// Requests in a second, the median of the runs.
    pub(crate) fn rate(&self) -> f64 {
        median(self.runs.iter().map(|run| run.rate))
    }

    fn spread(&self) -> f64 {
        let costs = || self.runs.iter().map(|run| run.cpu);
        costs().fold(0.0, f64::max) - costs().fold(f64::INFINITY, f64::min)
    }
}

/// The middle one.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(values.collect(), 0.5)
}

fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len().saturating_sub(1) as f64 * share).round() as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

/// CPU time and throughput at full speed.
pub(crate) fn costs(running: &[Running], measured: &[Measured], requests: usize) {
    let cpu = |index: usize| measured[index].cpu();
    let added = |index: usize| cpu(index) - cpu(running[index].over);
    let of = |name| {
        running
            .iter()
            .position(|setup| setup.name == name)
            .map(added)
            .unwrap()
    };
    let (reference, asking) = (of(setups::JWT_AUTHN), of(setups::EXT_AUTHZ));
    let runs = measured[0].runs.len();
    println!("CPU time of Envoy per request, median of {runs} runs of {requests} requests\n");
    println!(
        "{:<54} {:>7} {:>7} {:>9} {:>12} {:>12} {:>11}",
        "", "µs", "spread", "added µs", "x jwt_authn", "x ext_authz", "requests/s"
    );
    for (index, setup) in running.iter().enumerate() {
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
            "{:<54} {:>7.1} {:>7.1} {added:>9} {ratio:>12} {to_asking:>12} {:>11.0}",
            setup.name,
            cpu(index),
            measured[index].spread(),
            measured[index].rate(),
        );
    }
    println!(
        "\nadded: over `{}`, with two workers over the same with two; on claims over `{}`",
        running[0].name,
        setups::JWT_AUTHN
    );
    let place = |name| running.iter().position(|setup| setup.name == name);
    if let (Some(one), Some(two)) = (place(setups::KNOWN), place(setups::TWO_WORKERS)) {
        println!(
            "a request with two workers costs {:.2} of one with one worker",
            cpu(two) / cpu(one)
        );
    }
}

/// How late answers came at a rate that all could keep up with.
pub(crate) fn latencies(running: &[Running], measured: &[Measured], rate: f64) {
    println!("\nlatency at {rate:.0} requests/s, half of what the slowest answers, in µs\n");
    println!(
        "{:<54} {:>7} {:>7} {:>10} {:>10}",
        "", "p50", "p99", "added p50", "added p99"
    );
    for (index, setup) in running.iter().enumerate() {
        let of = |index: usize, share| quantile(measured[index].latencies.clone(), share);
        let (p50, p99) = (of(index, 0.5), of(index, 0.99));
        let added = |now: f64, share| match setup.over == index {
            true => String::new(),
            false => format!("{:.0}", now - of(setup.over, share)),
        };
        println!(
            "{:<54} {p50:>7.0} {p99:>7.0} {:>10} {:>10}",
            setup.name,
            added(p50, 0.5),
            added(p99, 0.99),
        );
    }
}
