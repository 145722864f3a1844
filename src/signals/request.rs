//! What one request says, typed: who asks, from where, with what, for what. Live requests and event lines both become this.
//! May use: the parsers beside it.
//! Must not: fail, hash, or decide.

use std::borrow::Cow;

use super::address::Address;
use super::countries::Point;
pub use super::grant::Grant;
use super::user_agent::Client;

/// A signal that may be missing or unreadable. The two are different evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Field<T> {
    /// The request does not carry it.
    #[default]
    Absent,
    /// The request carries it in a form that cannot be read, or more than once.
    Malformed,
    /// Its value.
    Present(T),
}

impl<T> Field<T> {
    /// The value, if there is a readable one.
    pub fn present(self) -> Option<T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Malformed => None,
        }
    }
}

impl Field<Cow<'_, [u8]>> {
    /// The bytes, if they are there, even if there are none.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Present(bytes) => Some(bytes),
            Self::Absent | Self::Malformed => None,
        }
    }
}

impl<T> From<Option<T>> for Field<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Present)
    }
}

/// What sort of identity asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A person.
    #[default]
    Human = 0,
    /// A service account, workload or client acting for itself.
    Service = 1,
    /// An API key.
    ApiKey = 2,
}

impl Kind {
    /// The word used in event files, headers and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Service => "service",
            Self::ApiKey => "api-key",
        }
    }

    /// How the name of its peer group begins where the policy names none.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Human => "human:",
            Self::Service => "service:",
            Self::ApiKey => "api-key:",
        }
    }

    /// Whether a machine asks, which cannot solve a challenge.
    #[must_use]
    pub const fn is_machine(self) -> bool {
        !matches!(self, Self::Human)
    }

    /// The kind a name tells: a machine is a SPIFFE id, a Kubernetes service account, a subject that is its own client
    /// (RFC 9068 §2.2; Auth0 appends `@clients`), or one the policy names in `services`.
    #[must_use]
    pub fn of(sub: &str, client_id: &str, services: &[String]) -> Self {
        let own_client = !client_id.is_empty()
            && (sub == client_id || sub.strip_suffix("@clients") == Some(client_id));
        let named = services
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(start) => {
                    sub.starts_with(start)
                        || (!client_id.is_empty() && client_id.starts_with(start))
                }
                None => sub == pattern || client_id == pattern,
            });
        if sub.starts_with("spiffe://")
            || sub.starts_with("system:serviceaccount:")
            || own_client
            || named
        {
            Self::Service
        } else {
            Self::Human
        }
    }

    /// The kind an event file or a policy names.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "human" => Some(Self::Human),
            "service" => Some(Self::Service),
            "api-key" => Some(Self::ApiKey),
            _ => None,
        }
    }
}

/// An identity as the credential names it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Subject<'a> {
    /// `iss|sub` of a token, `api-key:<digest>`, or the URI SAN of a certificate: `user.id` of event files.
    pub id: Cow<'a, str>,
    /// Person or machine.
    pub kind: Kind,
    /// Peer group; empty: none.
    pub group: Cow<'a, str>,
    /// OAuth client (`azp`, `client_id`); empty: unknown.
    pub client_id: Cow<'a, str>,
}

/// How far the claimed identity can be believed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Standing<'a> {
    /// No credential at all.
    #[default]
    Anonymous,
    /// A credential nobody verified: read against the baseline, never denied on, never learned.
    Unverified(Subject<'a>),
    /// A verified credential.
    Verified(Subject<'a>),
    /// A credential that is not acceptable, with the reason's code.
    Rejected(&'static str),
}

impl<'a> Standing<'a> {
    /// The subject, verified or not.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject<'a>> {
        match self {
            Self::Verified(subject) | Self::Unverified(subject) => Some(subject),
            Self::Anonymous | Self::Rejected(_) => None,
        }
    }
}

/// What an anonymiser database says of the address, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Anonymiser(pub u8);

impl Anonymiser {
    /// Tor exit.
    pub const TOR: u8 = 1;
    /// Commercial VPN.
    pub const VPN: u8 = 2;
    /// Public or residential proxy.
    pub const PROXY: u8 = 4;
    /// Hosting provider or data centre.
    pub const HOSTING: u8 = 8;
    /// A privacy relay run by the vendor of the client (iCloud Private Relay): no evidence.
    pub const RELAY: u8 = 16;
    /// Any anonymiser, kind unknown.
    pub const UNKNOWN: u8 = 32;
    /// It was said whether the address is a hosting provider's.
    pub const HOSTING_SAID: u8 = 64;

    /// Whether one of `bits` is set.
    #[must_use]
    pub const fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
}

/// Where the request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct NetworkSignals<'a> {
    /// The address as the host trusts it.
    pub address: Field<Address>,
    /// Autonomous system number.
    pub asn: Field<u32>,
    /// ISO 3166-1 alpha-2, upper case.
    pub country: Field<[u8; 2]>,
    /// City name.
    pub city: Field<&'a [u8]>,
    /// Place on earth: measured, or the country's centroid with its radius.
    pub point: Option<Point>,
    /// Anonymiser flags.
    pub anonymiser: Anonymiser,
}

/// With what the request is made.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct ClientSignals<'a> {
    /// The user agent string.
    pub user_agent: Field<&'a [u8]>,
    /// What the string and the client hints say.
    pub parsed: Client,
    /// Accept-Language.
    pub language: Field<&'a [u8]>,
    /// JA3 or JA4 fingerprint of the handshake.
    pub tls: Field<&'a [u8]>,
    /// SHA-256 digest of the client certificate.
    pub certificate: Field<&'a [u8]>,
    /// URI SAN of the client certificate; read where the policy looks at it.
    pub workload: Field<&'a [u8]>,
    /// Value of the device cookie.
    pub device: Field<&'a [u8]>,
}

/// Whether the request proves that it holds the key its token is bound to (`cnf`, RFC 7800).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Binding {
    /// The token is bound to no key.
    #[default]
    Unbound,
    /// Bound, and the request holds the key.
    Held,
    /// Bound, and the request holds another key or none.
    Broken,
    /// Bound to a DPoP key, and no proof came with it.
    ProofMissing,
    /// The DPoP proof is none, or is not for this request.
    ProofInvalid,
    /// The DPoP proof was used before.
    ProofReplayed,
}

/// Bytes that name a device in a receipt.
pub const DEVICE_BYTES: usize = 12;

/// What the device receipt of a request proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DeviceReceipt {
    /// There is none.
    #[default]
    Absent,
    /// It is of another identity, forged or too old: nothing.
    Refused,
    /// The device solved a challenge of this identity.
    Held {
        /// When it was issued, seconds since 1970.
        issued: u32,
        /// The device.
        device: [u8; DEVICE_BYTES],
    },
}

/// From where the issuer says it issued the token, where its claims tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct IssuedFrom {
    /// Address of whoever asked for the token.
    pub address: Option<Address>,
    /// Country, upper case.
    pub country: Option<[u8; 2]>,
    /// Autonomous system.
    pub asn: Option<u32>,
}

/// What the credential says of the session and of how it was authenticated. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct SessionSignals<'a> {
    /// `sid`, or the session id of an event line.
    pub id: Field<Cow<'a, [u8]>>,
    /// `jti`, or a digest of the token.
    pub token: Field<Cow<'a, [u8]>>,
    /// `auth_time`.
    pub auth_time: Option<i64>,
    /// `iat`.
    pub issued_at: Option<i64>,
    /// `exp`.
    pub expires_at: Option<i64>,
    /// `acr`.
    pub acr: Option<Cow<'a, str>>,
    /// `amr`, separated by spaces.
    pub amr: Option<Cow<'a, str>>,
    /// `iss`.
    pub issuer: Option<Cow<'a, str>>,
    /// How the token was granted, where that is one that phishing and leaked passwords use.
    pub grant: Option<Grant>,
    /// Hash of which header members and claims the token has; 0: unknown.
    pub shape: u64,
    /// Where it was issued.
    pub issued_from: IssuedFrom,
    /// Whether the key it is bound to is held.
    pub binding: Binding,
    /// Whether a claim says that the client cannot authenticate again.
    pub incapable: bool,
    /// What the device receipt proves.
    pub receipt: DeviceReceipt,
    /// What somebody else thinks of the request: the score the policy names.
    pub risk: Option<f64>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct RequestSignals<'a> {
    /// HTTP method; empty for events without one.
    pub method: &'a [u8],
    /// Authority, lower case as sent, without port.
    pub host: &'a [u8],
    /// Path without query.
    pub path: &'a [u8],
    /// `event.action` of an event line: `login`, `request`, `recovery`, or the name of a route or command.
    pub action: &'a [u8],
}

/// Everything one request or event says.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Signals<'a> {
    /// When, in milliseconds since 1970.
    pub now_ms: i64,
    /// Who.
    pub standing: Standing<'a>,
    /// From where.
    pub network: NetworkSignals<'a>,
    /// With what.
    pub client: ClientSignals<'a>,
    /// In which session.
    pub session: SessionSignals<'a>,
    /// For what.
    pub request: RequestSignals<'a>,
}
