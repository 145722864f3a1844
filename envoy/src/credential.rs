//! Who asks: the first credential that is there, believed as far as somebody verified it.
//! May use: collected headers, host properties, the engine's token room, the cache of known tokens.
//! Must not: give an identity to anything unverified as if it were verified.

use std::borrow::Cow;
use std::rc::Rc;

use stepgate::policy::Policy;
use stepgate::signals::bearer::Bearer;
use stepgate::signals::features::Features;
use stepgate::signals::keyed::HashKey;
use stepgate::signals::request::{
    Binding, Field, Kind, SessionSignals, Signals, Standing, Subject,
};
use stepgate::token::{self, Claims, Confirmation, Expected, Issuer, Rejection, Verified};

use crate::collect::Collected;
use crate::host;
use crate::metadata;
use crate::metrics::Count;
use crate::request::number;
use crate::shared::Shared;

/// A token that was read before.
#[derive(Debug)]
pub(crate) struct KnownToken {
    /// Absent: its claims name nobody.
    subject: Option<Subject<'static>>,
    session: SessionSignals<'static>,
    /// The key it is bound to.
    confirmation: Option<Confirmation>,
    /// Its numbers.
    bearer: Bearer,
}

/// What the credentials of a request come to.
#[derive(Debug)]
pub(crate) enum Presented {
    Nobody,
    /// Not acceptable, with the reason's code.
    Rejected(&'static str),
    /// A token, and whether anybody verified it.
    Token(Rc<KnownToken>, bool),
    /// An API key or a certificate, verified.
    Other(Subject<'static>),
}

impl Presented {
    pub(crate) fn standing(&self) -> Standing<'_> {
        match self {
            Self::Nobody => Standing::Anonymous,
            Self::Rejected(code) => Standing::Rejected(code),
            Self::Token(token, verified) => match (&token.subject, verified) {
                (Some(subject), true) => Standing::Verified(borrowed(subject)),
                (Some(subject), false) => Standing::Unverified(borrowed(subject)),
                (None, _) => Standing::Rejected(NAMELESS.code()),
            },
            Self::Other(subject) => Standing::Verified(borrowed(subject)),
        }
    }

    pub(crate) fn session(&self) -> SessionSignals<'_> {
        let Self::Token(token, _) = self else {
            return SessionSignals::default();
        };
        let session = &token.session;
        SessionSignals {
            id: field(&session.id),
            token: field(&session.token),
            acr: session.acr.as_deref().map(Cow::Borrowed),
            amr: session.amr.as_deref().map(Cow::Borrowed),
            issuer: session.issuer.as_deref().map(Cow::Borrowed),
            ..*session
        }
    }

    /// The numbers of the signals that a request with this makes.
    pub(crate) fn features(&self, signals: &Signals<'_>, key: &HashKey) -> Features {
        match self {
            Self::Token(token, _) => Features::shown_by(&token.bearer, signals, key),
            Self::Nobody | Self::Rejected(_) | Self::Other(_) => Features::of(signals, key),
        }
    }

    /// Whether the token is bound to a client certificate.
    pub(crate) fn names_certificate(&self) -> bool {
        matches!(self, Self::Token(token, _)
            if token.confirmation.as_ref().is_some_and(|cnf| cnf.x5t_s256.is_some()))
    }

    /// Whether the request holds the key a verified token is bound to.
    pub(crate) fn binding(
        &self,
        headers: &Collected<'_>,
        certificate: &[u8],
        shared: &Shared,
        now: i64,
    ) -> Binding {
        let Self::Token(token, true) = self else {
            return Binding::Unbound;
        };
        let cnf = token.confirmation.as_ref();
        if cnf.is_none() && !headers.dpop_scheme {
            return Binding::Unbound;
        }
        let sent = || {
            let scheme = std::str::from_utf8(headers.scheme).ok()?;
            let authority = std::str::from_utf8(headers.authority).ok()?;
            Some(format!("{scheme}://{authority}"))
        };
        let origin = match &shared.policy.credentials.origin {
            Some(origin) => origin.clone(),
            None => sent().unwrap_or_default(),
        };
        let shown = token::Evidence {
            certificate,
            proof: headers.proof,
            dpop_scheme: headers.dpop_scheme,
            expected: Expected {
                method: headers.method,
                origin: &origin,
                path: headers.path,
                // Where jwt_authn has removed the token, no proof can be checked against it: it must forward.
                access_token: headers.token.present().unwrap_or_default(),
                now,
            },
        };
        token::binding(cnf, &shown, &shared.key.secret(), |mark| {
            shared.proofs.is_first(mark, &shared.metrics, now)
        })
    }
}

/// A token without `sub`.
const NAMELESS: Rejection = Rejection::MissingClaim {
    claim: String::new(),
};

fn borrowed<'a>(subject: &'a Subject<'_>) -> Subject<'a> {
    Subject {
        id: Cow::Borrowed(&subject.id),
        kind: subject.kind,
        group: Cow::Borrowed(&subject.group),
        client_id: Cow::Borrowed(&subject.client_id),
    }
}

fn field<'a>(value: &'a Field<Cow<'_, [u8]>>) -> Field<Cow<'a, [u8]>> {
    match value {
        Field::Absent => Field::Absent,
        Field::Malformed => Field::Malformed,
        Field::Present(bytes) => Field::Present(Cow::Borrowed(bytes)),
    }
}

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
    let differs = |subject: Option<&Subject<'_>>| match (&own.subject, subject) {
        (Some(own), Some(other)) => own.id != other.id,
        _ => true,
    };
    match from_token(other, shared, now) {
        Presented::Token(known, _) => differs(known.subject.as_ref()),
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
                let known = known_token(shared, &verified.claims, verified.shape, digest);
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
    Ok(known_token(shared, &claims, shape, digest))
}

fn known_token(shared: &Shared, claims: &Claims, shape: u64, digest: u128) -> KnownToken {
    let policy = &shared.policy;
    let risk = policy.names.risk_claim.as_deref();
    let subject = token::subject(claims, &policy.credentials.services);
    let session = SessionSignals {
        shape,
        issued_from: token::issued_from(claims, &policy.credentials.issued_from),
        incapable: policy
            .challenge
            .incapable
            .has_claim(|name| claims.claim(name)),
        risk: risk
            .and_then(|name| claims.claim(name))
            .and_then(|score| match score {
                serde_json::Value::String(text) => number(&text),
                number => number.as_f64(),
            }),
        ..token::session(claims, digest)
    };
    KnownToken {
        bearer: Bearer::of(subject.as_ref(), &session, &shared.key),
        subject,
        session,
        confirmation: claims.cnf.clone(),
    }
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
