//! How far scores of owners' events have moved: quantiles and the population stability index.
//! May use: scores, the lines of an earlier replay.
//! Must not: judge a policy.

use std::fmt;
use std::io::BufRead;
use std::path::Path;

use serde::Deserialize;

use crate::cli::{Failure, input};

/// Bins of the index; each holds a tenth of the earlier scores.
const BINS: usize = 10;

/// Below the first nothing moved, above the second another population is looked at (the rule of thumb of credit scoring).
const MOVED: [f64; 2] = [0.1, 0.25];

/// Two distributions of scores.
#[derive(Debug)]
pub(super) struct Drift {
    earlier: Vec<f64>,
    later: Vec<f64>,
}

#[derive(Deserialize)]
struct Line {
    stepgate: Verdict,
    #[serde(rename = "labels.attack", default)]
    attack: Option<String>,
    #[serde(rename = "event.action", default)]
    action: Option<String>,
    #[serde(rename = "event.outcome", default)]
    outcome: Option<String>,
    #[serde(rename = "identity.kind", default)]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Verdict {
    logit: f64,
}

impl Line {
    /// Whether it is a successful login of an owner who is a person.
    fn counts(&self) -> bool {
        self.attack.is_none()
            && self.action.as_deref() == Some("login")
            && self.outcome.as_deref() != Some("failure")
            && self.kind.as_deref().is_none_or(|kind| kind == "human")
    }
}

/// Scores of people's logins in the output of `stepgate replay --events`.
pub(super) fn earlier(path: &Path) -> Result<Vec<f64>, Failure> {
    let name = input::name(path);
    let mut scores = Vec::new();
    for (index, line) in input::open(path, |_| {})?.lines().enumerate() {
        let bad = |why: String| {
            let number = index + 1;
            Failure::new(format!(
                "{name}:{number}: no line of `stepgate replay --events`: {why}"
            ))
        };
        let line = line.map_err(|error| bad(error.to_string()))?;
        let line: Line = serde_json::from_str(&line).map_err(|error| bad(error.to_string()))?;
        if line.counts() {
            scores.push(line.stepgate.logit);
        }
    }
    if scores.is_empty() {
        return Err(Failure::new(format!("{name}: holds no login of a person")));
    }
    Ok(scores)
}

impl Drift {
    pub(super) fn between(mut earlier: Vec<f64>, mut later: Vec<f64>) -> Self {
        earlier.sort_by(f64::total_cmp);
        later.sort_by(f64::total_cmp);
        Self { earlier, later }
    }

    /// Sum over bins of the difference of shares times the logarithm of their ratio.
    fn index(&self) -> f64 {
        let edges = (1..BINS).map(|bin| quantile(&self.earlier, bin as f64 / BINS as f64));
        let mut index = 0.0;
        let mut below = (0, 0);
        for edge in edges.chain([f64::INFINITY]) {
            let under = |scores: &[f64]| scores.partition_point(|score| *score <= edge);
            let up_to = (under(&self.earlier), under(&self.later));
            // Half an event in every bin, so that an empty one is no infinity.
            let share = |from: usize, to: usize, all: usize| {
                ((to - from) as f64 + 0.5) / (all as f64 + 0.5 * BINS as f64)
            };
            let before = share(below.0, up_to.0, self.earlier.len());
            let after = share(below.1, up_to.1, self.later.len());
            index += (after - before) * libm::log(after / before);
            below = up_to;
        }
        index
    }
}

/// A quantile of rising scores.
fn quantile(scores: &[f64], share: f64) -> f64 {
    let index = (share * scores.len() as f64) as usize;
    scores
        .get(index.min(scores.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.earlier.is_empty() || self.later.is_empty() {
            return writeln!(f, "drift: too few logins");
        }
        let index = self.index();
        let word = match index {
            index if index < MOVED[0] => "stable",
            index if index < MOVED[1] => "moved",
            _ => "another population",
        };
        writeln!(
            f,
            "drift of people's scores: stability index {index:.3} ({word})"
        )?;
        for (name, scores) in [("earlier", &self.earlier), ("later", &self.later)] {
            let [half, most, tail] = [0.5, 0.9, 0.99].map(|share| quantile(scores, share));
            writeln!(
                f,
                "  {name:<8} {:>8} logins, in nats: median {half:.2}, 90 % {most:.2}, 99 % {tail:.2}",
                scores.len()
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_scores_do_not_drift_and_others_do() {
        let scores = |from: f64| {
            (0..1000)
                .map(|n| from + f64::from(n) / 100.0)
                .collect::<Vec<_>>()
        };
        assert!(Drift::between(scores(0.0), scores(0.0)).index() < 1e-12);
        assert!(Drift::between(scores(0.0), scores(3.0)).index() > MOVED[1]);
    }
}
