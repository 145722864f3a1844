//! The audit line: one decision as one JSON object with the field names of the Elastic Common Schema.
//! May use: every room before.
//! Must not: hold a secret, or more of a person than the policy asks for.

mod repeats;

use serde::Serialize;
use serde::ser::SerializeMap;

use crate::assess::{Assessment, Lesson};
use crate::decision::Action;
use crate::evidence::{Evidence, Reason};
use crate::headers::{mode_word, percent};
use crate::policy::{AddressDetail, PathDetail, Policy, Tier};
use crate::score::thousandths;
use crate::signals::features::Features;
use crate::signals::request::{Field, Signals};
use crate::signals::route;

pub use repeats::{Repeats, Suppressed, kind_of_line};

/// Everything one line is made of.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The policy that decided.
    pub policy: &'a Policy,
    /// The tier that held.
    pub tier: &'a Tier,
    /// What the request said.
    pub signals: &'a Signals<'a>,
    /// The same, hashed.
    pub features: &'a Features,
    /// What was decided.
    pub assessment: &'a Assessment,
    /// Id of the decision.
    pub id: &'a str,
}

/// More bytes than most lines have.
const USUAL: usize = 1024;

/// One line of JSON, without a line break.
#[must_use]
pub fn line(record: &Record<'_>) -> String {
    let mut line = Vec::with_capacity(USUAL);
    let written = serde_json::to_writer(&mut line, record);
    written
        .ok()
        .and_then(|()| String::from_utf8(line).ok())
        .unwrap_or_default()
}

/// Whether a decision is a repeated allow that nobody asked to see. What an exception or an order had a part in is not.
#[must_use]
pub fn is_routine(assessment: &Assessment) -> bool {
    assessment.decision.would == Action::Allow
        && assessment.lesson == Lesson::Nothing
        && assessment.grounds.excepted.by.is_empty()
        && assessment.grounds.ordered.is_none()
        && !has(assessment, Reason::Notify)
}

/// Whether a routine decision is in the sample of `audit.sample_permille`: a part of all, whoever asks.
#[must_use]
pub fn is_sampled(policy: &Policy, id: &str) -> bool {
    let digits = id.get(id.len().saturating_sub(8)..).unwrap_or_default();
    let chance = u32::from_str_radix(digits, 16).unwrap_or(0) % 1000;
    chance < u32::from(policy.config.audit.sample_permille)
}

fn has(assessment: &Assessment, reason: Reason) -> bool {
    let mut reasons = assessment.reasons.iter();
    reasons.any(|piece| piece.reason == reason)
}

impl Serialize for Record<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let signals = self.signals;
        let assessment = self.assessment;
        map.serialize_entry("@timestamp", &(signals.now_ms as f64 / 1000.0))?;
        map.serialize_entry("event.kind", "event")?;
        map.serialize_entry("event.category", "authentication")?;
        map.serialize_entry("event.id", self.id)?;
        if let Some(subject) = signals.standing.subject() {
            if self.policy.config.audit.identity {
                map.serialize_entry("user.id", &subject.id)?;
            }
            if let Some(locator) = self.features.identity {
                map.serialize_entry("user.hash", &format!("{:016x}", locator.tag))?;
            }
            map.serialize_entry("identity.kind", subject.kind.as_str())?;
            if !subject.group.is_empty() {
                map.serialize_entry("identity.group", &bounded(subject.group.as_bytes()))?;
            }
            if !subject.client_id.is_empty() {
                let client = bounded(subject.client_id.as_bytes());
                map.serialize_entry("oauth.client_id", &client)?;
            }
        }
        if let Some(name) = self.features.tried {
            map.serialize_entry("user.target.hash", &format!("{:016x}", name.tag))?;
        }
        self.network(&mut map)?;
        let client = &signals.client.parsed;
        if let Some(name) = client.browser.name() {
            map.serialize_entry("user_agent.name", name)?;
        }
        if let Some(name) = client.os.name() {
            map.serialize_entry("user_agent.os.name", name)?;
        }
        map.serialize_entry(
            "http.request.method",
            &cut(signals.request.method, LONGEST_METHOD),
        )?;
        if !signals.request.host.is_empty() {
            map.serialize_entry("url.domain", &bounded(signals.request.host))?;
        }
        match self.policy.config.audit.path {
            PathDetail::Full => {
                map.serialize_entry("url.path", &bounded(signals.request.path))?;
            }
            PathDetail::Route => {
                map.serialize_entry("url.path", &route::pattern(signals.request.path))?;
            }
            PathDetail::None => {}
        }
        map.serialize_entry("stepgate.decision", assessment.decision.action().as_str())?;
        map.serialize_entry("stepgate.would", assessment.decision.would.as_str())?;
        map.serialize_entry("stepgate.mode", mode_word(assessment.decision.mode))?;
        map.serialize_entry("stepgate.tier", &self.tier.name)?;
        if has(assessment, Reason::Notify) {
            map.serialize_entry("stepgate.notify", &true)?;
        }
        if has(assessment, Reason::ChallengeSolved) {
            // Known from outside the score: what a measurement may count this decision as.
            map.serialize_entry("stepgate.label", "owner")?;
        }
        map.serialize_entry("stepgate.score", &percent(assessment.score.probability))?;
        map.serialize_entry("stepgate.logit", &thousandths(assessment.score.logit))?;
        map.serialize_entry("stepgate.history", &assessment.history)?;
        map.serialize_entry("stepgate.reasons", &Reasons(&assessment.reasons))?;
        if is_routine(assessment) {
            // What this line stands for: a thousand divided by this.
            let permille = self.policy.config.audit.sample_permille;
            map.serialize_entry("stepgate.sample_permille", &permille)?;
        }
        self.grounds(&mut map)?;
        if matches!(assessment.lesson, Lesson::Contain(_)) {
            map.serialize_entry("stepgate.contained", &true)?;
        }
        map.serialize_entry("stepgate.policy", &format!("{:016x}", self.policy.digest))?;
        map.end()
    }
}

impl Record<'_> {
    /// What another policy needs to decide again on the same evidence, and which exceptions held.
    fn grounds<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let (grounds, features) = (&self.assessment.grounds, self.features);
        map.serialize_entry("stepgate.verified", &features.verified)?;
        map.serialize_entry("stepgate.class", features.class.as_str())?;
        map.serialize_entry("stepgate.cohort", &features.cohort)?;
        map.serialize_entry("stepgate.prior", &thousandths(self.policy.prior))?;
        if grounds.unsolved > 0 {
            map.serialize_entry("stepgate.unsolved", &grounds.unsolved)?;
        }
        if grounds.hot {
            map.serialize_entry("stepgate.hot", &true)?;
        }
        if !grounds.left.is_empty() {
            let left = grounds.left.iter();
            let left: Vec<_> = left.map(|code| String::from_utf8_lossy(code)).collect();
            map.serialize_entry("stepgate.left", &left)?;
        }
        if let Some(by) = &grounds.ordered {
            map.serialize_entry("stepgate.order.owner", &by.owner)?;
            map.serialize_entry("stepgate.order.reason", &by.reason)?;
        }
        if let Some(pin) = grounds.pin {
            map.serialize_entry("stepgate.pin", self.policy.pins.name(pin))?;
        }
        let excepted = &grounds.excepted;
        if !excepted.by.is_empty() {
            let names = excepted.by.iter();
            let names: Vec<_> = names.map(|by| self.policy.exceptions.name(*by)).collect();
            map.serialize_entry("stepgate.exceptions", &names)?;
        }
        if !excepted.damped.is_empty() {
            map.serialize_entry("stepgate.damped", &Reasons(&excepted.damped))?;
        }
        Ok(())
    }

    fn network<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let network = &self.signals.network;
        if let Field::Present(address) = network.address {
            match self.policy.config.audit.address {
                AddressDetail::Prefix => {
                    map.serialize_entry("source.ip", &address.prefix().ip().to_string())?;
                }
                AddressDetail::Full => {
                    map.serialize_entry("source.ip", &address.ip().to_string())?
                }
                AddressDetail::None => {}
            }
        }
        if let Field::Present(asn) = network.asn {
            map.serialize_entry("source.as.number", &asn)?;
        }
        if let Field::Present(country) = network.country {
            map.serialize_entry(
                "source.geo.country_iso_code",
                &String::from_utf8_lossy(&country),
            )?;
        }
        Ok(())
    }
}

/// Reason codes with their nats, as an object in order of strength.
struct Reasons<'a>(&'a [Evidence]);

impl Serialize for Reasons<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for piece in self.0 {
            map.serialize_entry(piece.reason.code(), &thousandths(piece.nats))?;
        }
        map.end()
    }
}

/// Bytes of a method that are shown: a client may send any word for one (RFC 9110 §9.1), as long as all headers together may be, and
/// readers of logs cut long lines in two.
pub const LONGEST_METHOD: usize = 32;

/// A path as text, at most 256 bytes of it.
fn bounded(path: &[u8]) -> String {
    cut(path, 256)
}

fn cut(bytes: &[u8], most: usize) -> String {
    String::from_utf8_lossy(bytes.get(..most).unwrap_or(bytes)).into_owned()
}
