//! Holds the issuer of these tests and the tokens it signs, good and bad.
//! May use Ed25519, whose keys cost nothing to make.
//! Must not judge.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use stepgate::token::{
    Algorithm, Issuer, IssuerRules, KeySet, Origin, Rejection, Verified, verify,
};

pub(super) const NOW: i64 = 1_893_456_000;
pub(super) const ISSUER: &str = "https://idp.example";

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn signer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(super) fn jwk(seed: u8, kid: &str) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(signer(seed).verifying_key())})
}

pub(super) fn jwks(keys: &[Value]) -> KeySet {
    KeySet::from_jwks(
        json!({ "keys": keys }).to_string().as_bytes(),
        Origin::Remote,
    )
    .unwrap()
}

/// An issuer that signs with the Ed25519 key of seed 1 under the name `k`.
pub(super) fn issuer() -> Issuer {
    issuer_of(ISSUER, jwks(&[jwk(1, "k")]))
}

pub(super) fn issuer_of(name: &str, keys: KeySet) -> Issuer {
    Issuer::new(rules(name, &[Algorithm::EdDSA]), keys).unwrap()
}

pub(super) fn rules(name: &str, algorithms: &[Algorithm]) -> IssuerRules {
    IssuerRules {
        issuer: name.to_owned(),
        audiences: vec!["api".to_owned()],
        algorithms: algorithms.to_vec(),
        ..IssuerRules::default()
    }
}

pub(super) fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "alice", "aud": "api", "iat": NOW - 10, "exp": NOW + 300})
}

pub(super) fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

pub(super) fn header() -> Value {
    json!({"alg": "EdDSA", "kid": "k", "typ": "JWT"})
}

pub(super) fn header_with(name: &str, value: Value) -> Value {
    let mut header = header();
    header[name] = value;
    header
}

/// A token with exactly this header and payload, signed by the key of a seed.
pub(super) fn mint_text(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>, seed: u8) -> String {
    let message = format!("{}.{}", b64(header), b64(payload));
    let signature = signer(seed).sign(message.as_bytes());
    format!("{message}.{}", b64(signature.to_bytes()))
}

pub(super) fn mint(header: &Value, payload: &Value) -> String {
    mint_text(header.to_string(), payload.to_string(), 1)
}

pub(super) fn check(token: &str) -> Result<Verified, Rejection> {
    verify(token.as_bytes(), &[issuer()], NOW)
}

pub(super) fn code(result: Result<Verified, Rejection>) -> &'static str {
    result.map_or_else(|rejection| rejection.code(), |_| "ok")
}
