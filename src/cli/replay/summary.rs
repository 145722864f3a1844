//! What a replay came to, for people and as JSON.
//! May use: counts and measures.
//! Must not: compute what measure does not.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};
use stepgate::decision::Action;

use super::differences::Differences;
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

/// Decisions that another policy would change: from what to what, and how often.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes(BTreeMap<(Action, Action), u64>);

impl Changes {
    pub(super) fn add(&mut self, from: Action, to: Action) {
        if from != to {
            *self.0.entry((from, to)).or_default() += 1;
        }
    }

    fn named(&self) -> impl Iterator<Item = (String, u64)> {
        self.0
            .iter()
            .map(|((from, to), count)| (format!("{} to {}", from.as_str(), to.as_str()), *count))
    }
}

/// What came of one policy.
#[derive(Debug)]
pub(super) struct Outcomes {
    pub(super) identities: usize,
    pub(super) learned: u64,
    pub(super) decisions: Counts,
    pub(super) measured: Measured,
}

/// Everything a replay has to say at its end.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) events: u64,
    pub(super) bad_lines: u64,
    pub(super) seconds: f64,
    pub(super) outcomes: Outcomes,
    /// Of the other policy, and what it changes.
    pub(super) against: Option<(Outcomes, Changes)>,
    /// Of the lines of an audit log.
    pub(super) audited: Option<Differences>,
}

impl Outcomes {
    fn json(&self) -> Value {
        let decisions: serde_json::Map<_, _> = self
            .decisions
            .named()
            .into_iter()
            .map(|(action, count)| (action.as_str().to_owned(), count.into()))
            .collect();
        json!({
            "identities": self.identities,
            "learned": self.learned,
            "decisions": decisions,
            "measured": self.measured,
        })
    }

    fn tell(&self, events: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} identities, {} authentication events learned",
            self.identities, self.learned
        )?;
        write!(f, "decisions:")?;
        for (index, (action, count)) in self.decisions.named().into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let share = 100.0 * count as f64 / events.max(1) as f64;
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
        write!(f, "\n{:<32} {:>7} {:>6}", "attack", "events", "AUC")?;
        for rate in RATES {
            write!(f, " {:>7}", format!("@{} %", 100.0 * rate))?;
        }
        writeln!(f, " requests@1 %")?;
        for found in &measured.attacks {
            let (name, events, auc) = (&found.attack, found.events, found.auc);
            write!(f, "{name:<32} {events:>7} {auc:>6.3}")?;
            for detected in found.detected {
                write!(f, " {detected:>7.3}")?;
            }
            writeln!(f, " {:>12.3}", found.requests)?;
        }
        Ok(())
    }
}

impl Summary {
    fn per_second(&self) -> f64 {
        self.events as f64 / self.seconds.max(1e-6)
    }

    pub(super) fn json(&self) -> String {
        let mut summary = json!({
            "events": self.events,
            "bad_lines": self.bad_lines,
            "seconds": self.seconds,
            "events_per_second": self.per_second(),
            "challenge_rates": RATES,
        });
        if let (Value::Object(summary), Value::Object(outcomes)) =
            (&mut summary, self.outcomes.json())
        {
            summary.extend(outcomes);
            if let Some((other, changes)) = &self.against {
                summary.insert("against".to_owned(), other.json());
                let changes: serde_json::Map<_, _> = changes
                    .named()
                    .map(|(change, count)| (change, count.into()))
                    .collect();
                summary.insert("changes".to_owned(), Value::Object(changes));
            }
        }
        if let (Value::Object(summary), Some(audited)) = (&mut summary, &self.audited) {
            let audited = serde_json::to_value(audited).unwrap_or_default();
            summary.insert("audited".to_owned(), audited);
        }
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
        if let Some(audited) = &self.audited {
            write!(f, "{audited}")?;
            if self.events == 0 {
                return Ok(());
            }
            writeln!(f, "\nof the events:")?;
        }
        self.outcomes.tell(self.events, f)?;
        if let Some((other, changes)) = &self.against {
            writeln!(f, "\nagainst:")?;
            other.tell(self.events, f)?;
            writeln!(f, "\nchanges:")?;
            for (change, count) in changes.named() {
                writeln!(f, "{change}: {count}")?;
            }
            if changes.0.is_empty() {
                writeln!(f, "none")?;
            }
        }
        Ok(())
    }
}
