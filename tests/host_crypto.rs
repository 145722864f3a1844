//! Holds the test of the adapter's crypto provider: a host made of RustCrypto answers `verify_signature` as Envoy does, or refuses.
//! May use the adapter's source file, which needs no host to compile.
//! Must not hold a second test: a provider is installed once per process, and so is what it learned about its host.
#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of tests is a test: a panic is its failure"
)]

#[path = "../envoy/src/crypto.rs"]
mod crypto;

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use p256::ecdsa::signature::Verifier;
use p256::pkcs8::DecodePublicKey as _;
use rsa::pkcs8::DecodePublicKey as _;
use serde_json::Value;
use sha2::{Digest, Sha256, Sha384, Sha512};
use stepgate::token::{Issuer, IssuerRules, KeySet, Origin, Rejection, algorithm, verify};

const TRUE: &[u8] = &[0x08, 1];
const ANSWERS: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const UNKNOWN_HASH: u32 = 100;
const GARBAGE: u32 = 101;
const ALWAYS_FALSE: u32 = 102;

static MODE: AtomicU32 = AtomicU32::new(ANSWERS);
static CALLS: AtomicU32 = AtomicU32::new(0);

fn failed(error: &[u8]) -> Vec<u8> {
    [&[0x12, u8::try_from(error.len()).unwrap()], error].concat()
}

fn host(name: &str, arguments: &[u8]) -> Result<Vec<u8>, u32> {
    CALLS.fetch_add(1, Relaxed);
    assert_eq!(name, "verify_signature");
    match MODE.load(Relaxed) {
        ANSWERS => Ok(if holds(arguments) {
            TRUE.to_vec()
        } else {
            failed(b"Failed to verify digest. Error code: 0")
        }),
        UNKNOWN_HASH => Ok(failed(b"sha256 is not supported.")),
        GARBAGE => Ok(vec![0xff; 40]),
        ALWAYS_FALSE => Ok(failed(b"Failed to verify digest. Error code: 0")),
        status => Err(status),
    }
}

/// Reads the arguments as protobuf does and verifies with keys and signatures in DER.
fn holds(mut arguments: &[u8]) -> bool {
    let mut fields = [&[][..]; 5];
    while let [tag, rest @ ..] = arguments {
        assert_eq!(tag & 7, 2, "every field is bytes");
        let (mut length, mut used) = (0, 0);
        loop {
            length |= usize::from(rest[used] & 0x7f) << (7 * used);
            used += 1;
            if rest[used - 1] & 0x80 == 0 {
                break;
            }
        }
        fields[usize::from(tag >> 3)] = &rest[used..used + length];
        arguments = &rest[used + length..];
    }
    let [_, hash, key, signature, text] = fields;
    if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_der(key) {
        assert_eq!(hash, b"sha256");
        return p256::ecdsa::DerSignature::try_from(signature)
            .is_ok_and(|signature| key.verify(text, &signature).is_ok());
    }
    if let Ok(key) = p384::ecdsa::VerifyingKey::from_public_key_der(key) {
        assert_eq!(hash, b"sha384");
        return p384::ecdsa::DerSignature::try_from(signature)
            .is_ok_and(|signature| key.verify(text, &signature).is_ok());
    }
    let key = rsa::RsaPublicKey::from_public_key_der(key).unwrap();
    let result = match hash {
        b"sha256" => key.verify(
            rsa::Pkcs1v15Sign::new::<Sha256>(),
            &Sha256::digest(text),
            signature,
        ),
        b"sha384" => key.verify(
            rsa::Pkcs1v15Sign::new::<Sha384>(),
            &Sha384::digest(text),
            signature,
        ),
        b"sha512" => key.verify(
            rsa::Pkcs1v15Sign::new::<Sha512>(),
            &Sha512::digest(text),
            signature,
        ),
        _ => panic!("an unknown hash"),
    };
    result.is_ok()
}

struct Case {
    name: String,
    token: String,
    issuer: Issuer,
    now: i64,
}

impl Case {
    fn result(&self) -> Result<(), Rejection> {
        verify(
            self.token.as_bytes(),
            std::slice::from_ref(&self.issuer),
            self.now,
        )
        .map(|_| ())
    }

    /// The same with another message under the same signature.
    fn forged(&self) -> Result<(), Rejection> {
        let (header, rest) = self.token.split_once('.').unwrap();
        let (payload, signature) = rest.split_once('.').unwrap();
        let header =
            base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header)
                .unwrap();
        let header = String::from_utf8(header).unwrap().replacen('{', "{ ", 1);
        let header =
            base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header);
        let token = format!("{header}.{payload}.{signature}");
        verify(
            token.as_bytes(),
            std::slice::from_ref(&self.issuer),
            self.now,
        )
        .map(|_| ())
    }
}

fn cases() -> Vec<Case> {
    let fixtures: Value = serde_json::from_str(include_str!("fixtures/tokens.json")).unwrap();
    let cases = fixtures["cases"].as_array().unwrap().iter().map(|case| {
        let keys = KeySet::from_jwks(case["jwk"].to_string().as_bytes(), Origin::Inline).unwrap();
        let rules = IssuerRules {
            issuer: case["issuer"].as_str().unwrap().to_owned(),
            algorithms: vec![algorithm(case["algorithm"].as_str().unwrap()).unwrap()],
            required: Vec::new(),
            ..IssuerRules::default()
        };
        Case {
            name: case["name"].as_str().unwrap().to_owned(),
            token: case["token"].as_str().unwrap().to_owned(),
            issuer: Issuer::new(rules, keys).unwrap(),
            now: case["now"].as_i64().unwrap(),
        }
    });
    cases.collect()
}

fn calls() -> u32 {
    CALLS.swap(0, Relaxed)
}

#[test]
fn the_host_is_asked_first_and_believed_only_when_it_answers() {
    assert!(!crypto::host_verifies());
    crypto::install(host);
    crypto::install(host);
    assert!(crypto::host_verifies());
    let cases = cases();
    let host_knows = |case: &Case| {
        case.name.contains(" RS") || case.name.contains(" ES") || case.name.starts_with("RFC")
    };

    for case in &cases {
        assert_eq!(case.result(), Ok(()), "{}", case.name);
        assert_eq!(calls(), u32::from(host_knows(case)), "{}", case.name);
        assert_eq!(case.forged(), Err(Rejection::BadSignature), "{}", case.name);
        assert_eq!(calls(), u32::from(host_knows(case)), "{}", case.name);
    }

    MODE.store(ALWAYS_FALSE, Relaxed);
    for case in cases.iter().filter(|case| host_knows(case)) {
        assert_eq!(case.result(), Err(Rejection::BadSignature), "{}", case.name);
    }

    for mode in [BAD_ARGUMENT, UNKNOWN_HASH, GARBAGE] {
        MODE.store(mode, Relaxed);
        for case in &cases {
            assert_eq!(case.result(), Ok(()), "{}", case.name);
            assert_eq!(case.forged(), Err(Rejection::BadSignature), "{}", case.name);
        }
        assert!(crypto::host_verifies() && calls() > 0);
    }

    MODE.store(NOT_FOUND, Relaxed);
    for case in &cases {
        assert_eq!(case.result(), Ok(()), "{}", case.name);
        assert_eq!(case.forged(), Err(Rejection::BadSignature), "{}", case.name);
    }
    assert_eq!(calls(), 1, "a host without the function is asked once");
    assert!(!crypto::host_verifies());
}
