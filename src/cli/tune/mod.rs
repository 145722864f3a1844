//! `stepgate tune`: weights and thresholds that fit the traffic of whoever runs it.
//! May use: live through samples, the policy.
//! Must not: report a figure of events on which something was chosen; write anything but a valid policy.

mod choose;
mod cost;
mod drift;
mod fit;
mod sample;
mod verdicts;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use stepgate::policy::Policy;

use super::key::KeyArgument;
use super::{Failure, input, policy_file, print, say};
use choose::{Changed, Thresholds};
use cost::{Compared, Cost};
use drift::Drift;
use sample::{Sample, Samples, Source};
use verdicts::Verdicts;

/// Fit weights and thresholds to event files: from labels, from verdicts, or to a challenge budget
///
/// One half of the identities is chosen on, the other half tells what it would have cost.
#[derive(Debug, Args)]
pub(crate) struct Tune {
    /// Event files in order of time, JSON lines or CSV, gzipped or not; they are read several times
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Policy to start from; without one the default policy
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// What people found out about decisions: lines of `event.id,verdict`, a verdict is `attack` or `owner`
    #[arg(long, value_name = "FILE")]
    adjudications: Option<PathBuf>,
    /// Share of people's logins that may be challenged, such as 0.5%. Default: what the policy challenges now
    #[arg(long, value_name = "SHARE", value_parser = budget)]
    budget: Option<f64>,
    #[command(flatten)]
    key: KeyArgument,
    /// Snapshot to start from, made by `stepgate train` with the same key
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Output of an earlier `stepgate replay --events` to see drift against. Default: the first half of these logins
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Where the tuned policy goes: YAML if the name ends in .yaml or .yml, else JSON; - for stdout, after the report
    #[arg(long, short)]
    output: Option<PathBuf>,
}

/// `0.5%` or `0.005`.
fn budget(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number, 0.01),
        None => (text, 1.0),
    };
    match number.trim().parse::<f64>() {
        Ok(number) if number > 0.0 && number * scale <= 0.5 => Ok(number * scale),
        _ => Err("must be a share above 0 and up to 50%, such as 0.5% or 0.005".to_owned()),
    }
}

impl Tune {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        if self.files.iter().any(|file| file.as_os_str() == "-") {
            return Err(Failure::new(
                "the events are read several times: stdin cannot be",
            ));
        }
        let written = value(self.policy.as_deref())?;
        let policy = policy_file::read(self.policy.as_deref())?;
        let verdicts = Verdicts::read(self.adjudications.as_deref())?;
        let source = Source {
            files: &self.files,
            baseline: self.baseline.as_deref(),
            key: self.key.or_public_quietly(&policy),
            verdicts: &verdicts,
        };
        let before = source.replay(&policy)?;
        if choose::counted(&before, false).is_empty() {
            return Err(Failure::new("no event of an owner to tune on"));
        }
        if before.adjudicated < verdicts.len() {
            say(format_args!(
                "{} of {} verdicts are about decisions that are not in these events (`event.id`)",
                verdicts.len() - before.adjudicated,
                verdicts.len()
            ));
        }
        let mut report = self.drift(&before)?.to_string();
        let budget = self.budget.unwrap_or_else(|| cost::present_rate(&before));
        let (tuned, said) = choose_policy(&source, &policy, &written, &before, budget)?;
        report += &said;
        let after = source.replay(&policy_file::of_value(&tuned).map_err(Failure::new)?)?;
        report += &Compared {
            before: Cost::of(&before),
            after: Cost::of(&after),
        }
        .to_string();
        print(&report)?;
        self.output
            .as_deref()
            .map_or(Ok(()), |path| write(path, &tuned))
    }

    fn drift(&self, samples: &Samples) -> Result<Drift, Failure> {
        let counts = |sample: &&Sample| sample.attack.is_none() && !sample.machine;
        let logits: Vec<f64> = samples
            .list
            .iter()
            .filter(counts)
            .map(|sample| sample.logit)
            .collect();
        Ok(match &self.since {
            Some(path) => Drift::between(drift::earlier(path)?, logits),
            None => {
                let (earlier, later) = logits.split_at(logits.len() / 2);
                Drift::between(earlier.to_vec(), later.to_vec())
            }
        })
    }
}

/// The policy with what is changed, and what is said of it.
fn choose_policy(
    source: &Source<'_>,
    policy: &Policy,
    written: &Value,
    before: &Samples,
    budget: f64,
) -> Result<(Value, String), Failure> {
    let score = &policy.config.score;
    let present = Thresholds {
        step_up: score.step_up,
        deny: score.deny,
    };
    let mut chosen = choose::thresholds(before, budget, present);
    let mut changed = Changed::new();
    let mut text = String::from("weights\n");
    match choose::weights(before, &policy.weights) {
        Err(why) => text += &format!("  stay: {why}\n"),
        Ok(fitted) => {
            let candidate = with(written, &fitted, present);
            let candidate = policy_file::of_value(&candidate).map_err(Failure::new)?;
            let samples = source.replay(&candidate)?;
            let thresholds = choose::thresholds(&samples, budget, present);
            let present_found = cost::detection(before, chosen);
            let fitted_found = cost::detection(&samples, thresholds);
            let compared = format!(
                "a mean of {:.1}% of attacks with fitted weights, {:.1}% with the present ones",
                choose::mean(&fitted_found) * 100.0,
                choose::mean(&present_found) * 100.0
            );
            if choose::is_better(&fitted_found, &present_found) {
                for (reason, weight) in &fitted {
                    let present = policy.weights.of(*reason);
                    text += &format!("  {:<22} {present:>6.2} -> {weight:.2}\n", reason.code());
                }
                text += &format!("  where they were fitted: {compared}\n");
                (chosen, changed) = (thresholds, fitted);
            } else {
                let why = "fitted ones find less, of one type of attack or in the mean";
                text += &format!("  stay: {why}\n  where they were fitted: {compared}\n");
            }
        }
    }
    text += &format!("thresholds, for {:.3}% of logins\n", budget * 100.0);
    for (name, before, after) in [
        ("step_up", present.step_up, chosen.step_up),
        ("deny", present.deny, chosen.deny),
    ] {
        text += &format!("  {name:<22} {before} -> {after}\n");
    }
    if chosen.at_bound() {
        text += "  step_up is at its bound: the budget cannot be used up by a threshold\n";
    }
    for tier in &policy.config.tiers {
        if tier.step_up.is_some() || tier.deny.is_some() {
            text += &format!("  tier {}: has its own, which stay\n", tier.name);
        }
    }
    Ok((with(written, &changed, chosen), text))
}

/// The policy as it was written, with other weights and thresholds.
fn with(written: &Value, weights: &Changed, thresholds: Thresholds) -> Value {
    let mut policy = written.clone();
    if policy.is_null() {
        policy = json!({});
    }
    let Some(root) = policy.as_object_mut() else {
        return policy;
    };
    let score = root.entry("score").or_insert_with(|| json!({}));
    if let Some(score) = score.as_object_mut() {
        score.insert("step_up".to_owned(), json!(thresholds.step_up));
        score.insert("deny".to_owned(), json!(thresholds.deny));
        if !weights.is_empty() {
            let all = score.entry("weights").or_insert_with(|| json!({}));
            if let Some(all) = all.as_object_mut() {
                all.extend(
                    weights
                        .iter()
                        .map(|(reason, weight)| (reason.code().to_owned(), json!(weight))),
                );
            }
        }
    }
    policy
}

/// A policy as it was written.
fn value(path: Option<&Path>) -> Result<Value, Failure> {
    let Some(path) = path else {
        return Ok(json!({}));
    };
    policy_file::written(path)
}

fn write(path: &Path, policy: &Value) -> Result<(), Failure> {
    let yaml = path
        .extension()
        .is_some_and(|end| end == "yaml" || end == "yml");
    let text = if yaml {
        serde_norway::to_string(policy).map_err(Failure::new)?
    } else {
        format!("{policy:#}\n")
    };
    if path.as_os_str() == "-" {
        return print(&text);
    }
    std::fs::write(path, text)
        .map_err(|error| Failure::new(format!("{}: {}", path.display(), input::reason(&error))))
}
