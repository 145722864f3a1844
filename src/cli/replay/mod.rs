//! `stepgate replay`: an event file through the engine, scored before it is learned, and what came of it.
//! May use: live, event files.
//! Must not: let a label reach a decision.

mod audited;
mod differences;
mod lines;
pub(in crate::cli) mod measure;
mod summary;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use stepgate::assess::Assessment;
use stepgate::decision::Action;
use stepgate::signals::ecs::{Event, Kind, Outcome};

use super::key::KeyArgument;
use super::live::{Learn, Live};
use super::memory::Memory;
use super::progress::{Clock, Progress};
use super::{Failure, baseline_file, event_file, policy_file, print, say, written};
use differences::Differences;
use lines::{EventLine, Sessions};
use measure::{Measure, Scored};
use summary::{Changes, Counts, Outcomes, Summary};

/// Score event files as the filter would have, and measure it where they are labelled
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Event files in order of time, JSON lines or CSV, gzipped or not; - for stdin
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write one JSON line per event to stdout, in the order of the input; the summary goes to stderr
    #[arg(long, conflicts_with = "per")]
    events: bool,
    /// Write one JSON line per session to stdout; the summary goes to stderr
    #[arg(long, value_enum, value_name = "WHAT")]
    per: Option<Per>,
    /// What is learned
    #[arg(long, value_enum, default_value_t)]
    learn: Learn,
    /// Policy that decides; without one the default policy
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A second policy with a memory of its own: the summary says what it would decide otherwise. Lines of the filter's audit log
    /// are decided again under both, on the evidence they hold
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgument,
    /// Snapshot to start from, made by `stepgate train` with the same key
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Keep records in as many pages as this memory holds, as the filter does; without it all are kept
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=4096))]
    memory: Option<u32>,
    /// Events of identities with fewer authentication events before them are not measured
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_history: u32,
    /// Write the summary as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Per {
    /// One line per session
    Session,
}

/// One policy at work, and what came of it.
struct Run {
    live: Live,
    counts: Counts,
    measure: Measure,
}

impl Run {
    fn take(&mut self, event: &Event<'_>) -> Assessment {
        let assessment = self.live.take(event);
        let decision = assessment.decision.would;
        self.counts.add(decision);
        self.measure.add(&Scored {
            logit: assessment.score.logit,
            challenged: decision != Action::Allow,
            history: assessment.history,
            human: event.kind.is_none_or(|kind| kind == Kind::Human),
            login: event.action.as_deref() == Some("login"),
            success: event.outcome != Some(Outcome::Failure),
            attack: event.attack.as_deref(),
        });
        assessment
    }

    fn outcome(self) -> Outcomes {
        Outcomes {
            identities: self.live.memory.len(),
            learned: self.live.learned,
            decisions: self.counts,
            measured: self.measure.finish(),
        }
    }
}

impl Replay {
    /// The policy in a file with a memory of its own.
    fn start(&self, policy: Option<&Path>) -> Result<Run, Failure> {
        let policy = policy_file::read(policy)?;
        let key = self.key.or_public_quietly(&policy);
        let mut live = Live::new(policy, key, Memory::new(self.memory, &key), self.learn);
        if let Some(path) = &self.baseline {
            baseline_file::load(path, &key, &mut live)?;
        }
        Ok(Run {
            live,
            counts: Counts::default(),
            measure: Measure::new(self.min_history),
        })
    }

    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut run = self.start(self.policy.as_deref())?;
        let mut other = match &self.against {
            Some(path) => Some(self.start(Some(path))?),
            None => None,
        };
        let mut output = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        let mut sessions = Sessions::default();
        let mut changes = Changes::default();
        let clock = Clock::start();
        let progress = Progress::over(&self.files);
        let mut differences = Differences::default();
        let first = run.live.policy.clone();
        let second = other.as_ref().map(|other| other.live.policy.clone());
        if let Some(second) = &second {
            differences = Differences::between(&first, second, &run.live.key);
        }
        let audit = |line: &[u8]| match &second {
            None => Ok(false),
            Some(second) => Ok(match audited::read(line)? {
                Some(line) => {
                    differences.take(&line, &first, second);
                    true
                }
                None => false,
            }),
        };
        let tally = event_file::each_or(&self.files, &progress, audit, |event| {
            let assessment = run.take(event);
            if let Some(other) = &mut other {
                changes.add(assessment.decision.would, other.take(event).decision.would);
            }
            if self.events {
                let line = EventLine::of(event, &assessment);
                serde_json::to_writer(&mut output, &line).map_err(|error| written(error.into()))?;
                output.write_all(b"\n").map_err(written)?;
            }
            if self.per == Some(Per::Session) {
                sessions.add(event, &assessment);
            }
            Ok(())
        })?;
        let seconds = clock.seconds();
        sessions.write(&mut output)?;
        output.flush().map_err(written)?;
        drop(output);
        let summary = Summary {
            events: tally.events,
            bad_lines: tally.bad,
            seconds,
            outcomes: run.outcome(),
            against: other.map(|other| (other.outcome(), changes)),
            audited: (tally.others > 0).then_some(differences),
        };
        for warning in summary.audited.iter().flat_map(Differences::warnings) {
            say(format_args!("{warning}"));
        }
        let text = if self.json {
            summary.json()
        } else {
            summary.to_string()
        };
        if self.events || self.per.is_some() {
            let _nobody_listens = io::stderr().write_all(text.as_bytes());
            Ok(())
        } else {
            print(&text)
        }
    }
}
