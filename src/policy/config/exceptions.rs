//! Exceptions, as an operator writes them: lists, journeys and campaigns, each with an end and somebody who answers for it.
//! May use: serde, the macro of the module above.
//! Must not: check more than types and names; `compile` does.

use serde::{Deserialize, Serialize};

section! {
    /// Exceptions from what the score says. Every one has a `name`, an end (`until`), an `owner` and a `reason`; one that has ended
    /// counts nothing and a warning is logged. None of them waives a rule: what is revoked, not bound to its key or not a valid
    /// token stays refused. What was excepted is said: reason `excepted`, and the name in the audit line.
    ExceptionsConfig {
        /// Takes away named reasons for named people, machines and networks.
        allow: Vec<AllowConfig>,
        /// Denies or challenges named people, machines and networks, whatever their score.
        deny: Vec<DenyConfig>,
        /// Takes away what a known journey explains.
        travel: Vec<TravelConfig>,
        /// Takes off a part of the novelty a roll-out or maintenance brings to many at once; the first that has something to take
        /// off holds.
        campaigns: Vec<CampaignConfig>,
    }
}

section! {
    /// An entry of the allowlist. It holds where each of the given of `identities`, `groups`, `clients`, `networks` and `devices`
    /// has the request's value; at least one must be given.
    AllowConfig {
        /// Name, for the audit line: 1 to 64 of a-z, 0-9 and -.
        name: String,
        /// Verified identities, as `user.id` of events has them: `iss|sub`, `api-key:…`, or the URI SAN of a certificate.
        identities: Vec<String>,
        /// Peer groups of verified identities.
        groups: Vec<String>,
        /// OAuth client ids of verified identities.
        clients: Vec<String>,
        /// Address blocks, such as `198.51.100.0/24`.
        networks: Vec<String>,
        /// SHA-256, 64 hex digits, of the value of the device cookie, or of a client certificate.
        devices: Vec<String>,
        /// Codes of the reasons that count nothing here; rules cannot be among them.
        signals: Vec<String>,
        /// When it begins, RFC 3339; absent: at once.
        from: Option<String>,
        /// When it ends, RFC 3339; required.
        until: String,
        /// Who answers for it; required.
        owner: String,
        /// Why it is needed; required.
        reason: String,
    }
}

/// What an entry of the denylist does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DenyAction {
    /// Refuses with 403.
    #[default]
    Deny,
    /// Asks for a stronger authentication, which passes; machines are restricted, and who shows no credential is asked for one.
    Challenge,
}

section! {
    /// An entry of the denylist. It holds as an entry of the allowlist does.
    DenyConfig {
        /// Name, for the audit line: 1 to 64 of a-z, 0-9 and -.
        name: String,
        /// Verified identities, as `user.id` of events has them.
        identities: Vec<String>,
        /// Peer groups of verified identities.
        groups: Vec<String>,
        /// OAuth client ids of verified identities.
        clients: Vec<String>,
        /// Address blocks, such as `198.51.100.0/24`.
        networks: Vec<String>,
        /// SHA-256, 64 hex digits, of the value of the device cookie, or of a client certificate.
        devices: Vec<String>,
        /// `deny` or `challenge`.
        action: DenyAction,
        /// When it begins, RFC 3339; absent: at once.
        from: Option<String>,
        /// When it ends, RFC 3339; required.
        until: String,
        /// Who answers for it; required.
        owner: String,
        /// Why it is needed; required.
        reason: String,
    }
}

section! {
    /// A journey somebody announced. Reasons of place count nothing in its countries; the usual places stay open and are judged as
    /// usual. `impossible-travel` counts nothing on its legs only, either way.
    TravelConfig {
        /// Name, for the audit line: 1 to 64 of a-z, 0-9 and -.
        name: String,
        /// Verified identities, as `user.id` of events has them.
        identities: Vec<String>,
        /// Peer groups of verified identities; identities or groups must be given.
        groups: Vec<String>,
        /// Countries of the journey, ISO 3166-1 alpha-2; required.
        countries: Vec<String>,
        /// Journeys between two countries: needed to name `impossible-travel`.
        legs: Vec<LegConfig>,
        /// Codes of the reasons that count nothing: `new-address`, `new-network`, `new-asn`, `new-country`, `rare-network`,
        /// `session-moved`, `country-unexpected`, `impossible-travel`.
        signals: Vec<String>,
        /// When it begins, RFC 3339; required.
        from: String,
        /// When it ends, RFC 3339; required.
        until: String,
        /// Who answers for it; required.
        owner: String,
        /// Why it is needed; required.
        reason: String,
    }
}

section! {
    /// A journey between two countries, there and back.
    LegConfig {
        /// One end, ISO 3166-1 alpha-2.
        from: String,
        /// The other.
        to: String,
    }
}

section! {
    /// A roll-out, a migration or maintenance: something new for many. It holds for a cohort where each of the given of `groups`,
    /// `clients`, `networks` and `tiers` has the request's value; at least one must be given.
    CampaignConfig {
        /// Name, for the audit line: 1 to 64 of a-z, 0-9 and -.
        name: String,
        /// Peer groups of verified identities.
        groups: Vec<String>,
        /// OAuth client ids of verified identities.
        clients: Vec<String>,
        /// Address blocks, such as `198.51.100.0/24`.
        networks: Vec<String>,
        /// Names of tiers.
        tiers: Vec<String>,
        /// Codes of the reasons that count less; only novelty can be among them.
        signals: Vec<String>,
        /// Nats by which the score falls at most, above 0 up to 1.
        nats: f64 = 1.0,
        /// When it begins, RFC 3339; required.
        from: String,
        /// When it ends, RFC 3339; required.
        until: String,
        /// Who answers for it; required.
        owner: String,
        /// Why it is needed; required.
        reason: String,
    }
}
