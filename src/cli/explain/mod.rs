//! `stepgate explain`: one identity: what is normal for it, what was decided about it and why, and what would change that.
//! May use: live, event files, snapshots.
//! Must not: decide anything itself.

mod baseline;
mod decisions;
mod scopes;
mod usage;

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use stepgate::signals::ecs::{self, Event, rfc3339};
use stepgate::signals::keyed::Domain;

use super::key::KeyArgument;
use super::live::{Learn, Live};
use super::memory::Memory;
use super::progress::Progress;
use super::{Failure, baseline_file, event_file, policy_file, print};
use baseline::Baseline;
use decisions::{Change, Decided};
use usage::Usage;

/// How many decisions are shown.
const SHOWN: usize = 10;

/// Say what is normal for one identity, what was decided about it, and what would change that
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Event files in order of time, JSON lines or CSV, gzipped or not; - for stdin
    #[arg(required_unless_present = "baseline")]
    files: Vec<PathBuf>,
    /// The identity, as `user.id` of the events names it
    #[arg(long, value_name = "ID")]
    user: String,
    /// Snapshot to start from, made by `stepgate train` with the same key
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Policy that decides; without one the default policy
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgument,
    /// Explain how it was at this time (RFC 3339 or seconds since 1970); later events are passed over
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<f64>,
    /// What is learned
    #[arg(long, value_enum, default_value_t)]
    learn: Learn,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<f64, String> {
    ecs::parse_time(text)
        .or_else(|| text.parse().ok().filter(|time: &f64| *time >= 0.0))
        .ok_or_else(|| "must be a time after RFC 3339 or seconds since 1970".to_owned())
}

/// Everything there is to say.
#[derive(Debug, Serialize)]
struct Explanation {
    user: String,
    /// Absent where nothing was learned of this identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<Baseline>,
    /// Events of this identity in the files.
    events: u64,
    /// The last decisions, newest last.
    decisions: Vec<Decided>,
    #[serde(flatten)]
    usage: Usage,
    /// What would change the last decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Change>,
}

impl Explain {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let policy = policy_file::read(self.policy.as_deref())?;
        let key = self.key.or_public_quietly(&policy);
        let mut live = Live::new(policy, key, Memory::new(None, &key), self.learn);
        if let Some(path) = &self.baseline {
            baseline_file::load(path, &key, &mut live)?;
        }
        let mut seen = Seen::default();
        if !self.files.is_empty() {
            let progress = Progress::over(&self.files);
            event_file::each(&self.files, &progress, |event| {
                if self.at.is_none_or(|at| event.time <= at) {
                    seen.take(event, &self.user, &mut live);
                }
                Ok(())
            })?;
        }
        let locator = key.locate(Domain::Identity, &[self.user.as_bytes()]);
        live.memory.fetch(locator, &key);
        let record = live.memory.fetched(locator).cloned();
        if record.is_none() && seen.events == 0 {
            return Err(Failure::new(format!(
                "nothing is known of \"{}\": no event names it as `user.id`, and no baseline made with this key holds it",
                self.user.escape_debug()
            )));
        }
        let now = self.at.unwrap_or(seen.newest);
        let explanation = Explanation {
            user: self.user.clone(),
            baseline: record.map(|record| Baseline::of(record, now as u32)),
            events: seen.events,
            change: seen
                .decisions
                .back()
                .map(|last| last.change(live.policy.prior)),
            decisions: seen.decisions.into(),
            usage: seen.usage.finish(&live.policy),
        };
        print(&if self.json {
            serde_json::to_string_pretty(&explanation).unwrap_or_default() + "\n"
        } else {
            explanation.to_string()
        })
    }
}

/// What the files say of an identity.
#[derive(Debug, Default)]
struct Seen {
    events: u64,
    newest: f64,
    decisions: VecDeque<Decided>,
    usage: usage::Gathered,
}

impl Seen {
    fn take(&mut self, event: &Event<'_>, user: &str, live: &mut Live) {
        self.newest = self.newest.max(event.time);
        let own = event.user.as_deref() == Some(user);
        let assessment = live.take(event);
        let tier = self.usage.take(event, own, &live.policy);
        if own {
            self.events += 1;
            if self.decisions.len() == SHOWN {
                self.decisions.pop_front();
            }
            let decided = Decided::of(event, assessment, tier, live);
            self.decisions.push_back(decided);
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.user)?;
        match &self.baseline {
            Some(baseline) => write!(f, "\n{baseline}")?,
            None => writeln!(f, "\nbaseline: none; nothing of this identity was learned")?,
        }
        if self.events > 0 {
            let shown = self.decisions.len();
            writeln!(f, "\ndecisions: the last {shown} of {}", self.events)?;
            for decided in &self.decisions {
                writeln!(f, "  {decided}")?;
            }
            write!(f, "\n{}", self.usage)?;
        }
        if let Some(change) = &self.change {
            write!(f, "\n{change}")?;
        }
        Ok(())
    }
}

/// A time to the second, as text.
fn moment(seconds: u32) -> String {
    rfc3339(f64::from(seconds))
}
