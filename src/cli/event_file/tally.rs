//! What reading files found: events, bad lines, and what they were instead.
//! May use: stderr.
//! Must not: read a line.

use stepgate::signals::ecs::Event;

use super::foreign::Foreign;
use crate::cli::{Failure, say};

/// Bad lines that are named; the rest is counted.
const NAMED: u64 = 10;
/// Seconds an event may be older than one before it: lines of an access log are written when requests end.
const LATE: f64 = 3600.0;

/// What reading files found besides events.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// Events read.
    pub(crate) events: u64,
    /// Those that name who asked.
    pub(crate) named: u64,
    /// Those that are much older than one before them.
    pub(crate) late: u64,
    /// Time of the newest, in seconds since 1970.
    newest: f64,
    /// Lines that were no events.
    pub(crate) bad: u64,
    /// Lines that were something else, and were taken as that.
    pub(crate) others: u64,
    /// What the first bad line looked like that looked like anything.
    pub(crate) foreign: Option<Foreign>,
}

impl Tally {
    /// Counts an event.
    pub(crate) fn event(&mut self, event: &Event<'_>) {
        self.events += 1;
        self.named += u64::from(event.user.is_some());
        self.late += u64::from(event.time < self.newest - LATE);
        self.newest = self.newest.max(event.time);
    }

    /// Counts a bad line, and names it while they are few.
    pub(crate) fn bad(&mut self, file: &str, line: u64, why: impl std::fmt::Display) {
        self.bad += 1;
        if self.bad <= NAMED {
            say(format_args!("{file}:{line}: skipped: {why}"));
        }
        if self.bad == NAMED {
            say("further bad lines are only counted");
        }
    }

    /// Refuses input without a single event; says how many lines were skipped otherwise, and if nobody was named.
    pub(crate) fn check(self) -> Result<Self, Failure> {
        let advice = self.foreign.map_or(
            "logs of other makers go through `stepgate import`",
            Foreign::advice,
        );
        self.check_or(Some(advice))
    }

    /// The same with other advice, or none, for who has input without events.
    pub(crate) fn check_or(self, advice: Option<&str>) -> Result<Self, Failure> {
        if self.events + self.others > 0 {
            if self.bad > NAMED {
                say(format_args!("{} lines skipped", self.bad));
            }
            if self.late > 0 {
                say(format_args!(
                    "{} of {} events are more than an hour older than one before them: what is learned follows the order of the input, so sort it by time",
                    self.late, self.events
                ));
            }
            if self.events > 0 && self.named == 0 && self.others == 0 {
                let advice = match self.foreign {
                    Some(Foreign::Audit) => Foreign::Audit.advice(),
                    _ => "`stepgate import --map KEY=user.id` takes it from another key",
                };
                say(format_args!(
                    "none of {} events names who asked (`user.id`), so they are nobody's: {advice}",
                    self.events
                ));
            }
            return Ok(self);
        }
        let what = match self.bad {
            0 => return Err(Failure::new("no events: the input is empty")),
            1 => "the only line could not be read".to_owned(),
            bad => format!("none of {bad} lines could be read"),
        };
        let advice = advice.map_or_else(String::new, |advice| format!("; {advice}"));
        Err(Failure::new(format!("no events: {what}{advice}")))
    }
}
