//! Holds the keys of one issuer, and which of them may have signed a token.
//! May use single keys and their PEM form.
//! Must not parse JWKS (that is `jwks`) or fetch anything.

use jsonwebtoken::Algorithm;

use super::der;
use super::key::Key;
use super::rejection::Rejection;

/// More keys than any issuer rotates through.
pub(super) const KEYS_MAX: usize = 64;
/// How many signatures one token may cost.
const CANDIDATES_MAX: usize = 4;

/// Where a set of keys comes from, and so how far it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written into the policy: a bad key is an error, a secret is allowed.
    Inline,
    /// Fetched from the issuer: a bad key is skipped and counted, and so is a secret.
    Remote,
}

/// A key of a JWKS that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// Its place in the set.
    pub index: usize,
    /// Why it was left out.
    pub why: String,
}

/// The keys of one issuer.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    pub(super) keys: Vec<Key>,
    pub(super) skipped: Vec<SkippedKey>,
}

impl KeySet {
    /// One public key in PEM (`PUBLIC KEY` or `RSA PUBLIC KEY`); it answers to `kid`, or to any token if there is none.
    ///
    /// # Errors
    /// In words: no PEM, a private key, a certificate, a weak key.
    pub fn from_pem(pem: &str, kid: Option<String>) -> Result<Self, String> {
        let key = Key::public(&der::read_pem(pem)?)?.named(kid);
        Ok(Self {
            keys: vec![key],
            skipped: Vec::new(),
        })
    }

    /// One shared secret for HMAC, at least 32 bytes.
    ///
    /// # Errors
    /// In words: too short.
    pub fn from_secret(secret: &[u8], kid: Option<String>) -> Result<Self, String> {
        let key = Key::secret(secret)?.named(kid);
        Ok(Self {
            keys: vec![key],
            skipped: Vec::new(),
        })
    }

    /// Both sets together.
    ///
    /// # Errors
    /// In words: more than 64 keys.
    pub fn joined(mut self, other: Self) -> Result<Self, String> {
        self.keys.extend(other.keys);
        self.skipped.extend(other.skipped);
        if self.keys.len() > KEYS_MAX {
            return Err(format!(
                "{} keys: at most {KEYS_MAX} are accepted",
                self.keys.len()
            ));
        }
        Ok(self)
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The keys that were left out.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Whether no key is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that may have signed a token: those of its `kid`, else those without one; at most four.
    pub(super) fn candidates(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
        issuer: usize,
    ) -> Result<Vec<&Key>, Rejection> {
        if self.is_empty() {
            return Err(Rejection::NoKeys { issuer });
        }
        let known = kid.is_some() && self.keys.iter().any(|key| key.kid() == kid);
        let answers = |key: &&Key| match kid {
            Some(_) if known => key.kid() == kid,
            Some(_) => key.kid().is_none(),
            None => true,
        };
        let found: Vec<_> = self
            .keys
            .iter()
            .filter(answers)
            .filter(|key| key.fits(algorithm))
            .take(CANDIDATES_MAX)
            .collect();
        match (found.is_empty(), known) {
            (false, _) => Ok(found),
            (true, true) => Err(Rejection::AlgMismatch),
            (true, false) => Err(Rejection::UnknownKey { issuer }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, KeySet, Rejection};
    use crate::token::der::PublicKey;
    use jsonwebtoken::Algorithm::{EdDSA, RS256};

    fn ed(kid: Option<&str>, seed: u8) -> Key {
        let bytes = ed25519_dalek::SigningKey::from_bytes(&[seed; 32])
            .verifying_key()
            .to_bytes()
            .to_vec();
        Key::public(&PublicKey::Ed25519(bytes))
            .unwrap()
            .named(kid.map(str::to_owned))
    }

    fn set(keys: Vec<Key>) -> KeySet {
        KeySet {
            keys,
            skipped: Vec::new(),
        }
    }

    #[test]
    fn a_kid_selects() {
        let keys = set(vec![ed(Some("a"), 1), ed(Some("b"), 2), ed(Some("a"), 3)]);
        assert_eq!(keys.candidates(EdDSA, Some("a"), 0).unwrap().len(), 2);
        assert_eq!(keys.candidates(EdDSA, None, 0).unwrap().len(), 3);
        assert_eq!(
            keys.candidates(EdDSA, Some("c"), 7).unwrap_err(),
            Rejection::UnknownKey { issuer: 7 }
        );
        assert_eq!(
            keys.candidates(RS256, Some("a"), 0).unwrap_err(),
            Rejection::AlgMismatch
        );
        assert_eq!(
            keys.candidates(RS256, None, 1).unwrap_err(),
            Rejection::UnknownKey { issuer: 1 }
        );
        assert_eq!(
            set(vec![]).candidates(RS256, None, 2).unwrap_err(),
            Rejection::NoKeys { issuer: 2 }
        );
    }

    #[test]
    fn a_key_without_kid_answers_to_any_that_no_other_has() {
        let keys = set(vec![ed(None, 1), ed(Some("b"), 2)]);
        assert_eq!(keys.candidates(EdDSA, Some("x"), 0).unwrap().len(), 1);
        assert_eq!(
            keys.candidates(EdDSA, Some("b"), 0).unwrap()[0].kid(),
            Some("b")
        );
    }

    #[test]
    fn one_token_costs_at_most_four_signatures() {
        let keys = set((1..=20).map(|seed| ed(None, seed)).collect());
        assert_eq!(keys.candidates(EdDSA, None, 0).unwrap().len(), 4);
    }
}
