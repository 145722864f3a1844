//! Holds the list of RFC 8725 (JSON Web Token Best Current Practices), section by section.
//! May use the tokens of `mint` and `libraries`.
//! Must not skip a section that concerns a verifier.

use super::libraries::cases;
use super::mint::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::{Sha256, Sha512};
use stepgate::token::{Algorithm, Issuer, IssuerRules, KeySet, Origin, Rejection, verify};

#[test]
fn rfc8725_2_1_alg_none_in_any_spelling() {
    for alg in ["none", "None", "NONE", "nOnE"] {
        let message = format!(
            "{}.{}",
            b64(header_with("alg", json!(alg)).to_string()),
            b64(claims().to_string())
        );
        assert_eq!(code(check(&format!("{message}."))), "token-alg-none");
        assert_eq!(
            code(check(&mint(&header_with("alg", json!(alg)), &claims()))),
            "token-alg-none"
        );
    }
}

fn mac<M: Mac + KeyInit>(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let mac = <M as Mac>::new_from_slice(secret).unwrap();
    mac.chain_update(message).finalize().into_bytes().to_vec()
}

#[test]
fn rfc8725_2_1_hmac_with_the_public_key() {
    let case = cases()
        .into_iter()
        .find(|case| case.name.ends_with("RS256"))
        .unwrap();
    let pem = case.pem.unwrap();
    let issuer = Issuer::new(case.rules, case.keys[1].clone()).unwrap();
    for alg in ["HS256", "HS512"] {
        let header = json!({"alg": alg, "typ": "JWT"}).to_string();
        let message = format!("{}.{}", b64(header), case.token.split('.').nth(1).unwrap());
        let (secret, signed) = (pem.as_bytes(), message.as_bytes());
        let signature = match alg {
            "HS256" => mac::<Hmac<Sha256>>(secret, signed),
            _ => mac::<Hmac<Sha512>>(secret, signed),
        };
        let forged = format!("{message}.{}", b64(signature));
        assert_eq!(
            verify(forged.as_bytes(), std::slice::from_ref(&issuer), NOW),
            Err(Rejection::AlgMismatch)
        );
    }
}

#[test]
fn rfc8725_3_1_algorithms_are_pinned_per_issuer() {
    for alg in [
        "RS256", "ES256", "PS512", "ES512", "ES256K", "eddsa", "", "HS1", "RSA-OAEP",
    ] {
        assert_eq!(
            code(check(&mint(&header_with("alg", json!(alg)), &claims()))),
            "token-alg-not-allowed",
            "{alg}"
        );
    }
    for alg in [
        json!(1),
        json!(["EdDSA"]),
        json!(null),
        json!({"alg": "EdDSA"}),
    ] {
        assert_eq!(
            code(check(&mint(&header_with("alg", alg), &claims()))),
            "token-garbage"
        );
    }
}

#[test]
fn rfc8725_3_1_a_key_is_used_with_its_own_algorithm() {
    let mut key = jwk(1, "k");
    key["alg"] = json!("EdDSA");
    let rules = rules(ISSUER, &[Algorithm::EdDSA, Algorithm::ES256]);
    let issuer = Issuer::new(rules, jwks(&[key])).unwrap();
    let token = mint(&header_with("alg", json!("ES256")), &claims());
    assert_eq!(
        verify(token.as_bytes(), &[issuer], NOW),
        Err(Rejection::AlgMismatch)
    );
}

#[test]
fn rfc8725_3_2_weak_rsa_keys_are_refused() {
    let weak = json!({"keys": [{"kty": "RSA", "n": b64([0xff; 128]), "e": "AQAB"}, jwk(1, "k")]})
        .to_string();
    assert!(
        KeySet::from_jwks(weak.as_bytes(), Origin::Inline)
            .unwrap_err()
            .contains("1024 bits")
    );
    assert_eq!(
        KeySet::from_jwks(weak.as_bytes(), Origin::Remote)
            .unwrap()
            .skipped()
            .len(),
        1
    );
}

#[test]
fn rfc8725_3_2_weak_curves_and_keys_of_other_kinds_are_no_keys() {
    let point = |crv: &str, bytes: usize| json!({"kty": "EC", "crv": crv, "kid": "k", "x": b64(vec![2; bytes]), "y": b64(vec![3; bytes])});
    let weak = [
        point("P-192", 24),
        point("secp256k1", 32),
        point("P-521", 66),
        json!({"kty": "OKP", "crv": "X25519", "kid": "k", "x": b64([2; 32])}),
        json!({"kty": "oct", "kid": "k", "k": b64([2; 32])}),
        json!({"kty": "RSA", "kid": "k", "n": b64([0xff; 256]), "e": "AQ"}),
        json!({"kty": "RSA", "kid": "k", "n": b64([0xff; 1024]), "e": "AQAB"}),
    ];
    let only_weak = json!({ "keys": weak }).to_string();
    let refused = KeySet::from_jwks(only_weak.as_bytes(), Origin::Remote).unwrap_err();
    assert!(
        refused.starts_with("a JWKS without a usable key"),
        "{refused}"
    );
    // Beside a good one of the same name they are left out, named, and in nobody's way.
    let mut keys = weak.to_vec();
    keys.push(jwk(1, "k"));
    let set = jwks(&keys);
    assert_eq!((set.keys().len(), set.skipped().len()), (1, weak.len()));
    let issuer = issuer_of(ISSUER, set);
    assert_eq!(
        code(verify(
            mint(&header(), &claims()).as_bytes(),
            &[issuer],
            NOW
        )),
        "ok"
    );
}

#[test]
fn rfc8725_3_3_every_bit_of_the_signature_counts() {
    let token = mint(&header(), &claims());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for place in 0..signature.len() {
        let mut broken = signature.clone();
        broken[place] ^= 1;
        assert_eq!(
            code(check(&format!("{message}.{}", b64(broken)))),
            "token-bad-signature"
        );
        assert_eq!(
            code(check(&format!("{message}.{}", b64(&signature[..place])))),
            "token-bad-signature"
        );
    }
    let longer = [signature.as_slice(), &[0]].concat();
    assert_eq!(
        code(check(&format!("{message}.{}", b64(longer)))),
        "token-bad-signature"
    );
    assert_eq!(code(check(&format!("{message}."))), "token-bad-signature");
}

#[test]
fn rfc8725_3_4_a_point_off_the_curve_is_no_key() {
    let off =
        json!({"kty": "EC", "crv": "P-256", "x": b64([4; 32]), "y": b64([4; 32])}).to_string();
    assert_eq!(
        KeySet::from_jwks(off.as_bytes(), Origin::Inline).unwrap_err(),
        "keys[0]: not a point of its curve"
    );
}

#[test]
fn rfc8725_3_4_an_ecdsa_signature_of_zeros_is_none() {
    let point = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let point = point.verifying_key().to_sec1_point(false);
    let key = json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": b64(point.x().unwrap()), "y": b64(point.y().unwrap())});
    let issuer = Issuer::new(rules(ISSUER, &[Algorithm::ES256]), jwks(&[key])).unwrap();
    let message = format!(
        "{}.{}",
        b64(header_with("alg", json!("ES256")).to_string()),
        b64(claims().to_string())
    );
    for signature in [[0; 64], [0xff; 64], [1; 64]] {
        let token = format!("{message}.{}", b64(signature));
        let result = verify(token.as_bytes(), std::slice::from_ref(&issuer), NOW);
        assert_eq!(result, Err(Rejection::BadSignature));
    }
}

#[test]
fn rfc8725_3_5_short_secrets_are_refused() {
    assert_eq!(
        KeySet::from_secret(b"secret", None).unwrap_err(),
        "a secret of 6 bytes: at least 32 are needed"
    );
    let keys = KeySet::from_secret(&[7; 32], None).unwrap();
    assert!(Issuer::new(rules(ISSUER, &[Algorithm::HS512]), keys).is_err());
}

#[test]
fn rfc8725_3_6_encrypted_and_compressed_tokens_are_not_opened() {
    let jwe = format!(
        "{}.a.b.c.d",
        b64(r#"{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF"}"#)
    );
    assert_eq!(code(check(&jwe)), "token-encrypted");
}

#[test]
fn rfc8725_3_7_only_utf8_is_json() {
    let payload = [
        br#"{"iss":"https://idp.example","sub":""#.as_slice(),
        &[0xff, 0xfe],
        br#""}"#,
    ]
    .concat();
    assert_eq!(
        code(check(&mint_text(header().to_string(), payload, 1))),
        "token-garbage"
    );
    let utf16: Vec<u8> = claims()
        .to_string()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(
        code(check(&mint_text(header().to_string(), utf16, 1))),
        "token-garbage"
    );
}

#[test]
fn rfc8725_3_8_another_issuers_key_does_not_sign_for_this_one() {
    let other = "https://tenant-b.example";
    let issuers = [issuer(), issuer_of(other, jwks(&[jwk(2, "k")]))];
    let foreign = mint_text(header().to_string(), claims().to_string(), 2);
    assert_eq!(
        verify(foreign.as_bytes(), &issuers, NOW),
        Err(Rejection::BadSignature)
    );
    let own = mint_text(
        header().to_string(),
        claims_with("iss", json!(other)).to_string(),
        2,
    );
    assert_eq!(verify(own.as_bytes(), &issuers, NOW).unwrap().issuer, 1);
}

#[test]
fn rfc8725_3_8_the_issuer_is_compared_whole() {
    for iss in [
        "https://idp.example/",
        "https://IDP.example",
        "idp.example",
        "",
        " https://idp.example",
        "https://idp.example\0",
    ] {
        assert_eq!(
            code(check(&mint(&header(), &claims_with("iss", json!(iss))))),
            "token-unknown-issuer"
        );
    }
    assert_eq!(
        code(check(&mint(
            &header(),
            &claims_with("iss", json!([ISSUER]))
        ))),
        "token-malformed-claim"
    );
    assert_eq!(
        code(check(&mint(&header(), &claims_with("iss", json!(null))))),
        "token-missing-claim"
    );
    assert_eq!(
        code(verify(mint(&header(), &claims()).as_bytes(), &[], NOW)),
        "token-unknown-issuer"
    );
}

#[test]
fn rfc8725_3_8_a_subject_is_required() {
    let missing = Rejection::MissingClaim {
        claim: "sub".to_owned(),
    };
    assert_eq!(
        check(&mint(&header(), &claims_with("sub", json!(null)))),
        Err(missing)
    );
    for sub in [json!(""), json!(7), json!(["alice"]), json!({"a": 1})] {
        assert_eq!(
            code(check(&mint(&header(), &claims_with("sub", sub)))),
            "token-malformed-claim"
        );
    }
}

#[test]
fn rfc8725_3_9_the_audience_is_us() {
    for aud in [
        json!("other"),
        json!(["a", "b"]),
        json!([]),
        json!("API"),
        json!("api other"),
        json!(null),
    ] {
        assert_eq!(
            code(check(&mint(&header(), &claims_with("aud", aud)))),
            "token-wrong-audience"
        );
    }
    assert_eq!(
        code(check(&mint(
            &header(),
            &claims_with("aud", json!(["other", "api"]))
        ))),
        "ok"
    );
    assert_eq!(
        code(check(&mint(
            &header(),
            &claims_with("aud", json!({"api": 1}))
        ))),
        "token-malformed-claim"
    );
}

#[test]
fn rfc8725_3_10_a_kid_is_only_compared() {
    for kid in [
        "../../dev/null",
        "/etc/passwd",
        "k' OR '1'='1",
        "k|id",
        "k\0",
        "K",
        "",
        "https://evil.example/k",
    ] {
        let result = check(&mint(&header_with("kid", json!(kid)), &claims()));
        assert_eq!(result, Err(Rejection::UnknownKey { issuer: 0 }), "{kid}");
    }
    for kid in [
        json!(1),
        json!({"k": 1}),
        json!(["k"]),
        json!("k".repeat(257)),
    ] {
        assert_eq!(
            code(check(&mint(&header_with("kid", kid), &claims()))),
            "token-garbage"
        );
    }
    assert_eq!(
        code(check(&mint(&header_with("kid", json!(null)), &claims()))),
        "ok"
    );
}

#[test]
fn rfc8725_3_10_a_kid_that_is_no_text_is_garbage() {
    for kid in [
        &b"\xff\xfe"[..],
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\\uzzzz",
        b"k\r\n",
        b"\"",
    ] {
        let header = [&br#"{"alg":"EdDSA","kid":""#[..], kid, br#""}"#].concat();
        let token = mint_text(header, claims().to_string(), 1);
        assert_eq!(
            code(check(&token)),
            "token-garbage",
            "{}",
            kid.escape_ascii()
        );
    }
}

#[test]
fn rfc8725_3_10_keys_of_one_name_cost_at_most_four_signatures_and_fit_their_algorithm() {
    // Of other kinds under the same name none is tried; of the same kind four at most.
    let mut keys: Vec<_> = (2..=5).map(|seed| jwk(seed, "k")).collect();
    keys.push(jwk(1, "k"));
    let issuer = issuer_of(ISSUER, jwks(&keys));
    let fifth = verify(mint(&header(), &claims()).as_bytes(), &[issuer], NOW);
    assert_eq!(code(fifth), "token-bad-signature");
    keys.swap(0, 4);
    let issuer = issuer_of(ISSUER, jwks(&keys));
    let first = verify(mint(&header(), &claims()).as_bytes(), &[issuer], NOW);
    assert_eq!(code(first), "ok");
}

#[test]
fn rfc8725_3_10_keys_that_come_with_the_token_are_ignored() {
    let evil = "https://evil.example/keys";
    for (name, value) in [
        ("jwk", jwk(2, "k")),
        ("jku", json!(evil)),
        ("x5u", json!(evil)),
        ("x5c", json!(["AAAA"])),
    ] {
        let header = header_with(name, value).to_string();
        let forged = mint_text(&header, claims().to_string(), 2);
        assert_eq!(code(check(&forged)), "token-bad-signature", "{name}");
        let honest = mint_text(&header, claims().to_string(), 1);
        assert_eq!(code(check(&honest)), "ok", "{name}");
    }
}

#[test]
fn rfc8725_3_11_explicit_types() {
    let own = IssuerRules {
        types: vec!["at+jwt".to_owned()],
        ..rules(ISSUER, &[Algorithm::EdDSA])
    };
    let strict = Issuer::new(own, jwks(&[jwk(1, "k")])).unwrap();
    for (typ, expected) in [
        (json!("at+jwt"), "ok"),
        (json!("application/AT+JWT"), "ok"),
        (json!("JWT"), "token-wrong-type"),
        (json!(null), "token-wrong-type"),
        (json!(1), "token-garbage"),
    ] {
        let token = mint(&header_with("typ", typ), &claims());
        assert_eq!(
            code(verify(token.as_bytes(), std::slice::from_ref(&strict), NOW)),
            expected
        );
    }
}

#[test]
fn rfc8725_3_12_tokens_of_other_kinds_are_not_access_tokens() {
    for typ in [
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
        "entity-statement+jwt",
    ] {
        assert_eq!(
            code(check(&mint(&header_with("typ", json!(typ)), &claims()))),
            "token-wrong-type"
        );
    }
}
