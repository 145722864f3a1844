//! Holds the verification of DPoP proofs (RFC 9449 §4.3), and what is remembered of one.
//! May use the parts of a JWS, JWK and their keys; `now` and the hash key are arguments.
//! Must not take a key from anywhere but the proof itself, nor decide what a bad proof means.

use std::hash::Hasher;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher13;
use subtle::ConstantTimeEq;

use super::key::Key;
use super::key_set::{KeySet, Origin};
use super::members::Members;
use super::target;
use super::values::date;
use super::verify::{Header, Parts, json};

/// Longer proofs are not read.
pub const LONGEST_PROOF: usize = 4096;
/// How long after `iat` a proof holds, in seconds: RFC 9449 §11.1 asks for "seconds or minutes".
const WINDOW: i64 = 300;
/// How far ahead of ours a client's clock may be, in seconds. Whoever dates proofs ahead has them remembered for longer.
const AHEAD: i64 = 60;
/// Members that only private and secret keys have (RFC 7518 §6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// What a proof must be for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected<'a> {
    /// Method of the request.
    pub method: &'a [u8],
    /// Scheme and authority clients use: `https://api.example.com`.
    pub origin: &'a str,
    /// Path of the request, with or without query.
    pub path: &'a [u8],
    /// The access token that comes with it.
    pub access_token: &'a [u8],
    /// Seconds since 1970.
    pub now: i64,
}

/// A proof that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// RFC 7638 thumbprint of the key that signed it.
    pub thumbprint: [u8; 32],
    jti: String,
    issued_at: i64,
}

/// What is remembered of a proof: a keyed hash of its key and `jti`, and the last second at which it would still be taken. Not of
/// its bytes: an ECDSA signature has a second spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub(super) hash: u64,
    /// Of the key alone: nobody's marks push out another's.
    pub(super) key: u32,
    /// The last second in which the proof holds.
    pub(super) until: u32,
}

/// A proof that does not hold. Why is nobody's business but the client's, who can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadProof;

impl Proof {
    /// Checks a proof for this very request, cheap checks first.
    ///
    /// # Errors
    /// It is not a proof, not for this request, not of this time, or not signed by the key it shows.
    pub fn verify(proof: &[u8], expected: &Expected<'_>) -> Result<Self, BadProof> {
        if proof.len() > LONGEST_PROOF {
            return Err(BadProof);
        }
        let parts = Parts::split(proof).map_err(|_| BadProof)?;
        // Refuses `none`, `crit` and duplicates, as for any token.
        let header_text = json(parts.header).map_err(|_| BadProof)?;
        let members = Members::read(&header_text).ok_or(BadProof)?;
        let header = Header::of(&members).map_err(|_| BadProof)?;
        let is_proof = header
            .typ
            .as_deref()
            .is_some_and(|typ| typ.eq_ignore_ascii_case("dpop+jwt"));
        if !is_proof || header.algorithm.family() == AlgorithmFamily::Hmac {
            return Err(BadProof);
        }
        let payload = json(parts.payload).map_err(|_| BadProof)?;
        let (jti, issued_at) = check_claims(&payload, expected)?;
        let (key, thumbprint) = public_key(members.get("jwk").ok_or(BadProof)?)?;
        if !signed(&key, header.algorithm, &parts) {
            return Err(BadProof);
        }
        Ok(Self {
            thumbprint,
            jti,
            issued_at,
        })
    }

    /// What to remember of it, hashed with `key`.
    #[must_use]
    pub fn mark(&self, key: &[u8; 16]) -> Mark {
        let mut hasher = SipHasher13::new_with_key(key);
        hasher.write(&self.thumbprint);
        let of_key = hasher.finish();
        hasher.write(self.jti.as_bytes());
        let until = self.issued_at.saturating_add(WINDOW).max(0);
        Mark {
            hash: hasher.finish(),
            key: of_key as u32,
            until: u32::try_from(until).unwrap_or(u32::MAX),
        }
    }
}

fn signed(key: &Key, algorithm: Algorithm, parts: &Parts<'_>) -> bool {
    key.fits(algorithm) && key.signed(algorithm, parts.message.as_bytes(), parts.signature)
}

/// `jti` and `iat` of claims that are for this request.
fn check_claims(payload: &str, expected: &Expected<'_>) -> Result<(String, i64), BadProof> {
    let claims = Members::read(payload)
        .filter(|claims| !claims.has_duplicate())
        .ok_or(BadProof)?;
    let text = |name| claims.text(name).ok().flatten().ok_or(BadProof);
    let (jti, method, uri, hash) = (text("jti")?, text("htm")?, text("htu")?, text("ath")?);
    let issued_at = date(&claims, "iat").ok().flatten().ok_or(BadProof)?;
    let token = URL_SAFE_NO_PAD.encode(Sha256::digest(expected.access_token));
    let of_token: bool = hash.as_bytes().ct_eq(token.as_bytes()).into();
    let holds = !jti.is_empty()
        && method.as_bytes() == expected.method
        && (-AHEAD..=WINDOW).contains(&expected.now.saturating_sub(issued_at))
        && of_token
        && same_target(&uri, expected.origin, expected.path);
    if holds {
        Ok((jti.into_owned(), issued_at))
    } else {
        Err(BadProof)
    }
}

/// Whether `htu` is where the request went: both normalised (RFC 3986 §6.2.2 and §6.2.3), query and fragment left out.
#[must_use]
pub fn same_target(htu: &str, origin: &str, path: &[u8]) -> bool {
    let sent = target::read(htu.as_bytes());
    sent.is_some() && sent == target::of(origin, path)
}

/// The key of a JWK with its thumbprint (RFC 7638), if it is public and for signatures.
fn public_key(jwk: &str) -> Result<(Key, [u8; 32]), BadProof> {
    let members = Members::read(jwk).ok_or(BadProof)?;
    // `keys` would make it a set.
    if members.contains("keys") || PRIVATE.iter().any(|name| members.contains(name)) {
        return Err(BadProof);
    }
    let set = KeySet::from_jwks(jwk.as_bytes(), Origin::Remote).map_err(|_| BadProof)?;
    let key = set.keys().first().cloned().ok_or(BadProof)?;
    let text = |name| members.text(name).ok().flatten().ok_or(BadProof);
    let kty = text("kty")?;
    let required: &[&str] = match &*kty {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return Err(BadProof),
    };
    let mut canonical = String::from("{");
    for (index, name) in required.iter().enumerate() {
        let value = text(name)?;
        // A readable key has nothing but base64url and a curve's name here: nothing to escape.
        canonical.push_str(if index > 0 { ",\"" } else { "\"" });
        canonical.push_str(name);
        canonical.push_str("\":\"");
        canonical.push_str(&value);
        canonical.push('"');
    }
    canonical.push('}');
    Ok((key, Sha256::digest(canonical.as_bytes()).into()))
}

#[cfg(test)]
#[path = "dpop_tests.rs"]
mod tests;
