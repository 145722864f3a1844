//! Holds what the OWASP cheat sheet and testing guide (WSTG-SESS-10) add to RFC 8725.
//! May use the tokens of `mint`.
//! Must not repeat `rfc8725`.

use super::mint::*;
use serde_json::json;
use stepgate::token::{Algorithm, Issuer, IssuerRules, Rejection, verify};

#[test]
fn owasp_expired_not_yet_valid_and_from_the_future() {
    let case = |name, at: i64| code(check(&mint(&header(), &claims_with(name, json!(at)))));
    assert_eq!(
        (case("exp", NOW - 59), case("exp", NOW - 60)),
        ("ok", "token-expired")
    );
    assert_eq!(
        (case("nbf", NOW + 60), case("nbf", NOW + 61)),
        ("ok", "token-not-yet-valid")
    );
    assert_eq!(
        (case("iat", NOW + 60), case("iat", NOW + 61)),
        ("ok", "token-issued-in-future")
    );
}

#[test]
fn owasp_a_token_without_end_is_refused() {
    assert_eq!(
        code(check(&mint(&header(), &claims_with("exp", json!(null))))),
        "token-missing-claim"
    );
    for exp in [
        "-1",
        "1e99",
        "9999999999999999999999",
        "\"2100\"",
        "true",
        "[]",
        "{}",
        "253402300800",
    ] {
        let payload = format!(r#"{{"iss":"{ISSUER}","sub":"a","aud":"api","exp":{exp}}}"#);
        let result = code(check(&mint_text(header().to_string(), payload, 1)));
        assert_eq!(result, "token-malformed-claim", "{exp}");
    }
}

#[test]
fn owasp_a_changed_payload_is_noticed() {
    let token = mint(&header(), &claims());
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts[1] = b64(claims_with("sub", json!("admin")).to_string());
    assert_eq!(code(check(&parts.join("."))), "token-bad-signature");
}

#[test]
fn owasp_a_token_says_everything_once() {
    let payload = format!(
        r#"{{"iss":"{ISSUER}","sub":"alice","aud":"api","exp":{},"s\u0075b":"admin"}}"#,
        NOW + 9
    );
    assert_eq!(
        code(check(&mint_text(header().to_string(), payload, 1))),
        "token-duplicate-member"
    );
    let header = r#"{"alg":"EdDSA","kid":"k","alg":"none"}"#;
    assert_eq!(
        code(check(&mint_text(header, claims().to_string(), 1))),
        "token-duplicate-member"
    );
}

#[test]
fn owasp_critical_headers_are_not_understood() {
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("b64", json!(false)),
    ] {
        assert_eq!(
            code(check(&mint(&header_with(name, value), &claims()))),
            "token-critical-header"
        );
    }
}

#[test]
fn owasp_oversized_tokens_are_not_looked_at() {
    let token = mint(&header(), &claims_with("pad", json!("x".repeat(8 * 1024))));
    assert_eq!(code(check(&token)), "token-oversized");
    let small = IssuerRules {
        max_bytes: 256,
        ..rules(ISSUER, &[Algorithm::EdDSA])
    };
    let small = Issuer::new(small, jwks(&[jwk(1, "k")])).unwrap();
    let large = issuer_of("https://other.example", jwks(&[jwk(1, "k")]));
    let token = mint(&header(), &claims_with("pad", json!("x".repeat(256))));
    assert_eq!(
        verify(token.as_bytes(), &[small, large], NOW),
        Err(Rejection::Oversized)
    );
}

#[test]
fn owasp_garbage_is_garbage() {
    let good = mint(&header(), &claims());
    let (head, tail) = good.split_once('.').unwrap();
    let with_newline = format!("{head}.\n{tail}");
    let standard_alphabet = format!("{}.{tail}", "+/+/");
    for token in [
        "",
        ".",
        "..",
        "...",
        "....",
        "a.b",
        "a.b.c",
        "e30.e30.",
        "e30.e30.e30",
        "null",
        "Bearer x",
        "W10.W10.W10",
        "\0.\0.\0",
        "é.é.é",
        &format!("{good}="),
        &format!(" {good}"),
        &format!("{good} "),
        &format!("{good}."),
        &format!("{head}=.{tail}"),
        &with_newline,
        &standard_alphabet,
        &good.replace('.', ","),
        &format!("{good}.x"),
    ] {
        let expected = if token == "...." {
            "token-encrypted"
        } else {
            "token-garbage"
        };
        assert_eq!(code(check(token)), expected, "{token:?}");
    }
    assert_eq!(
        code(verify(&[0xff, b'.', 0xfe, b'.', 0xfd], &[issuer()], NOW)),
        "token-garbage"
    );
}

#[test]
fn owasp_stray_bits_make_no_second_spelling() {
    let token = mint(&header(), &claims());
    let last = token.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.find(last).unwrap();
    let other = alphabet.chars().nth(place ^ 1).unwrap();
    assert_eq!(
        code(check(&format!(
            "{}{other}",
            token.strip_suffix(last).unwrap()
        ))),
        "token-garbage"
    );
}

#[test]
fn owasp_a_bound_token_says_to_what() {
    let cnf = json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"});
    let claims = check(&mint(&header(), &claims_with("cnf", cnf)))
        .unwrap()
        .claims;
    assert!(claims.cnf.unwrap().x5t_s256.unwrap().starts_with("bwcK"));
    assert_eq!(
        code(check(&mint(&header(), &claims_with("cnf", json!("x"))))),
        "token-malformed-claim"
    );
}
