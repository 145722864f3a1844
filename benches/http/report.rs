//! What was measured, as tables on stdout.
//! May use std.
//! Must not measure.

use crate::load::{Run, Stretch};
use crate::setups::{
    BARE, BARE_TWO_WORKERS, DENIED, EXT_AUTHZ, JWT_AUTHN, KNOWN_TOKEN, LUA, NEW_TOKENS, ON_CLAIMS,
    TWO_WORKERS,
};

/// The middle one, and the one that a quarter of all are below: whatever else the machine does only adds, so that is nearer to what
/// it would be on an idle one.
const SHARES: [f64; 2] = [0.5, 0.25];

/// All that was measured of one set-up.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    /// The name of the set-up it adds to; its own: none.
    pub(crate) over: &'static str,
    pub(crate) runs: Vec<Run>,
    pub(crate) rate: Rate,
}

/// What was measured at a fixed rate.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// Requests in a second.
    pub(crate) rate: f64,
    pub(crate) stretches: Vec<Stretch>,
    /// Of what it adds to, at the same rate, each right before one of its own.
    pub(crate) over: Vec<Stretch>,
}

impl Measured {
    pub(crate) fn new(name: &'static str, over: &'static str) -> Self {
        Self {
            name,
            over,
            runs: Vec::new(),
            rate: Rate::default(),
        }
    }

    /// CPU time of a request in µs, the one that this share of the runs is below.
    pub(crate) fn cpu(&self, share: f64) -> f64 {
        quantile(self.runs.iter().map(|run| run.cpu), share)
    }
}

fn quantile(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let place = (values.len().saturating_sub(1) as f64 * share).round() as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

/// CPU time, added and in all.
struct Costs<'a>(&'a [Measured]);

impl Costs<'_> {
    fn of(&self, name: &str) -> Option<[f64; 2]> {
        let measured = self.0.iter().find(|measured| measured.name == name)?;
        Some(SHARES.map(|share| measured.cpu(share)))
    }

    fn added(&self, name: &str) -> Option<[f64; 2]> {
        let measured = self.0.iter().find(|measured| measured.name == name)?;
        let (all, over) = (self.of(name)?, self.of(measured.over)?);
        Some([all[0] - over[0], all[1] - over[1]])
    }
}

fn ratio(one: Option<[f64; 2]>, other: Option<[f64; 2]>) -> Option<[f64; 2]> {
    one.zip(other).map(|(a, b)| [a[0] / b[0], a[1] / b[1]])
}

fn pair(values: Option<[f64; 2]>, digits: usize) -> String {
    let text = |value: f64| match value.is_nan() {
        // All stretches were disturbed.
        true => "-".to_owned(),
        false => format!("{value:.digits$}"),
    };
    values.map_or_else(String::new, |[first, second]| {
        format!("{} {:>6}", text(first), text(second))
    })
}

/// CPU time and throughput at full speed.
pub(crate) fn costs(all: &[Measured], requests: usize) {
    let costs = Costs(all);
    let runs = all.first().map_or(0, |one| one.runs.len());
    println!(
        "\nCPU time of Envoy per request in µs, {runs} runs of {requests} requests: the median, and the lower quartile\n"
    );
    println!(
        "{:<52} {:>13} {:>13} {:>13} {:>13} {:>11}",
        "", "a request", "added", "x jwt_authn", "x ext_authz", "requests/s"
    );
    for one in all {
        let added = costs.added(one.name).filter(|_| one.over != one.name);
        let to = |other| pair(ratio(added, costs.added(other)), 2);
        println!(
            "{:<52} {:>13} {:>13} {:>13} {:>13} {:>11.0}",
            one.name,
            pair(costs.of(one.name), 1),
            pair(added, 1),
            to(JWT_AUTHN),
            to(EXT_AUTHZ),
            quantile(one.runs.iter().map(|run| run.rate), 0.5),
        );
    }
    println!(
        "\nadded: over `{BARE}`, with two workers over the same with two, on claims over `{JWT_AUTHN}`; what the service that\n`ext_authz` asks takes is not counted"
    );
    goals(&costs);
}

/// What is wanted, beside what is.
fn goals(costs: &Costs<'_>) {
    let added = |one, other| ratio(costs.added(one), costs.added(other));
    let all = |one, other| ratio(costs.of(one), costs.of(other));
    println!("\n{:<62} {:>6} {:>13}", "ratios", "goal", "measured");
    let rows = [
        (
            "a known token, x jwt_authn",
            Some(0.33),
            added(KNOWN_TOKEN, JWT_AUTHN),
        ),
        (
            "a known token, x ext_authz",
            Some(0.35),
            added(KNOWN_TOKEN, EXT_AUTHZ),
        ),
        (
            "a new RS256 token each, x jwt_authn",
            Some(1.0),
            added(NEW_TOKENS, JWT_AUTHN),
        ),
        (
            "on the claims of jwt_authn, x lua",
            Some(1.0),
            added(ON_CLAIMS, LUA),
        ),
        (
            "all denied, x a known token",
            Some(1.0),
            added(DENIED, KNOWN_TOKEN),
        ),
        (
            "a whole request with two workers, x with one",
            Some(1.15),
            all(TWO_WORKERS, KNOWN_TOKEN),
        ),
        (
            "the same without a filter",
            None,
            all(BARE_TWO_WORKERS, BARE),
        ),
    ];
    for (name, goal, measured) in rows {
        if measured.is_some() {
            let goal = goal.map_or_else(String::new, |goal| format!("{goal:.2}"));
            println!("{name:<62} {goal:>6} {:>13}", pair(measured, 2));
        }
    }
}

/// How late answers came at half of what each set-up can answer, and at the same rate without it.
pub(crate) fn latencies(all: &[Measured]) {
    println!(
        "\nlatency in µs at half of what one worker answers at full speed, from when a request's turn was; first of all stretches,\nthen of those in which nobody else had the core of Envoy or of the generator\n"
    );
    println!(
        "{:<52} {:>6} {:>5} {:>11} {:>13} {:>11} {:>13} {:>11}",
        "", "rate", "busy", "p50", "p99", "p50 added", "p99 added", "p99/p50"
    );
    for one in all.iter().filter(|one| !one.rate.stretches.is_empty()) {
        let at = &one.rate;
        let (p50, p99) = (both(&at.stretches, 0.5), both(&at.stretches, 0.99));
        let added = |all: [f64; 2], share| {
            let over = both(&at.over, share);
            (!at.over.is_empty()).then(|| [all[0] - over[0], all[1] - over[1]])
        };
        let (more, late) = (added(p50, 0.5), added(p99, 0.99));
        println!(
            "{:<52} {:>6.0} {:>3.0} % {:>11} {:>13} {:>11} {:>13} {:>11}",
            one.name,
            at.rate,
            quantile(at.stretches.iter().map(|stretch| stretch.busy), 0.5) * 100.0,
            pair(Some(p50), 0),
            pair(Some(p99), 0),
            pair(more, 0),
            pair(late, 0),
            pair(ratio(late, more), 1),
        );
    }
    let stretches = all
        .iter()
        .flat_map(|one| one.rate.stretches.iter().chain(&one.rate.over));
    let disturbed = stretches
        .clone()
        .filter(|stretch| stretch.disturbed)
        .count();
    println!(
        "\np99/p50: of what is added; the goal is 3 at most. {disturbed} of {} stretches were disturbed",
        stretches.count()
    );
}

/// Of all latencies, and of those in stretches that nobody disturbed.
fn both(stretches: &[Stretch], share: f64) -> [f64; 2] {
    let of = |disturbed: bool| {
        let kept = stretches
            .iter()
            .filter(|stretch| disturbed || !stretch.disturbed);
        quantile(
            kept.flat_map(|stretch| stretch.latencies.iter().copied()),
            share,
        )
    };
    [of(true), of(false)]
}
