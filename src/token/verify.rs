//! Holds the verification of a token: checks in the order of their cost, each failure with its own reason.
//! May use `jsonwebtoken` for the signature, through whatever crypto provider is installed.
//! Must not read a clock, nor let a claim but `iss` decide anything before the signature holds.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily};

use super::claims::Claims;
use super::issuer::{Issuer, MAX_BYTES};
use super::key::algorithm;
use super::key_set::KeySet;
use super::members::Members;
use super::rejection::Rejection;
use super::shape;

/// No issuer names a key at greater length.
const KID_BYTES_MAX: usize = 256;

/// A token that holds: signed by its issuer, in time, for us.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verified {
    /// The issuer's place in the list given to `verify`.
    pub issuer: usize,
    /// The algorithm that held.
    pub algorithm: Algorithm,
    /// The header's `kid`.
    pub kid: Option<String>,
    /// What it is made of, whatever it says: see [`shape()`](super::shape()).
    pub shape: u64,
    /// The last second at which the token still holds, leeway included.
    pub valid_until: i64,
    /// What it says.
    pub claims: Claims,
}

/// Verifies a compact JWS against the issuers at `now` (seconds since the epoch). `jwk`, `jku`, `x5u` and `x5c` are never looked at:
/// keys come from the issuers alone.
///
/// # Errors
/// The first reason found why the token is no identity.
pub fn verify(token: &[u8], issuers: &[Issuer], now: i64) -> Result<Verified, Rejection> {
    let longest = issuers
        .iter()
        .map(|issuer| issuer.rules().max_bytes)
        .max()
        .unwrap_or(MAX_BYTES);
    if token.len() > longest {
        return Err(Rejection::Oversized);
    }
    let parts = Parts::split(token)?;
    let header_text = json(parts.header)?;
    let header_members = Members::read(&header_text).ok_or(Rejection::Garbage)?;
    let header = Header::of(&header_members)?;
    let payload = json(parts.payload)?;
    let members = Members::read(&payload).ok_or(Rejection::Garbage)?;
    let place = issuer_of(&members, issuers)?;
    let issuer = issuers.get(place).ok_or(Rejection::UnknownIssuer)?;
    if token.len() > issuer.rules().max_bytes {
        return Err(Rejection::Oversized);
    }
    if !issuer.rules().algorithms.contains(&header.algorithm) {
        let confused = header.algorithm.family() == AlgorithmFamily::Hmac && !issuer.is_hmac();
        return Err(if confused {
            Rejection::AlgMismatch
        } else {
            Rejection::AlgNotAllowed
        });
    }
    check_signature(&parts, &header, issuer.keys(), place)?;
    let claims = Claims::from_members(&members, issuer.rules().groups_claim.as_deref())?;
    let shape = shape::of_members(Some(&header_members), Some(&members));
    let leeway = i64::from(issuer.rules().leeway);
    check_time(&claims, leeway, now)?;
    check_purpose(&claims, &members, header.typ.as_deref(), issuer)?;
    // A token without `exp` holds for ever; with one, up to the second before `exp` plus leeway.
    let valid_until = claims
        .exp
        .map_or(i64::MAX, |exp| exp.saturating_add(leeway).saturating_sub(1));
    Ok(Verified {
        issuer: place,
        shape,
        algorithm: header.algorithm,
        kid: header.kid.map(Cow::into_owned),
        valid_until,
        claims: claims.of(payload),
    })
}

/// The claims of a token that nobody verifies: `None` unless it has the form of a signed one.
#[must_use]
pub fn unverified_payload(token: &[u8]) -> Option<String> {
    if token.len() > MAX_BYTES {
        return None;
    }
    json(Parts::split(token).ok()?.payload).ok()
}

/// The parts of a compact JWS, still encoded.
pub(super) struct Parts<'a> {
    pub(super) message: &'a str,
    pub(super) header: &'a str,
    pub(super) payload: &'a str,
    pub(super) signature: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn split(token: &'a [u8]) -> Result<Self, Rejection> {
        let token = std::str::from_utf8(token).map_err(|_| Rejection::Garbage)?;
        let (header, rest) = token.split_once('.').ok_or(Rejection::Garbage)?;
        let (payload, signature) = rest.split_once('.').ok_or(Rejection::Garbage)?;
        match signature.matches('.').count() {
            0 => {}
            2 => return Err(Rejection::Encrypted),
            _ => return Err(Rejection::Garbage),
        }
        let end = header.len() + 1 + payload.len();
        let message = token.get(..end).ok_or(Rejection::Garbage)?;
        Ok(Self {
            message,
            header,
            payload,
            signature,
        })
    }
}

pub(super) struct Header<'a> {
    pub(super) algorithm: Algorithm,
    kid: Option<Cow<'a, str>>,
    pub(super) typ: Option<Cow<'a, str>>,
}

impl<'a> Header<'a> {
    pub(super) fn of(members: &Members<'a>) -> Result<Self, Rejection> {
        if members.has_duplicate() {
            return Err(Rejection::DuplicateMember);
        }
        let text = |name| members.text(name).map_err(|_| Rejection::Garbage);
        let alg = text("alg")?.ok_or(Rejection::Garbage)?;
        if alg.eq_ignore_ascii_case("none") {
            return Err(Rejection::AlgNone);
        }
        // RFC 7515 §4.1.11: an extension that is not understood refuses the token. RFC 7797's `b64` must come with `crit`; alone it
        // would only fool others.
        if members.contains("crit") || members.contains("b64") {
            return Err(Rejection::CriticalHeader);
        }
        let algorithm = algorithm(&alg).ok_or(Rejection::AlgNotAllowed)?;
        let kid = text("kid")?;
        if kid.as_ref().is_some_and(|kid| kid.len() > KID_BYTES_MAX) {
            return Err(Rejection::Garbage);
        }
        Ok(Self {
            algorithm,
            kid,
            typ: text("typ")?,
        })
    }
}

/// The text of a base64url part: no padding, no white space, no stray bits.
pub(super) fn json(encoded: &str) -> Result<String, Rejection> {
    let bytes = URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| Rejection::Garbage)?;
    String::from_utf8(bytes).map_err(|_| Rejection::Garbage)
}

/// The place of the issuer a payload names: the one claim that is read before the signature, to know whose it must be.
fn issuer_of(members: &Members<'_>, issuers: &[Issuer]) -> Result<usize, Rejection> {
    if members.has_duplicate() {
        return Err(Rejection::DuplicateMember);
    }
    let iss = members
        .text("iss")
        .map_err(|_| Rejection::MalformedClaim { claim: "iss" })?
        .ok_or_else(|| Rejection::MissingClaim {
            claim: "iss".to_owned(),
        })?;
    issuers
        .iter()
        .position(|issuer| issuer.rules().issuer == iss)
        .ok_or(Rejection::UnknownIssuer)
}

fn check_signature(
    parts: &Parts<'_>,
    header: &Header<'_>,
    keys: &KeySet,
    issuer: usize,
) -> Result<(), Rejection> {
    let message = parts.message.as_bytes();
    let candidates = keys.candidates(header.algorithm, header.kid.as_deref(), issuer);
    let signed = candidates.and_then(|candidates| {
        let mut keys = candidates.iter();
        if keys.any(|key| key.signed(header.algorithm, message, parts.signature)) {
            Ok(())
        } else {
            Err(Rejection::BadSignature)
        }
    });
    // What is no base64url signs nothing, but is another reason than a wrong signature.
    signed.map_err(|rejection| match URL_SAFE_NO_PAD.decode(parts.signature) {
        Ok(_) => rejection,
        Err(_) => Rejection::Garbage,
    })
}

fn check_time(claims: &Claims, leeway: i64, now: i64) -> Result<(), Rejection> {
    let latest = now.saturating_add(leeway);
    if let Some(exp) = claims.exp.filter(|exp| exp.saturating_add(leeway) <= now) {
        return Err(Rejection::Expired { exp });
    }
    if let Some(nbf) = claims.nbf.filter(|nbf| *nbf > latest) {
        return Err(Rejection::NotYetValid { nbf });
    }
    if let Some(iat) = claims.iat.filter(|iat| *iat > latest) {
        return Err(Rejection::IssuedInFuture { iat });
    }
    Ok(())
}

fn check_purpose(
    claims: &Claims,
    members: &Members<'_>,
    typ: Option<&str>,
    issuer: &Issuer,
) -> Result<(), Rejection> {
    let rules = issuer.rules();
    if !rules.audiences.is_empty() && !claims.aud.iter().any(|aud| rules.audiences.contains(aud)) {
        return Err(Rejection::WrongAudience);
    }
    if !issuer.allows_type(typ) {
        return Err(Rejection::WrongType);
    }
    match rules
        .required
        .iter()
        .find(|name| members.at(name).is_none())
    {
        Some(claim) => Err(Rejection::MissingClaim {
            claim: claim.clone(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Claims, Header, KeySet, Members, Parts, Rejection, check_signature, check_time, json,
    };
    use crate::token::Origin;

    /// RFC 8037 appendix A.4: its payload is a sentence, so only the signature can be checked.
    #[test]
    fn rfc_8037_a4_eddsa() {
        let jwk =
            br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let keys = KeySet::from_jwks(jwk, Origin::Remote).unwrap();
        let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let parts = Parts::split(token.as_bytes()).unwrap();
        let text = json(parts.header).unwrap();
        let header = Header::of(&Members::read(&text).unwrap()).unwrap();
        assert_eq!(check_signature(&parts, &header, &keys, 0), Ok(()));
        let other = Parts {
            message: "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZQ",
            ..parts
        };
        assert_eq!(
            check_signature(&other, &header, &keys, 0),
            Err(Rejection::BadSignature)
        );
    }

    #[test]
    fn times_hold_up_to_the_leeway_and_not_beyond() {
        let claims = |json: &str| Claims::read(format!(r#"{{"iss":"i",{json}}}"#), None).unwrap();
        let exp = claims(r#""exp":1000"#);
        assert_eq!(check_time(&exp, 60, 1059), Ok(()));
        assert_eq!(
            check_time(&exp, 60, 1060),
            Err(Rejection::Expired { exp: 1000 })
        );
        assert_eq!(
            check_time(&exp, 0, 1000),
            Err(Rejection::Expired { exp: 1000 })
        );
        let nbf = claims(r#""nbf":1000"#);
        assert_eq!(check_time(&nbf, 60, 940), Ok(()));
        assert_eq!(
            check_time(&nbf, 60, 939),
            Err(Rejection::NotYetValid { nbf: 1000 })
        );
        let iat = claims(r#""iat":1000"#);
        assert_eq!(check_time(&iat, 60, 940), Ok(()));
        assert_eq!(
            check_time(&iat, 60, 939),
            Err(Rejection::IssuedInFuture { iat: 1000 })
        );
        for now in [i64::MIN, -1, 0] {
            assert_eq!(check_time(&exp, 600, now), Ok(()));
        }
        assert_eq!(
            check_time(&exp, 600, i64::MAX),
            Err(Rejection::Expired { exp: 1000 })
        );
    }
}
