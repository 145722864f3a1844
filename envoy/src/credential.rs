//! Who asks: the first credential that is there, believed as far as somebody verified it.
//! May use: collected headers, host properties, the engine's token room, the cache of known tokens.
//! Must not: give an identity to anything unverified as if it were verified.

use std::borrow::Cow;
use std::rc::Rc;

use stepgate::policy::Policy;
use stepgate::signals::request::{Field, SessionSignals, Standing, Subject};
use stepgate::token::{self, Claims, Rejection};

use crate::collect::Collected;
use crate::host;
use crate::metadata;
use crate::metrics::Count;
use crate::shared::Shared;

/// A token that was verified before.
#[derive(Debug)]
pub(crate) struct KnownToken {
    pub(crate) subject: Option<Subject<'static>>,
    pub(crate) session: SessionSignals<'static>,
    pub(crate) claims: Claims,
}

/// What the credentials of a request come to.
pub(crate) struct Presented {
    pub(crate) standing: Standing<'static>,
    pub(crate) session: SessionSignals<'static>,
    /// Claims, for what else the policy reads from them.
    pub(crate) token: Option<Rc<KnownToken>>,
}

impl Presented {
    fn nobody() -> Self {
        Self {
            standing: Standing::Anonymous,
            session: SessionSignals::default(),
            token: None,
        }
    }

    fn rejected(code: &'static str) -> Self {
        Self {
            standing: Standing::Rejected(code),
            ..Self::nobody()
        }
    }

    fn known(token: Rc<KnownToken>, verified: bool) -> Self {
        let Some(subject) = token.subject.clone() else {
            return Self::rejected(
                Rejection::MissingClaim {
                    claim: String::new(),
                }
                .code(),
            );
        };
        Self {
            standing: if verified {
                Standing::Verified(subject)
            } else {
                Standing::Unverified(subject)
            },
            session: token.session.clone(),
            token: Some(token),
        }
    }
}

/// Looks at claims verified by the host, then at a token, an API key, and a client certificate.
pub(crate) fn present(
    headers: &Collected<'_>,
    policy: &Policy,
    shared: &Shared,
    now: i64,
) -> Presented {
    let credentials = &policy.credentials;
    if let Some(claims) = metadata::verified_claims(&credentials.jwt_authn) {
        let digest = shared.digest(claims.as_bytes());
        return match read(policy, claims, digest) {
            Ok(known) => Presented::known(known, true),
            Err(rejection) => Presented::rejected(rejection.code()),
        };
    }
    match headers.token {
        Field::Malformed => return Presented::rejected(DUPLICATE),
        Field::Present(token) => return from_token(token, policy, shared, now),
        Field::Absent => {}
    }
    match headers.api_key {
        Field::Malformed => return Presented::rejected(DUPLICATE),
        Field::Present(key) => return from_api_key(key, policy),
        Field::Absent => {}
    }
    if credentials.mtls
        && let Ok(san) = host::property("connection\0uri_san_peer_certificate")
        && let Ok(san) = String::from_utf8(san)
        && !san.is_empty()
    {
        let subject = token::certificate_subject(&san, &credentials.services);
        return Presented {
            standing: Standing::Verified(Subject {
                id: Cow::Owned(subject.id.into_owned()),
                kind: subject.kind,
                group: Cow::Owned(subject.group.into_owned()),
                client_id: Cow::Borrowed(""),
            }),
            ..Presented::nobody()
        };
    }
    Presented::nobody()
}

/// Two credentials where one may stand: readers could disagree on which counts.
const DUPLICATE: &str = "duplicate-credential";

fn from_token(bytes: &[u8], policy: &Policy, shared: &Shared, now: i64) -> Presented {
    let issuers = shared.issuers();
    if issuers.is_empty() {
        // Nobody verified it: good for reading the baseline, no more.
        return match token::unverified_payload(bytes) {
            Some(payload) => match read(policy, payload, shared.digest(bytes)) {
                Ok(known) => Presented::known(known, false),
                Err(rejection) => Presented::rejected(rejection.code()),
            },
            None => Presented::rejected(Rejection::Garbage.code()),
        };
    }
    let digest = shared.digest(bytes);
    if let Some(known) = shared.known_token(digest, now) {
        shared.metrics.count(Count::TokenKnown);
        return Presented::known(known, true);
    }
    match token::verify(bytes, &issuers, now) {
        Ok(verified) => {
            shared.metrics.count(Count::TokenVerified);
            let known = Rc::new(known_token(policy, verified.claims, digest));
            shared.remember_token(digest, verified.valid_until, now, Rc::clone(&known));
            Presented::known(known, true)
        }
        Err(rejection) => {
            if let Rejection::UnknownKey { issuer } = rejection {
                shared.unknown_key(issuer);
            }
            Presented::rejected(rejection.code())
        }
    }
}

fn read(policy: &Policy, payload: String, digest: u128) -> Result<Rc<KnownToken>, Rejection> {
    let claims = Claims::read(payload, policy.credentials.group_claim.as_deref())?;
    Ok(Rc::new(known_token(policy, claims, digest)))
}

fn known_token(policy: &Policy, claims: Claims, digest: u128) -> KnownToken {
    KnownToken {
        subject: token::subject(&claims, &policy.credentials.services),
        session: token::session(&claims, digest),
        claims,
    }
}

fn from_api_key(key: &[u8], policy: &Policy) -> Presented {
    let credentials = &policy.credentials;
    match credentials.api_keys.find(key) {
        Some(index) => {
            let digest = token::digest_api_key(key);
            let mut id = String::from("api-key:");
            for byte in digest.iter().take(16) {
                id.push_str(&format!("{byte:02x}"));
            }
            let group = credentials
                .api_key_groups
                .get(index)
                .cloned()
                .unwrap_or_default();
            Presented {
                standing: Standing::Verified(Subject {
                    id: Cow::Owned(id),
                    kind: stepgate::signals::request::Kind::ApiKey,
                    group: Cow::Owned(group),
                    client_id: Cow::Borrowed(""),
                }),
                ..Presented::nobody()
            }
        }
        None => Presented::rejected("unknown-api-key"),
    }
}
