//! What the filter wrote of its decisions: the lines of one identity, and one decision in full.
//! May use: audit lines, and the step from their evidence to a decision.
//! Must not: weigh evidence anew, or guess what a line does not say.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::Serialize;
use serde_json::Value;
use stepgate::evidence::Reason;
use stepgate::policy::Policy;
use stepgate::signals::ecs::{parse_time, rfc3339};
use stepgate::signals::keyed::HashKey;

use super::SHOWN;
use super::decisions::{Without, rule, smallest};
use crate::cli::replay::audited::{AuditLine, Names, fields};
use crate::cli::visible;

/// Whose lines are wanted, or which one.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// `user.id`, where lines have it.
    pub(super) user: Option<String>,
    /// `user.hash`.
    pub(super) hash: Option<String>,
    /// `event.id`.
    pub(super) decision: Option<String>,
}

/// A line of an audit log.
#[derive(Debug)]
pub(super) enum Line {
    /// One that is wanted.
    Wanted(Box<Audited>),
    /// One that is not.
    OfOthers,
    /// What a log has beside audit lines.
    Foreign,
}

impl Wanted {
    /// Takes a line for one of an audit log; `None`: it may be an event. Without a `user.id` no event can tell.
    pub(super) fn line(&self, line: &[u8]) -> Option<Line> {
        // Few event lines have the word, and reading each twice would take as long again.
        let said = memchr::memmem::find(line, b"stepgate").and_then(|_| fields(line));
        let Some(said) = said else {
            // Events are objects; what else stands in the log of a proxy is none of ours.
            let may_be_event = line.trim_ascii_start().first().is_none_or(|b| *b == b'{');
            return (self.user.is_none() || !may_be_event).then_some(Line::Foreign);
        };
        let is = |name: &str, wanted: &Option<String>| {
            let said = said.get(name).and_then(Value::as_str);
            wanted.is_some() && said == wanted.as_deref()
        };
        let wanted = match self.decision {
            Some(_) => is("event.id", &self.decision),
            None => is("user.hash", &self.hash) || is("user.id", &self.user),
        };
        Some(if wanted {
            Line::Wanted(Box::new(Audited(said)))
        } else {
            Line::OfOthers
        })
    }
}

/// What one line says, by dotted names.
#[derive(Debug)]
pub(super) struct Audited(BTreeMap<String, Value>);

impl Audited {
    fn text(&self, name: &str) -> String {
        match self.0.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => visible(text, false),
            Some(other) => other.to_string(),
        }
    }

    /// When, in seconds since 1970.
    pub(super) fn time(&self) -> Option<f64> {
        match self.0.get("@timestamp")? {
            Value::String(text) => parse_time(text),
            other => other.as_f64(),
        }
    }

    fn moment(&self) -> String {
        self.time().map_or_else(|| self.text("@timestamp"), rfc3339)
    }

    /// What was done, and what enforcing would have done.
    fn decision(&self) -> String {
        let (done, would) = (self.text("stepgate.decision"), self.text("stepgate.would"));
        if would.is_empty() || would == done {
            format!("{done} ({})", self.text("stepgate.mode"))
        } else {
            format!("{done}, would {would} ({})", self.text("stepgate.mode"))
        }
    }

    /// Reasons with their nats, strongest first.
    fn reasons(&self) -> Vec<Told> {
        let object = self.0.get("stepgate.reasons").and_then(Value::as_object);
        let told = object.into_iter().flatten().map(|(code, nats)| Told {
            code: code.clone(),
            nats: nats.as_f64().unwrap_or_default(),
            meaning: Reason::from_code(code)
                .map_or("no reason of this version", |reason| reason.row().meaning),
        });
        let mut told: Vec<Told> = told.collect();
        told.sort_by(|a, b| b.nats.total_cmp(&a.nats).then_with(|| a.code.cmp(&b.code)));
        told
    }

    /// Some of its fields, those that are there, parted by commas.
    fn list(&self, names: &[&str]) -> String {
        let texts = names.iter().map(|name| self.text(name));
        let texts: Vec<String> = texts.filter(|text| !text.is_empty()).collect();
        texts.join(", ")
    }
}

/// A reason as it is shown.
#[derive(Debug, Serialize)]
struct Told {
    code: String,
    nats: f64,
    meaning: &'static str,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        if self.nats != 0.0 {
            write!(f, " {:+.1}", self.nats)?;
        }
        Ok(())
    }
}

/// Lines of an audit log, the last of them in full.
#[derive(Debug, Default, Serialize)]
pub(super) struct Trail {
    /// Lines that were wanted.
    pub(super) lines: u64,
    /// The last of them, newest last.
    decisions: VecDeque<Listed>,
    /// The newest in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Full>,
}

/// A decision in one line.
#[derive(Debug, Serialize)]
struct Listed {
    #[serde(rename = "@timestamp")]
    time: String,
    #[serde(rename = "event.id")]
    id: String,
    decision: String,
    request: String,
    reasons: Vec<Told>,
}

/// A decision in full.
#[derive(Debug, Serialize)]
struct Full {
    #[serde(rename = "event.id")]
    id: String,
    /// What the line says, name by name, in words; JSON has the line itself.
    #[serde(skip)]
    said: Vec<(&'static str, String)>,
    line: BTreeMap<String, Value>,
    reasons: Vec<Told>,
    /// The rule that led it.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    /// All smallest sets of reasons without which the decision is another, where the policy is known that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    without: Option<Vec<Without>>,
    /// What keeps that from being told.
    #[serde(skip_serializing_if = "Option::is_none")]
    but: Option<String>,
}

impl Trail {
    /// Adds a line, the newest so far. `policy` is the one that decided, if it is known.
    pub(super) fn take(&mut self, line: &Audited, policy: Option<&Policy>, key: &HashKey) {
        self.lines += 1;
        if self.decisions.len() == SHOWN {
            self.decisions.pop_front();
        }
        self.decisions.push_back(Listed {
            time: line.moment(),
            id: line.text("event.id"),
            decision: line.decision(),
            request: [line.text("http.request.method"), line.text("url.path")].join(" "),
            reasons: line.reasons(),
        });
        self.last = Some(Full::of(line, policy, key));
    }
}

impl Full {
    fn of(line: &Audited, policy: Option<&Policy>, key: &HashKey) -> Self {
        let hash = line.text("user.hash");
        let hash = match hash.as_str() {
            "" => "nobody".to_owned(),
            hash => format!("user.hash {hash}"),
        };
        let who = [
            "user.id",
            "identity.kind",
            "identity.group",
            "oauth.client_id",
        ];
        let whence = [
            "source.ip",
            "source.geo.country_iso_code",
            "user_agent.name",
            "user_agent.os.name",
        ];
        let provider = match line.text("source.as.number").as_str() {
            "" => String::new(),
            number => format!(", AS{number}"),
        };
        let asked = ["http.request.method", "url.domain", "url.path"];
        let orders = [
            "stepgate.exceptions",
            "stepgate.order.owner",
            "stepgate.order.reason",
            "stepgate.pin",
        ];
        let mut said = vec![
            ("when", line.moment()),
            ("decision", line.decision()),
            ("who", join(&[hash, line.list(&who)])),
            ("from", line.list(&whence) + &provider),
            ("asked", line.list(&asked)),
            ("tier", line.text("stepgate.tier")),
            (
                "score",
                format!(
                    "{}, {} nats, after {} authentication events",
                    line.text("stepgate.score"),
                    line.text("stepgate.logit"),
                    line.text("stepgate.history")
                ),
            ),
            ("by order of", line.list(&orders)),
            ("policy", line.text("stepgate.policy")),
        ];
        said.retain(|(_, text)| !text.is_empty());
        let mut full = Self {
            id: line.text("event.id"),
            said,
            line: line.0.clone(),
            reasons: line.reasons(),
            rule: None,
            without: None,
            but: None,
        };
        match AuditLine::of(&line.0) {
            Err(why) => full.but = Some(why),
            Ok(read) => full.change(&read, policy, key),
        }
        full
    }

    /// What would change the decision.
    fn change(&mut self, line: &AuditLine, policy: Option<&Policy>, key: &HashKey) {
        self.rule = rule(line.reasons().iter().map(|piece| piece.reason)).map(Reason::code);
        if self.rule.is_some() {
            return;
        }
        let Some(policy) = policy else {
            self.but = Some(
                "with --policy, the one that decided, it says what would change it".to_owned(),
            );
            return;
        };
        let digest = format!("{:016x}", policy.digest);
        if digest != line.policy {
            self.but = Some(format!(
                "the policy given ({digest}) is not the one that decided ({}): what would change it is not told",
                line.policy
            ));
            return;
        }
        let names = Names::of_policies(&[policy], key);
        let decide = |left_out: &[Reason]| {
            let again = line.without(left_out).decide(policy, policy, &names).ok()?;
            Some(again.decision?.would)
        };
        let Some(would) = decide(&[]) else {
            self.but = Some("the line does not hold enough to decide again".to_owned());
            return;
        };
        let mut strongest = line.reasons().to_vec();
        strongest.sort_by(|a, b| b.nats.total_cmp(&a.nats));
        let found = smallest(strongest.iter(), would, |left_out| {
            decide(left_out).unwrap_or(would)
        });
        self.without = Some(found);
    }
}

fn join(texts: &[String]) -> String {
    let texts: Vec<&str> = texts
        .iter()
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .collect();
    texts.join(", ")
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines > 1 {
            let shown = self.decisions.len();
            writeln!(f, "audit lines: the last {shown} of {}", self.lines)?;
            for line in &self.decisions {
                write!(
                    f,
                    "  {}  {}  {}  {}",
                    line.time, line.id, line.decision, line.request
                )?;
                for (index, reason) in line.reasons.iter().enumerate() {
                    write!(f, "{} {reason}", if index == 0 { ":" } else { "," })?;
                }
                writeln!(f)?;
            }
            writeln!(f)?;
        }
        self.last.as_ref().map_or(Ok(()), |last| last.fmt(f))
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "decision {}", self.id)?;
        for (name, text) in &self.said {
            writeln!(f, "  {name}: {text}")?;
        }
        writeln!(
            f,
            "  reasons:{}",
            if self.reasons.is_empty() { " none" } else { "" }
        )?;
        for reason in &self.reasons {
            writeln!(f, "    {reason}: {}", reason.meaning)?;
        }
        if let Some(rule) = self.rule {
            writeln!(
                f,
                "  what would change it: nothing but the rule {rule}, which goes before all evidence"
            )?;
        }
        if let Some(without) = &self.without {
            writeln!(
                f,
                "  what would change it:{}",
                if without.is_empty() {
                    " no reason less"
                } else {
                    ""
                }
            )?;
            for Without { reasons, decision } in without {
                writeln!(f, "    without {}: {decision}", reasons.join(" and "))?;
            }
        }
        match &self.but {
            Some(but) => writeln!(f, "  {but}"),
            None => Ok(()),
        }
    }
}
