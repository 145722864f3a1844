//! `stepgate explain`: one identity: what is normal for it, what was decided about it and why, and what would change that. Or
//! one decision, as the audit log has it.
//! May use: live, event files, audit lines, snapshots.
//! Must not: decide anything itself.

mod audited;
mod baseline;
mod decisions;
mod scopes;
mod usage;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;

use clap::{ArgGroup, Args};
use serde::Serialize;
use serde_json::json;
use stepgate::signals::ecs::{self, Event, rfc3339};
use stepgate::signals::keyed::Domain;

use super::event_file::Work;
use super::key::KeyArgument;
use super::live::{Learn, Live};
use super::memory::Memory;
use super::progress::Progress;
use super::{Failure, baseline_file, event_file, hash, policy_file, print, visible};
use audited::{Line, Trail, Wanted};
use baseline::Baseline;
use decisions::{Change, Decided};
use usage::Usage;

/// How many decisions are shown.
const SHOWN: usize = 10;
/// How many identities with the same subject are named.
const ALIKE: usize = 3;

/// Say what is normal for one identity, what was decided about it, and what would change that
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("who").required(true).args(["user", "hash", "decision"])))]
pub(crate) struct Explain {
    /// Event files in order of time, JSON lines or CSV, gzipped or not, and audit logs of the filter, which may stand in the log of
    /// the proxy; - for stdin
    #[arg(required_unless_present = "baseline")]
    files: Vec<PathBuf>,
    /// The identity, as `user.id` of the events names it: of a token its issuer, `|` and its subject. Audit lines that have
    /// only a hash are found by the key
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// The identity, as `user.hash` of audit lines names it
    #[arg(long, value_name = "HASH", conflicts_with = "baseline")]
    hash: Option<String>,
    /// One decision of an audit log, by the id in the client's reply and in `x-stepgate-id`
    #[arg(long, value_name = "ID", conflicts_with = "baseline")]
    decision: Option<String>,
    /// Snapshot to start from, made by `stepgate train` with the same key
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Policy that decides, by itself or in the configuration that brings it to the filter; without one the default policy
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
    /// Absent where a hash or one decision was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
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
    /// What the filter wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<Trail>,
}

impl Explain {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let policy = policy_file::read(self.policy.as_deref())?;
        let key = self.key.or_public_quietly(&policy);
        let mut live = Live::new(policy, key, Memory::new(None, &key), self.learn);
        if let Some(path) = &self.baseline {
            baseline_file::load(path, &key, &mut live)?;
        }
        let of_user = |id: &String| hash::of_user(id, &key);
        let wanted = Wanted {
            user: self.user.clone(),
            hash: self
                .hash
                .clone()
                .or_else(|| self.user.as_ref().map(of_user)),
            decision: self.decision.clone(),
        };
        let mut seen = Seen {
            live,
            wanted: &wanted,
            at: self.at,
            knows_policy: self.policy.is_some(),
            events: 0,
            newest: 0.0,
            decisions: VecDeque::new(),
            usage: usage::Gathered::default(),
            trail: Trail::default(),
            alike: BTreeSet::new(),
            of_others: 0,
            foreign: 0,
        };
        if !self.files.is_empty() {
            let progress = Progress::over(&self.files);
            event_file::each_with(
                &self.files,
                &progress,
                NonZero::<usize>::MIN,
                &wanted,
                &mut seen,
            )?;
        }
        let explanation = seen.explanation(self.at)?;
        print(&if self.json {
            explanation.json() + "\n"
        } else {
            visible(&explanation.to_string(), true)
        })
    }
}

/// What the files say of an identity.
#[derive(Debug)]
struct Seen<'w> {
    live: Live,
    wanted: &'w Wanted,
    at: Option<f64>,
    /// Whether a policy was given.
    knows_policy: bool,
    events: u64,
    newest: f64,
    decisions: VecDeque<Decided>,
    usage: usage::Gathered,
    trail: Trail,
    /// Identities whose subject is what was asked for.
    alike: BTreeSet<String>,
    /// Audit lines of others.
    of_others: u64,
    /// Lines that are neither events nor audit lines.
    foreign: u64,
}

impl Work for Seen<'_> {
    type Setting = Wanted;
    type Prepared<'e> = ();
    type Other = Line;
    type Memo = ();

    fn other(wanted: &Wanted, line: &[u8]) -> Result<Option<Line>, String> {
        Ok(wanted.line(line))
    }

    fn prepare<'e>(_: &'e Wanted, (): &mut (), _: &'e Event<'_>) {}

    fn take(&mut self, event: &Event<'_>, (): &()) -> Result<(), Failure> {
        if self.is_later(event.time) {
            return Ok(());
        }
        self.newest = self.newest.max(event.time);
        let own = event.user.is_some() && event.user.as_deref() == self.wanted.user.as_deref();
        let assessment = self.live.take(event);
        let tier = self.usage.take(event, own, &self.live.policy);
        if own {
            self.events += 1;
            if self.decisions.len() == SHOWN {
                self.decisions.pop_front();
            }
            let decided = Decided::of(event, assessment, tier, &self.live);
            self.decisions.push_back(decided);
        } else if let (Some(user), Some(wanted)) = (&event.user, &self.wanted.user) {
            let subject = user.rsplit_once('|').map(|(_, subject)| subject);
            if subject == Some(wanted) && self.alike.len() < ALIKE {
                self.alike.insert(user.clone().into_owned());
            }
        }
        Ok(())
    }

    fn take_other(&mut self, line: &Line) {
        match line {
            Line::Wanted(line) if !line.time().is_some_and(|time| self.is_later(time)) => {
                let policy = self.knows_policy.then_some(&*self.live.policy);
                self.trail.take(line, policy, &self.live.key);
            }
            Line::OfOthers => self.of_others += 1,
            Line::Foreign => self.foreign += 1,
            Line::Wanted(_) => {}
        }
    }
}

impl Seen<'_> {
    fn is_later(&self, time: f64) -> bool {
        self.at.is_some_and(|at| time > at)
    }

    fn explanation(mut self, at: Option<f64>) -> Result<Explanation, Failure> {
        let record = self.wanted.user.as_ref().and_then(|user| {
            let Live { key, memory, .. } = &mut self.live;
            let locator = key.locate(Domain::Identity, &[user.as_bytes()]);
            memory.fetch(locator, key);
            memory.fetched(locator).cloned()
        });
        if record.is_none() && self.events == 0 && self.trail.lines == 0 {
            return Err(Failure::new(self.nothing()));
        }
        let now = at.unwrap_or(self.newest);
        let prior = self.live.policy.prior;
        Ok(Explanation {
            user: self.wanted.user.clone(),
            baseline: record.map(|record| Baseline::of(record, now as u32)),
            events: self.events,
            change: self.decisions.back().map(|last| last.change(prior)),
            decisions: self.decisions.into(),
            usage: self.usage.finish(&self.live.policy),
            audit: (self.trail.lines > 0).then_some(self.trail),
        })
    }

    /// Why there is nothing to explain, and what may have been meant.
    fn nothing(&self) -> String {
        let lines = format!("of {} audit lines", self.of_others);
        if self.wanted.user.is_none() && self.of_others == 0 {
            return "the input has no audit line: they are in the log of the proxy, at level info of its component wasm".to_owned();
        }
        match self.wanted {
            Wanted {
                decision: Some(id), ..
            } => format!(
                "{lines} none has \"{}\" as `event.id`: a repeated allow has no line, and those held back by audit.repeat_seconds have one between them",
                id.escape_debug()
            ),
            Wanted {
                user: Some(user), ..
            } => {
                let mut text = format!(
                    "nothing is known of \"{}\": no event names it as `user.id`, and no baseline made with this key holds it",
                    user.escape_debug()
                );
                if self.of_others > 0 {
                    text += &format!("; {lines} none has its hash under this key");
                }
                if self.foreign > 0 {
                    text += &format!(
                        "; {} lines are neither events nor audit lines",
                        self.foreign
                    );
                }
                if !self.alike.is_empty() {
                    let alike: Vec<String> = self
                        .alike
                        .iter()
                        .map(|user| format!("\"{}\"", user.escape_debug()))
                        .collect();
                    text += &format!("; did you mean {}?", alike.join(" or "));
                }
                text
            }
            Wanted { hash, .. } => format!(
                "{lines} none has \"{}\" as `user.hash`",
                hash.as_deref().unwrap_or_default().escape_debug()
            ),
        }
    }
}

impl Explanation {
    fn json(&self) -> String {
        // Where no identity was asked for by name there is nothing but lines.
        let written = match (&self.user, &self.audit) {
            (None, Some(audit)) => serde_json::to_string_pretty(&json!({ "audit": audit })),
            _ => serde_json::to_string_pretty(self),
        };
        written.unwrap_or_default()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(user) = &self.user else {
            return self.audit.as_ref().map_or(Ok(()), |audit| audit.fmt(f));
        };
        writeln!(f, "{user}")?;
        match (&self.baseline, &self.audit) {
            (Some(baseline), _) => write!(f, "\n{baseline}")?,
            (None, Some(_)) if self.events == 0 => {}
            _ => writeln!(f, "\nbaseline: none; nothing of this identity was learned")?,
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
        match &self.audit {
            Some(audit) => write!(f, "\n{audit}"),
            None => Ok(()),
        }
    }
}

/// A time to the second, as text.
fn moment(seconds: u32) -> String {
    rfc3339(f64::from(seconds))
}
