//! Holds the signature check in software: RustCrypto's verifiers behind jsonwebtoken's provider interface.
//! May use the RustCrypto crates; the key was judged by `key`.
//! Must not sign, or hold anything that could: half of jsonwebtoken's own provider signs, and all of it is linked.

use ecdsa::EcdsaCurve;
use ecdsa::elliptic_curve::point::AffineCoordinates;
use ecdsa::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytes, PublicKey};
use ecdsa::signature::hazmat::PrehashVerifier;
use hmac::{Hmac, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error as JwtError, ErrorKind, Result};
use jsonwebtoken::signature::{Error, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::{Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// Makes a verifier of an algorithm with a key.
pub type VerifierFactory = fn(&Algorithm, &DecodingKey) -> Result<Box<dyn JwtVerifier>>;

/// Verifies every accepted algorithm.
pub static SOFTWARE: CryptoProvider = verifying(verifier);

/// A provider that verifies and refuses everything else it may be asked for.
#[must_use]
pub const fn verifying(verifier_factory: VerifierFactory) -> CryptoProvider {
    CryptoProvider {
        signer_factory: |_: &Algorithm, _: &EncodingKey| -> Result<Box<dyn JwtSigner>> {
            Err(refused())
        },
        verifier_factory,
        key_utils: KeyUtils {
            rsa_pub_components_from_private_key: |_| Err(refused()),
            rsa_pub_components_from_public_key: |_| Err(refused()),
            ec_pub_components_from_private_key: |_, _| Err(refused()),
            ed_pub_components_from_private_key: |_, _| Err(refused()),
            compute_digest: |_, _| Err(refused()),
        },
    }
}

fn refused() -> JwtError {
    ErrorKind::InvalidKeyFormat.into()
}

enum Key {
    Rsa(RsaPublicKey),
    P256(ecdsa::VerifyingKey<p256::NistP256>),
    P384(ecdsa::VerifyingKey<p384::NistP384>),
    Ed25519(ed25519_dalek::VerifyingKey),
    Secret(Vec<u8>),
}

struct Software {
    algorithm: Algorithm,
    key: Key,
}

/// A verifier of one algorithm with one key.
///
/// # Errors
/// The bytes are no key of the algorithm: another family, or no point of its curve.
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if algorithm.family() != key.family() {
        return Err(refused());
    }
    let bytes = key.try_get_as_bytes()?;
    let key = match algorithm {
        Algorithm::ES256 => on_curve(bytes).map(Key::P256),
        Algorithm::ES384 => on_curve(bytes).map(Key::P384),
        Algorithm::EdDSA => ed25519_dalek::VerifyingKey::try_from(bytes)
            .ok()
            .map(Key::Ed25519),
        _ if algorithm.family() == AlgorithmFamily::Hmac => Some(Key::Secret(bytes.to_vec())),
        _ => RsaPublicKey::from_pkcs1_der(bytes).ok().map(Key::Rsa),
    };
    Ok(Box::new(Software {
        algorithm: *algorithm,
        key: key.ok_or_else(refused)?,
    }))
}

/// The key of an uncompressed point (SEC 1 section 2.3.3), the only form a key set has room for; to read compressed ones as well
/// would take a square root of each field.
fn on_curve<C>(point: &[u8]) -> Option<ecdsa::VerifyingKey<C>>
where
    C: EcdsaCurve + CurveArithmetic,
    AffinePoint<C>: AffineCoordinates<FieldRepr = FieldBytes<C>>,
{
    let (4, coordinates) = point.split_first()? else {
        return None;
    };
    let (x, y) = coordinates.split_at_checked(coordinates.len() / 2)?;
    let (x, y) = (x.try_into().ok()?, y.try_into().ok()?);
    let point = Option::from(AffinePoint::<C>::from_coordinates(x, y))?;
    PublicKey::from_affine(point).ok().map(Into::into)
}

impl Verifier<Vec<u8>> for Software {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let holds = match &self.key {
            Key::Rsa(key) => self.rsa(key, message, signature),
            Key::P256(key) => ecdsa::Signature::from_slice(signature).is_ok_and(|signature| {
                key.verify_prehash(&Sha256::digest(message), &signature)
                    .is_ok()
            }),
            Key::P384(key) => ecdsa::Signature::from_slice(signature).is_ok_and(|signature| {
                key.verify_prehash(&Sha384::digest(message), &signature)
                    .is_ok()
            }),
            Key::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Key::Secret(secret) => self.hmac(secret, message, signature),
        };
        if holds { Ok(()) } else { Err(Error::new()) }
    }
}

impl Software {
    fn rsa(&self, key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> bool {
        use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
        let digest = match self.algorithm {
            RS256 | PS256 => Sha256::digest(message).to_vec(),
            RS384 | PS384 => Sha384::digest(message).to_vec(),
            _ => Sha512::digest(message).to_vec(),
        };
        let pkcs1v15 = |scheme: Pkcs1v15Sign| key.verify(scheme, &digest, signature);
        let pss = |scheme: Pss| key.verify(scheme, &digest, signature);
        let checked = match self.algorithm {
            RS256 => pkcs1v15(Pkcs1v15Sign::new::<Sha256>()),
            RS384 => pkcs1v15(Pkcs1v15Sign::new::<Sha384>()),
            RS512 => pkcs1v15(Pkcs1v15Sign::new::<Sha512>()),
            PS256 => pss(Pss::new::<Sha256>()),
            PS384 => pss(Pss::new::<Sha384>()),
            PS512 => pss(Pss::new::<Sha512>()),
            _ => return false,
        };
        checked.is_ok()
    }

    fn hmac(&self, secret: &[u8], message: &[u8], signature: &[u8]) -> bool {
        fn holds<M: Mac + hmac::digest::KeyInit>(
            secret: &[u8],
            message: &[u8],
            signature: &[u8],
        ) -> bool {
            <M as Mac>::new_from_slice(secret)
                .is_ok_and(|mac| mac.chain_update(message).verify_slice(signature).is_ok())
        }
        match self.algorithm {
            Algorithm::HS256 => holds::<Hmac<Sha256>>(secret, message, signature),
            Algorithm::HS384 => holds::<Hmac<Sha384>>(secret, message, signature),
            Algorithm::HS512 => holds::<Hmac<Sha512>>(secret, message, signature),
            _ => false,
        }
    }
}

impl JwtVerifier for Software {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
