//! Holds the tokens other libraries minted, and the vectors of RFC 7515.
//! May use `tests/fixtures/tokens.json`.
//! Must not mint.

use super::mint::code;
use serde_json::{Value, json};
use stepgate::token::{Issuer, IssuerRules, KeySet, Origin, algorithm, verify};

const FIXTURES: &str = include_str!("../fixtures/tokens.json");

pub(super) struct Case {
    pub(super) name: String,
    pub(super) token: String,
    now: i64,
    pub(super) keys: Vec<KeySet>,
    pub(super) rules: IssuerRules,
    jwk: Value,
    pub(super) pem: Option<String>,
    expect: Value,
}

pub(super) fn cases() -> Vec<Case> {
    let fixtures: Value = serde_json::from_str(FIXTURES).unwrap();
    fixtures["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(read_case)
        .collect()
}

fn read_case(case: &Value) -> Case {
    let text = |name: &str| case[name].as_str().map(str::to_owned);
    let mut keys =
        vec![KeySet::from_jwks(case["jwk"].to_string().as_bytes(), Origin::Inline).unwrap()];
    keys.extend(text("pem").map(|pem| KeySet::from_pem(&pem, None).unwrap()));
    let rules = IssuerRules {
        issuer: text("issuer").unwrap(),
        audiences: text("audience").into_iter().collect(),
        algorithms: vec![algorithm(&text("algorithm").unwrap()).unwrap()],
        required: vec!["exp".to_owned()],
        ..IssuerRules::default()
    };
    Case {
        name: text("name").unwrap(),
        token: text("token").unwrap(),
        now: case["now"].as_i64().unwrap(),
        keys,
        rules,
        jwk: case["jwk"].clone(),
        pem: text("pem"),
        expect: case["expect"].clone(),
    }
}

#[test]
fn tokens_of_other_libraries_verify_with_jwk_and_pem() {
    let cases = cases();
    assert!(cases.len() >= 30);
    for case in &cases {
        for keys in &case.keys {
            let issuer = Issuer::new(case.rules.clone(), keys.clone()).unwrap();
            let verified = verify(case.token.as_bytes(), &[issuer], case.now);
            let claims = verified
                .unwrap_or_else(|error| panic!("{}: {error}", case.name))
                .claims;
            assert!(claims.malformed.is_empty(), "{}", case.name);
            let read = json!({
                "sub": claims.sub, "exp": claims.exp, "auth_time": claims.auth_time, "amr": claims.amr,
                "scope": claims.scope, "acr": claims.acr, "client_id": claims.client_id, "sid": claims.sid,
            });
            for (name, value) in case.expect.as_object().unwrap() {
                assert_eq!(&read[name], value, "{}: {name}", case.name);
            }
        }
    }
}

#[test]
fn tokens_of_other_libraries_end_and_belong() {
    for case in cases() {
        let issuer = Issuer::new(case.rules.clone(), case.keys[0].clone()).unwrap();
        let late = verify(
            case.token.as_bytes(),
            std::slice::from_ref(&issuer),
            case.now + 400,
        );
        assert_eq!(code(late), "token-expired", "{}", case.name);
        let others = IssuerRules {
            audiences: vec!["other-api".to_owned()],
            ..case.rules.clone()
        };
        let others = Issuer::new(others, case.keys[0].clone()).unwrap();
        assert_eq!(
            code(verify(case.token.as_bytes(), &[others], case.now)),
            "token-wrong-audience"
        );
        let unknown = IssuerRules {
            issuer: "https://other.example".to_owned(),
            ..case.rules
        };
        let unknown = Issuer::new(unknown, case.keys[0].clone()).unwrap();
        assert_eq!(
            code(verify(case.token.as_bytes(), &[unknown], case.now)),
            "token-unknown-issuer"
        );
    }
}

#[test]
fn no_key_verifies_the_token_of_another() {
    let cases = cases();
    let number = |case: &Case| ["n", "x", "k"].map(|part| case.jwk[part].clone());
    for case in &cases {
        // Two libraries of one language share keys.
        for other in cases.iter().filter(|other| number(other) != number(case)) {
            let Ok(issuer) = Issuer::new(case.rules.clone(), other.keys.last().unwrap().clone())
            else {
                continue;
            };
            let result = verify(case.token.as_bytes(), &[issuer], case.now);
            assert!(
                result.is_err(),
                "{} with the key of {}",
                case.name,
                other.name
            );
        }
    }
}
