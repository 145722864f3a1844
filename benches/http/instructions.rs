//! Instructions of Envoy per request, for each set-up under callgrind, one after the other; ours against committed figures.
//! May use callgrind and the set-ups.
//! Must not depend on what else the machine does: so one connection, and the lower quartile of windows, since ticks fall into some.

use std::path::{Path, PathBuf};

use stepgate_testkit::envoy::TempDir;

use crate::callgrind::{Callgrind, Count};
use crate::client;
use crate::requests::FEWER_IDENTITIES;
use crate::setups::{EXT_AUTHZ, JWT_AUTHN, Plan};

/// Requests before anything is counted: more than the filter remembers tokens, so that what it does when it is full is counted.
const WARM_UP: usize = 2500;
/// And once it counts, which makes V8 and valgrind begin anew.
const AFTER_BEGIN: usize = 100;
/// And between two windows.
const BETWEEN: usize = 5;
/// Requests of one window, and windows: so short that many have no tick in them, of which the filter has one a second, however
/// busy the machine is.
const REQUESTS: usize = 20;
const WINDOWS: usize = 25;
/// How far counts may be from the committed ones, in per cent: libc chooses other code on other processors.
const TOLERANCE: f64 = 3.0;

/// A set-up, and what it adds to.
struct Row<'a> {
    plan: &'a Plan<'a>,
    /// For one request, in instructions.
    count: [f64; 3],
}

impl Row<'_> {
    fn all(&self) -> f64 {
        self.count.iter().sum()
    }
}

/// Counts all set-ups with one worker and prints them; an error where one of ours is not what was committed. With `UPDATE` in the
/// environment, and all set-ups chosen, commits them.
pub(crate) fn count(
    plans: &[Plan<'_>],
    authz: u16,
    dir: &TempDir,
    all: bool,
) -> Result<(), String> {
    if !Callgrind::is_here() {
        println!("SKIPPED: no valgrind; `apt-get install valgrind` has it.");
        return Ok(());
    }
    println!(
        "\ninstructions of Envoy per request, without those of the kernel; lower quartile of {WINDOWS} times {REQUESTS} requests\n"
    );
    println!(
        "{:<52} {:>9} {:>9} {:>9} {:>9} {:>10} {:>8} {:>8}",
        "", "all", "added", "x jwt", "x authz", "compiled", "Envoy", "libc"
    );
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(plans.len());
    for (number, plan) in plans.iter().filter(|plan| plan.workers == 1).enumerate() {
        let count = one(plan, authz, dir, &format!("{number}"))?;
        rows.push(Row { plan, count });
        if let Some(row) = rows.last() {
            print(&rows, row);
        }
    }
    println!(
        "\nall three are parts of what is added: in code compiled from a module or a script, in Envoy (with V8 and BoringSSL), in libraries;\nof the 100,000 identities {FEWER_IDENTITIES} here"
    );
    compare(&rows, all)
}

fn one(plan: &Plan<'_>, authz: u16, dir: &TempDir, name: &str) -> Result<[f64; 3], String> {
    let callgrind = Callgrind::new(dir.path(), name);
    let mut running = plan.start(authz, &callgrind.words())?;
    let pid = running.envoy.pid();
    let mut ask = |count: usize| {
        let requests = running.next(count);
        client::ask_all(&mut running.clients[..1], requests, running.status)
    };
    ask(WARM_UP)?;
    callgrind.begin(pid)?;
    ask(AFTER_BEGIN)?;
    let mut counts = Vec::with_capacity(WINDOWS);
    for window in 1..=WINDOWS {
        // While callgrind wrote the last window a tick became due; it comes before these are answered.
        ask(BETWEEN)?;
        callgrind.zero(pid)?;
        ask(REQUESTS)?;
        counts.push(callgrind.counted(pid, window)?);
    }
    if let Some(doubt) = running.doubt() {
        println!("NOTE: {doubt}");
    }
    running.envoy.stop();
    counts.sort_by_key(Count::all);
    let quiet = counts[WINDOWS / 4];
    let each = |instructions: u64| instructions as f64 / REQUESTS as f64;
    Ok([quiet.compiled, quiet.envoy, quiet.libraries].map(each))
}

fn print(rows: &[Row<'_>], row: &Row<'_>) {
    let ratio = |to: &str| {
        let to = rows.iter().find(|row| row.plan.name == to);
        let to = to.and_then(|to| added(rows, to));
        let ratio = added(rows, row).zip(to).map(|(one, to)| one / to);
        ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}"))
    };
    let over = base(rows, row);
    let part = |index: usize| {
        let over = over.map(|over| over.count[index]);
        over.map_or_else(String::new, |over| {
            format!("{:.0}", row.count[index] - over)
        })
    };
    println!(
        "{:<52} {:>9.0} {:>9} {:>9} {:>9} {:>10} {:>8} {:>8}",
        row.plan.name,
        row.all(),
        added(rows, row).map_or_else(String::new, |added| format!("{added:.0}")),
        ratio(JWT_AUTHN),
        ratio(EXT_AUTHZ),
        part(0),
        part(1),
        part(2),
    );
}

fn base<'r, 'p>(rows: &'r [Row<'p>], row: &Row<'_>) -> Option<&'r Row<'p>> {
    let over = |other: &&Row<'_>| other.plan.name == row.plan.over;
    rows.iter()
        .find(over)
        .filter(|over| over.plan.name != row.plan.name)
}

fn added(rows: &[Row<'_>], row: &Row<'_>) -> Option<f64> {
    base(rows, row).map(|over| row.all() - over.all())
}

/// Where the committed figures are: added instructions and the name, a line each.
fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/http/instructions.txt")
}

fn compare(rows: &[Row<'_>], all: bool) -> Result<(), String> {
    let ours = rows.iter().filter(|row| row.plan.name.contains("stepgate"));
    let ours: Vec<(&str, f64)> = ours
        .filter_map(|row| Some((row.plan.name, added(rows, row)?)))
        .collect();
    let path = committed();
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if all && std::env::var_os("UPDATE").is_some_and(|value| !value.is_empty()) {
        let lines: String = ours
            .iter()
            .map(|(name, added)| format!("{added:>7.0} {name}\n"))
            .collect();
        return std::fs::write(&path, lines).map_err(failed);
    }
    let text = std::fs::read_to_string(&path).map_err(failed)?;
    println!(
        "\n{:<52} {:>9} {:>9}",
        "added, against what was committed", "was", "now"
    );
    let mut wrong = Vec::new();
    for (name, now) in ours {
        let lines = text.lines().filter_map(|line| line.trim().split_once(' '));
        let was = lines.into_iter().find(|(_, of)| *of == name);
        let was: f64 = was
            .and_then(|(was, _)| was.parse().ok())
            .unwrap_or(f64::NAN);
        let apart = 100.0 * (now - was) / was;
        println!("{name:<52} {was:>9.0} {now:>9.0} {apart:>+6.1} %");
        // A figure that is not there is wrong too.
        if apart.is_nan() || apart.abs() > TOLERANCE {
            wrong.push(name);
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "more than {TOLERANCE} % from {}: {}; UPDATE=1 writes what is meant to be so",
            path.display(),
            wrong.join("; ")
        )),
    }
}
