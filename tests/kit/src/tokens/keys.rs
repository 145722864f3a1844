//! Keys of an identity provider, as private key, as JWK and as PEM.
//! May use RustCrypto, never the JWT library that verifies elsewhere.
//! Must not be used for anything but tests and the demo.

use super::base64url;
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::Generate;
use p256::pkcs8::EncodePublicKey as _;
use rand_core::OsRng;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::signature::{RandomizedSigner, SignatureEncoding, Signer};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, RsaPublicKey, pkcs1v15, pss};
use serde_json::{Value, json};
use sha2::{Sha256, Sha384, Sha512};
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

/// A signature algorithm of JWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alg {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256.
    Es256,
    /// ECDSA on P-384.
    Es384,
    /// Ed25519.
    EdDsa,
    /// HMAC with SHA-256.
    Hs256,
    /// No signature.
    None,
}

impl Alg {
    /// The name in a header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
            Self::None => "none",
        }
    }
}

#[derive(Clone)]
enum Material {
    Rsa(RsaPrivateKey),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
    Secret(Vec<u8>),
}

/// A signing key with its id.
#[derive(Clone)]
pub struct Key {
    /// The `kid` in tokens and key sets.
    pub kid: String,
    material: Material,
}

impl Key {
    /// RSA with 2048 bits. Slow to make, so one per id and process: the same id is the same key.
    pub fn rsa(kid: &str) -> Self {
        static MADE: OnceLock<Mutex<BTreeMap<String, RsaPrivateKey>>> = OnceLock::new();
        let mut made = MADE
            .get_or_init(Mutex::default)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let make = || RsaPrivateKey::new(&mut OsRng, 2048).expect("2048 bits make a key");
        let key = made.entry(kid.to_owned()).or_insert_with(make).clone();
        Self::of(kid, Material::Rsa(key))
    }

    /// A new key on P-256.
    pub fn p256(kid: &str) -> Self {
        let key = p256::ecdsa::SigningKey::generate();
        Self::of(kid, Material::P256(key))
    }

    /// A new key on P-384.
    pub fn p384(kid: &str) -> Self {
        let key = p384::ecdsa::SigningKey::generate();
        Self::of(kid, Material::P384(key))
    }

    /// A new Ed25519 key.
    pub fn ed25519(kid: &str) -> Self {
        let key = ed25519_dalek::SigningKey::generate(&mut OsRng);
        Self::of(kid, Material::Ed25519(key))
    }

    /// A shared secret.
    pub fn hmac(kid: &str, secret: &[u8]) -> Self {
        Self::of(kid, Material::Secret(secret.to_vec()))
    }

    fn of(kid: &str, material: Material) -> Self {
        Self {
            kid: kid.to_owned(),
            material,
        }
    }

    /// The algorithm it signs with unless told otherwise.
    pub fn alg(&self) -> Alg {
        match self.material {
            Material::Rsa(_) => Alg::Rs256,
            Material::P256(_) => Alg::Es256,
            Material::P384(_) => Alg::Es384,
            Material::Ed25519(_) => Alg::EdDsa,
            Material::Secret(_) => Alg::Hs256,
        }
    }

    /// What verifies its signatures, as JWK. For a secret that is the secret.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.material {
            Material::Rsa(key) => json!({
                "kty": "RSA",
                "n": base64url(key.n().to_bytes_be()),
                "e": base64url(key.e().to_bytes_be()),
            }),
            Material::P256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let (x, y) = (point.x().map(base64url), point.y().map(base64url));
                json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
            }
            Material::P384(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let (x, y) = (point.x().map(base64url), point.y().map(base64url));
                json!({ "kty": "EC", "crv": "P-384", "x": x, "y": y })
            }
            Material::Ed25519(key) => {
                let x = base64url(key.verifying_key().as_bytes());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
            }
            Material::Secret(secret) => json!({ "kty": "oct", "k": base64url(secret) }),
        };
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.alg().name());
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public key as PEM (SubjectPublicKeyInfo). A secret has none.
    pub fn pem(&self) -> Option<String> {
        let ending = LineEnding::LF;
        match &self.material {
            Material::Rsa(key) => RsaPublicKey::from(key).to_public_key_pem(ending).ok(),
            Material::P256(key) => key.verifying_key().to_public_key_pem(ending).ok(),
            Material::P384(key) => key.verifying_key().to_public_key_pem(ending).ok(),
            Material::Ed25519(key) => key.verifying_key().to_public_key_pem(ending).ok(),
            Material::Secret(_) => None,
        }
    }

    /// Signs with an algorithm; panics if this kind of key cannot.
    pub fn sign(&self, alg: Alg, input: &[u8]) -> Vec<u8> {
        match (&self.material, alg) {
            (_, Alg::None) => Vec::new(),
            (Material::Rsa(key), Alg::Rs256) => {
                let signer = pkcs1v15::SigningKey::<Sha256>::new(key.clone());
                signer.sign(input).to_vec()
            }
            (Material::Rsa(key), Alg::Rs384) => {
                let signer = pkcs1v15::SigningKey::<Sha384>::new(key.clone());
                signer.sign(input).to_vec()
            }
            (Material::Rsa(key), Alg::Rs512) => {
                let signer = pkcs1v15::SigningKey::<Sha512>::new(key.clone());
                signer.sign(input).to_vec()
            }
            (Material::Rsa(key), Alg::Ps256) => {
                let signer = pss::SigningKey::<Sha256>::new(key.clone());
                signer.sign_with_rng(&mut OsRng, input).to_vec()
            }
            (Material::P256(key), Alg::Es256) => {
                let signature: p256::ecdsa::Signature = key.sign(input);
                signature.to_vec()
            }
            (Material::P384(key), Alg::Es384) => {
                let signature: p384::ecdsa::Signature = key.sign(input);
                signature.to_vec()
            }
            (Material::Ed25519(key), Alg::EdDsa) => key.sign(input).to_vec(),
            (Material::Secret(secret), Alg::Hs256) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length fits");
                mac.update(input);
                mac.finalize().into_bytes().to_vec()
            }
            _ => panic!("key `{}` cannot sign {}", self.kid, alg.name()),
        }
    }
}

/// The key set an issuer publishes.
pub fn jwks(keys: &[&Key]) -> Value {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys })
}
