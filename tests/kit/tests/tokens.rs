//! Tokens of the kit against a verifier of other origin.
//! May use the kit, jsonwebtoken, and beneath it the product's signature checks; Envoy's own meet the same tokens in its tests.
//! Must not test that verifier: a forged token here only has to be the forgery it claims to be.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPublicKey};
use serde_json::{Value, json};
use stepgate::token::SOFTWARE;
use stepgate_testkit::tokens::{
    Alg, Key, Token, base64url, claims, corrupted, jwks, now, stripped, tampered,
};

fn verify(token: &str, jwk: Value, alg: &str) -> Result<Value, String> {
    let _installed_before = SOFTWARE.install_default();
    let jwk: Jwk = serde_json::from_value(jwk).map_err(|error| error.to_string())?;
    let key = decoding_key(&jwk)?;
    let alg = alg
        .parse::<Algorithm>()
        .map_err(|error| error.to_string())?;
    decode::<Value>(token, &key, &Validation::new(alg))
        .map(|token| token.claims)
        .map_err(|error| error.to_string())
}

/// RSA as the checks beneath read it: in DER.
fn decoding_key(jwk: &Jwk) -> Result<DecodingKey, String> {
    let AlgorithmParameters::RSA(rsa) = &jwk.algorithm else {
        return DecodingKey::from_jwk(jwk).map_err(|error| error.to_string());
    };
    let number = |text: &str| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text);
        let number = bytes.map(|bytes| BigUint::from_bytes_be(&bytes));
        number.map_err(|error| error.to_string())
    };
    let key = RsaPublicKey::new(number(&rsa.n)?, number(&rsa.e)?);
    let key = key.map_err(|error| error.to_string())?;
    let der = key.to_pkcs1_der().map_err(|error| error.to_string())?;
    Ok(DecodingKey::from_rsa_der(der.as_bytes()))
}

fn fresh() -> Token {
    Token::new(claims("https://issuer.test", "alice", now()))
}

#[test]
fn every_algorithm_verifies() {
    let (rsa, p256, p384) = (Key::rsa("r"), Key::p256("e"), Key::p384("f"));
    let (ed25519, secret) = (Key::ed25519("d"), Key::hmac("h", b"a secret"));
    for (key, alg) in [
        (&rsa, Alg::Rs256),
        (&rsa, Alg::Rs384),
        (&rsa, Alg::Rs512),
        (&rsa, Alg::Ps256),
        (&p256, Alg::Es256),
        (&p384, Alg::Es384),
        (&ed25519, Alg::EdDsa),
        (&secret, Alg::Hs256),
    ] {
        let token = fresh().sign_as(key, alg);
        let claims = verify(&token, key.jwk(), alg.name()).unwrap();
        assert_eq!(claims["sub"], "alice", "{alg:?}");
        let forged = tampered(&token, "sub", "mallory");
        assert!(verify(&forged, key.jwk(), alg.name()).is_err(), "{alg:?}");
        let broken = corrupted(&token);
        assert!(verify(&broken, key.jwk(), alg.name()).is_err(), "{alg:?}");
    }
    let set: JwkSet = serde_json::from_value(jwks(&[&rsa, &p256, &p384, &ed25519])).unwrap();
    assert_eq!(set.keys.len(), 4);
    assert!(set.find("f").is_some());
}

#[test]
fn an_rsa_key_is_made_once_per_id() {
    assert_eq!(Key::rsa("r").jwk(), Key::rsa("r").jwk());
    assert_ne!(Key::rsa("r").jwk()["n"], Key::rsa("s").jwk()["n"]);
}

#[test]
fn public_keys_have_a_pem() {
    let pem = Key::rsa("r").pem().unwrap();
    let read = RsaPublicKey::from_public_key_pem(&pem).unwrap();
    assert_eq!(
        json!(base64url(read.n().to_bytes_be())),
        Key::rsa("r").jwk()["n"]
    );
    for key in [Key::p256("e"), Key::p384("f"), Key::ed25519("d")] {
        assert!(key.pem().unwrap().starts_with("-----BEGIN PUBLIC KEY-----"));
    }
    assert_eq!(Key::hmac("h", b"s").pem(), None);
}

#[test]
fn forgeries_are_what_they_claim() {
    let key = Key::rsa("r");
    let valid = fresh().sign(&key);
    assert!(stripped(&valid).ends_with('.'));
    assert!(verify(&stripped(&valid), key.jwk(), "RS256").is_err());
    assert!(fresh().unsigned().ends_with('.'));

    // the confused token verifies for whoever takes the public key as a secret
    let confused = fresh().confused(&key);
    let secret = Key::hmac("r", key.pem().unwrap().as_bytes());
    assert!(verify(&confused, secret.jwk(), "HS256").is_ok());

    // the embedded key verifies, so only its origin is wrong
    let stranger = Key::p256("x");
    let embedded = fresh().embedded(&stranger, "r");
    let header = decode_header(&embedded).unwrap();
    assert_eq!(header.kid.as_deref(), Some("r"));
    let inside = serde_json::to_value(header.jwk.unwrap()).unwrap();
    assert!(verify(&embedded, inside, "ES256").is_ok());

    let critical = fresh().critical(&key);
    let header = BASE64_URL_SAFE_NO_PAD.decode(critical.split('.').next().unwrap());
    let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
    assert_eq!(header["crit"], json!(["stepgate-test"]));
    assert_eq!(header["alg"], "RS256");
}
