//! Credentials in odd spellings and odd places: who has one is never nobody, and never two.
//! May use the helpers of this test.
//! Must not judge scores.

use serde_json::{Value, json};
use stepgate_testkit::host::Host;
use stepgate_testkit::tokens::{Key, Token, claims, corrupted};

use crate::{ISSUER, KEY, NOW, get, policy, reasons, started, status, token};

/// A policy that names a place of each kind.
fn named() -> Value {
    policy(|policy| {
        policy["credentials"]["tokens"] =
            json!([{}, { "cookie": "access_token" }, { "header": "x-access-token", "scheme": "" }]);
        // The digest of `abc`.
        policy["credentials"]["api_keys"] = json!({
            "header": "x-api-key",
            "query": "api_key",
            "keys": [{ "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }],
        });
    })
}

fn by(host: &mut Host, headers: &[(&str, &str)]) -> (u32, bool) {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect();
    let exchange = get(host, &headers);
    (status(&exchange), reasons(&exchange).contains("anonymous"))
}

#[test]
fn no_spelling_of_a_credential_makes_nobody_of_it() {
    let mut host = started(&named());
    let (good, bad) = (token("alice", 0), corrupted(&token("alice", 0)));
    let spelled = |token: &str, key: &str| {
        [
            ("authorization", format!("bEARER\t{token}")),
            ("cookie", format!("access_token={token}")),
            ("cookie", format!("access_token ={token}")),
            ("cookie", format!("a=b;\taccess_token\t= {token} ; c=d")),
            ("cookie", format!("%61ccess_token={token}")),
            ("cookie", format!("access.token={token}")),
            ("cookie", format!("access%5Btoken={token}")),
            ("x-access-token", token.to_owned()),
            ("x_access_token", token.to_owned()),
            ("x-access_token", token.to_owned()),
            ("x.access.token", token.to_owned()),
            ("x-api-key", key.to_owned()),
            ("X_Api_Key", key.to_owned()),
            ("x~api.key", key.to_owned()),
            (":path", format!("/?api_key={key}")),
            (":path", format!("/?%61pi_key={key}")),
            (":path", format!("/?x=1&api%5Fkey={key}")),
            (":path", format!("/?x=1;api_key={key}")),
            (":path", format!("/?API_KEY={key}")),
            (":path", format!("/?api.key={key}")),
            (":path", format!("/?api+key={key}")),
        ]
    };
    for (name, value) in spelled(&good, "abc") {
        assert_eq!(
            by(&mut host, &[(name, &value)]),
            (200, false),
            "{name}: {value}"
        );
    }
    for (name, value) in spelled(&bad, "abd") {
        assert_eq!(by(&mut host, &[(name, &value)]).0, 401, "{name}: {value}");
    }
    for (name, value) in [
        (
            "cookie",
            "access_tokens=a; my_access_token=b; %access_token=c; access_token%=d",
        ),
        (":path", "/?x=api_key=1&api_keys=2&api%5_key=3"),
        ("x-api-kei", "abd"),
    ] {
        assert_eq!(by(&mut host, &[(name, value)]), (200, true), "{value}");
    }
    for (cookies, answer) in [(999, 200), (1000, 401)] {
        let crowd = format!("{}access_token={good}", "a=b; ".repeat(cookies));
        assert_eq!(by(&mut host, &[("cookie", &crowd)]).0, answer, "{cookies}");
    }
    for twice in [
        [("x-api-key", "abc"), ("x_api_key", "abc")],
        [("cookie", "access_token=a"), ("cookie", "access_token =b")],
    ] {
        assert_eq!(by(&mut host, &twice).0, 401, "{twice:?}");
    }
}

#[test]
fn a_token_under_a_scheme_that_is_not_listed_is_refused() {
    let mut host = started(&named());
    let alice = token("alice", 0);
    for value in [
        alice.clone(),
        format!("Token {alice}"),
        format!("JWT {alice}"),
        format!("DPoP {alice}"),
        format!("Bearer,{alice}"),
        format!("Bearer={alice}"),
        format!("Token token=\"{alice}\""),
        format!("Token {}", corrupted(&alice)),
    ] {
        assert_eq!(
            by(&mut host, &[("authorization", &value)]).0,
            401,
            "{value}"
        );
    }
    for value in [
        "Basic ZXlKaGJHY2lPaUpGWkRJMU5URTU6ZXlKaGJHY2k=",
        "Digest username=\"eyes\", realm=\"edge.eyeglasses-and-lenses.api.test\", uri=\"/e.f.g\"",
        "Token 0123456789abcdef",
        "AWS4-HMAC-SHA256 Credential=AKIA/20250615/us-east-1/s3/aws4_request, Signature=fe5f80",
    ] {
        assert_eq!(
            by(&mut host, &[("authorization", value)]),
            (200, true),
            "{value}"
        );
    }
    // Where nobody is verified here, nobody can be missed.
    let mut host = started(&policy(|policy| policy["credentials"] = json!({})));
    let other = format!("Token {alice}");
    assert_eq!(by(&mut host, &[("authorization", &other)]), (200, true));
}

#[test]
fn a_bound_token_is_no_bearer_token_where_only_dpop_is_listed() {
    let mut host = started(&policy(|policy| {
        policy["credentials"]["tokens"] = json!([{ "scheme": "DPoP" }]);
    }));
    let bound = Token::new(claims(ISSUER, "alice", NOW))
        .claim(
            "cnf",
            json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }),
        )
        .sign(&KEY);
    for scheme in ["Bearer", "DPoP"] {
        let value = format!("{scheme} {bound}");
        assert_eq!(
            by(&mut host, &[("authorization", &value)]).0,
            401,
            "{scheme}"
        );
    }
}

#[test]
fn tokens_in_two_places_name_one_identity() {
    let mut host = started(&named());
    let (alice, mallory) = (token("alice", 0), token("mallory", 0));
    let claims = |name| Token::new(claims(ISSUER, name, NOW));
    let expired = |name| claims(name).claim("exp", NOW - 600).sign(&KEY);
    let unknown = |name| claims(name).sign(&Key::ed25519("rotated"));
    let mut both = |first: &str, second: &str| {
        let bearer = format!("Bearer {first}");
        let cookie = format!("access_token={second}");
        let header = [("authorization", &*bearer), ("x_access_token", second)];
        let found = by(
            &mut host,
            &[("authorization", &bearer), ("cookie", &cookie)],
        );
        assert_eq!(by(&mut host, &header), found, "in whichever place");
        found
    };
    for other in [
        &alice,
        &token("alice", 5),
        &expired("alice"),
        &expired("mallory"),
        &corrupted(&mallory),
        &unknown("alice"),
        "",
        "garbage",
    ] {
        assert_eq!(both(&alice, other), (200, false), "{other}");
    }
    assert_eq!(both(&alice, &mallory).0, 401);
    assert_eq!(both(&mallory, &alice).0, 401);
    // Whose key has not arrived here may be somebody at the API.
    assert_eq!(both(&alice, &unknown("mallory")).0, 401);
    // One that does not verify is not mended by another that does.
    assert_eq!(both(&corrupted(&alice), &alice).0, 401);
    // Two of one kind are none, beside whatever else.
    let bearer = format!("Bearer {alice}");
    let twice = format!("access_token={alice}; access_token={mallory}");
    assert_eq!(
        by(&mut host, &[("authorization", &bearer), ("cookie", &twice)]).0,
        401
    );
    // A token holds beside an API key, and a bad key does not spoil it.
    for key in ["abc", "abd"] {
        assert_eq!(
            by(&mut host, &[("authorization", &bearer), ("x-api-key", key)]),
            (200, false)
        );
    }
}
