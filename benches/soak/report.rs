//! The table at the end, and whether what it says is within limits.
//! May use what load and watch have seen.
//! Must not: judge a time by one bad moment of a machine that others use as well.
//!
//! The first third of the run warms up memory; what follows it is compared third by third. Of the p99 of each window in a
//! third the lower quartile counts: a neighbour can only make a window slower, so if the quiet ones get slower too, it is the
//! filter.

use std::time::Duration;

use crate::load::Driven;
use crate::traffic::KINDS;
use crate::watch::Window;

/// The most that memory may grow after the warm-up, in percent.
const GROWTH: f64 = 2.0;
/// The most that p99 may grow from the first third to the last.
const SLOWER: f64 = 1.5;

/// All that was seen.
pub(crate) struct Run {
    pub(crate) window: Duration,
    /// Whether times count, or are only shown.
    pub(crate) judges_times: bool,
    pub(crate) trial: Driven,
    pub(crate) driven: Driven,
    pub(crate) watched: Vec<Window>,
    /// Requests the filter has decided meanwhile.
    pub(crate) seen: u64,
    /// VMs made and reloads, before and after.
    pub(crate) vms: ([u64; 4], [u64; 4]),
    pub(crate) feeds: u64,
    pub(crate) keys: u64,
    pub(crate) learned: u64,
}

/// One third of the run.
struct Third {
    answers: usize,
    p50: f64,
    p99: f64,
    resident: f64,
    spent: f64,
}

/// A value and what it may be.
struct Limit {
    what: String,
    measured: String,
    allowed: String,
    kept: bool,
}

impl Run {
    /// Prints all of it. Whether every limit was kept.
    pub(crate) fn report(&self) -> bool {
        let thirds = [0, 1, 2].map(|third| self.third(third));
        let row = |what: &str, value: fn(&Third) -> f64| {
            let [first, second, last] = [0, 1, 2].map(|third| value(&thirds[third]));
            println!("{what:<42}{first:>12.2}{second:>12.2}{last:>12.2}");
        };
        println!(
            "\n{:<42}{:>12}{:>12}{:>12}",
            format!("windows of {:.0} s", self.window.as_secs_f64()),
            "1st third",
            "2nd third",
            "last third"
        );
        row("answers", |third| third.answers as f64);
        row("p50 (ms)", |third| third.p50);
        row("p99 (ms), lower quartile of windows", |third| third.p99);
        row("Envoy's CPU time per request (µs)", |third| third.spent);
        row("Envoy's resident memory (MiB), median", |third| {
            third.resident
        });
        println!("\n{:<42}{:>12}   answers", "traffic", "requests");
        for (answers, (_, name, _, _)) in self.driven.answers.iter().zip(KINDS) {
            let said: Vec<String> = answers
                .iter()
                .map(|(status, count)| format!("{status}: {count}"))
                .collect();
            let total: u64 = answers.values().sum();
            match said.is_empty() {
                true => println!("{name:<42}{:>12}   not waited for", self.driven.aborted),
                false => println!("{name:<42}{total:>12}   {}", said.join(", ")),
            }
        }
        println!(
            "{:<42}{:>12}\n{:<42}{:>12}\n{:<42}{:>12}\n",
            "authentications learned",
            self.learned,
            "feeds fetched",
            self.feeds,
            "keys fetched",
            self.keys
        );
        let limits = self.limits(&thirds);
        println!("{:<42}{:>24}   allowed", "limit", "measured");
        for limit in &limits {
            let Limit {
                what,
                measured,
                allowed,
                kept,
            } = limit;
            let mark = if *kept { "" } else { "   BROKEN" };
            println!("{what:<42}{measured:>24}   {allowed}{mark}");
        }
        limits.iter().all(|limit| limit.kept)
    }

    fn limits(&self, [first, second, last]: &[Third; 3]) -> Vec<Limit> {
        let none = |what: &str, count: u64, why: &str| Limit {
            what: what.to_owned(),
            measured: format!("{count}{why}"),
            allowed: "0".to_owned(),
            kept: count == 0,
        };
        let (made, now) = self.vms;
        let sum = |vms: [u64; 4]| vms.iter().sum::<u64>();
        let why = self.driven.why.as_ref();
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        let growth = (last.resident / second.resident - 1.0) * 100.0;
        // Whether the filter saw a request whose client had left nobody can know.
        let twice = self.trial.cut_off() + self.driven.cut_off();
        let answered = self.trial.answered() + self.driven.answered() + twice;
        let sent = self.trial.sent() + self.driven.sent() + twice;
        let mut limits = vec![
            none("requests without an answer", self.driven.lost, &why),
            none(
                "answers that are not the right ones",
                self.driven.wrong(),
                "",
            ),
            none("5xx of the proxy itself", self.driven.ours, ""),
            none("VMs made or reloaded", sum(now) - sum(made), ""),
            Limit {
                what: "decisions counted".to_owned(),
                measured: self.seen.to_string(),
                allowed: format!("{answered} (answered) to {sent} (sent)"),
                kept: (answered..=sent).contains(&self.seen),
            },
            Limit {
                what: "ticks: documents fetched, logins learned".to_owned(),
                measured: format!("{} + {}, {}", self.feeds, self.keys, self.learned),
                allowed: "more than 0 each".to_owned(),
                kept: self.feeds > 1 && self.keys > 1 && self.learned > 0,
            },
            Limit {
                what: "growth of memory, 2nd to last third".to_owned(),
                measured: format!("{growth:+.2} %"),
                allowed: format!("{GROWTH} %"),
                kept: growth <= GROWTH,
            },
        ];
        if self.judges_times {
            let slower = last.p99 / first.p99;
            limits.push(Limit {
                what: "p99, last third over first".to_owned(),
                measured: format!("{slower:.2}"),
                allowed: format!("{SLOWER}"),
                kept: slower <= SLOWER,
            });
        }
        limits
    }

    fn third(&self, third: usize) -> Third {
        // The last window is seldom whole.
        let whole = self.watched.len().saturating_sub(1);
        let windows = (whole * third / 3)..(whole * (third + 1) / 3);
        let mut times: Vec<u32> = Vec::new();
        let (mut p99s, mut resident, mut spent) = (Vec::new(), Vec::new(), 0);
        for window in windows {
            resident.extend(self.watched[window].resident.iter().map(|kib| *kib as f64));
            spent += self.watched[window].spent;
            if let Some(taken) = self.driven.times.get(&(window as u32)) {
                let mut sorted: Vec<f64> = taken.iter().map(|time| f64::from(*time)).collect();
                p99s.push(part(&mut sorted, 0.99));
                times.extend(taken);
            }
        }
        let mut all: Vec<f64> = times.iter().map(|time| f64::from(*time)).collect();
        Third {
            answers: times.len(),
            p50: part(&mut all, 0.5) / 1000.0,
            p99: part(&mut p99s, 0.25) / 1000.0,
            resident: part(&mut resident, 0.5) / 1024.0,
            spent: spent as f64 / 1000.0 / times.len().max(1) as f64,
        }
    }
}

/// The value below which this part of all lies.
fn part(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * part) as usize;
    let last = values.len().saturating_sub(1);
    values.get(index.min(last)).copied().unwrap_or_default()
}
