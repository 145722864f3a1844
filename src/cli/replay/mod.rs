//! `stepgate replay`: an event file through the engine, scored before it is learned, and what came of it.
//! May use: live, event files.
//! Must not: let a label reach a decision.

pub(in crate::cli) mod audited;
mod differences;
mod lines;
pub(in crate::cli) mod measure;
mod summary;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use stepgate::assess::Assessment;
use stepgate::decision::Action;
use stepgate::policy::Policy;
use stepgate::signals::ecs::{Event, Kind, Outcome};
use stepgate::signals::from_event::Clients;
use stepgate::signals::keyed::HashKey;

use super::event_file::Work;
use super::key::KeyArgument;
use super::live::{Learn, Live, Prepared};
use super::memory::Memory;
use super::progress::{Clock, Progress};
use super::threads::Threads;
use super::{Failure, baseline_file, event_file, policy_file, print, say, visible, written};
use audited::AuditLine;
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
    /// Policy that decides, by itself or in the configuration that brings it to the filter; without one the default policy
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
    #[command(flatten)]
    threads: Threads,
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
#[derive(Debug)]
struct Run {
    live: Live,
    counts: Counts,
    measure: Measure,
}

impl Run {
    fn take(&mut self, event: &Event<'_>, prepared: &Prepared<'_>) -> Assessment {
        let assessment = self.live.take_prepared(event, prepared);
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

    fn sight(&self) -> Sight {
        (Arc::clone(&self.live.policy), self.live.key)
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
        let run = self.start(self.policy.as_deref())?;
        let other = match &self.against {
            Some(path) => Some(self.start(Some(path))?),
            None => None,
        };
        let setting = Setting {
            first: run.sight(),
            second: other.as_ref().map(Run::sight),
        };
        let clock = Clock::start();
        let progress = Progress::over(&self.files);
        let mut played = Played {
            differences: match &setting.second {
                Some((other, _)) => Differences::between(&run.live.policy, other, &run.live.key),
                None => Differences::default(),
            },
            setting: &setting,
            run,
            other,
            changes: Changes::default(),
            sessions: (self.per == Some(Per::Session)).then(Sessions::default),
            events: self.events,
            output: BufWriter::with_capacity(1 << 16, io::stdout()),
        };
        let (files, threads) = (&self.files, self.threads.get());
        let tally = event_file::each_with(files, &progress, threads, &setting, &mut played)?;
        let seconds = clock.seconds();
        let mut output = played.output;
        played.sessions.unwrap_or_default().write(&mut output)?;
        output.flush().map_err(written)?;
        drop(output);
        let (changes, differences) = (played.changes, played.differences);
        let summary = Summary {
            events: tally.events,
            bad_lines: tally.bad,
            seconds,
            outcomes: played.run.outcome(),
            against: played.other.map(|other| (other.outcome(), changes)),
            audited: (tally.others > 0).then_some(differences),
        };
        for warning in summary.audited.iter().flat_map(Differences::warnings) {
            say(format_args!("{warning}"));
        }
        let text = if self.json {
            summary.json()
        } else {
            visible(&summary.to_string(), true)
        };
        if self.events || self.per.is_some() {
            let _nobody_listens = io::stderr().write_all(text.as_bytes());
            Ok(())
        } else {
            print(&text)
        }
    }
}

/// A policy and its hash key.
type Sight = (Arc<Policy>, HashKey);

/// The policies that are replayed.
#[derive(Debug)]
struct Setting {
    first: Sight,
    second: Option<Sight>,
}

/// A replay as far as it is.
#[derive(Debug)]
struct Played<'s> {
    setting: &'s Setting,
    run: Run,
    other: Option<Run>,
    changes: Changes,
    differences: Differences,
    /// Where lines are wanted for them.
    sessions: Option<Sessions>,
    /// Whether a line is wanted for every event.
    events: bool,
    output: BufWriter<io::Stdout>,
}

impl Work for Played<'_> {
    type Setting = Setting;
    /// Under the second policy apart: hardly ever is there one.
    type Prepared<'e> = (Prepared<'e>, Option<Box<Prepared<'e>>>);
    type Other = AuditLine;
    type Memo = Clients;

    fn other(setting: &Setting, line: &[u8]) -> Result<Option<AuditLine>, String> {
        match setting.second {
            None => Ok(None),
            Some(_) => audited::read(line),
        }
    }

    fn prepare<'e>(
        setting: &'e Setting,
        clients: &mut Clients,
        event: &'e Event<'_>,
    ) -> Self::Prepared<'e> {
        let mut under = |(policy, key): &'e Sight| Prepared::of(event, policy, key, clients);
        let second = setting.second.as_ref().map(|sight| Box::new(under(sight)));
        (under(&setting.first), second)
    }

    fn look_ahead(&self, (first, second): &Self::Prepared<'_>) {
        self.run.live.look_ahead_to(first);
        if let (Some(other), Some(second)) = (&self.other, second) {
            other.live.look_ahead_to(second);
        }
    }

    fn take(&mut self, event: &Event<'_>, prepared: &Self::Prepared<'_>) -> Result<(), Failure> {
        let (first, second) = prepared;
        let assessment = self.run.take(event, first);
        if let (Some(other), Some(second)) = (&mut self.other, second) {
            let decision = other.take(event, second).decision;
            self.changes.add(assessment.decision.would, decision.would);
        }
        if self.events {
            let line = EventLine::of(event, &assessment);
            serde_json::to_writer(&mut self.output, &line)
                .map_err(|error| written(error.into()))?;
            self.output.write_all(b"\n").map_err(written)?;
        }
        if let Some(sessions) = &mut self.sessions {
            sessions.add(event, &assessment);
        }
        Ok(())
    }

    fn take_other(&mut self, line: &AuditLine) {
        if let Some((second, _)) = &self.setting.second {
            self.differences.take(line, &self.setting.first.0, second);
        }
    }
}
