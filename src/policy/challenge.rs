//! What solves a challenge in a policy, and who can be given none.
//! May use: the raw policy, pages.
//! Must not: look at a request.

use super::PolicyError;
use super::config::{IncapableConfig, PolicyConfig};
use super::page;
use super::tiers::quotable;

/// Longest name of a cookie.
const LONGEST_COOKIE: usize = 64;

/// What solves a challenge, beyond the tier's `acr_values`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// `amr` values that are good enough.
    pub amr: Vec<String>,
    /// Where a client that cannot answer is sent.
    pub help: Option<String>,
    /// Clients that cannot answer.
    pub incapable: Incapable,
    /// Cookie of the device receipt; absent: there are none.
    pub receipt: Option<String>,
    /// Whether a newer token answers where there is no `auth_time`.
    pub newer_token: bool,
}

/// Clients that cannot authenticate again.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Incapable {
    clients: Vec<String>,
    /// Name and value.
    claims: Vec<(String, String)>,
}

impl Incapable {
    /// Whether it is one of these clients; the empty name is none.
    #[must_use]
    pub fn names_client(&self, client_id: &str) -> bool {
        !client_id.is_empty()
            && self
                .clients
                .iter()
                .any(|pattern| match pattern.strip_suffix('*') {
                    Some(start) => client_id.starts_with(start),
                    None => client_id == pattern,
                })
    }

    /// Whether one of the claims has its value. `claim` reads a claim by name.
    #[must_use]
    pub fn has_claim(&self, claim: impl Fn(&str) -> Option<serde_json::Value>) -> bool {
        self.claims
            .iter()
            .any(|(name, value)| claim(name).is_some_and(|found| is(&found, value)))
    }
}

fn is(found: &serde_json::Value, wanted: &str) -> bool {
    match found {
        serde_json::Value::String(text) => text == wanted,
        serde_json::Value::Array(members) => members
            .iter()
            .any(|member| !member.is_array() && is(member, wanted)),
        serde_json::Value::Bool(truth) => wanted == if *truth { "true" } else { "false" },
        serde_json::Value::Number(number) => number.to_string() == wanted,
        serde_json::Value::Null | serde_json::Value::Object(_) => false,
    }
}

fn incapable(written: &IncapableConfig) -> Result<Incapable, PolicyError> {
    for (index, client) in written.clients.iter().enumerate() {
        if client.is_empty() {
            return Err(PolicyError::new(
                format!("challenge.incapable.clients[{index}]"),
                "is empty; allowed: a client id, with * at the end for any rest",
            ));
        }
    }
    for (index, claim) in written.claims.iter().enumerate() {
        if claim.name.is_empty() {
            return Err(PolicyError::new(
                format!("challenge.incapable.claims[{index}].name"),
                "is empty; allowed: the name of a claim",
            ));
        }
    }
    let claims = written.claims.iter();
    Ok(Incapable {
        clients: written.clients.clone(),
        claims: claims
            .map(|claim| (claim.name.clone(), claim.value.clone()))
            .collect(),
    })
}

pub(super) fn compile(config: &PolicyConfig) -> Result<Challenge, PolicyError> {
    let written = &config.challenge;
    for (index, amr) in written.amr.iter().enumerate() {
        quotable(&format!("challenge.amr[{index}]"), amr)?;
    }
    let receipt = match &written.receipt {
        Some(receipt) => Some(cookie_name(&receipt.cookie)?),
        None => None,
    };
    Ok(Challenge {
        amr: written.amr.clone(),
        help: written.help.as_deref().map(page::help).transpose()?,
        incapable: incapable(&written.incapable)?,
        receipt,
        newer_token: written.newer_token,
    })
}

/// A cookie that only this host can set, over TLS only (RFC 6265bis §4.1.3.2).
fn cookie_name(name: &str) -> Result<String, PolicyError> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let fits = name.len() <= LONGEST_COOKIE
        && name
            .strip_prefix("__Host-")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(token));
    if fits {
        return Ok(name.to_owned());
    }
    Err(PolicyError::new(
        "challenge.receipt.cookie",
        format!(
            "`{}` is not the name of a receipt; allowed: __Host- and a name, {LONGEST_COOKIE} characters at most",
            name.escape_debug()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;
    use serde_json::json;

    #[test]
    fn clients_and_claims_name_those_who_cannot() {
        let policy = r#"{"challenge":{"incapable":{"clients":["cli","tv-*"],"claims":[{"name":"flow","value":"device"},{"name":"a.b","value":"true"}]}}}"#;
        let incapable = Policy::parse(policy).unwrap().challenge.incapable;
        for (client, expected) in [("cli", true), ("cli2", false), ("tv-9", true), ("", false)] {
            assert_eq!(incapable.names_client(client), expected, "{client}");
        }
        let claim = |name: &'static str, value: serde_json::Value| {
            incapable.has_claim(|wanted| (wanted == name).then(|| value.clone()))
        };
        assert!(claim("flow", json!("device")));
        assert!(claim("flow", json!(["web", "device"])));
        assert!(claim("a.b", json!(true)));
        assert!(!claim("flow", json!("devices")));
        assert!(!claim("flow", json!([["device"]])));
        assert!(!claim("other", json!("device")));
    }

    #[test]
    fn a_receipt_is_named_so_that_no_other_host_can_set_it() {
        for name in [
            "stepgate",
            "__Host-",
            "__Secure-x",
            "__Host-a b",
            "__Host-a;b",
            "__Host-é",
        ] {
            let policy = json!({ "challenge": { "receipt": { "cookie": name } } }).to_string();
            let refused = Policy::parse(&policy).unwrap_err().to_string();
            assert!(
                refused.starts_with("challenge.receipt.cookie: `"),
                "{name}: {refused}"
            );
        }
        let policy = Policy::parse(r#"{"challenge":{"receipt":{}}}"#).unwrap();
        assert_eq!(
            policy.challenge.receipt.as_deref(),
            Some("__Host-stepgate-device")
        );
        assert_eq!(policy.step_up_warnings(true), []);
        assert_eq!(policy.step_up_warnings(false).len(), 1);
    }
}
