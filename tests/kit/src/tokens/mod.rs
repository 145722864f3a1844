//! Signed tokens, and the ways to forge them.
//! May use RustCrypto and serde_json, so that tokens come from other code than the one that verifies them.
//! Must not verify anything.

mod keys;

pub use keys::{Alg, Key, jwks};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::SystemTime;

/// Base64url without padding.
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since the epoch, for tests against a proxy that has a clock of its own.
pub fn now() -> u64 {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    elapsed.map(|time| time.as_secs()).unwrap_or_default()
}

/// The claims of an access token that is valid for ten minutes from `at`.
pub fn claims(issuer: &str, subject: &str, at: u64) -> Value {
    json!({
        "iss": issuer,
        "sub": subject,
        "iat": at,
        "exp": at + 600,
        "auth_time": at,
        "jti": format!("{subject}-{at}"),
    })
}

/// A token being made: header, claims, then a signature.
#[derive(Clone, Debug)]
pub struct Token {
    /// The header; `alg`, `typ` and `kid` are filled in when signing unless set.
    pub header: Value,
    /// The claims.
    pub claims: Value,
}

impl Token {
    /// A token with these claims.
    pub fn new(claims: Value) -> Self {
        Self {
            header: json!({}),
            claims,
        }
    }

    /// Sets a header field; `null` leaves it out.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    /// Sets a claim; `null` stays a null.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// Removes a claim.
    pub fn without(mut self, name: &str) -> Self {
        if let Some(claims) = self.claims.as_object_mut() {
            claims.remove(name);
        }
        self
    }

    /// Signs with the key's own algorithm.
    pub fn sign(&self, key: &Key) -> String {
        self.sign_as(key, key.alg())
    }

    /// Signs with another algorithm of the key.
    pub fn sign_as(&self, key: &Key, alg: Alg) -> String {
        let mut header = self.header.clone();
        let filled = [
            ("alg", alg.name()),
            ("typ", "JWT"),
            ("kid", key.kid.as_str()),
        ];
        if let Some(fields) = header.as_object_mut() {
            for (name, value) in filled {
                fields.entry(name).or_insert_with(|| value.into());
            }
            fields.retain(|_, value| !value.is_null());
        }
        let input = format!(
            "{}.{}",
            base64url(header.to_string()),
            base64url(self.claims.to_string())
        );
        let signature = key.sign(alg, input.as_bytes());
        format!("{input}.{}", base64url(signature))
    }

    /// Unsigned: `alg` is `none` and the signature empty.
    pub fn unsigned(&self) -> String {
        let nobody = Key::hmac("none", b"");
        self.clone()
            .header("kid", Value::Null)
            .sign_as(&nobody, Alg::None)
    }

    /// Algorithm confusion: HS256 under the id of an asymmetric key, its public PEM as the secret.
    pub fn confused(&self, key: &Key) -> String {
        let pem = key.pem().expect("the key has a public half");
        self.sign(&Key::hmac(&key.kid, pem.as_bytes()))
    }

    /// Signed by a stranger who brings the key along in the header, under the id of the real one.
    pub fn embedded(&self, stranger: &Key, kid: &str) -> String {
        self.clone()
            .header("kid", kid)
            .header("jwk", stranger.jwk())
            .sign(stranger)
    }

    /// Validly signed, with a critical extension nobody knows.
    pub fn critical(&self, key: &Key) -> String {
        self.clone()
            .header("crit", json!(["stepgate-test"]))
            .header("stepgate-test", 1)
            .sign(key)
    }
}

/// The token with one claim changed and the signature kept.
pub fn tampered(token: &str, claim: &str, value: impl Into<Value>) -> String {
    let (header, payload, signature) = parts(token);
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload);
    let bytes = bytes.expect("the payload is base64url");
    let mut claims: Value = serde_json::from_slice(&bytes).expect("the payload is JSON");
    claims[claim] = value.into();
    format!("{header}.{}.{signature}", base64url(claims.to_string()))
}

/// The token with its signature cut off; the header still claims one.
pub fn stripped(token: &str) -> String {
    let (header, payload, _) = parts(token);
    format!("{header}.{payload}.")
}

/// The token with one bit of its signature flipped.
pub fn corrupted(token: &str) -> String {
    let (header, payload, signature) = parts(token);
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(signature);
    let mut bytes = bytes.expect("the signature is base64url");
    if let Some(byte) = bytes.last_mut() {
        *byte ^= 1;
    }
    format!("{header}.{payload}.{}", base64url(bytes))
}

fn parts(token: &str) -> (&str, &str, &str) {
    let mut parts = token.splitn(3, '.');
    let mut next = || parts.next().expect("the token has three parts");
    (next(), next(), next())
}
