//! What a token itself shows, as numbers: its issuer and shape, its lifetime, whether its key is held, where it was issued.
//! May use: signals and keyed hashes.
//! Must not: read the baseline, or decide.

use super::address::Address;
use super::keyed::{Domain, HashKey};
use super::request::{Binding, SessionSignals, Subject};

/// Numbers of one token. A 0 means absent.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct CredentialFeatures {
    /// Its issuer.
    pub issuer: u32,
    /// Which header members and claims it has.
    pub shape: u32,
    /// From `iat` to `exp`, in seconds.
    pub lifetime: u32,
    /// Whether more than a password was used, as `amr` says.
    pub multi_factor: bool,
    /// How it was granted: a [`super::request::Grant`], or 0.
    pub grant: u32,
    /// Whether the key it is bound to is held.
    pub binding: Binding,
    /// Where it was issued: /24 or /48.
    pub issued_prefix: u32,
    /// Where it was issued: country.
    pub issued_country: u32,
    /// Where it was issued: provider.
    pub issued_asn: u32,
    /// Names under which it may be revoked.
    pub names: Names,
}

/// What a revocation may name, as keyed hashes of 64 bits: refusing the wrong one must not happen by chance. 0: absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Names {
    /// The identity.
    pub subject: u64,
    /// The session.
    pub session: u64,
    /// The OAuth client.
    pub client: u64,
    /// The token.
    pub token: u64,
}

impl Names {
    /// The names of a credential.
    pub(super) fn shown(
        subject: &Subject<'_>,
        session: &SessionSignals<'_>,
        key: &HashKey,
    ) -> Self {
        Self::of(
            session.issuer.as_deref().unwrap_or_default(),
            subject.id.as_bytes(),
            session.id.bytes().unwrap_or_default(),
            subject.client_id.as_bytes(),
            session.token.bytes().unwrap_or_default(),
            key,
        )
    }

    /// The hashes of these names; an empty one is absent. All but the subject's belong to an issuer, empty where there is none:
    /// others may give the same (RFC 7519 §4.1.7).
    #[must_use]
    pub fn of(
        issuer: &str,
        subject: &[u8],
        session: &[u8],
        client: &[u8],
        token: &[u8],
        key: &HashKey,
    ) -> Self {
        Self {
            subject: Self::of_subject(subject, key),
            session: Self::of_session(issuer, session, key),
            client: Self::of_client(issuer, client, key),
            token: Self::of_token(issuer, token, key),
        }
    }

    /// The name of an identity.
    #[must_use]
    pub fn of_subject(subject: &[u8], key: &HashKey) -> u64 {
        named(Domain::Identity, "", subject, key)
    }

    /// The name of a session.
    #[must_use]
    pub fn of_session(issuer: &str, session: &[u8], key: &HashKey) -> u64 {
        named(Domain::Session, issuer, session, key)
    }

    /// The name of an OAuth client.
    #[must_use]
    pub fn of_client(issuer: &str, client: &[u8], key: &HashKey) -> u64 {
        named(Domain::Client, issuer, client, key)
    }

    /// The name of a token.
    #[must_use]
    pub fn of_token(issuer: &str, token: &[u8], key: &HashKey) -> u64 {
        named(Domain::Token, issuer, token, key)
    }
}

fn named(domain: Domain, issuer: &str, name: &[u8], key: &HashKey) -> u64 {
    if name.is_empty() {
        return 0;
    }
    key.locate(domain, &[issuer.as_bytes(), name]).tag.max(1)
}

/// `amr` values that are more than something the bearer knows or a place it is at (RFC 8176 §2).
const STRONG: [&str; 12] = [
    "mfa", "otp", "hwk", "swk", "fpt", "face", "iris", "retina", "vbm", "sms", "tel", "sc",
];

impl CredentialFeatures {
    /// All but what a request shows of the key it is bound to, and the names.
    pub(super) fn of(session: &SessionSignals<'_>, key: &HashKey) -> Self {
        let from = &session.issued_from;
        let prefix = from
            .address
            .map(|address| Address::prefix(address).octets());
        let lifetime = match (session.issued_at, session.expires_at) {
            (Some(issued), Some(expires)) => u32::try_from(expires.saturating_sub(issued)).ok(),
            _ => None,
        };
        Self {
            issuer: session
                .issuer
                .as_deref()
                .filter(|issuer| !issuer.is_empty())
                .map_or(0, |issuer| key.hash32(Domain::Issuer, issuer.as_bytes())),
            shape: match session.shape {
                0 => 0,
                shape => key.hash32(Domain::Shape, &shape.to_le_bytes()),
            },
            lifetime: lifetime.unwrap_or(0),
            multi_factor: session
                .amr
                .as_deref()
                .is_some_and(|used| used.split(' ').any(|method| STRONG.contains(&method))),
            grant: session.grant.map_or(0, |grant| grant as u32),
            binding: Binding::default(),
            issued_prefix: prefix.map_or(0, |prefix| key.hash32(Domain::Prefix, &prefix)),
            issued_country: from
                .country
                .map_or(0, |code| u32::from(u16::from_be_bytes(code))),
            issued_asn: from.asn.unwrap_or(0),
            names: Names::default(),
        }
    }
}
