//! Holds what happens when keys change, are missing or share a name, and when all is well.
//! May use the tokens of `mint`.
//! Must not forge.

use super::mint::*;
use serde_json::json;
use stepgate::token::{Algorithm, Issuer, KeySet, Rejection, verify};

#[test]
fn a_good_token_is_an_identity() {
    let verified = check(&mint(&header(), &claims())).unwrap();
    assert_eq!((verified.issuer, verified.algorithm), (0, Algorithm::EdDSA));
    assert_eq!(verified.kid.as_deref(), Some("k"));
    assert_eq!(verified.valid_until, NOW + 300 + 60 - 1);
    assert_eq!(verified.claims.sub.as_deref(), Some("alice"));
}

#[test]
fn a_rotated_key_is_found_after_the_next_fetch() {
    let mut issuer = issuer();
    let token = mint_text(
        header_with("kid", json!("next")).to_string(),
        claims().to_string(),
        2,
    );
    let check =
        |issuer: &Issuer| verify(token.as_bytes(), std::slice::from_ref(issuer), NOW).map(|_| ());
    assert_eq!(check(&issuer), Err(Rejection::UnknownKey { issuer: 0 }));
    issuer
        .replace_keys(jwks(&[jwk(1, "k"), jwk(2, "next")]))
        .unwrap();
    assert_eq!(check(&issuer), Ok(()));
}

#[test]
fn two_keys_of_one_name_are_both_tried() {
    let issuers = [issuer_of(ISSUER, jwks(&[jwk(2, "k"), jwk(1, "k")]))];
    assert_eq!(
        code(verify(mint(&header(), &claims()).as_bytes(), &issuers, NOW)),
        "ok"
    );
}

#[test]
fn an_issuer_without_keys_says_so() {
    let issuers = [issuer_of(ISSUER, KeySet::default())];
    let result = verify(mint(&header(), &claims()).as_bytes(), &issuers, NOW);
    assert_eq!(result, Err(Rejection::NoKeys { issuer: 0 }));
}

#[test]
fn a_clock_beyond_reason_stops_nothing() {
    let token = mint(&header(), &claims());
    for now in [i64::MIN, -1, 0, i64::MAX] {
        assert!(verify(token.as_bytes(), &[issuer()], now).is_err());
    }
}
