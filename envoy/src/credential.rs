//! Who asks: the first credential that is there, believed as far as somebody verified it.
//! May use: collected headers, host properties, the engine's token room, the cache of known tokens.
//! Must not: give an identity to anything unverified as if it were verified.

use std::borrow::Cow;
use std::rc::Rc;

use stepgate::policy::Policy;
use stepgate::signals::request::{Field, Kind, Subject};
use stepgate::token::{self, Claims, Issuer, Rejection, Verified};

use crate::collect::Collected;
use crate::host;
use crate::metadata;
use crate::metrics::Count;
use crate::presented::{KnownToken, Presented};
use crate::shared::Shared;

/// Looks at claims verified by the host, then at a token, an API key, and a client certificate. Tokens in several places must
/// name one identity: which of them the API reads is not known here.
pub(crate) fn present(headers: &Collected<'_>, shared: &Shared, now: i64) -> Presented {
    let presented = first(headers, shared, now);
    let mut more = headers.more_tokens.iter();
    if more.any(|token| contradicts(&presented, token, shared, now)) {
        return Presented::Rejected(DUPLICATE);
    }
    presented
}

/// Whether an API that reads this token in place of the one that is presented would see somebody else. A token that does not
/// verify names nobody there either, unless it is only its key that is missing here.
fn contradicts(presented: &Presented, other: &[u8], shared: &Shared, now: i64) -> bool {
    let Presented::Token(own, _) = presented else {
        return false;
    };
    let differs = |subject: Option<&Subject<'_>>| match (own.subject(), subject) {
        (Some(own), Some(other)) => own.id != other.id,
        _ => true,
    };
    match from_token(other, shared, now) {
        Presented::Token(known, _) => differs(known.subject()),
        Presented::Rejected("token-no-keys" | "token-unknown-key") => {
            let claims = token::unverified_payload(other)
                .and_then(|payload| Claims::read(payload, None).ok());
            let services = &shared.policy.credentials.services;
            differs(
                claims
                    .and_then(|claims| token::subject(&claims, services))
                    .as_ref(),
            )
        }
        Presented::Rejected(_) | Presented::Nobody | Presented::Other(_) => false,
    }
}

fn first(headers: &Collected<'_>, shared: &Shared, now: i64) -> Presented {
    let credentials = &shared.policy.credentials;
    if let Some(presented) = from_host(shared, now) {
        return presented;
    }
    if headers.unlisted && !credentials.issuers.is_empty() {
        return Presented::Rejected(UNLISTED);
    }
    match headers.token {
        Field::Malformed => return Presented::Rejected(DUPLICATE),
        Field::Present(token) => return from_token(token, shared, now),
        Field::Absent => {}
    }
    match headers.api_key {
        Field::Malformed => return Presented::Rejected(DUPLICATE),
        Field::Present(key) => return from_api_key(key, &shared.policy),
        Field::Absent => {}
    }
    if credentials.mtls
        && let Ok(san) = host::property("connection\0uri_san_peer_certificate")
        && let Ok(san) = String::from_utf8(san)
        && !san.is_empty()
    {
        let subject = token::certificate_subject(&san, &credentials.services);
        return Presented::Other(Subject {
            id: Cow::Owned(subject.id.into_owned()),
            group: Cow::Owned(subject.group.into_owned()),
            client_id: Cow::Borrowed(""),
            kind: subject.kind,
        });
    }
    Presented::Nobody
}

/// Two credentials where one may stand: readers could disagree on which counts.
const DUPLICATE: &str = "duplicate-credential";

/// A token that whoever takes what follows the first space would verify, and that was not looked at here.
const UNLISTED: &str = "token-unlisted-scheme";

/// Claims that `jwt_authn` has verified for this request.
fn from_host(shared: &Shared, now: i64) -> Option<Presented> {
    let names = &shared.policy.credentials.jwt_authn;
    if names.is_empty() {
        return None;
    }
    let metadata = host::property("metadata").ok()?;
    let claims = metadata::verified_claims(&metadata, names)?;
    let digest = metadata::digest(claims, |entry| shared.digest(entry));
    Some(presented(shared, digest, true, now, || {
        // The host checks the times of every request by itself.
        read(shared, metadata::json(claims), digest).map(|known| (known, i64::MAX))
    }))
}

fn from_token(bytes: &[u8], shared: &Shared, now: i64) -> Presented {
    let issuers = shared.issuers();
    let digest = shared.digest(bytes);
    if issuers.is_empty() {
        // Nobody verified it: good for reading the baseline, no more.
        return presented(shared, digest, false, now, || {
            let payload = token::unverified_payload(bytes).ok_or(Rejection::Garbage)?;
            read(shared, payload, digest).map(|known| (known, i64::MAX))
        });
    }
    presented(shared, digest, true, now, || {
        match verified(bytes, &issuers, shared, now) {
            Ok(verified) => {
                shared.metrics.count(Count::TokenVerified);
                let known = KnownToken::of(
                    &verified.claims,
                    verified.shape,
                    digest,
                    &shared.policy,
                    &shared.key,
                );
                Ok((known, verified.valid_until))
            }
            Err(rejection) => Err(rejection),
        }
    })
}

/// Verifies a token; where its key is unknown, once more with the keys another VM may have fetched since the last tick.
fn verified(
    bytes: &[u8],
    issuers: &[Issuer],
    shared: &Shared,
    now: i64,
) -> Result<Verified, Rejection> {
    let first = token::verify(bytes, issuers, now);
    if !matches!(
        first,
        Err(Rejection::UnknownKey { .. } | Rejection::NoKeys { .. })
    ) {
        return first;
    }
    let now_ms = host::now_ms();
    let found = if shared.look_for_keys(now_ms) {
        token::verify(bytes, &shared.issuers(), now)
    } else {
        first
    };
    if let Err(Rejection::UnknownKey { issuer }) = found {
        shared.sources.unknown_key(issuer, now_ms);
    }
    found
}

/// A token as it is known, else as `read` finds it, with the last second at which that holds.
fn presented(
    shared: &Shared,
    digest: u128,
    verified: bool,
    now: i64,
    read: impl FnOnce() -> Result<(KnownToken, i64), Rejection>,
) -> Presented {
    if let Some(known) = shared.known_token(digest, now) {
        shared.metrics.count(Count::TokenKnown);
        return Presented::Token(known, verified);
    }
    match read() {
        Ok((known, valid_until)) => {
            let known = Rc::new(known);
            shared.remember_token(digest, valid_until, now, Rc::clone(&known));
            Presented::Token(known, verified)
        }
        Err(rejection) => Presented::Rejected(rejection.code()),
    }
}

fn read(shared: &Shared, payload: String, digest: u128) -> Result<KnownToken, Rejection> {
    let group_claim = shared.policy.credentials.group_claim.as_deref();
    let claims = Claims::read(payload, group_claim)?;
    let shape = token::shape("", claims.payload());
    Ok(KnownToken::of(
        &claims,
        shape,
        digest,
        &shared.policy,
        &shared.key,
    ))
}

fn from_api_key(key: &[u8], policy: &Policy) -> Presented {
    let credentials = &policy.credentials;
    let Some(index) = credentials.api_keys.find(key) else {
        return Presented::Rejected("unknown-api-key");
    };
    // The policy has the digests in the order of the keys: half of one names the identity.
    let written = policy.config.credentials.api_keys.keys.get(index);
    let digest = written
        .and_then(|key| key.sha256.get(..32))
        .unwrap_or_default();
    let group = credentials.api_key_groups.get(index);
    Presented::Other(Subject {
        id: Cow::Owned(format!("api-key:{}", digest.to_ascii_lowercase())),
        kind: Kind::ApiKey,
        group: Cow::Owned(group.cloned().unwrap_or_default()),
        client_id: Cow::Borrowed(""),
    })
}
