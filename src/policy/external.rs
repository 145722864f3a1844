//! What the policy takes from outside, checked: lists of networks, fences, the scale of a foreign score.
//! May use: the raw policy and the evidence it becomes.
//! Must not: read a clock; whether a list has expired is for whoever loads it to ask.

use super::PolicyError;
use super::config::{FenceAction, FenceConfig, NetworkListConfig, PolicyConfig, RiskConfig};
use super::term::{self, Written};
use crate::evidence::{External, Fence, NetworkList, RiskScale};
use crate::signals::address::{CidrSet, MAX_ENTRIES};
use crate::signals::countries;

pub(super) fn compile(config: &PolicyConfig) -> Result<External, PolicyError> {
    let mut networks = Vec::with_capacity(config.networks.len());
    let entries: usize = config.networks.iter().map(|list| list.networks.len()).sum();
    if entries > MAX_ENTRIES {
        return Err(PolicyError::new(
            "networks",
            format!("{entries} blocks are too many; allowed: {MAX_ENTRIES} in all lists"),
        ));
    }
    for (index, list) in config.networks.iter().enumerate() {
        networks.push(network_list(list, &format!("networks[{index}]"))?);
    }
    let risk = config.signals.risk.as_ref().map(risk_scale).transpose()?;
    let max_token_age = config.credentials.max_token_age;
    if max_token_age == Some(0) {
        return Err(PolicyError::new(
            "credentials.max_token_age",
            "0 would suspect every token; allowed: 1 or more seconds",
        ));
    }
    Ok(External {
        networks,
        risk,
        max_token_age,
    })
}

fn network_list(written: &NetworkListConfig, path: &str) -> Result<NetworkList, PolicyError> {
    let at = |key: &str| format!("{path}.{key}");
    let term = term::compile(&Written {
        path,
        end: "expires",
        from: None,
        until: &written.expires,
        owner: &written.owner,
        reason: &written.reason,
    })?;
    if written.networks.is_empty() {
        return Err(PolicyError::new(
            at("networks"),
            "is empty; name at least one address block",
        ));
    }
    let networks = CidrSet::parse(written.networks.iter().map(String::as_str))
        .map_err(|why| PolicyError::new(at("networks"), why.to_string()))?;
    if let Some(score) = written.score
        && !(score > 0.0 && score <= 20.0)
    {
        return Err(PolicyError::new(
            at("score"),
            format!("{score} is not a score; allowed: above 0 up to 20 nats"),
        ));
    }
    Ok(NetworkList {
        networks,
        nats: written.score,
        expires: term.until,
    })
}

fn risk_scale(written: &RiskConfig) -> Result<RiskScale, PolicyError> {
    let error =
        |key: &str, message: String| Err(PolicyError::new(format!("signals.risk{key}"), message));
    if written.header.is_none() && written.claim.is_none() {
        return error("", "names neither a `header` nor a `claim` to read".into());
    }
    if !(written.from.is_finite() && written.to.is_finite() && written.from != written.to) {
        return error(
            ".to",
            format!(
                "{} to {} is no range; allowed: two different numbers",
                written.from, written.to
            ),
        );
    }
    if !(written.nats > 0.0 && written.nats <= 10.0) {
        return error(
            ".nats",
            format!(
                "{} is out of range; allowed: above 0 up to 10",
                written.nats
            ),
        );
    }
    Ok(RiskScale {
        from: written.from,
        to: written.to,
        nats: written.nats,
    })
}

/// A country by its code.
pub(super) fn country(path: &str, name: &str) -> Result<[u8; 2], PolicyError> {
    <[u8; 2]>::try_from(name.as_bytes())
        .ok()
        .filter(|code| countries::point(*code).is_some())
        .ok_or_else(|| {
            PolicyError::new(
                path,
                format!(
                    "`{}` is not a country; allowed: ISO 3166-1 alpha-2 in upper case",
                    name.escape_debug()
                ),
            )
        })
}

pub(super) fn fence(written: &FenceConfig, path: &str) -> Result<Fence, PolicyError> {
    if written.allowed.is_empty() && written.forbidden.is_empty() {
        return Err(PolicyError::new(
            path,
            "names no country in `allowed` or `forbidden`",
        ));
    }
    let codes = |key: &str, names: &[String]| {
        names
            .iter()
            .enumerate()
            .map(|(index, name)| country(&format!("{path}.{key}[{index}]"), name))
            .collect::<Result<Vec<_>, _>>()
    };
    let fence = Fence {
        allowed: codes("allowed", &written.allowed)?,
        forbidden: codes("forbidden", &written.forbidden)?,
        unknown_passes: written.unknown,
        denies: written.action == FenceAction::Deny,
    };
    if let Some(both) = fence
        .allowed
        .iter()
        .position(|code| fence.forbidden.contains(code))
    {
        return Err(PolicyError::new(
            format!("{path}.allowed[{both}]"),
            "is forbidden too",
        ));
    }
    Ok(fence)
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    fn refused(json: &str) -> String {
        Policy::parse(json).unwrap_err().to_string()
    }

    #[test]
    fn a_list_needs_networks_an_end_an_owner_and_a_reason() {
        let list = r#"{"networks":[{"networks":["198.51.100.0/24"],"expires":"2030-01-31T00:00:00Z","owner":"soc","reason":"botnet"}]}"#;
        let policy = Policy::parse(list).unwrap();
        assert_eq!(policy.external.networks.len(), 1);
        assert_eq!(policy.expired(1_800_000_000).count(), 0);
        let expired: Vec<String> = policy.expired(1_900_000_000).collect();
        assert_eq!(
            expired,
            [
                "networks[0]: expired 2030-01-31T00:00:00Z and counts nothing; ask its owner `soc` whether it still holds"
            ]
        );
        for (without, message) in [
            (
                "\"owner\":\"soc\",",
                "networks[0].owner: is absent; say who answers for it",
            ),
            (
                ",\"reason\":\"botnet\"",
                "networks[0].reason: is absent; say why it is needed",
            ),
            (
                "\"expires\":\"2030-01-31T00:00:00Z\",",
                "networks[0].expires: is absent; say when it ends: RFC 3339, such as 2030-01-31T00:00:00Z",
            ),
            (
                "\"198.51.100.0/24\"",
                "networks[0].networks: is empty; name at least one address block",
            ),
        ] {
            assert_eq!(refused(&list.replacen(without, "", 1)), message);
        }
        let bad = list.replace("198.51.100.0/24", "198.51.100.0/33");
        assert!(refused(&bad).starts_with("networks[0].networks: `198.51.100.0/33` is no"));
        let score = list.replace("\"owner\"", "\"score\":0,\"owner\"");
        assert_eq!(
            refused(&score),
            "networks[0].score: 0 is not a score; allowed: above 0 up to 20 nats"
        );
    }

    #[test]
    fn a_fence_names_countries() {
        let policy = Policy::parse(
            r#"{"fence":{"allowed":["NO","SE"]},"tiers":[{"name":"admin","paths":["/admin/**"],"fence":{"forbidden":["SE"],"action":"evidence"}},{"name":"rest"}]}"#,
        )
        .unwrap();
        let fence = |index: usize| policy.tiers[index].fence.clone().unwrap();
        assert!(!fence(0).denies && fence(0).forbidden == [*b"SE"]);
        assert!(fence(1).denies && fence(1).allowed == [*b"NO", *b"SE"]);
        assert_eq!(policy.default_tier.fence, Some(fence(1)));
        assert_eq!(
            refused(r#"{"fence":{}}"#),
            "fence: names no country in `allowed` or `forbidden`"
        );
        assert_eq!(
            refused(r#"{"tiers":[{"name":"a","fence":{"forbidden":["Norway"]}}]}"#),
            "tiers[0].fence.forbidden[0]: `Norway` is not a country; allowed: ISO 3166-1 alpha-2 in upper case"
        );
        assert_eq!(
            refused(r#"{"fence":{"allowed":["NO"],"forbidden":["NO"]}}"#),
            "fence.allowed[0]: is forbidden too"
        );
    }

    #[test]
    fn a_foreign_score_has_a_source_and_a_range() {
        assert!(Policy::parse(r#"{"signals":{"risk":{"header":"x-risk"}}}"#).is_ok());
        for (risk, message) in [
            (
                r#"{}"#,
                "signals.risk: names neither a `header` nor a `claim` to read",
            ),
            (
                r#"{"claim":"risk","to":0}"#,
                "signals.risk.to: 0 to 0 is no range; allowed: two different numbers",
            ),
            (
                r#"{"claim":"risk","nats":11}"#,
                "signals.risk.nats: 11 is out of range; allowed: above 0 up to 10",
            ),
        ] {
            assert_eq!(
                refused(&format!(r#"{{"signals":{{"risk":{risk}}}}}"#)),
                message
            );
        }
        assert_eq!(
            refused(r#"{"credentials":{"max_token_age":0}}"#),
            "credentials.max_token_age: 0 would suspect every token; allowed: 1 or more seconds"
        );
    }

    #[test]
    fn the_origin_clients_see_is_an_origin() {
        assert!(
            Policy::parse(r#"{"credentials":{"origin":"https://api.example.com:8443"}}"#).is_ok()
        );
        for bad in ["api.example.com", "https://h/", "ftp://h", "https://"] {
            let message = refused(&format!(r#"{{"credentials":{{"origin":"{bad}"}}}}"#));
            assert!(message.starts_with("credentials.origin: "), "{message}");
        }
    }
}
