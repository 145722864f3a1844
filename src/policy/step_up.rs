//! Who can be challenged, what is more than usual about step-up in a policy, and whether a tier can ever hold.
//! May use: the raw policy, tiers, pages.
//! Must not: look at a request.

use super::PolicyError;
use super::compile::{Challenge, Policy, probability};
use super::config::{IncapableConfig, Mode, PolicyConfig, TierConfig};
use super::page;
use super::tiers::{Route, Tier};
use crate::score::log_odds;

/// Longest name of a cookie.
const LONGEST_COOKIE: usize = 64;

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

pub(super) fn challenge(config: &PolicyConfig) -> Result<Challenge, PolicyError> {
    let written = &config.challenge;
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

/// The log-odds from which a tier at `path` of the policy marks what it allows. Above those of a step-up nothing would ever be
/// marked; only a tier that challenges earlier than others mark simply marks nothing.
pub(super) fn notify(
    config: &PolicyConfig,
    tier: &TierConfig,
    step_up: f64,
    path: &str,
) -> Result<Option<f64>, PolicyError> {
    let (value, path) = match (tier.notify, config.score.notify) {
        (Some(own), _) => (own, format!("{path}.notify")),
        (None, Some(general)) => (general, "score.notify".to_owned()),
        (None, None) => return Ok(None),
    };
    let notify = log_odds(probability(&path, value)?);
    if notify <= step_up {
        Ok(Some(notify))
    } else if tier.notify.is_none() && tier.step_up.is_some() {
        Ok(None)
    } else {
        Err(PolicyError::new(
            path,
            format!("{value} is above step_up; nothing that is allowed would be marked"),
        ))
    }
}

/// Refuses a tier that is named by route metadata and looks at hosts, paths or methods as well: it would not.
pub(super) fn one_kind_of_route(tier: &TierConfig, path: &str) -> Result<(), PolicyError> {
    let looks = !tier.hosts.is_empty() || !tier.paths.is_empty() || !tier.methods.is_empty();
    if tier.route_metadata && looks {
        return Err(PolicyError::new(
            format!("{path}.route_metadata"),
            "leaves nothing to say to hosts, paths and methods; allowed: one or the other",
        ));
    }
    Ok(())
}

/// Refuses a tier whose routes other tiers before it take all, and treat differently: whoever wrote it believes that it
/// holds. Of a tier by route metadata nobody but the proxy knows the routes.
pub(super) fn reachable(tiers: &[Tier], tier: &Tier, path: &str) -> Result<(), PolicyError> {
    let mut before = Vec::new();
    for atom in tier.matcher.atoms() {
        match tiers.iter().position(|other| other.matcher.covers(&atom)) {
            Some(index) => before.push(index),
            None => return Ok(()),
        }
    }
    let differs = |index: &&usize| {
        tiers
            .get(**index)
            .is_some_and(|other| !other.treats_like(tier))
    };
    let Some((index, other)) = before
        .iter()
        .find(differs)
        .and_then(|index| Some((index, tiers.get(*index)?)))
    else {
        return Ok(());
    };
    Err(PolicyError::new(
        path,
        format!(
            "`{}` never holds: `{}` (tiers[{index}]) takes its routes first and treats them differently; put it before that one or drop it",
            tier.name, other.name
        ),
    ))
}

impl Policy {
    /// Refuses a page that is itself challenged: a browser would be sent from the page to the page.
    pub(super) fn pages_can_be_reached(&self) -> Result<(), PolicyError> {
        let tiers = self.tiers.iter().chain([&self.default_tier]);
        for page in tiers.filter_map(|tier| tier.page.as_ref()) {
            let Some(path) = &page.own_path else { continue };
            for origin in &page.origins {
                let host = origin.authority.split(':').next().unwrap_or_default();
                let tier = self.tier(&Route {
                    host: host.as_bytes(),
                    path: path.as_bytes(),
                    method: b"GET",
                    metadata: b"",
                });
                if tier.mode == Mode::Enforce {
                    return Err(PolicyError::new(
                        "challenge.page.url",
                        format!(
                            "`{path}` on `{host}` is in tier `{}`, which enforces: nobody could reach the page; give it a tier with `mode: off` before that one",
                            tier.name
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// What an operator should know of how this policy steps up, with the path it is about. `keyed`: there is a hash key that
    /// is not public.
    #[must_use]
    pub fn step_up_warnings(&self, keyed: bool) -> Vec<PolicyError> {
        let mut warnings = Vec::new();
        if self.challenge.newer_token {
            warnings.push(PolicyError::new(
                "challenge.newer_token",
                "accepts a newer token as an answer to a challenge: whoever holds a stolen refresh token can answer",
            ));
        }
        if self.challenge.receipt.is_some() && !keyed {
            warnings.push(PolicyError::new(
                "challenge.receipt",
                "is off: without STEPGATE_KEY or hash_key anybody could make a receipt",
            ));
        }
        let restricts = self.tiers.iter().any(|tier| !tier.step_up_capable)
            || self.challenge.incapable != Incapable::default();
        if restricts && self.challenge.help.is_none() {
            warnings.push(PolicyError::new(
                "challenge.help",
                "is absent: clients that cannot step up are refused without a link to where they get help",
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(policy: &str) -> String {
        Policy::parse(policy).unwrap_err().to_string()
    }

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
            let refused = refusal(&policy);
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

    #[test]
    fn a_tier_that_can_never_hold_is_refused() {
        let tiers = |tiers: &str| Policy::parse(&format!(r#"{{"tiers":[{tiers}]}}"#));
        for (case, first) in [
            (
                r#"{"name":"a","mode":"off"},{"name":"b","paths":["/x"]}"#,
                0,
            ),
            (
                r#"{"name":"a","paths":["/x/**"],"deny":0.99},{"name":"b","paths":["/x/{id}/y","/x"]}"#,
                0,
            ),
            (
                r#"{"name":"a","hosts":["*.test"],"max_age":1},{"name":"b","hosts":["*.a.test","b.test"],"paths":["/"]}"#,
                0,
            ),
            (
                r#"{"name":"a","methods":["POST","put"],"class":"sensitive"},{"name":"b","methods":["PUT"]}"#,
                0,
            ),
            (
                r#"{"name":"a","hosts":["a.test"]},{"name":"b","hosts":["b.test"],"mode":"off"},{"name":"c","hosts":["a.test","b.test"]}"#,
                1,
            ),
            (
                r#"{"name":"a","paths":["/x/"],"require_identity":true},{"name":"b","paths":["/x"]}"#,
                0,
            ),
            (
                r#"{"name":"a","paths":["/Files/**"],"max_age":1},{"name":"b","hosts":["b.test."],"paths":["/files/a"]}"#,
                0,
            ),
        ] {
            let refused = tiers(case).unwrap_err().to_string();
            let whole = format!("(tiers[{first}]) takes its routes first");
            assert!(
                refused.contains(&whole) && refused.starts_with("tiers["),
                "{case}: {refused}"
            );
        }
        for case in [
            r#"{"name":"a","paths":["/x"],"mode":"off"},{"name":"b","paths":["/x/**"]}"#,
            r#"{"name":"a","paths":["/x/*/**"],"mode":"off"},{"name":"b","paths":["/x/**"]}"#,
            r#"{"name":"a","paths":["/x/*"],"mode":"off"},{"name":"b","paths":["/x/**"]}"#,
            r#"{"name":"a","methods":["POST"],"mode":"off"},{"name":"b","paths":["/x"]}"#,
            r#"{"name":"a","hosts":["a.test"],"mode":"off"},{"name":"b","hosts":["*.a.test"]}"#,
            r#"{"name":"a","paths":["/Files/**"],"mode":"off"},{"name":"b","paths":["/files/a"]}"#,
            r#"{"name":"a","mode":"off"},{"name":"b","route_metadata":true}"#,
            r#"{"name":"a","route_metadata":true,"mode":"off"},{"name":"b","paths":["/x"]}"#,
            // It changes nothing but a name.
            r#"{"name":"a"},{"name":"b","paths":["/x"]}"#,
        ] {
            assert!(tiers(case).is_ok(), "{case}");
        }
        let both = tiers(r#"{"name":"a","route_metadata":true,"paths":["/x"]}"#).unwrap_err();
        assert_eq!(both.path, "tiers[0].route_metadata");
    }

    #[test]
    fn a_page_that_is_challenged_itself_is_refused() {
        let page = r#""challenge":{"page":{"url":"/verify","origins":["https://app.test"]}}"#;
        let refused = refusal(&format!(r#"{{"mode":"enforce",{page}}}"#));
        assert!(
            refused.starts_with("challenge.page.url: `/verify` on `app.test`"),
            "{refused}"
        );
        for fine in [
            format!(r#"{{"mode":"shadow",{page}}}"#),
            format!(
                r#"{{"mode":"enforce","tiers":[{{"name":"verify","paths":["/verify"],"mode":"off"}}],{page}}}"#
            ),
        ] {
            assert!(Policy::parse(&fine).is_ok(), "{fine}");
        }
    }

    #[test]
    fn a_threshold_that_never_notifies_is_refused() {
        let refused = refusal(r#"{"score":{"notify":0.6}}"#);
        assert!(refused.starts_with("score.notify: "), "{refused}");
        let refused = refusal(r#"{"tiers":[{"name":"a","paths":["/a"],"notify":0.6}]}"#);
        assert!(refused.starts_with("tiers[0].notify: "), "{refused}");
        assert!(refusal(r#"{"score":{"notify":0}}"#).starts_with("score.notify: "));
        assert!(Policy::parse(r#"{"score":{"notify":0.5}}"#).is_ok());
    }
}
