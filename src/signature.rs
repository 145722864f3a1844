//! The signature over the decision headers, for an upstream that does not trust everything between it and the gateway.
//! May use: hmac, sha2, base64; keys and time are arguments.
//! Must not: show the secret, or sign less than all headers of the decision.
//!
//! HMAC-SHA-256 (RFC 2104) over `name: value\n` for every decision header in the order of the contract, then
//! `t=<seconds>;kid=<name>`. The value is a structured-field byte sequence with both as parameters (RFC 9651 §3.3.5).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::policy::PolicyError;
use crate::policy::config::SignatureConfig;

/// Signs decision headers.
#[derive(Clone)]
pub struct Signer {
    mac: Hmac<Sha256>,
    kid: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.kid)
    }
}

impl Signer {
    pub(crate) fn new(config: &SignatureConfig) -> Result<Self, PolicyError> {
        if config.secret.len() < 16 {
            return Err(PolicyError::new(
                "signature.secret",
                format!(
                    "{} characters are too short for a secret; allowed: 16 or more",
                    config.secret.len()
                ),
            ));
        }
        let named = !config.kid.is_empty()
            && config.kid.len() <= 64
            && config
                .kid
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !named {
            return Err(PolicyError::new(
                "signature.kid",
                format!(
                    "`{}` is not a name; allowed: 1 to 64 letters, digits, -, _ and .",
                    config.kid.escape_debug()
                ),
            ));
        }
        let mac = Hmac::new_from_slice(config.secret.as_bytes())
            .map_err(|_| PolicyError::new("signature.secret", "cannot be a key"))?;
        Ok(Self {
            mac,
            kid: config.kid.clone(),
        })
    }

    /// The value of the signature header over `headers` at `now` (seconds since 1970).
    #[must_use]
    pub fn sign<'a>(
        &self,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: i64,
    ) -> String {
        let mut mac = self.mac.clone();
        for (name, value) in headers {
            for part in [name, ": ", value, "\n"] {
                mac.update(part.as_bytes());
            }
        }
        mac.update(format!("t={now};kid={}", self.kid).as_bytes());
        let tag = STANDARD.encode(mac.finalize().into_bytes());
        format!(":{tag}:;t={now};kid=\"{}\"", self.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secret: &str) -> Signer {
        Signer::new(&SignatureConfig {
            secret: secret.into(),
            kid: "k1".into(),
        })
        .unwrap()
    }

    #[test]
    fn every_header_the_time_and_the_secret_count() {
        let headers = [("x-stepgate-decision", "allow"), ("x-stepgate-id", "d1")];
        let value = signer("0123456789abcdef").sign(headers, 5);
        assert!(
            value.starts_with(':') && value.ends_with(":;t=5;kid=\"k1\""),
            "{value}"
        );
        assert_ne!(value, signer("0123456789abcdeX").sign(headers, 5));
        assert_ne!(value, signer("0123456789abcdef").sign(headers, 6));
        let other = [("x-stepgate-decision", "deny"), ("x-stepgate-id", "d1")];
        assert_ne!(value, signer("0123456789abcdef").sign(other, 5));
    }

    #[test]
    fn it_is_what_other_tools_compute() {
        // printf 'x-stepgate-decision: allow\nt=5;kid=k1' | openssl dgst -sha256 -hmac 0123456789abcdef -binary | base64
        let value = signer("0123456789abcdef").sign([("x-stepgate-decision", "allow")], 5);
        assert_eq!(
            value,
            ":QRTjEHLXStIg2L/dmU1tdG1jbw/AGgWKbFeDnRWOaDQ=:;t=5;kid=\"k1\""
        );
    }
}
