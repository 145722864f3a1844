//! From exceptions as they were written to those that work: every check happens here, once.
//! May use: the raw policy, the reason table.
//! Must not: accept an exception without an end, an owner, a reason and a scope.

use super::super::PolicyError;
use super::super::config::{
    AllowConfig, CampaignConfig, DenyAction, DenyConfig, PolicyConfig, TravelConfig,
};
use super::super::external::country;
use super::super::term::{self, Written};
use super::{Effect, Exception, Exceptions, Whom};
use crate::evidence::{Nature, Reason};
use crate::signals::address::{CidrSet, MAX_ENTRIES};

/// Most exceptions of one policy: each is asked on every request.
const MAX_EXCEPTIONS: usize = 1000;
/// Most names in one list of an exception, which are compared one by one.
const MAX_NAMES: usize = 1000;
/// Most a campaign takes off, in nats.
const MAX_CAMPAIGN: f64 = 1.0;
/// What a journey explains.
const OF_PLACE: [Reason; 8] = [
    Reason::NewAddress,
    Reason::NewNetwork,
    Reason::NewAsn,
    Reason::NewCountry,
    Reason::RareNetwork,
    Reason::SessionMoved,
    Reason::CountryUnexpected,
    Reason::ImpossibleTravel,
];

pub(in crate::policy) fn compile(config: &PolicyConfig) -> Result<Exceptions, PolicyError> {
    let written = &config.exceptions;
    let mut exceptions = Exceptions::default();
    let count =
        written.allow.len() + written.deny.len() + written.travel.len() + written.campaigns.len();
    if count > MAX_EXCEPTIONS {
        return Err(PolicyError::new(
            "exceptions",
            format!("{count} are too many; allowed: {MAX_EXCEPTIONS}"),
        ));
    }
    for (index, entry) in written.allow.iter().enumerate() {
        let path = format!("exceptions.allow[{index}]");
        exceptions.add(allow(entry, &path)?)?;
    }
    for (index, entry) in written.deny.iter().enumerate() {
        let path = format!("exceptions.deny[{index}]");
        exceptions.add(deny(entry, &path)?)?;
    }
    for (index, entry) in written.travel.iter().enumerate() {
        let path = format!("exceptions.travel[{index}]");
        exceptions.add(travel(entry, &path)?)?;
    }
    for (index, entry) in written.campaigns.iter().enumerate() {
        let path = format!("exceptions.campaigns[{index}]");
        exceptions.add(campaign(entry, &path, config)?)?;
    }
    Ok(exceptions)
}

impl Exceptions {
    fn add(&mut self, exception: Exception) -> Result<(), PolicyError> {
        let name = &exception.name;
        let path = format!("{}.name", exception.path);
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(word) {
            let name = name.escape_debug();
            return Err(PolicyError::new(
                path,
                format!("`{name}` is not a name; allowed: 1 to 64 of a-z, 0-9 and -"),
            ));
        }
        if self.list.iter().any(|other| other.name == *name) {
            return Err(PolicyError::new(
                path,
                format!("`{name}` is taken; every exception needs a name of its own"),
            ));
        }
        self.list.push(exception);
        Ok(())
    }
}

fn allow(written: &AllowConfig, path: &str) -> Result<Exception, PolicyError> {
    let reasons = reasons(path, &written.signals, "any but rules and notes", is_damped)?;
    let whom = whom(&Scope {
        path,
        identities: &written.identities,
        groups: &written.groups,
        clients: &written.clients,
        networks: &written.networks,
        devices: &written.devices,
        tiers: &[],
        keys: "identities, groups, clients, networks or devices",
    })?;
    let term = Written {
        path,
        end: "until",
        from: written.from.as_deref(),
        until: &written.until,
        owner: &written.owner,
        reason: &written.reason,
    };
    let effect = Effect::Allow(reasons);
    exception(&written.name, &term, whom, effect)
}

fn deny(written: &DenyConfig, path: &str) -> Result<Exception, PolicyError> {
    let whom = whom(&Scope {
        path,
        identities: &written.identities,
        groups: &written.groups,
        clients: &written.clients,
        networks: &written.networks,
        devices: &written.devices,
        tiers: &[],
        keys: "identities, groups, clients, networks or devices",
    })?;
    let term = Written {
        path,
        end: "until",
        from: written.from.as_deref(),
        until: &written.until,
        owner: &written.owner,
        reason: &written.reason,
    };
    let effect = Effect::Deny {
        challenges: written.action == DenyAction::Challenge,
    };
    exception(&written.name, &term, whom, effect)
}

fn travel(written: &TravelConfig, path: &str) -> Result<Exception, PolicyError> {
    let of_place = |reason: Reason| OF_PLACE.contains(&reason);
    let allowed = OF_PLACE.map(Reason::code).join(", ");
    let reasons = reasons(path, &written.signals, &allowed, of_place)?;
    if written.countries.is_empty() {
        return Err(PolicyError::new(
            format!("{path}.countries"),
            "is empty; name at least one country, ISO 3166-1 alpha-2",
        ));
    }
    let mut countries = Vec::with_capacity(written.countries.len());
    for (index, name) in written.countries.iter().enumerate() {
        countries.push(country(&format!("{path}.countries[{index}]"), name)?);
    }
    let mut legs = Vec::with_capacity(written.legs.len());
    for (index, leg) in written.legs.iter().enumerate() {
        let at = |key: &str| format!("{path}.legs[{index}].{key}");
        legs.push([
            country(&at("from"), &leg.from)?,
            country(&at("to"), &leg.to)?,
        ]);
    }
    if reasons.contains(&Reason::ImpossibleTravel) && legs.is_empty() {
        return Err(PolicyError::new(
            format!("{path}.legs"),
            "is empty, and `impossible-travel` is damped on legs only; name the countries between which the journey goes",
        ));
    }
    let whom = whom(&Scope {
        path,
        identities: &written.identities,
        groups: &written.groups,
        clients: &[],
        networks: &[],
        devices: &[],
        tiers: &[],
        keys: "identities or groups",
    })?;
    let term = Written {
        path,
        end: "until",
        from: Some(&written.from),
        until: &written.until,
        owner: &written.owner,
        reason: &written.reason,
    };
    let effect = Effect::Travel {
        reasons,
        countries,
        legs,
    };
    exception(&written.name, &term, whom, effect)
}

fn campaign(
    written: &CampaignConfig,
    path: &str,
    config: &PolicyConfig,
) -> Result<Exception, PolicyError> {
    let is_novelty = |reason: Reason| reason.nature() == Nature::Novelty;
    let reasons = reasons(path, &written.signals, "novelty only", is_novelty)?;
    if !(written.nats > 0.0 && written.nats <= MAX_CAMPAIGN) {
        return Err(PolicyError::new(
            format!("{path}.nats"),
            format!(
                "{} is out of range; allowed: above 0 up to {MAX_CAMPAIGN}",
                written.nats
            ),
        ));
    }
    for (index, name) in written.tiers.iter().enumerate() {
        if name != "default" && !config.tiers.iter().any(|tier| tier.name == *name) {
            let name = name.escape_debug();
            return Err(PolicyError::new(
                format!("{path}.tiers[{index}]"),
                format!("`{name}` is no tier; allowed: names under `tiers`, and default"),
            ));
        }
    }
    let whom = whom(&Scope {
        path,
        identities: &[],
        groups: &written.groups,
        clients: &written.clients,
        networks: &written.networks,
        devices: &[],
        tiers: &written.tiers,
        keys: "groups, clients, networks or tiers",
    })?;
    let term = Written {
        path,
        end: "until",
        from: Some(&written.from),
        until: &written.until,
        owner: &written.owner,
        reason: &written.reason,
    };
    let effect = Effect::Campaign {
        reasons,
        nats: written.nats,
    };
    exception(&written.name, &term, whom, effect)
}

fn exception(
    name: &str,
    written: &Written<'_>,
    whom: Whom,
    effect: Effect,
) -> Result<Exception, PolicyError> {
    Ok(Exception {
        name: name.to_owned(),
        path: written.path.to_owned(),
        until: written.until.to_owned(),
        owner: written.owner.to_owned(),
        term: term::compile(written)?,
        whom,
        effect,
    })
}

/// Whether anything may ever take this reason away.
fn is_damped(reason: Reason) -> bool {
    super::is_evidence(reason)
}

fn reasons(
    path: &str,
    codes: &[String],
    allowed: &str,
    test: impl Fn(Reason) -> bool,
) -> Result<Vec<Reason>, PolicyError> {
    if codes.is_empty() {
        return Err(PolicyError::new(
            format!("{path}.signals"),
            "is empty; name the reasons it takes off, `docs/reasons.md` lists them",
        ));
    }
    let read = |(index, code): (usize, &String)| {
        let at = format!("{path}.signals[{index}]");
        let shown = code.escape_debug();
        let reason = Reason::from_code(code).ok_or_else(|| {
            PolicyError::new(
                &at,
                format!("`{shown}` is no reason; allowed: codes of `docs/reasons.md`"),
            )
        })?;
        if test(reason) {
            return Ok(reason);
        }
        let nature = reason.nature().as_str();
        Err(PolicyError::new(
            at,
            format!("`{shown}` is a {nature} this exception cannot take off; allowed: {allowed}"),
        ))
    };
    codes.iter().enumerate().map(read).collect()
}

/// For whom, as it was written.
pub(in crate::policy) struct Scope<'a> {
    pub(in crate::policy) path: &'a str,
    pub(in crate::policy) identities: &'a [String],
    pub(in crate::policy) groups: &'a [String],
    pub(in crate::policy) clients: &'a [String],
    pub(in crate::policy) networks: &'a [String],
    pub(in crate::policy) devices: &'a [String],
    pub(in crate::policy) tiers: &'a [String],
    /// Names of the keys, for a message.
    pub(in crate::policy) keys: &'static str,
}

pub(in crate::policy) fn whom(scope: &Scope<'_>) -> Result<Whom, PolicyError> {
    let at = |key: &str| format!("{}.{key}", scope.path);
    let given = [
        ("identities", scope.identities),
        ("groups", scope.groups),
        ("clients", scope.clients),
        ("networks", scope.networks),
        ("devices", scope.devices),
        ("tiers", scope.tiers),
    ];
    if given.iter().all(|(_, values)| values.is_empty()) {
        return Err(PolicyError::new(
            scope.path,
            format!("holds for everybody; name {}", scope.keys),
        ));
    }
    for (key, values) in given {
        let most = if key == "networks" {
            MAX_ENTRIES
        } else {
            MAX_NAMES
        };
        if values.len() > most {
            return Err(PolicyError::new(
                at(key),
                format!("{} are too many; allowed: {most}", values.len()),
            ));
        }
        if let Some(index) = values.iter().position(|value| value.is_empty()) {
            return Err(PolicyError::new(
                at(&format!("{key}[{index}]")),
                "is empty, and would name nobody",
            ));
        }
    }
    digests(scope.devices, &at("devices"))?;
    let networks = match scope.networks {
        [] => None,
        blocks => Some(
            CidrSet::parse(blocks.iter().map(String::as_str))
                .map_err(|why| PolicyError::new(at("networks"), why.to_string()))?,
        ),
    };
    Ok(Whom {
        identities: scope.identities.to_vec(),
        groups: scope.groups.to_vec(),
        clients: scope.clients.to_vec(),
        networks,
        devices: scope.devices.to_vec(),
        tiers: scope.tiers.to_vec(),
    })
}

/// Checks SHA-256 digests.
pub(in crate::policy) fn digests(written: &[String], path: &str) -> Result<(), PolicyError> {
    let digest = |text: &String| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match written.iter().position(|text| !digest(text)) {
        None => Ok(()),
        // It might be the cookie itself: a secret, so that it is not repeated.
        Some(index) => Err(PolicyError::new(
            format!("{path}[{index}]"),
            "is not a SHA-256 digest; allowed: 64 hex digits",
        )),
    }
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
