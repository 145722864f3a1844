//! Holds what is true of any bytes: nothing panics, nothing forged passes.
//! May use proptest and the engine's public interface.
//! Must not need luck: a failing case shrinks and is kept as a named test elsewhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;
use stepgate::token::{
    Algorithm, Claims, Issuer, IssuerRules, KeySet, Origin, TokenCache, ecdsa_signature_der, verify,
};

const NOW: i64 = 1_893_456_000;

fn mint(header: &[u8], payload: &[u8]) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = SigningKey::from_bytes(&[1; 32]).sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn good() -> String {
    let payload = format!(
        r#"{{"iss":"i","sub":"alice","aud":"api","exp":{}}}"#,
        NOW + 300
    );
    mint(br#"{"alg":"EdDSA","kid":"k"}"#, payload.as_bytes())
}

fn issuers() -> Vec<Issuer> {
    let x = URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&[1; 32]).verifying_key());
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{x}"}}"#);
    let keys = KeySet::from_jwks(jwk.as_bytes(), Origin::Remote).unwrap();
    let rules = IssuerRules {
        issuer: "i".to_owned(),
        algorithms: vec![Algorithm::EdDSA],
        groups_claim: Some("a.b".to_owned()),
        ..IssuerRules::default()
    };
    vec![Issuer::new(rules, keys).unwrap()]
}

/// Text that looks like JSON and often is.
fn json() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "iss", "sub", "aud", "exp", "nbf", "iat", "cnf", "amr", "acr", "scope", "a", "alg", "kid",
        "typ", "crit", "x",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("\"i\"".to_owned()),
        Just("\"EdDSA\"".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:e}")),
        ".{0,12}".prop_map(|text| serde_json::Value::from(text).to_string()),
        "[\\[\\]{}\",:0-9eE.+-]{0,8}",
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|list| format!("[{}]", list.join(","))),
            prop::collection::vec(("[a-z]{1,2}", inner), 0..4).prop_map(object),
        ]
    });
    prop::collection::vec((name.prop_map(str::to_owned), value), 0..8).prop_map(object)
}

fn object(members: Vec<(String, String)>) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_refused(token in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(verify(&token, &issuers(), NOW).is_err());
    }

    #[test]
    fn any_dotted_text_is_refused(token in "[A-Za-z0-9_-]{0,60}(\\.[A-Za-z0-9_=-]{0,60}){0,5}") {
        prop_assert!(verify(token.as_bytes(), &issuers(), NOW).is_err());
    }

    #[test]
    fn no_changed_token_passes(place in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3) {
        let good = good().into_bytes();
        let mut token = good.clone();
        let place = place.index(token.len());
        match how {
            0 => token[place] = byte,
            1 => token.truncate(place),
            _ => token.insert(place, byte),
        }
        prop_assert_eq!(verify(&token, &issuers(), NOW).is_ok(), token == good);
    }

    #[test]
    fn any_signed_payload_is_read_or_refused(payload in json(), now in any::<i64>()) {
        let token = mint(br#"{"alg":"EdDSA"}"#, payload.as_bytes());
        if let Ok(verified) = verify(token.as_bytes(), &issuers(), now) {
            prop_assert_eq!(verified.claims.iss, "i");
            prop_assert!(verified.claims.sub.is_some_and(|sub| !sub.is_empty()));
            prop_assert!(verified.valid_until >= now);
        }
    }

    #[test]
    fn any_signed_header_is_read_or_refused(header in json()) {
        let payload = format!(r#"{{"iss":"i","sub":"s","exp":{}}}"#, NOW + 1);
        let _ = verify(mint(header.as_bytes(), payload.as_bytes()).as_bytes(), &issuers(), NOW);
    }

    #[test]
    fn any_claims_are_read_or_refused(payload in json(), name in "[a-z.]{0,6}") {
        if let Ok(claims) = Claims::read(payload, Some(&name)) {
            let _ = claims.claim(&name);
            for date in [claims.exp, claims.nbf, claims.iat, claims.auth_time].into_iter().flatten() {
                prop_assert!((0..=253_402_300_799).contains(&date));
            }
        }
    }

    #[test]
    fn any_keys_are_read_or_refused(text in json(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for origin in [Origin::Inline, Origin::Remote] {
            let _ = KeySet::from_jwks(text.as_bytes(), origin);
            let _ = KeySet::from_jwks(format!("{{\"keys\":[{text}]}}").as_bytes(), origin);
            let _ = KeySet::from_jwks(&bytes, origin);
        }
        let body = base64::engine::general_purpose::STANDARD.encode(&bytes);
        for label in ["PUBLIC KEY", "RSA PUBLIC KEY"] {
            let _ = KeySet::from_pem(&format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"), None);
        }
        let _ = KeySet::from_pem(&String::from_utf8_lossy(&bytes), None);
    }

    #[test]
    fn any_signature_has_one_der_form_or_none(raw in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(ecdsa_signature_der(&raw).is_some(), matches!(raw.len(), 64 | 96));
    }

    #[test]
    fn a_cache_never_answers_for_another(keys in prop::collection::vec((any::<u128>(), 0..3_u64, 0..9_i64), 0..200)) {
        let mut cache = TokenCache::new(1024);
        for (now, (digest, generation, valid)) in keys.iter().enumerate() {
            cache.insert(*digest, *generation, now as i64 + valid, now as i64, *digest);
            prop_assert_eq!(cache.get(*digest, *generation, now as i64), Some(digest));
        }
        for (digest, ..) in &keys {
            prop_assert_eq!(cache.get(digest ^ 1, 0, 0), None);
        }
    }
}
