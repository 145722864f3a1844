//! Claims that Envoy's own `jwt_authn` verified, as Istio's RequestAuthentication hands them over.
//! May use the native filter in front of the module.
//! Must not configure an issuer in the module.

use serde_json::{Value, json};
use stepgate_testkit::http::Request;
use stepgate_testkit::tokens::{Key, Token, claims, jwks, now};

use crate::contract::{ISSUER, at_home, far_away, reasons};
use crate::gateway::{Gateway, stepgate};

pub(crate) fn jwt_authn(key: &Key) -> Value {
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": { "idp": {
                "issuer": ISSUER,
                "forward": true,
                "payload_in_metadata": "payload",
                "local_jwks": { "inline_string": jwks(&[key]).to_string() },
            } },
            "rules": [{ "match": { "prefix": "/" }, "requires": { "requires_any": { "requirements": [
                { "provider_name": "idp" }, { "allow_missing": {} },
            ] } } }],
        },
    })
}

fn gateway(key: &Key) -> Option<Gateway> {
    let policy = json!({
        "mode": "enforce",
        "baseline": { "memory_mib": 1 },
        "credentials": { "group_claim": "realm.roles" },
        "signals": { "preset": "envoy-geoip" },
    });
    Gateway::with(
        vec![jwt_authn(key), stepgate("stepgate", &policy.to_string())],
        &[],
    )
}

fn login(who: &str, ago: u64) -> Token {
    Token::new(claims(ISSUER, who, now()))
        .claim("auth_time", now() - ago)
        .claim("jti", format!("{who}-{ago}"))
}

#[test]
fn claims_the_proxy_verified_are_believed_whatever_is_in_them() {
    let key = Key::rsa("k1");
    let Some(gateway) = gateway(&key) else { return };
    let deep = (0..40).fold(json!(1), |inner, _| json!({ "more": inner }));
    let wide: Vec<String> = (0..300).map(|n| format!("role-{n}")).collect();
    for (what, token) in [
        ("plain", login("plain", 1)),
        ("null", login("null", 1).claim("nothing", Value::Null)),
        (
            "null time",
            login("null-time", 1).claim("auth_time", Value::Null),
        ),
        (
            "nested",
            login("nested", 1).claim("realm", json!({ "roles": ["a", null, 1, [true]] })),
        ),
        ("deep", login("deep", 1).claim("deep", deep)),
        (
            "wide",
            login("wide", 1).claim("realm", json!({ "roles": wide })),
        ),
        ("scopes", login("scopes", 1).claim("scope", "read write")),
        (
            "float",
            login("float", 1).claim("x", 1.5).claim("huge", 1e300),
        ),
        (
            "empty",
            login("empty", 1)
                .claim("", json!({}))
                .claim("list", json!([])),
        ),
    ] {
        let response = gateway.send(&at_home(&token.sign(&key)));
        assert_eq!(response.status, 200, "{what}: {}", response.text());
        let reasons = reasons(&response);
        assert!(reasons.contains("young-baseline"), "{what}: {reasons}");
        assert!(
            !reasons.contains("unverified") && !reasons.contains("anonymous"),
            "{what}: {reasons}"
        );
    }
    // It is an identity like any other: its journeys are noticed.
    let away = gateway.send(&far_away(&login("plain", 0).sign(&key)));
    assert_eq!(away.status, 401, "{}", away.text());
    assert!(
        away.header("www-authenticate")
            .is_some_and(|text| text.contains("insufficient"))
    );
    // What the proxy did not verify is nobody, and says so.
    let anonymous = gateway.send(&Request::get("/"));
    assert_eq!(reasons(&anonymous), "anonymous");
    assert_eq!(
        gateway
            .send(&at_home(&login("plain", 0).sign(&Key::rsa("k2"))))
            .status,
        401
    );
}
