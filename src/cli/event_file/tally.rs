//! What reading files found: events, bad lines, and what they were instead.
//! May use: stderr.
//! Must not: read a line.

use super::foreign::Foreign;
use crate::cli::{Failure, say};

/// Bad lines that are named; the rest is counted.
const NAMED: u64 = 10;

/// What reading files found besides events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Events read.
    pub(crate) events: u64,
    /// Those that name who asked.
    pub(crate) named: u64,
    /// Lines that were no events.
    pub(crate) bad: u64,
    /// Lines that were something else, and were taken as that.
    pub(crate) others: u64,
    /// What the first bad line looked like that looked like anything.
    pub(crate) foreign: Option<Foreign>,
}

impl Tally {
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
            if self.events > 0 && self.named == 0 && self.others == 0 {
                say(format_args!(
                    "none of {} events names who asked (`user.id`), so they are nobody's: `stepgate import --map KEY=user.id` takes it from another key",
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
