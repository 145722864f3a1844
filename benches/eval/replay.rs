//! The engine's own scores, as a user gets them: `stepgate replay` as a process, its lines read back.
//! May use: the built binary, the table of reasons for their families.
//! Must not: call the engine, so that what is measured is what ships.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use stepgate::evidence::{Family, Nature, Reason};

/// What the engine said of one event or session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) logit: f64,
    pub(crate) history: u32,
    /// The logit without the strongest family.
    pub(crate) without: f64,
    /// Whether a person would be challenged at such a logit, and whether without the strongest family: that takes a nat from
    /// each of two families or one reason that is more than novelty.
    pub(crate) holds: [bool; 2],
    /// The decision was not to allow.
    pub(crate) acted: bool,
}

/// One session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Its place among the sessions of its identity: the number its id ends with.
    pub(crate) number: u32,
    pub(crate) user: String,
    pub(crate) attack: bool,
    pub(crate) last: f64,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    stepgate: Verdict<'a>,
    #[serde(rename = "user.id", borrow, default)]
    user: Option<Cow<'a, str>>,
    #[serde(rename = "session.id", borrow, default)]
    session: Option<Cow<'a, str>>,
    #[serde(rename = "labels.attack", borrow, default)]
    attack: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Verdict<'a> {
    #[serde(borrow)]
    decision: Cow<'a, str>,
    #[serde(borrow)]
    reasons: Reasons<'a>,
    logit: f64,
    #[serde(default)]
    logit_last: Option<f64>,
    history: u32,
}

/// The path of the binary that was built with this one.
pub(crate) const STEPGATE: &str = env!("CARGO_BIN_EXE_stepgate");

/// Calls `take` with every line the replay of a file writes. Answers the lines on stderr.
fn each(
    path: &Path,
    arguments: &[&str],
    mut take: impl FnMut(&Line<'_>),
) -> Result<String, String> {
    let mut child = Command::new(STEPGATE)
        .arg("replay")
        .arg(path)
        .args(arguments)
        .env_remove("STEPGATE_KEY")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{STEPGATE}: {error}"))?;
    let stdout = child.stdout.take().ok_or("no stdout")?;
    let mut problem = None;
    for line in BufReader::with_capacity(1 << 18, stdout).lines() {
        let line = line.map_err(|error| error.to_string())?;
        match serde_json::from_str::<Line<'_>>(&line) {
            Ok(line) => take(&line),
            Err(error) => {
                problem.get_or_insert(error.to_string());
            }
        }
    }
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    match problem {
        _ if !output.status.success() => Err(stderr),
        Some(problem) => Err(problem),
        None => Ok(stderr),
    }
}

/// Reasons with their nats.
type Reasons<'a> = BTreeMap<Cow<'a, str>, f64>;

/// The strongest family, and what is taken away with it.
fn strongest(reasons: &Reasons<'_>) -> (Option<Family>, f64) {
    let mut strongest = (None, 0.0);
    for family in Family::ALL {
        let nats = known(reasons)
            .filter(|(reason, _)| reason.family() == family)
            .map(|(_, nats)| nats)
            .max_by(f64::total_cmp)
            .unwrap_or(0.0);
        if nats > strongest.1 {
            strongest = (Some(family), nats);
        }
    }
    strongest
}

fn known(reasons: &Reasons<'_>) -> impl Iterator<Item = (Reason, f64)> {
    reasons
        .iter()
        .filter_map(|(code, nats)| Some((Reason::from_code(code)?, *nats)))
}

/// Whether reasons without those of a family are enough to challenge on, as design and policy say.
fn holds(reasons: &Reasons<'_>, without: Option<Family>) -> bool {
    let say: Vec<_> = known(reasons)
        .filter(|(reason, nats)| Some(reason.family()) != without && *nats >= 1.0)
        .map(|(reason, _)| reason)
        .collect();
    say.iter()
        .any(|reason| matches!(reason.nature(), Nature::Deviation | Nature::Suspicion))
        || say
            .iter()
            .any(|reason| Some(reason.family()) != say.first().map(|first| first.family()))
}

/// Scores of every event of a file, in its order.
pub(crate) fn events(path: &Path, arguments: &[&str]) -> Result<Vec<Said>, String> {
    Ok(events_and_identities(path, arguments)?.0)
}

/// The same, and how many identities were remembered at the end.
pub(crate) fn events_and_identities(
    path: &Path,
    arguments: &[&str],
) -> Result<(Vec<Said>, u64), String> {
    let mut said = Vec::new();
    let summary = each(
        path,
        &[&["--events", "--json"], arguments].concat(),
        |line| {
            let verdict = &line.stepgate;
            let (family, nats) = strongest(&verdict.reasons);
            said.push(Said {
                logit: verdict.logit,
                history: verdict.history,
                without: verdict.logit - nats,
                holds: [None, family].map(|without| holds(&verdict.reasons, without)),
                acted: verdict.decision != "allow",
            });
        },
    )?;
    // Lines about the input may stand before the summary.
    let summary = summary
        .find('{')
        .and_then(|start| summary.get(start..))
        .unwrap_or_default();
    let summary: serde_json::Value = serde_json::from_str(summary).unwrap_or_default();
    Ok((said, summary["identities"].as_u64().unwrap_or(0)))
}

/// The sessions of a file.
pub(crate) fn sessions(path: &Path, arguments: &[&str]) -> Result<Vec<Session>, String> {
    let mut sessions = Vec::new();
    each(path, &[&["--per", "session"], arguments].concat(), |line| {
        let id = line.session.as_deref().unwrap_or_default();
        let number = id.rsplit('-').next().and_then(|end| end.parse().ok());
        sessions.push(Session {
            number: number.unwrap_or(0),
            user: line.user.as_deref().unwrap_or_default().to_owned(),
            attack: line.attack.is_some(),
            last: line.stepgate.logit_last.unwrap_or(line.stepgate.logit),
        });
    })?;
    Ok(sessions)
}
