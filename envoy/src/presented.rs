//! A credential as a request presents it: what it says of its bearer and of the session, and the token it may be bound to.
//! May use: collected headers, the engine's token room.
//! Must not: verify, or ask the host or other workers anything.

use std::borrow::Cow;
use std::rc::Rc;

use stepgate::policy::Policy;
use stepgate::signals::bearer::Bearer;
use stepgate::signals::features::Features;
use stepgate::signals::keyed::HashKey;
use stepgate::signals::request::{Binding, Field, SessionSignals, Signals, Standing, Subject};
use stepgate::token::{self, Claims, Confirmation, Expected, Mark, Rejection};

use crate::collect::Collected;
use crate::request::number;

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

impl KnownToken {
    /// What the claims of a token say under a policy.
    pub(crate) fn of(
        claims: &Claims,
        shape: u64,
        digest: u128,
        policy: &Policy,
        key: &HashKey,
    ) -> Self {
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
        Self {
            bearer: Bearer::of(subject.as_ref(), &session, key),
            subject,
            session,
            confirmation: claims.cnf.clone(),
        }
    }

    /// Whom it names.
    pub(crate) fn subject(&self) -> Option<&Subject<'static>> {
        self.subject.as_ref()
    }
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
        (policy, key): (&Policy, &HashKey),
        is_first: impl FnOnce(Mark) -> bool,
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
        let origin = match &policy.credentials.origin {
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
        token::binding(cnf, &shown, &key.secret(), is_first)
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
