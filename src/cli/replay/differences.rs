//! What another policy would have made of the decisions in an audit log: of how many, of whom, and why.
//! May use: audit lines decided twice.
//! Must not: decide.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use stepgate::policy::Policy;
use stepgate::signals::keyed::HashKey;

use super::audited::{AuditLine, Names, Redecided};

/// Decisions that are named for each change.
const EXAMPLES: usize = 3;
/// Identities and reasons that are named in text; JSON names all.
const NAMED: usize = 10;
/// Scores nearer than this are the same: audit lines hold thousandths, of every reason.
const SAME: f64 = 0.01;

/// The changes of an audit log.
#[derive(Debug, Default, Serialize)]
pub(super) struct Differences {
    /// Lines decided again.
    redecided: u64,
    /// Lines that cannot be, by why.
    undecided: BTreeMap<&'static str, u64>,
    /// Lines written under another policy than the first.
    of_another_policy: u64,
    /// Lines the first policy decides otherwise than it is recorded.
    otherwise_than_recorded: u64,
    /// From which treatment to which.
    changes: BTreeMap<String, Change>,
    /// Changes by what makes the difference.
    because: BTreeMap<String, u64>,
    /// Changes by the strongest reason.
    reasons: BTreeMap<&'static str, u64>,
    /// Changes by identity.
    identities: BTreeMap<String, BTreeMap<String, u64>>,
    /// Parts of the policies that differ and are not decided again: the evidence stays as it was gathered.
    not_compared: Vec<&'static str>,
    #[serde(skip)]
    names: Names,
}

/// One sort of change.
#[derive(Debug, Default, Serialize)]
struct Change {
    count: u64,
    /// Ids of some of the decisions.
    examples: Vec<String>,
}

impl Differences {
    pub(super) fn between(policy: &Policy, other: &Policy, key: &HashKey) -> Self {
        let (a, b) = (&policy.config, &other.config);
        let parts = [
            ("credentials", a.credentials != b.credentials),
            ("signals", a.signals != b.signals),
            ("baseline", a.baseline != b.baseline),
            ("behaviour", a.behaviour != b.behaviour),
            ("challenge", a.challenge != b.challenge),
            ("networks", a.networks != b.networks),
        ];
        let differ = parts.into_iter().filter(|(_, differ)| *differ);
        Self {
            not_compared: differ.map(|(name, _)| name).collect(),
            names: Names::of_policies(&[policy, other], key),
            ..Self::default()
        }
    }

    /// Decides a line under both policies.
    pub(super) fn take(&mut self, line: &AuditLine, policy: &Policy, other: &Policy) {
        self.of_another_policy += u64::from(line.policy != format!("{:016x}", policy.digest));
        let decided = line.decide(policy, policy, &self.names);
        let (before, after) = match (decided, line.decide(other, policy, &self.names)) {
            (Ok(before), Ok(after)) => (before, after),
            (Err(why), _) | (_, Err(why)) => {
                *self.undecided.entry(why).or_default() += 1;
                return;
            }
        };
        self.redecided += 1;
        let would = before.decision.map(|decision| decision.would.as_str());
        self.otherwise_than_recorded += u64::from(would != Some(&*line.would));
        let (from, to) = (before.treatment(), after.treatment());
        if from == to {
            return;
        }
        let change = format!("{from} to {to}");
        for why in why(&before, &after) {
            *self.because.entry(why).or_default() += 1;
        }
        *self.reasons.entry(after.reason).or_default() += 1;
        let of_identity = self.identities.entry(line.who()).or_default();
        *of_identity.entry(change.clone()).or_default() += 1;
        let change = self.changes.entry(change).or_default();
        change.count += 1;
        if change.examples.len() < EXAMPLES {
            change.examples.push(line.id.clone());
        }
    }

    /// Audit lines seen.
    pub(super) fn lines(&self) -> u64 {
        self.redecided + self.undecided.values().sum::<u64>()
    }

    /// What an operator should know before believing the rest.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.of_another_policy > 0 {
            warnings.push(format!(
                "{} of {} audit lines were written under another policy than the one given: their weights may have been others",
                self.of_another_policy,
                self.lines()
            ));
        }
        if self.otherwise_than_recorded > 0 {
            warnings.push(format!(
                "the first policy decides {} audit lines otherwise than recorded",
                self.otherwise_than_recorded
            ));
        }
        if !self.not_compared.is_empty() {
            warnings.push(format!(
                "the policies differ in {}: audit lines keep the evidence as it was gathered, replay events to compare these",
                self.not_compared.join(", ")
            ));
        }
        for (why, count) in &self.undecided {
            warnings.push(format!(
                "{count} audit lines cannot be decided again: each {why}"
            ));
        }
        warnings
    }
}

/// What makes the difference between two decisions.
fn why(before: &Redecided, after: &Redecided) -> Vec<String> {
    let mut why = Vec::new();
    if before.tier != after.tier {
        why.push(format!("tier {} to {}", before.tier, after.tier));
    }
    let mode = |decided: &Redecided| decided.decision.map(|decision| decision.mode);
    if mode(before) != mode(after) {
        let word = |decided: &Redecided| mode(decided).map_or("off", stepgate::headers::mode_word);
        why.push(format!("mode {} to {}", word(before), word(after)));
    }
    let would = |decided: &Redecided| decided.decision.map(|decision| decision.would);
    if would(before) == would(after) {
        return why;
    }
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        let only = these.iter().filter(|name| !those.contains(name));
        only.cloned().collect()
    };
    let gained = only(&after.exceptions, &before.exceptions);
    let lost = only(&before.exceptions, &after.exceptions);
    let known = why.len();
    why.extend(gained.iter().map(|name| format!("exception {name}")));
    why.extend(lost.iter().map(|name| format!("without exception {name}")));
    if why.len() == known {
        why.push(if (before.logit - after.logit).abs() > SAME {
            "weights or prior".to_owned()
        } else {
            "thresholds or rules".to_owned()
        });
    }
    why
}

/// The most frequent first.
fn ranked<K: Clone + Ord>(counts: impl Iterator<Item = (K, u64)>) -> Vec<(K, u64)> {
    let mut ranked: Vec<(K, u64)> = counts.collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    ranked
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed: u64 = self.changes.values().map(|change| change.count).sum();
        writeln!(
            f,
            "{} audit lines decided again, {changed} otherwise, of {} identities",
            self.redecided,
            self.identities.len()
        )?;
        for (change, Change { count, examples }) in &self.changes {
            writeln!(f, "  {change}: {count} ({})", examples.join(", "))?;
        }
        let counted = |counts: &BTreeMap<String, u64>| {
            ranked(counts.iter().map(|(name, count)| (name.clone(), *count)))
        };
        let list = |f: &mut fmt::Formatter<'_>, title: &str, counts: Vec<(String, u64)>| {
            if counts.is_empty() {
                return Ok(());
            }
            writeln!(f, "{title}:")?;
            for (name, count) in counts.iter().take(NAMED) {
                writeln!(f, "  {name}: {count}")?;
            }
            match counts.len().saturating_sub(NAMED) {
                0 => Ok(()),
                more => writeln!(f, "  and {more} more (--json names all)"),
            }
        };
        list(f, "because of", counted(&self.because))?;
        let reasons = self.reasons.iter();
        let reasons = ranked(reasons.map(|(code, count)| ((*code).to_owned(), *count)));
        list(f, "strongest reason", reasons)?;
        let identities = self.identities.iter().map(|(who, changes)| {
            let each: Vec<&str> = changes.keys().map(String::as_str).collect();
            (
                format!("{who} ({})", each.join(", ")),
                changes.values().sum(),
            )
        });
        list(f, "identities", ranked(identities))?;
        writeln!(
            f,
            "not in an audit log: repeated allows, and what a policy would have learned otherwise"
        )
    }
}
