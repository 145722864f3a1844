//! What the policy takes from outside, as an operator writes it: lists of networks, fences, scores, claims about issuing.
//! May use: serde, the macro of the module above.
//! Must not: check more than types and names; `compile` does.

use serde::{Deserialize, Serialize};

section! {
    /// Networks that are known to be bad, with somebody who answers for the entry.
    NetworkListConfig {
        /// Address blocks, such as `198.51.100.0/24` or `2001:db8::/32`.
        networks: Vec<String>,
        /// Nats of a hit, above 0 up to 20. Default: the weight of `listed-network`, 2.5.
        score: Option<f64>,
        /// When the list ends, RFC 3339; required. Afterwards it counts nothing and a warning is logged at load.
        expires: String,
        /// Who answers for it; required.
        owner: String,
        /// Why these networks are listed; required.
        reason: String,
    }
}

/// What a fence does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FenceAction {
    /// A request from outside is denied, whoever sends it.
    #[default]
    Deny,
    /// It counts as evidence: `country-unexpected`.
    Evidence,
}

section! {
    /// Countries requests may come from, by the country `signals` names a header for.
    FenceConfig {
        /// Countries, ISO 3166-1 alpha-2; empty: any.
        allowed: Vec<String>,
        /// Countries that are never allowed.
        forbidden: Vec<String>,
        /// Whether a request passes whose country is not known, such as one from a private network.
        unknown: bool = true,
        /// `deny` or `evidence`.
        action: FenceAction,
    }
}

section! {
    /// A score that something else gives the request: a bot manager, a device or behaviour sensor, an identity provider's risk
    /// level. It is mapped linearly to nats: none at `from`, `nats` at `to`, never more.
    RiskConfig {
        /// Header with the score. Whatever writes it must also remove what the client sent.
        header: Option<String>,
        /// Claim with the score; a header goes first.
        claim: Option<String>,
        /// Score that says nothing.
        from: f64 = 0.0,
        /// Score that says most; below `from` where a low score is a bad one.
        to: f64 = 100.0,
        /// What that is worth, in nats: above 0 up to 10.
        nats: f64 = 3.0,
    }
}

section! {
    /// Claims that say from where a token was asked for; it is compared with where it is used.
    IssuedFromConfig {
        /// Claim with the address.
        ip: Option<String>,
        /// Claim with the country, ISO 3166-1 alpha-2.
        country: Option<String>,
        /// Claim with the autonomous system number.
        asn: Option<String>,
    }
}
