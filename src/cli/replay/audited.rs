//! An audit line, read back and decided again on its own evidence.
//! May use: the engine's step from evidence to a decision.
//! Must not: gather evidence, or guess what a line does not say.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};
use stepgate::assess::is_safe;
use stepgate::decision::{self, Decision, Refusal, Standing};
use stepgate::evidence::{Evidence, EvidenceList, Nature, Reason};
use stepgate::judgement::{Bar, Case, denied, judge, judge_nobody};
use stepgate::policy::{Mode, Policy, Route, Tier};
use stepgate::score::Score;
use stepgate::signals::address::Address;
use stepgate::signals::ecs::parse_time;
use stepgate::signals::features::{Class, Features};
use stepgate::signals::keyed::{Domain, HashKey};
use stepgate::signals::request::{
    Field, Kind, NetworkSignals, Signals, Standing as Credential, Subject,
};

/// What an audit line says of a decision.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AuditLine {
    pub(super) time: f64,
    /// Id of the decision.
    pub(super) id: String,
    /// The identity in clear, where the line has it.
    user: Option<String>,
    /// Its hash, in hexadecimal digits.
    hash: Option<String>,
    kind: Kind,
    group: String,
    client: String,
    address: Option<Address>,
    country: Option<[u8; 2]>,
    host: String,
    method: String,
    path: String,
    tier: String,
    verified: bool,
    cohort: u16,
    unsolved: u8,
    hot: bool,
    left: Vec<[u8; 2]>,
    /// What enforcing did or would have done, as it was recorded.
    pub(super) would: String,
    /// Digest of the policy that decided.
    pub(super) policy: String,
    /// The evidence before exceptions, and notes.
    reasons: Vec<Evidence>,
}

/// What a line is decided to be, this time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Redecided {
    /// The decision; absent where the tier is off.
    pub(super) decision: Option<Decision>,
    pub(super) tier: String,
    pub(super) logit: f64,
    /// The strongest reason.
    pub(super) reason: &'static str,
    /// Exceptions that held.
    pub(super) exceptions: Vec<String>,
}

impl Redecided {
    /// How the request is treated: `allow`, `deny`, or `shadow deny` where it only would be.
    pub(super) fn treatment(&self) -> String {
        match self.decision {
            None => "off".to_owned(),
            Some(decision) if decision.differs() => format!("shadow {}", decision.would.as_str()),
            Some(decision) => decision.would.as_str().to_owned(),
        }
    }
}

/// Reads a line of a log; `None` for what is no audit line. It may stand behind the words a logger puts before it.
///
/// # Errors
/// If it is an audit line that does not say what is needed.
pub(super) fn read(line: &[u8]) -> Result<Option<AuditLine>, String> {
    let Some(start) = line.iter().position(|b| *b == b'{') else {
        return Ok(None);
    };
    let mut values = serde_json::Deserializer::from_slice(line.get(start..).unwrap_or_default());
    let Ok(Value::Object(object)) = serde::Deserialize::deserialize(&mut values) else {
        return Ok(None);
    };
    let mut fields = BTreeMap::new();
    flatten(object, "", &mut fields);
    let is_audit = |name: &str| fields.contains_key(name);
    if !is_audit("stepgate.reasons") || !is_audit("stepgate.tier") {
        return Ok(None);
    }
    AuditLine::of(&fields).map(Some)
}

/// Dotted and nested keys are the same thing; reasons stay together.
fn flatten(object: Map<String, Value>, prefix: &str, fields: &mut BTreeMap<String, Value>) {
    for (key, value) in object {
        let name = format!("{prefix}{key}");
        match value {
            Value::Object(inner) if !matches!(&*name, "stepgate.reasons" | "stepgate.damped") => {
                flatten(inner, &format!("{name}."), fields);
            }
            value => {
                fields.insert(name, value);
            }
        }
    }
}

fn country(text: &str) -> Option<[u8; 2]> {
    text.as_bytes().try_into().ok()
}

impl AuditLine {
    fn of(fields: &BTreeMap<String, Value>) -> Result<Self, String> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let owned = |name: &str| text(name).unwrap_or_default().to_owned();
        let needed = |name: &str| {
            fields.get(name).ok_or_else(|| {
                format!("the audit line has no `{name}`: it cannot be decided again")
            })
        };
        let small = |name: &str| {
            let number = fields.get(name).and_then(Value::as_u64);
            number.and_then(|number| u16::try_from(number).ok())
        };
        let time = match needed("@timestamp")? {
            Value::String(text) => parse_time(text),
            other => other.as_f64(),
        };
        needed("stepgate.cohort")?;
        let left = fields.get("stepgate.left").and_then(Value::as_array);
        Ok(Self {
            time: time.ok_or("`@timestamp` is no time")?,
            id: owned("event.id"),
            user: text("user.id").map(str::to_owned),
            hash: text("user.hash").map(str::to_owned),
            kind: text("identity.kind")
                .and_then(Kind::from_name)
                .unwrap_or_default(),
            group: owned("identity.group"),
            client: owned("oauth.client_id"),
            address: text("source.ip").and_then(Address::parse),
            country: text("source.geo.country_iso_code").and_then(country),
            host: owned("url.domain"),
            method: owned("http.request.method"),
            path: owned("url.path"),
            tier: owned("stepgate.tier"),
            verified: needed("stepgate.verified")? == true,
            cohort: small("stepgate.cohort").unwrap_or(0),
            unsolved: small("stepgate.unsolved").map_or(0, |n| n.min(255) as u8),
            hot: fields.get("stepgate.hot").is_some_and(|hot| hot == true),
            left: left
                .into_iter()
                .flatten()
                .filter_map(|code| code.as_str().and_then(country))
                .collect(),
            would: owned("stepgate.would"),
            policy: owned("stepgate.policy"),
            reasons: reasons(fields)?,
        })
    }

    /// Who asked, as the line names it.
    pub(super) fn who(&self) -> String {
        match (&self.user, &self.hash) {
            (Some(user), _) => user.clone(),
            (None, Some(hash)) => format!("user.hash {hash}"),
            (None, None) => "nobody".to_owned(),
        }
    }

    fn has(&self, reason: Reason) -> bool {
        self.reasons.iter().any(|piece| piece.reason == reason)
    }

    /// The same request as signals, as far as the line tells. A hash becomes the name a policy gives it.
    fn signals<'a>(&'a self, names: &'a Names) -> Signals<'a> {
        let name = self.user.as_deref();
        let name = name.or_else(|| names.of(self.hash.as_deref()));
        let standing = if self.hash.is_none() && self.user.is_none() {
            Credential::Anonymous
        } else {
            let subject = Subject {
                id: Cow::Borrowed(name.unwrap_or_default()),
                kind: self.kind,
                group: Cow::Borrowed(&self.group),
                client_id: Cow::Borrowed(&self.client),
            };
            if self.verified {
                Credential::Verified(subject)
            } else {
                Credential::Unverified(subject)
            }
        };
        Signals {
            now_ms: (self.time * 1000.0) as i64,
            standing,
            network: NetworkSignals {
                address: Field::from(self.address),
                country: Field::from(self.country),
                ..NetworkSignals::default()
            },
            ..Signals::default()
        }
    }

    /// Decides again, with evidence that was weighed by `weighed`.
    ///
    /// # Errors
    /// Where the line holds no evidence for what this policy would look at.
    pub(super) fn decide(
        &self,
        policy: &Policy,
        weighed: &Policy,
        names: &Names,
    ) -> Result<Redecided, &'static str> {
        let tier = policy.tier(&Route {
            host: self.host.as_bytes(),
            path: self.path.as_bytes(),
            method: self.method.as_bytes(),
            metadata: self.tier.as_bytes(),
        });
        let tier = tier.of_cohort(self.cohort);
        let told = |decision, logit, reason: Reason, exceptions: &[u16]| Redecided {
            decision,
            tier: tier.name.clone(),
            logit,
            reason: reason.code(),
            exceptions: exceptions
                .iter()
                .map(|exception| policy.exceptions.name(*exception).to_owned())
                .collect(),
        };
        if tier.mode == Mode::Off {
            return Ok(told(None, policy.prior, Reason::Anonymous, &[]));
        }
        let signals = self.signals(names);
        let features = Features {
            now: self.time as u32,
            kind: self.kind,
            verified: self.verified,
            safe: is_safe(self.method.as_bytes()),
            cohort: self.cohort,
            ..Features::default()
        };
        let rule = |refusal, reason| {
            let decision = decision::refuse(refusal, tier);
            Ok(told(Some(decision), policy.prior, reason, &[]))
        };
        let outside = tier.fence.as_ref().map(|fence| {
            let broken = fence.is_broken(&signals);
            (broken && fence.denies, broken && !fence.denies)
        });
        let (forbidden, unexpected) = outside.unwrap_or_default();
        if forbidden {
            return rule(Refusal::Forbidden, Reason::CountryForbidden);
        }
        let is_token_rule = |piece: &&Evidence| {
            piece.reason.nature() == Nature::Rule && !is_of_policy(piece.reason)
        };
        if let Some(broken) = self.reasons.iter().find(is_token_rule) {
            return rule(Refusal::InvalidToken, broken.reason);
        }
        let anonymous = matches!(signals.standing, Credential::Anonymous);
        if anonymous && tier.require_identity {
            return rule(Refusal::IdentityRequired, Reason::IdentityRequired);
        }
        let case = Case {
            standing: Standing {
                young: self.has(Reason::YoungBaseline),
                unsolved: self.unsolved,
                ..Standing::default()
            },
            stepped_up: self.has(Reason::SteppedUp) || self.has(Reason::NewerToken),
            left: &self.left,
            ..Case::of_nobody(tier, &signals, &features)
        };
        if let Some((decision, exception)) = denied(policy, &case) {
            let reason = Reason::Denylisted;
            return Ok(told(Some(decision), policy.prior, reason, &[exception]));
        }
        let refused_early = self.has(Reason::Denylisted) || self.has(Reason::CountryForbidden);
        let tries = !anonymous || tier.class == Class::Login;
        if refused_early && tries {
            return Err("was refused by a denylist or a fence before any evidence was gathered");
        }
        let evidence = self.evidence(policy, weighed, tier, unexpected);
        // Of a login that was barred the line holds what was known of the attempt, whoever asked.
        let barred = self.hot || self.has(Reason::TooManyFailures);
        let judged = if anonymous || barred {
            judge_nobody(policy, &case, &evidence, |score| self.bar(tier, score))
        } else {
            judge(policy, &case, &evidence)
        };
        let counted = judged.evidence.iter();
        let strongest = counted.max_by(|a, b| a.nats.total_cmp(&b.nats));
        let strongest = strongest.map_or(Reason::Anonymous, |piece| piece.reason);
        let logit = judged.score.logit;
        Ok(told(
            Some(judged.decision),
            logit,
            strongest,
            &judged.excepted.by,
        ))
    }

    /// What barred an attempt to log in. How many failures there were is not in the line: too many stay too many.
    fn bar(&self, tier: &Tier, score: Score) -> Bar {
        let barred = self.has(Reason::TooManyFailures) || (self.hot && score.logit >= tier.step_up);
        Bar {
            retry_after: barred.then_some(1),
            unreadable: self.has(Reason::UnreadableLogin),
        }
    }

    /// The evidence as this policy weighs it.
    fn evidence(
        &self,
        policy: &Policy,
        weighed: &Policy,
        tier: &Tier,
        unexpected: bool,
    ) -> EvidenceList {
        let mut evidence = EvidenceList::new();
        for piece in &self.reasons {
            let of_policy = piece.reason == Reason::CountryUnexpected;
            let says_nothing = piece.nats == 0.0 || piece.reason.nature() == Nature::Rule;
            if of_policy || says_nothing {
                continue;
            }
            let (old, new) = (
                weighed.weights.of(piece.reason),
                policy.weights.of(piece.reason),
            );
            let scale = if old > 0.0 { new / old } else { 1.0 };
            let nats = piece.nats * scale;
            let _as_many_as_were_written = evidence.try_push(Evidence { nats, ..*piece });
        }
        if unexpected && tier.fence.is_some() {
            let reason = Reason::CountryUnexpected;
            let nats = policy.weights.of(reason);
            let _as_many_as_were_written = evidence.try_push(Evidence { reason, nats });
        }
        evidence
    }
}

/// Rules that follow from the policy and what a line says, and are judged anew.
fn is_of_policy(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::CountryForbidden
            | Reason::IdentityRequired
            | Reason::Denylisted
            | Reason::DenylistChallenge
            | Reason::Unsolved
            | Reason::TooManyFailures
            | Reason::UnreadableLogin
    )
}

/// Reasons with their nats before exceptions.
fn reasons(fields: &BTreeMap<String, Value>) -> Result<Vec<Evidence>, String> {
    let object = |name: &str| fields.get(name).and_then(Value::as_object);
    let damped = object("stepgate.damped");
    let mut reasons = Vec::new();
    let written = object("stepgate.reasons").ok_or("`stepgate.reasons` is no object")?;
    for (code, nats) in written {
        let reason = Reason::from_code(code)
            .ok_or_else(|| format!("`{}` is no reason of this version", code.escape_debug()))?;
        let before = damped.and_then(|damped| damped.get(code)).unwrap_or(nats);
        let nats = before
            .as_f64()
            .ok_or_else(|| format!("`stepgate.reasons.{code}` is no number"))?;
        reasons.push(Evidence { reason, nats });
    }
    Ok(reasons)
}

/// The names of identities that policies except, by their hash.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    /// All that are named in these policies.
    pub(super) fn of_policies(policies: &[&Policy], key: &HashKey) -> Self {
        let named = policies.iter().flat_map(|p| p.exceptions.identities());
        let hashed = named.map(|name| {
            let locator = key.locate(Domain::Identity, &[name.as_bytes()]);
            (format!("{:016x}", locator.tag), name.to_owned())
        });
        Self(hashed.collect())
    }

    fn of(&self, hash: Option<&str>) -> Option<&str> {
        hash.and_then(|hash| self.0.get(hash)).map(String::as_str)
    }
}

#[cfg(test)]
#[path = "audited_tests.rs"]
mod tests;
