//! From what an operator wrote to what the filter uses: every check happens here, once.
//! May use: the raw policy, token, evidence, score.
//! Must not: accept anything it does not understand.

use super::PolicyError;
use super::canary;
use super::config::{ClassName, PolicyConfig, TierConfig, Watch};
use super::credentials::TokenPlace;
use super::exceptions::Exceptions;
use super::names::{SignalNames, header_name};
use super::pins::Pins;
use super::step_up::Incapable;
use super::tiers::{HostPattern, Matcher, PathTemplate, Route, Tier};
use crate::evidence::{External, Reason, Weights};
use crate::score::log_odds;
use crate::signals::features::{Class, Features};
use crate::signals::keyed::HashKey;
use crate::signature::Signer;
use crate::token::{ApiKeys, IssuedFromClaims, Issuer};

/// A checked policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Key of all hashes; absent: the public one, unless the environment has another.
    pub hash_key: Option<HashKey>,
    /// Key of all hashes before this one.
    pub previous_hash_key: Option<HashKey>,
    /// Credentials.
    pub credentials: Credentials,
    /// Which headers carry which signal.
    pub names: SignalNames,
    /// Memory for pages, in bytes.
    pub memory: usize,
    /// Prior log-odds.
    pub prior: f64,
    /// Weights of the reasons.
    pub weights: Weights,
    /// What others know.
    pub external: External,
    /// A session that was denied stays so.
    pub containment: bool,
    /// Exceptions from what the score says.
    pub exceptions: Exceptions,
    /// Where and with what named identities may be used.
    pub pins: Pins,
    /// Routes no tier matches.
    pub default_tier: Tier,
    /// Tiers, first match holds.
    pub tiers: Vec<Tier>,
    /// Challenge.
    pub challenge: Challenge,
    /// Signs the decision headers.
    pub signer: Option<Signer>,
    /// The policy as written.
    pub config: PolicyConfig,
    /// Digest of the policy as written, for audit lines.
    pub digest: u64,
}

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

/// Where credentials are, and how they are believed.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Where a token may be; the first place that has one holds.
    pub places: Vec<TokenPlace>,
    /// Issuers verified here, in the order of the policy.
    pub issuers: Vec<Issuer>,
    /// Names of verified claims in the metadata of `jwt_authn`.
    pub jwt_authn: Vec<String>,
    /// Known API keys.
    pub api_keys: ApiKeys,
    /// Peer group of each key.
    pub api_key_groups: Vec<String>,
    /// Header that carries an API key, lower case.
    pub api_key_header: Option<String>,
    /// Query parameter that carries an API key.
    pub api_key_query: Option<String>,
    /// Whether the URI SAN of a client certificate is an identity.
    pub mtls: bool,
    /// Claim that names the peer group.
    pub group_claim: Option<String>,
    /// Subjects and clients that are machines.
    pub services: Vec<String>,
    /// Claims that say where a token was issued.
    pub issued_from: IssuedFromClaims,
    /// Where clients reach the routes.
    pub origin: Option<String>,
}

impl Policy {
    /// The tier of a route.
    #[must_use]
    pub fn tier(&self, route: &Route<'_>) -> &Tier {
        self.tiers
            .iter()
            .find(|tier| tier.matches(route))
            .unwrap_or(&self.default_tier)
    }

    /// Lists and exceptions that say nothing any more, with their path and whom to ask.
    pub fn expired(&self, now: u32) -> impl Iterator<Item = String> {
        let lists = self.external.networks.iter().zip(&self.config.networks);
        lists
            .enumerate()
            .filter(move |(_, (list, _))| list.expires <= now)
            .map(|(index, (_, written))| {
                let path = format!("networks[{index}]");
                super::term::ended(&path, &written.expires, &written.owner)
            })
            .chain(self.exceptions.ended(now))
    }

    /// Whether what this identity does is followed.
    #[must_use]
    pub fn watches(&self, features: &Features) -> bool {
        let asked = features.kind.is_machine()
            || features.command
            || !matches!(features.class, Class::Ordinary | Class::Login);
        match self.config.behaviour.watch {
            Watch::Off => false,
            Watch::Machines => features.identity.is_some() && asked,
            Watch::All => features.identity.is_some(),
        }
    }

    /// Checks a policy.
    ///
    /// # Errors
    /// The first thing that is wrong, with its path and what is allowed.
    pub fn compile(written: PolicyConfig) -> Result<Self, PolicyError> {
        let config = &written;
        let hash_key = match &config.hash_key {
            Some(secret) => Some(HashKey::from_secret(long_enough("hash_key", secret)?)),
            None => None,
        };
        let previous_hash_key = match &config.previous_hash_key {
            Some(secret) => Some(HashKey::from_secret(long_enough(
                "previous_hash_key",
                secret,
            )?)),
            None => None,
        };
        let prior = log_odds(probability("score.prior", config.score.prior)?);
        let mut weights = Weights::default();
        for (code, weight) in &config.score.weights {
            let path = format!("score.weights.{code}");
            let reason = Reason::from_code(code).ok_or_else(|| {
                PolicyError::new(
                    &path,
                    "no reason has this code; `docs/reasons.md` lists them",
                )
            })?;
            if !(0.0..=20.0).contains(weight) {
                return Err(PolicyError::new(
                    path,
                    format!("{weight} is not a weight; allowed: 0 to 20 nats"),
                ));
            }
            weights.set(reason, *weight);
        }
        let memory = config.baseline.memory_mib;
        if !(1..=4096).contains(&memory) {
            return Err(PolicyError::new(
                "baseline.memory_mib",
                format!("{memory} is out of range; allowed: 1 to 4096"),
            ));
        }
        for (index, amr) in config.challenge.amr.iter().enumerate() {
            quotable(&format!("challenge.amr[{index}]"), amr)?;
        }
        super::audit::check(&config.audit)?;
        super::login::compile(&config.login, "login")?;
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
            super::step_up::reachable(&tiers, &tier, &path)?;
            tiers.push(tier);
        }
        super::feeds::check(config)?;
        let names = SignalNames::resolve(&config.signals)?;
        let pins = super::pins::compile(config, &names)?;
        let policy = Self {
            hash_key,
            previous_hash_key,
            credentials: super::credentials::compile(&config.credentials)?,
            names,
            memory: (memory as usize) << 20,
            prior,
            weights,
            external: super::external::compile(config)?,
            containment: config.containment,
            exceptions: super::exceptions::compile(config)?,
            pins,
            default_tier,
            tiers,
            challenge: super::step_up::challenge(config)?,
            digest: super::digest::of(config),
            signer: config.signature.as_ref().map(Signer::new).transpose()?,
            config: written,
        };
        policy.pages_can_be_reached()?;
        Ok(policy)
    }
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
    super::step_up::one_kind_of_route(written, path)?;
    let mut matcher = Matcher {
        by_metadata: written.route_metadata,
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
                format!("`{template}` is not a path template; allowed: / and segments, * or {{name}} for one, ** at the end for the rest"),
            )
        })?);
    }
    for (index, method) in written.methods.iter().enumerate() {
        header_name(&at(&format!("methods[{index}]")), method)
            .map_err(|error| PolicyError::new(error.path, format!("`{method}` is not a method")))?;
        matcher.methods.push(method.to_ascii_uppercase());
    }
    let fence = match (&written.fence, &config.fence) {
        (Some(own), _) => Some(super::external::fence(own, &at("fence"))?),
        (None, Some(general)) => Some(super::external::fence(general, "fence")?),
        (None, None) => None,
    };
    let logs_in = matches!(written.class, ClassName::Login | ClassName::Recovery);
    let login = match (&written.login, logs_in) {
        (Some(own), true) => Some(super::login::compile(own, &at("login"))?),
        (None, true) => Some(super::login::compile(&config.login, "login")?),
        (Some(_), false) => {
            return Err(PolicyError::new(
                at("login"),
                "has no meaning here; allowed: in tiers with class login or recovery",
            ));
        }
        (None, false) => None,
    };
    let mode = written.mode.unwrap_or(config.mode);
    let canary = canary::of(config, written, mode, &at("canary_permille"))?;
    let tier = Tier {
        name: written.name.clone(),
        matcher,
        mode,
        step_up,
        notify: super::step_up::notify(config, written, step_up, path)?,
        deny,
        page: super::page::of_tier(config, written, path)?,
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

pub(super) fn probability(path: &str, value: f64) -> Result<f64, PolicyError> {
    if value > 0.0 && value < 1.0 {
        Ok(value)
    } else {
        Err(PolicyError::new(
            path,
            format!("{value} is not a probability; allowed: above 0 and below 1"),
        ))
    }
}

fn long_enough<'a>(path: &str, secret: &'a str) -> Result<&'a str, PolicyError> {
    if secret.len() >= 16 {
        Ok(secret)
    } else {
        // The value is a secret: its length is said, not itself.
        Err(PolicyError::new(
            path,
            format!(
                "{} characters are too short for a secret; allowed: 16 or more",
                secret.len()
            ),
        ))
    }
}

/// Values that stand inside a quoted string of a challenge, separated by spaces.
fn quotable(path: &str, value: &str) -> Result<(), PolicyError> {
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
