//! From a tier as written to a tier, and whether it can ever hold.
//! May use: the raw policy and what the parts of a tier are made of.
//! Must not: look at a request, or at a tier that comes later.

use super::{HostPattern, Matcher, Tier};
use crate::policy::PolicyError;
use crate::policy::config::{ClassName, Mode, PolicyConfig, TierConfig};
use crate::policy::names::header_name;
use crate::policy::paths::PathTemplate;
use crate::policy::{canary, external, login, page};
use crate::score::log_odds;

/// The tier of the routes that no other takes, and the others.
pub(in crate::policy) fn compile(config: &PolicyConfig) -> Result<(Tier, Vec<Tier>), PolicyError> {
    let default_tier = tier(
        config,
        &TierConfig {
            name: "default".into(),
            ..TierConfig::default()
        },
        "tiers",
    )?;
    let mut tiers: Vec<Tier> = Vec::with_capacity(config.tiers.len());
    for (index, written) in config.tiers.iter().enumerate() {
        let path = format!("tiers[{index}]");
        if written.name == "default" || tiers.iter().any(|tier| tier.name == written.name) {
            return Err(PolicyError::new(
                format!("{path}.name"),
                format!(
                    "`{}` is taken; every tier needs a name of its own",
                    written.name
                ),
            ));
        }
        let tier = tier(config, written, &path)?;
        reachable(&tiers, &tier, &path)?;
        tiers.push(tier);
    }
    Ok((default_tier, tiers))
}

fn tier(config: &PolicyConfig, written: &TierConfig, path: &str) -> Result<Tier, PolicyError> {
    let at = |key: &str| format!("{path}.{key}");
    let word = !written.name.is_empty()
        && written.name.len() <= 64
        && written
            .name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !word {
        return Err(PolicyError::new(
            at("name"),
            format!(
                "`{}` is not a name; allowed: 1 to 64 of a-z, 0-9 and -",
                written.name
            ),
        ));
    }
    let step_up = threshold(
        &at("step_up"),
        written.step_up,
        "score.step_up",
        config.score.step_up,
    )?;
    let deny = threshold(&at("deny"), written.deny, "score.deny", config.score.deny)?;
    if deny < step_up {
        let key = if written.deny.is_some() || written.step_up.is_some() {
            at("deny")
        } else {
            "score.deny".into()
        };
        return Err(PolicyError::new(
            key,
            "is below step_up; a denial needs at least as much evidence as a challenge",
        ));
    }
    let acr_values = written
        .acr_values
        .as_ref()
        .unwrap_or(&config.challenge.acr_values);
    for (index, acr) in acr_values.iter().enumerate() {
        let path = match written.acr_values {
            Some(_) => at(&format!("acr_values[{index}]")),
            None => format!("challenge.acr_values[{index}]"),
        };
        quotable(&path, acr)?;
    }
    one_kind_of_route(written, path)?;
    let mode = written.mode.unwrap_or(config.mode);
    let mut matcher = Matcher {
        by_metadata: written.route_metadata,
        exactly: mode == Mode::Off,
        ..Matcher::default()
    };
    for (index, host) in written.hosts.iter().enumerate() {
        matcher.hosts.push(HostPattern::parse(host).ok_or_else(|| {
            PolicyError::new(
                at(&format!("hosts[{index}]")),
                format!("`{host}` is not a host; allowed: a name, or *. before one"),
            )
        })?);
    }
    for (index, template) in written.paths.iter().enumerate() {
        matcher.paths.push(PathTemplate::parse(template).ok_or_else(|| {
            PolicyError::new(
                at(&format!("paths[{index}]")),
                format!("`{template}` is not a path template; allowed: / and up to 64 segments, * or {{name}} for one, ** at the end for the rest"),
            )
        })?);
    }
    for (index, method) in written.methods.iter().enumerate() {
        header_name(&at(&format!("methods[{index}]")), method)
            .map_err(|error| PolicyError::new(error.path, format!("`{method}` is not a method")))?;
        matcher.methods.push(method.to_ascii_uppercase());
    }
    let fence = match (&written.fence, &config.fence) {
        (Some(own), _) => Some(external::fence(own, &at("fence"))?),
        (None, Some(general)) => Some(external::fence(general, "fence")?),
        (None, None) => None,
    };
    let logs_in = matches!(written.class, ClassName::Login | ClassName::Recovery);
    let login = match (&written.login, logs_in) {
        (Some(own), true) => Some(login::compile(own, &at("login"))?),
        (None, true) => Some(login::compile(&config.login, "login")?),
        (Some(_), false) => {
            return Err(PolicyError::new(
                at("login"),
                "has no meaning here; allowed: in tiers with class login or recovery",
            ));
        }
        (None, false) => None,
    };
    let canary = canary::of(config, written, mode, &at("canary_permille"))?;
    let tier = Tier {
        name: written.name.clone(),
        matcher,
        mode,
        step_up,
        notify: notify(config, written, step_up, path)?,
        deny,
        page: page::of_tier(config, written, path)?,
        step_up_capable: written.step_up_capable,
        acr_values: acr_values.clone(),
        max_age: written.max_age.unwrap_or(config.challenge.max_age),
        require_identity: written.require_identity,
        class: written.class.into(),
        fence,
        canary: None,
        login,
    };
    Ok(match canary {
        Some(permille) => tier.with_canary(permille),
        None => tier,
    })
}

fn threshold(
    own_path: &str,
    own: Option<f64>,
    path: &str,
    default: f64,
) -> Result<f64, PolicyError> {
    match own {
        Some(value) => probability(own_path, value),
        None => probability(path, default),
    }
    .map(log_odds)
}

pub(in crate::policy) fn probability(path: &str, value: f64) -> Result<f64, PolicyError> {
    if value > 0.0 && value < 1.0 {
        Ok(value)
    } else {
        Err(PolicyError::new(
            path,
            format!("{value} is not a probability; allowed: above 0 and below 1"),
        ))
    }
}

/// The log-odds from which a tier at `path` of the policy marks what it allows. Above those of a step-up nothing would ever be
/// marked; only a tier that challenges earlier than others mark simply marks nothing.
fn notify(
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
fn one_kind_of_route(tier: &TierConfig, path: &str) -> Result<(), PolicyError> {
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
fn reachable(tiers: &[Tier], tier: &Tier, path: &str) -> Result<(), PolicyError> {
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

/// Values that stand inside a quoted string of a challenge, separated by spaces.
pub(in crate::policy) fn quotable(path: &str, value: &str) -> Result<(), PolicyError> {
    if !value.is_empty()
        && value
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    {
        Ok(())
    } else {
        Err(PolicyError::new(
            path,
            format!(
                "`{}` cannot stand in a challenge; allowed: visible ASCII without spaces, quotes and backslashes",
                value.escape_debug()
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    fn refusal(policy: &str) -> String {
        Policy::parse(policy).unwrap_err().to_string()
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
    fn a_threshold_that_never_notifies_is_refused() {
        let refused = refusal(r#"{"score":{"notify":0.6}}"#);
        assert!(refused.starts_with("score.notify: "), "{refused}");
        let refused = refusal(r#"{"tiers":[{"name":"a","paths":["/a"],"notify":0.6}]}"#);
        assert!(refused.starts_with("tiers[0].notify: "), "{refused}");
        assert!(refusal(r#"{"score":{"notify":0}}"#).starts_with("score.notify: "));
        assert!(Policy::parse(r#"{"score":{"notify":0.5}}"#).is_ok());
    }
}
