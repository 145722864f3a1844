//! Holds the DER forms of keys and signatures: what files and hosts speak where tokens speak raw bytes.
//! May use RustCrypto's `spki` and `pkcs1`, which refuse everything but DER.
//! Must not choose keys or algorithms.

use jsonwebtoken::{AlgorithmFamily, DecodingKey};
use spki::der::asn1::{AnyRef, BitStringRef, SequenceOf, UintRef};
use spki::der::{Decode, Document, Encode};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A public key as raw numbers, not yet judged.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// Modulus and exponent, big-endian.
    Rsa(Vec<u8>, Vec<u8>),
    /// An uncompressed point; its length tells the curve.
    Ec(Vec<u8>),
    /// The 32 bytes of an Ed25519 key.
    Ed25519(Vec<u8>),
}

/// The public key in a PEM text: `PUBLIC KEY` or `RSA PUBLIC KEY`.
pub(super) fn read_pem(pem: &str) -> Result<PublicKey, String> {
    let bad = |what: &str| format!("not a public key in PEM: {what}");
    if pem.contains("PRIVATE KEY") {
        return Err("a private key: give the public one (`openssl pkey -pubout`)".to_owned());
    }
    if pem.contains("BEGIN CERTIFICATE") {
        return Err(
            "a certificate: give its public key (`openssl x509 -pubkey -noout`)".to_owned(),
        );
    }
    let (label, document) =
        Document::from_pem(pem.trim()).map_err(|error| bad(&error.to_string()))?;
    match label {
        "PUBLIC KEY" => read_spki(document.as_bytes())
            .ok_or_else(|| bad("neither RSA, P-256, P-384 nor Ed25519")),
        "RSA PUBLIC KEY" => read_pkcs1(document.as_bytes()).ok_or_else(|| bad("no RSA key inside")),
        other => Err(bad(&format!("`{other}`"))),
    }
}

fn read_spki(der: &[u8]) -> Option<PublicKey> {
    let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
    let key = info.subject_public_key.as_bytes()?;
    match (info.algorithm.oid, info.algorithm.parameters) {
        (RSA, _) => read_pkcs1(key),
        (EC, Some(curve)) => {
            let curve: ObjectIdentifier = curve.decode_as().ok()?;
            let expected = [(P256, 65), (P384, 97)]
                .into_iter()
                .find(|(oid, _)| *oid == curve)?
                .1;
            (key.len() == expected).then(|| PublicKey::Ec(key.to_vec()))
        }
        (ED25519, None) => Some(PublicKey::Ed25519(key.to_vec())),
        _ => None,
    }
}

fn read_pkcs1(der: &[u8]) -> Option<PublicKey> {
    let key = pkcs1::RsaPublicKey::from_der(der).ok()?;
    Some(PublicKey::Rsa(
        key.modulus.as_bytes().to_vec(),
        key.public_exponent.as_bytes().to_vec(),
    ))
}

/// An RSA key as PKCS#1 DER, the form `DecodingKey::from_rsa_der` takes.
pub(super) fn write_pkcs1(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    let (modulus, public_exponent) = (UintRef::new(modulus).ok()?, UintRef::new(exponent).ok()?);
    pkcs1::RsaPublicKey {
        modulus,
        public_exponent,
    }
    .to_der()
    .ok()
}

/// The public key as DER SubjectPublicKeyInfo, the form hosts verify with; `None` for secrets and keys of unknown shape.
#[must_use]
pub fn public_key_der(key: &DecodingKey) -> Option<Vec<u8>> {
    let bytes = key.try_get_as_bytes().ok()?;
    let algorithm = match (key.family(), bytes.len()) {
        (AlgorithmFamily::Rsa, _) => AlgorithmIdentifierRef {
            oid: RSA,
            parameters: Some(AnyRef::NULL),
        },
        (AlgorithmFamily::Ec, 65) => AlgorithmIdentifierRef {
            oid: EC,
            parameters: Some((&P256).into()),
        },
        (AlgorithmFamily::Ec, 97) => AlgorithmIdentifierRef {
            oid: EC,
            parameters: Some((&P384).into()),
        },
        (AlgorithmFamily::Ed, 32) => AlgorithmIdentifierRef {
            oid: ED25519,
            parameters: None,
        },
        _ => return None,
    };
    let subject_public_key = BitStringRef::from_bytes(bytes).ok()?;
    SubjectPublicKeyInfoRef {
        algorithm,
        subject_public_key,
    }
    .to_der()
    .ok()
}

/// An ECDSA signature as DER, from the two numbers of equal length a token holds (RFC 7518 §3.4).
#[must_use]
pub fn ecdsa_signature_der(raw: &[u8]) -> Option<Vec<u8>> {
    if !matches!(raw.len(), 64 | 96) {
        return None;
    }
    let (r, s) = raw.split_at_checked(raw.len() / 2)?;
    let mut numbers = SequenceOf::<UintRef<'_>, 2>::new();
    numbers.add(UintRef::new(r).ok()?).ok()?;
    numbers.add(UintRef::new(s).ok()?).ok()?;
    numbers.to_der().ok()
}

#[cfg(test)]
mod tests {
    use super::{PublicKey, ecdsa_signature_der, public_key_der, read_pem, read_spki, write_pkcs1};
    use ed25519_dalek::pkcs8::EncodePublicKey as _;
    use jsonwebtoken::DecodingKey;
    use p256::ecdsa::signature::Signer;
    use p256::pkcs8::{EncodePublicKey as _, LineEnding};

    #[test]
    fn keys_survive_the_way_to_der_and_back() {
        let rsa = write_pkcs1(&[0x81; 256], &[1, 0, 1]).unwrap();
        let spki = public_key_der(&DecodingKey::from_rsa_der(&rsa)).unwrap();
        assert_eq!(
            read_spki(&spki),
            Some(PublicKey::Rsa(vec![0x81; 256], vec![1, 0, 1]))
        );

        let secret = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let point = secret
            .verifying_key()
            .to_sec1_point(false)
            .as_bytes()
            .to_vec();
        let spki = public_key_der(&DecodingKey::from_ec_der(&point)).unwrap();
        assert_eq!(
            spki,
            secret
                .verifying_key()
                .to_public_key_der()
                .unwrap()
                .as_bytes()
        );
        let pem = secret
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .unwrap();
        assert_eq!(read_pem(&pem), Ok(PublicKey::Ec(point)));

        let secret = p384::ecdsa::SigningKey::from_slice(&[7; 48]).unwrap();
        let point = secret
            .verifying_key()
            .to_sec1_point(false)
            .as_bytes()
            .to_vec();
        let spki = public_key_der(&DecodingKey::from_ec_der(&point)).unwrap();
        assert_eq!(
            spki,
            secret
                .verifying_key()
                .to_public_key_der()
                .unwrap()
                .as_bytes()
        );

        let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let spki =
            public_key_der(&DecodingKey::from_ed_der(secret.verifying_key().as_bytes())).unwrap();
        assert_eq!(
            spki,
            secret
                .verifying_key()
                .to_public_key_der()
                .unwrap()
                .as_bytes()
        );
    }

    #[test]
    fn a_secret_has_no_public_form() {
        assert_eq!(public_key_der(&DecodingKey::from_secret(&[1; 32])), None);
        assert_eq!(public_key_der(&DecodingKey::from_ec_der(&[4; 33])), None);
    }

    #[test]
    fn a_signature_becomes_the_der_that_others_write() {
        let secret = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        for message in 0..200_u32 {
            let signature: p256::ecdsa::Signature = secret.sign(&message.to_le_bytes());
            assert_eq!(
                ecdsa_signature_der(&signature.to_bytes()).unwrap(),
                signature.to_der().as_bytes()
            );
        }
        assert_eq!(
            ecdsa_signature_der(&[0; 64]).unwrap(),
            [0x30, 6, 2, 1, 0, 2, 1, 0]
        );
        for length in [0, 1, 63, 65, 97, 132] {
            assert_eq!(ecdsa_signature_der(&vec![1; length]), None);
        }
    }

    #[test]
    fn other_pem_is_refused_in_words() {
        let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(read_pem(private).unwrap_err().starts_with("a private key"));
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(
            read_pem(certificate)
                .unwrap_err()
                .starts_with("a certificate")
        );
        for text in [
            "",
            "hello",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        ] {
            assert!(
                read_pem(text)
                    .unwrap_err()
                    .starts_with("not a public key in PEM"),
                "{text}"
            );
        }
    }
}
