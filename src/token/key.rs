//! Holds one key of an issuer: what kind it is, why it is refused, whether it signed.
//! May use `jsonwebtoken` to check keys and signatures.
//! Must not parse JWK (that is `jwks`) or choose among keys (that is `key_set`).

use jsonwebtoken::{Algorithm, DecodingKey};

use super::SOFTWARE;
use super::der::{self, PublicKey};

/// Smaller RSA keys can be broken by those who care.
const RSA_BITS_MIN: u32 = 2048;
/// Larger ones cannot be verified without the host and are slow with it.
const RSA_BITS_MAX: u32 = 4096;
/// HMAC secrets shorter than this can be guessed from one token.
const SECRET_BYTES_MIN: usize = 32;
/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// An RSA public key.
    Rsa {
        /// The length of its modulus.
        bits: u32,
    },
    /// A point on P-256.
    P256,
    /// A point on P-384.
    P384,
    /// An Ed25519 public key.
    Ed25519,
    /// A shared secret for HMAC.
    Secret {
        /// Its length.
        bytes: usize,
    },
}

/// One key of an issuer.
#[derive(Clone, Debug)]
pub struct Key {
    pub(super) kid: Option<String>,
    pub(super) alg: Option<Algorithm>,
    kind: KeyKind,
    decoding: DecodingKey,
}

impl Key {
    /// The name the issuer gave it.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Whether a token signed with this algorithm can be this key's work.
    #[must_use]
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{
            ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512,
        };
        let kind = match self.kind {
            KeyKind::Rsa { .. } => {
                matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512)
            }
            KeyKind::P256 => algorithm == ES256,
            KeyKind::P384 => algorithm == ES384,
            KeyKind::Ed25519 => algorithm == EdDSA,
            KeyKind::Secret { bytes } => match algorithm {
                HS256 => bytes >= 32,
                HS384 => bytes >= 48,
                HS512 => bytes >= 64,
                _ => false,
            },
        };
        kind && self.alg.is_none_or(|alg| alg == algorithm)
    }

    /// The key under a name.
    pub(super) fn named(self, kid: Option<String>) -> Self {
        Self { kid, ..self }
    }

    /// The bytes a signature of this algorithm has.
    fn signature_bytes(&self, algorithm: Algorithm) -> usize {
        match self.kind {
            KeyKind::Rsa { bits } => bits.div_ceil(8) as usize,
            KeyKind::P256 | KeyKind::Ed25519 => 64,
            KeyKind::P384 => 96,
            KeyKind::Secret { .. } => match algorithm {
                Algorithm::HS256 => 32,
                Algorithm::HS384 => 48,
                _ => 64,
            },
        }
    }

    /// Whether this key made the signature, base64url without padding.
    pub(super) fn signed(&self, algorithm: Algorithm, message: &[u8], signature: &str) -> bool {
        let length = signature.len() / 4 * 3 + (signature.len() % 4).saturating_sub(1);
        // Where nobody installed another provider. Without one jsonwebtoken would panic.
        let _installed_before = SOFTWARE.install_default();
        length == self.signature_bytes(algorithm)
            && jsonwebtoken::crypto::verify(signature, message, &self.decoding, algorithm)
                .unwrap_or(false)
    }

    /// A public key, refused if it is weak or no key at all.
    pub(super) fn public(key: &PublicKey) -> Result<Self, String> {
        let (kind, decoding, probe) = match key {
            PublicKey::Rsa(modulus, exponent) => {
                let bits = rsa_bits(modulus, exponent)?;
                let pkcs1 = der::write_pkcs1(modulus, exponent).ok_or("not an RSA key")?;
                (
                    KeyKind::Rsa { bits },
                    DecodingKey::from_rsa_der(&pkcs1),
                    Algorithm::RS256,
                )
            }
            PublicKey::Ec(point) => {
                let (kind, probe) = match (point.first(), point.len()) {
                    (Some(4), 65) => (KeyKind::P256, Algorithm::ES256),
                    (Some(4), 97) => (KeyKind::P384, Algorithm::ES384),
                    _ => return Err("not an uncompressed point of P-256 or P-384".to_owned()),
                };
                (kind, DecodingKey::from_ec_der(point), probe)
            }
            PublicKey::Ed25519(bytes) => {
                // INVARIANT: jsonwebtoken slices the first 32 bytes of an Ed25519 key unasked; no other length gets there.
                let bytes = <&[u8; 32]>::try_from(bytes.as_slice())
                    .map_err(|_| "not an Ed25519 key of 32 bytes")?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes)
                    .map_err(|_| "not a point of Ed25519")?;
                if key.is_weak() {
                    return Err(
                        "a weak Ed25519 key: it accepts signatures that nobody made".to_owned()
                    );
                }
                (
                    KeyKind::Ed25519,
                    DecodingKey::from_ed_der(bytes),
                    Algorithm::EdDSA,
                )
            }
        };
        (SOFTWARE.verifier_factory)(&probe, &decoding).map_err(|_| "not a point of its curve")?;
        Ok(Self {
            kid: None,
            alg: None,
            kind,
            decoding,
        })
    }

    /// A shared secret, refused if it is short.
    pub(super) fn secret(secret: &[u8]) -> Result<Self, String> {
        let bytes = secret.len();
        if bytes < SECRET_BYTES_MIN {
            return Err(format!(
                "a secret of {bytes} bytes: at least {SECRET_BYTES_MIN} are needed"
            ));
        }
        Ok(Self {
            kid: None,
            alg: None,
            kind: KeyKind::Secret { bytes },
            decoding: DecodingKey::from_secret(secret),
        })
    }
}

/// The length of a modulus, if neither it nor the exponent is weak.
fn rsa_bits(modulus: &[u8], exponent: &[u8]) -> Result<u32, String> {
    let stripped = modulus
        .iter()
        .position(|byte| *byte != 0)
        .and_then(|start| modulus.get(start..))
        .unwrap_or_default();
    let first = stripped.first().map_or(8, |byte| byte.leading_zeros());
    let bits = u32::try_from(stripped.len())
        .unwrap_or(u32::MAX)
        .saturating_mul(8)
        .saturating_sub(first);
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
        return Err(format!(
            "an RSA key of {bits} bits: {RSA_BITS_MIN} to {RSA_BITS_MAX} are accepted"
        ));
    }
    let small = exponent.iter().try_fold(0_u64, |value, byte| {
        value
            .checked_mul(256)
            .map(|shifted| shifted | u64::from(*byte))
            .filter(|value| *value < 1 << 33)
    });
    let odd = |bytes: &[u8]| bytes.last().is_some_and(|byte| byte % 2 == 1);
    match small {
        Some(value) if value >= 3 && odd(exponent) && odd(modulus) => Ok(bits),
        _ => Err("an RSA key with a modulus or an exponent that no RSA key has".to_owned()),
    }
}

/// The algorithm of a name (`RS256`, …, `EdDSA`, and RFC 9864's `Ed25519` for the latter); `None` for all others.
#[must_use]
pub fn algorithm(name: &str) -> Option<Algorithm> {
    if name == "Ed25519" {
        Some(Algorithm::EdDSA)
    } else {
        name.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, KeyKind, PublicKey, algorithm, rsa_bits};
    use jsonwebtoken::Algorithm::{ES256, EdDSA, HS256, HS512, RS256};

    #[test]
    fn weak_keys_are_refused() {
        assert!(
            rsa_bits(&[0xff; 128], &[1, 0, 1])
                .unwrap_err()
                .contains("1024 bits")
        );
        assert!(
            rsa_bits(&[0xff; 1024], &[1, 0, 1])
                .unwrap_err()
                .contains("8192 bits")
        );
        assert_eq!(
            rsa_bits(&[&[0][..], &[0xff; 256]].concat(), &[1, 0, 1]),
            Ok(2048)
        );
        for exponent in [&[][..], &[0], &[1], &[2], &[1, 0, 0], &[1; 9]] {
            assert!(rsa_bits(&[0xff; 256], exponent).is_err(), "{exponent:?}");
        }
        assert!(rsa_bits(&[0xfe; 256], &[1, 0, 1]).is_err());
        assert!(Key::secret(&[1; 31]).is_err());
        let mut identity = vec![0; 32];
        identity[0] = 1;
        assert!(
            Key::public(&PublicKey::Ed25519(identity))
                .unwrap_err()
                .starts_with("a weak Ed25519 key")
        );
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for length in [0, 1, 31, 33, 64] {
            assert!(Key::public(&PublicKey::Ed25519(vec![2; length])).is_err());
            assert!(Key::public(&PublicKey::Ec(vec![4; length])).is_err());
        }
        assert_eq!(
            Key::public(&PublicKey::Ec(vec![4; 65])).unwrap_err(),
            "not a point of its curve"
        );
        assert_eq!(
            Key::public(&PublicKey::Ec(vec![4; 97])).unwrap_err(),
            "not a point of its curve"
        );
    }

    #[test]
    fn a_key_fits_its_own_algorithms() {
        let secret = Key::secret(&[1; 32]).unwrap();
        assert!(secret.fits(HS256) && !secret.fits(HS512) && !secret.fits(RS256));
        assert_eq!(secret.kind(), KeyKind::Secret { bytes: 32 });
        let key = Key {
            alg: Some(ES256),
            ..Key::public(&PublicKey::Ed25519(
                ed25519_dalek::SigningKey::from_bytes(&[1; 32])
                    .verifying_key()
                    .to_bytes()
                    .to_vec(),
            ))
            .unwrap()
        };
        assert!(!key.fits(EdDSA));
        assert!(!format!("{secret:?}").contains("1, 1"));
    }

    #[test]
    fn algorithms_have_one_spelling() {
        assert_eq!(algorithm("Ed25519"), Some(EdDSA));
        assert_eq!(algorithm("rs256"), None);
        assert_eq!(algorithm("none"), None);
        assert_eq!(algorithm("ES512"), None);
    }
}
