//! What a replay came to, for people and as JSON.
//! May use: counts and measures.
//! Must not: compute what measure does not.

use std::fmt;

use serde_json::json;
use stepgate::decision::Action;

use super::measure::{Measured, RATES, Share};

/// Decisions of each sort.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    allow: u64,
    step_up: u64,
    restrict: u64,
    deny: u64,
}

impl Counts {
    pub(super) fn add(&mut self, action: Action) {
        *match action {
            Action::Allow => &mut self.allow,
            Action::StepUp => &mut self.step_up,
            Action::Restrict => &mut self.restrict,
            Action::Deny => &mut self.deny,
        } += 1;
    }

    fn named(&self) -> [(Action, u64); 4] {
        [
            (Action::Allow, self.allow),
            (Action::StepUp, self.step_up),
            (Action::Restrict, self.restrict),
            (Action::Deny, self.deny),
        ]
    }
}

/// Everything a replay has to say at its end.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) events: u64,
    pub(super) bad_lines: u64,
    pub(super) seconds: f64,
    pub(super) identities: usize,
    pub(super) learned: u64,
    pub(super) decisions: Counts,
    pub(super) measured: Measured,
}

impl Summary {
    fn per_second(&self) -> f64 {
        self.events as f64 / self.seconds.max(1e-6)
    }

    pub(super) fn json(&self) -> String {
        let decisions: serde_json::Map<_, _> = self
            .decisions
            .named()
            .into_iter()
            .map(|(action, count)| (action.as_str().to_owned(), count.into()))
            .collect();
        let summary = json!({
            "events": self.events,
            "bad_lines": self.bad_lines,
            "seconds": self.seconds,
            "events_per_second": self.per_second(),
            "identities": self.identities,
            "learned": self.learned,
            "decisions": decisions,
            "challenge_rates": RATES,
            "measured": self.measured,
        });
        format!("{summary:#}\n")
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} events in {:.1} s ({:.0} events/s), {} lines skipped",
            self.events,
            self.seconds,
            self.per_second(),
            self.bad_lines
        )?;
        writeln!(
            f,
            "{} identities, {} authentication events learned",
            self.identities, self.learned
        )?;
        write!(f, "decisions:")?;
        for (index, (action, count)) in self.decisions.named().into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let share = 100.0 * count as f64 / self.events.max(1) as f64;
            write!(f, "{comma} {} {count} ({share:.2} %)", action.as_str())?;
        }
        let measured = &self.measured;
        let rate = |share: Share, what: &str| {
            format!("{:.2} % of {} {what}", 100.0 * share.challenged, share.of)
        };
        writeln!(
            f,
            "\nchallenge rate: {}, {}, {}",
            rate(measured.logins, "logins of people"),
            rate(measured.requests, "other requests of people"),
            rate(measured.machines, "events of machines"),
        )?;
        if measured.attacks.is_empty() {
            return Ok(());
        }
        write!(f, "\n{:<28} {:>7} {:>6}", "attack", "events", "AUC")?;
        for rate in RATES {
            write!(f, " {:>7}", format!("@{} %", 100.0 * rate))?;
        }
        writeln!(f, " requests@1 %")?;
        for found in &measured.attacks {
            write!(
                f,
                "{:<28} {:>7} {:>6.3}",
                found.attack, found.events, found.auc
            )?;
            for detected in found.detected {
                write!(f, " {detected:>7.3}")?;
            }
            writeln!(f, " {:>12.3}", found.requests)?;
        }
        Ok(())
    }
}
