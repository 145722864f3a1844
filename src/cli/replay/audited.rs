//! An audit line, read back.
//! May use: the engine's names for what a line says.
//! Must not: decide, or guess what a line does not say.

mod redecided;

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use stepgate::evidence::{Evidence, Reason};
use stepgate::signals::address::Address;
use stepgate::signals::ecs::parse_time;
use stepgate::signals::request::Kind;

pub(in crate::cli) use redecided::Names;
pub(super) use redecided::Redecided;

/// What an audit line says of a decision.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct AuditLine {
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
    asn: Option<u32>,
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
    pub(in crate::cli) policy: String,
    /// The evidence before exceptions, and notes.
    reasons: Vec<Evidence>,
}

/// Reads a line of a log; `None` for what is no audit line.
///
/// # Errors
/// If it is an audit line that does not say what is needed.
pub(super) fn read(line: &[u8]) -> Result<Option<AuditLine>, String> {
    fields(line).as_ref().map(AuditLine::of).transpose()
}

/// Members under which loggers and collectors keep the line of a log.
const WRAPPERS: [&str; 3] = ["log", "msg", "message"];
/// Loggers of loggers that are looked through: a proxy that logs in JSON, in a container whose log is JSON, and one to spare.
const DEPTH: u8 = 3;

/// What an audit line says, by dotted names; `None` for what is none. It may stand in the line of a logger, as text or in JSON.
pub(in crate::cli) fn fields(line: &[u8]) -> Option<BTreeMap<String, Value>> {
    within(line, DEPTH)
}

fn within(line: &[u8], depth: u8) -> Option<BTreeMap<String, Value>> {
    let start = memchr::memchr(b'{', line)?;
    // What a logger writes before has no quotes; the text form of an access log has, with what clients sent between them.
    if memchr::memchr(b'"', line.get(..start)?).is_some() {
        return None;
    }
    let mut values = serde_json::Deserializer::from_slice(line.get(start..)?);
    let Ok(Value::Object(object)) = serde::Deserialize::deserialize(&mut values) else {
        return None;
    };
    let mut fields = BTreeMap::new();
    flatten(object, "", &mut fields);
    let has = |name: &str| fields.contains_key(name);
    if has("stepgate.reasons") && has("stepgate.tier") {
        return Some(fields);
    }
    let depth = depth.checked_sub(1)?;
    WRAPPERS.iter().find_map(|name| {
        let text = fields.get(*name).and_then(Value::as_str)?;
        within(text.as_bytes(), depth)
    })
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
    /// What a line says that is needed to decide again.
    ///
    /// # Errors
    /// If it does not say that.
    pub(in crate::cli) fn of(fields: &BTreeMap<String, Value>) -> Result<Self, String> {
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
            asn: fields
                .get("source.as.number")
                .and_then(Value::as_u64)
                .and_then(|asn| u32::try_from(asn).ok()),
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

    /// Its reasons, strongest first as it has them.
    pub(in crate::cli) fn reasons(&self) -> &[Evidence] {
        &self.reasons
    }

    /// The same without some of its reasons.
    pub(in crate::cli) fn without(&self, left_out: &[Reason]) -> Self {
        let mut line = self.clone();
        line.reasons
            .retain(|piece| !left_out.contains(&piece.reason));
        line
    }

    fn has(&self, reason: Reason) -> bool {
        self.reasons.iter().any(|piece| piece.reason == reason)
    }
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

#[cfg(test)]
#[path = "audited_tests.rs"]
mod tests;
