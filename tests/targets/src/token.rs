//! Tokens and proofs: whatever the bytes, no one becomes an identity who was not signed for, and what was is read.
//! May use the engine's tokens, a secret and a key of its own.
//! Must not draw a key: the same bytes do the same in every run.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use stepgate::signals::credential::Names;
use stepgate::signals::keyed::HashKey;
use stepgate::token::{
    Algorithm, Claims, Expected, IssuedFromClaims, Issuer, IssuerRules, KeySet, Proof,
    ecdsa_signature_der, issued_from, same_target, session, shape, subject, unverified_payload,
    verify,
};

use crate::NOW;

const SECRET: &[u8; 32] = b"thirty-two bytes that are shared";
const ISSUER: &str = "https://idp.test";

fn issuers(secret: &[u8]) -> Vec<Issuer> {
    let rules = IssuerRules {
        issuer: ISSUER.to_owned(),
        algorithms: vec![Algorithm::HS256],
        groups_claim: Some("realm.roles".to_owned()),
        ..IssuerRules::default()
    };
    let keys = KeySet::from_secret(secret, None).unwrap();
    vec![Issuer::new(rules, keys).unwrap()]
}

static SIGNED: LazyLock<Vec<Issuer>> = LazyLock::new(|| issuers(SECRET));
/// Whose secret signs nothing here.
static UNSIGNED: LazyLock<Vec<Issuer>> = LazyLock::new(|| issuers(&[7; 32]));
static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[3; 32]));

pub(crate) fn run(data: &[u8]) {
    let (mode, data) = crate::split(data);
    match mode % 6 {
        0 => unsigned(data),
        1 => signed(br#"{"alg":"HS256"}"#, data),
        2 => {
            let at = data
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(data.len());
            signed(&data[..at], data.get(at + 1..).unwrap_or_default());
        }
        3 => claims(data),
        4 => proof(data),
        _ => targets(data),
    }
}

fn unsigned(data: &[u8]) {
    let now = i64::from(NOW);
    let verified = verify(data, &UNSIGNED, now);
    assert!(verified.is_err(), "nobody signed this");
    assert_eq!(verified.map(drop), verify(data, &UNSIGNED, now).map(drop));
    let _payload = unverified_payload(data);
    assert!(Proof::verify(data, &expected()).is_err());
    if let Some(der) = ecdsa_signature_der(data) {
        assert!(der.len() <= data.len() + 16);
    }
}

fn jws(header: &[u8], payload: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", encode(&signature))
}

fn signed(header: &[u8], payload: &[u8]) {
    let token = jws(header, payload, |message| {
        let mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
        mac.chain_update(message).finalize().into_bytes().to_vec()
    });
    let now = i64::from(NOW);
    assert!(verify(token.as_bytes(), &UNSIGNED, now).is_err());
    let Ok(verified) = verify(token.as_bytes(), &SIGNED, now) else {
        return;
    };
    assert_eq!(verified.algorithm, Algorithm::HS256);
    assert_eq!(verified.claims.payload().as_bytes(), payload);
    assert_eq!(verified.claims.iss, ISSUER);
    assert!(verified.valid_until >= now, "it holds now");
    assert_eq!(
        verified.shape,
        shape(
            std::str::from_utf8(header).unwrap(),
            verified.claims.payload()
        )
    );
    let mut forged = token.into_bytes();
    let last = forged.len() - 2;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    assert!(verify(&forged, &SIGNED, now).is_err(), "a bit was flipped");
    used(&verified.claims);
}

fn claims(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(claims) = Claims::read(text.to_owned(), Some("realm.roles")) {
        assert_eq!(claims.payload(), text);
        used(&claims);
    }
}

fn used(claims: &Claims) {
    let services = ["ci-*".to_owned()];
    if let Some(subject) = subject(claims, &services) {
        assert!(!subject.id.is_empty());
        let _names = Names::of_subject(subject.id.as_bytes(), &HashKey::PUBLIC);
    }
    let _session = session(claims, 7);
    let names = IssuedFromClaims {
        ip: Some("ip".to_owned()),
        country: Some("geo.country".to_owned()),
        asn: Some("asn".to_owned()),
    };
    let _from = issued_from(claims, &names);
    for name in ["sub", "realm.roles", "cnf", ""] {
        // `null` is a claim that is not there.
        assert_ne!(claims.claim(name), Some(serde_json::Value::Null), "{name}");
    }
}

fn expected() -> Expected<'static> {
    Expected {
        method: b"POST",
        origin: "https://api.test",
        path: b"/pay?x=1",
        access_token: b"token",
        now: i64::from(NOW),
    }
}

/// A proof whose claims are the data, or, where they are not JSON, whose identifier it is.
fn proof(data: &[u8]) {
    let x = URL_SAFE_NO_PAD.encode(KEY.verifying_key());
    let header = format!(
        r#"{{"typ":"dpop+jwt","alg":"EdDSA","jwk":{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}}}"#
    );
    let payload = match serde_json::from_slice::<serde_json::Value>(data) {
        Ok(_) => data.to_vec(),
        Err(_) => serde_json::json!({
            "jti": String::from_utf8_lossy(data), "htm": "POST", "htu": "https://api.test/pay",
            "iat": NOW, "ath": URL_SAFE_NO_PAD.encode(Sha256::digest(b"token")),
        })
        .to_string()
        .into_bytes(),
    };
    let sign = |message: &[u8]| KEY.sign(message).to_bytes().to_vec();
    let proof = jws(header.as_bytes(), &payload, sign);
    let holds = Proof::verify(proof.as_bytes(), &expected());
    for other in [
        Expected {
            method: b"GET",
            ..expected()
        },
        Expected {
            origin: "https://api.test.evil",
            ..expected()
        },
        Expected {
            path: b"/pay/more",
            ..expected()
        },
        Expected {
            access_token: b"other",
            ..expected()
        },
    ] {
        let elsewhere = Proof::verify(proof.as_bytes(), &other);
        assert!(
            holds.is_err() || elsewhere.is_err(),
            "a proof is for one request"
        );
    }
}

fn targets(data: &[u8]) {
    let Ok(uri) = std::str::from_utf8(data) else {
        return;
    };
    if same_target(uri, "https://api.test", b"/pay") {
        for (origin, path) in [
            ("https://api.test.evil", &b"/pay"[..]),
            ("http://api.test", b"/pay"),
            ("https://api.test:444", b"/pay"),
            ("https://api.test", b"/pays"),
        ] {
            assert!(!same_target(uri, origin, path), "{uri} {origin}");
        }
    }
}
