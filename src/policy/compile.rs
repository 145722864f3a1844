//! From what an operator wrote to what the filter uses: every check happens here, once.
//! May use: the raw policy, token, evidence, score.
//! Must not: accept anything it does not understand.

use super::PolicyError;
use super::challenge::Challenge;
use super::config::{PolicyConfig, Watch};
use super::credentials::Credentials;
use super::exceptions::Exceptions;
use super::names::SignalNames;
use super::pins::Pins;
use super::tiers::{self, Route, Tier, probability};
use crate::evidence::{External, Reason, Weights};
use crate::score::log_odds;
use crate::signals::features::{Class, Features};
use crate::signals::keyed::HashKey;
use crate::signature::Signer;

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

impl Policy {
    /// The tier of a route.
    #[must_use]
    pub fn tier(&self, route: &Route<'_>) -> &Tier {
        tiers::of_route(&self.tiers, &self.default_tier, route)
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
        super::audit::check(&config.audit)?;
        super::login::compile(&config.login, "login")?;
        let (default_tier, tiers) = tiers::compile(config)?;
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
            challenge: super::challenge::compile(config)?,
            digest: super::digest::of(config),
            signer: config.signature.as_ref().map(Signer::new).transpose()?,
            config: written,
        };
        policy.pages_can_be_reached()?;
        Ok(policy)
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
