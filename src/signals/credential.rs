//! What a token itself shows, as numbers: its issuer and shape, its lifetime, whether its key is held, where it was issued.
//! May use: signals and keyed hashes.
//! Must not: read the baseline, or decide.

use super::address::Address;
use super::keyed::{Domain, HashKey};
use super::request::{Binding, Field, Signals};

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
    /// The hashes of these names; an empty one is absent.
    #[must_use]
    pub fn of(subject: &[u8], session: &[u8], client: &[u8], token: &[u8], key: &HashKey) -> Self {
        let hash = |domain, bytes: &[u8]| {
            if bytes.is_empty() {
                0
            } else {
                key.hash64(domain, bytes).max(1)
            }
        };
        Self {
            subject: hash(Domain::Identity, subject),
            session: hash(Domain::Session, session),
            client: hash(Domain::Client, client),
            token: hash(Domain::Token, token),
        }
    }
}

/// `amr` values that are more than something the bearer knows or a place it is at (RFC 8176 §2).
const STRONG: [&str; 12] = [
    "mfa", "otp", "hwk", "swk", "fpt", "face", "iris", "retina", "vbm", "sms", "tel", "sc",
];

impl CredentialFeatures {
    pub(super) fn of(signals: &Signals<'_>, key: &HashKey) -> Self {
        let session = &signals.session;
        let from = &session.issued_from;
        let prefix = from
            .address
            .map(|address| Address::prefix(address).octets());
        let lifetime = match (session.issued_at, session.expires_at) {
            (Some(issued), Some(expires)) => u32::try_from(expires.saturating_sub(issued)).ok(),
            _ => None,
        };
        let subject = signals.standing.subject();
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
            binding: session.binding,
            issued_prefix: prefix.map_or(0, |prefix| key.hash32(Domain::Prefix, &prefix)),
            issued_country: from
                .country
                .map_or(0, |code| u32::from(u16::from_be_bytes(code))),
            issued_asn: from.asn.unwrap_or(0),
            names: subject.map_or_else(Names::default, |subject| {
                Names::of(
                    subject.id.as_bytes(),
                    present(&session.id),
                    subject.client_id.as_bytes(),
                    present(&session.token),
                    key,
                )
            }),
        }
    }
}

fn present<'a>(field: &'a Field<std::borrow::Cow<'_, [u8]>>) -> &'a [u8] {
    match field {
        Field::Present(bytes) => bytes,
        Field::Absent | Field::Malformed => &[],
    }
}
