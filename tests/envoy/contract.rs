//! The header contract on the wire: what upstream and client get when a request is allowed, challenged, solved, denied.
//! May use one gateway a test.
//! Must not depend on how strong a piece of evidence is, only on its reason.

use serde_json::{Value, json};
use stepgate_testkit::http::{Request, Response};
use stepgate_testkit::tokens::{Key, Token, claims, now};

use crate::gateway::{Gateway, listener, module, stepgate};

pub(crate) const ISSUER: &str = "https://idp.test";

pub(crate) fn policy(key: &Key) -> Value {
    json!({
        "mode": "enforce",
        "hash_key": "a secret of the envoy tests",
        "credentials": {
            "issuers": [{ "issuer": ISSUER, "algorithms": [key.alg().name()], "keys": { "keys": [key.jwk()] } }],
        },
        "signals": { "preset": "envoy-geoip" },
        "baseline": { "memory_mib": 1 },
        "challenge": { "acr_values": ["urn:test:mfa"], "max_age": 600 },
    })
}

/// A login of `who`, so many seconds ago.
pub(crate) fn token(key: &Key, who: &str, ago: u64) -> Token {
    let _ = key;
    Token::new(claims(ISSUER, who, now()))
        .claim("auth_time", now() - ago)
        .claim("jti", format!("{who}-{ago}"))
}

pub(crate) fn at_home(token: &str) -> Request {
    Request::get("/orders")
        .bearer(token)
        .header("x-forwarded-for", "81.2.69.142")
        .header("x-geo-country", "GB")
        .header("x-geo-asn", "AS12576")
        .header("user-agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36")
}

pub(crate) fn far_away(token: &str) -> Request {
    Request::get("/orders")
        .bearer(token)
        .header("x-forwarded-for", "1.128.3.4")
        .header("x-geo-country", "AU")
        .header("x-geo-asn", "AS1221")
        .header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        )
}

pub(crate) fn reasons(response: &Response) -> String {
    response
        .echoed()
        .text("x-stepgate-reasons")
        .unwrap_or_default()
}

#[test]
fn an_allowed_request_carries_the_whole_contract() {
    let key = Key::rsa("k1");
    let Some(gateway) = Gateway::start(&policy(&key)) else {
        return;
    };
    let bearer = token(&key, "alice", 0).sign(&key);
    let response = gateway.send(&at_home(&bearer).header("x-other", "kept"));
    assert_eq!(response.status, 200, "{}", response.text());
    let upstream = response.echoed();
    let one = |name: &str| {
        let values = upstream.all(name);
        assert_eq!(values.len(), 1, "{name}: {upstream:?}");
        String::from_utf8_lossy(values[0]).into_owned()
    };
    assert_eq!(one("x-stepgate-decision"), "allow");
    assert_eq!(one("x-stepgate-mode"), "enforce");
    assert!(
        one("x-stepgate-score")
            .parse::<u8>()
            .is_ok_and(|score| score <= 100)
    );
    assert_eq!(one("x-stepgate-reasons"), "young-baseline");
    let id = one("x-stepgate-id");
    assert!(
        id.starts_with(|first: char| first.is_ascii_lowercase()),
        "{id}"
    );
    assert!(id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    assert!(!upstream.has("x-stepgate-would"));
    assert_eq!(one("x-other"), "kept");
    assert_eq!(one("authorization"), format!("Bearer {bearer}"));
    // The client learns nothing.
    let names: Vec<_> = response
        .headers
        .0
        .iter()
        .map(|(name, _)| String::from_utf8_lossy(name))
        .collect();
    assert!(
        !names.iter().any(|name| name.starts_with("x-stepgate")),
        "{names:?}"
    );
    // Every decision has its own id.
    let again = gateway.send(&at_home(&bearer));
    assert_ne!(again.echoed().text("x-stepgate-id"), Some(id));
}

#[test]
fn a_journey_is_challenged_and_solved_and_later_denied() {
    let key = Key::rsa("k1");
    let Some(gateway) = Gateway::start(&policy(&key)) else {
        return;
    };
    let mint = |ago, acr: Value| {
        token(&key, "alice", ago)
            .claim("sid", "s1")
            .claim("acr", acr)
            .sign(&key)
    };
    assert_eq!(gateway.send(&at_home(&mint(500, Value::Null))).status, 200);

    let challenge = gateway.send(&far_away(&mint(400, Value::Null)));
    assert_eq!(challenge.status, 401, "{}", challenge.text());
    let authenticate = challenge.header("www-authenticate").unwrap();
    for part in [
        "Bearer error=\"insufficient_user_authentication\"",
        "acr_values=\"urn:test:mfa\"",
        "max_age=600",
    ] {
        assert!(authenticate.contains(part), "{authenticate}");
    }
    assert_eq!(
        challenge.header("content-type").as_deref(),
        Some("application/problem+json")
    );
    assert_eq!(
        challenge.header("cache-control").as_deref(),
        Some("no-store")
    );
    assert_eq!(
        challenge.header("x-stepgate-decision").as_deref(),
        Some("step-up")
    );
    let problem = challenge.json();
    assert_eq!(
        (&problem["status"], &problem["decision"]),
        (&json!(401), &json!("step-up"))
    );
    assert_eq!(
        problem["id"].as_str(),
        challenge.header("x-stepgate-id").as_deref()
    );
    let told = format!("{:?} {problem}", challenge.headers);
    for secret in ["score", "impossible", "new-", "nats"] {
        assert!(
            !told.contains(secret),
            "the client is told of `{secret}`: {told}"
        );
    }

    // Asking again without an answer is asked again.
    assert_eq!(gateway.send(&far_away(&mint(399, Value::Null))).status, 401);

    let solved = gateway.send(&far_away(&mint(0, json!("urn:test:mfa"))));
    assert_eq!(solved.status, 200, "{}", solved.text());
    assert!(
        reasons(&solved).contains("stepped-up"),
        "{}",
        reasons(&solved)
    );

    // Somebody with a history that is not young: twelve logins at home, then from the other end of the world.
    for ago in (20..32).rev() {
        let login = token(&key, "bob", ago).sign(&key);
        assert_eq!(gateway.send(&at_home(&login)).status, 200);
    }
    let denied = gateway.send(&far_away(&token(&key, "bob", 10).sign(&key)));
    assert_eq!(denied.status, 403, "{}", denied.text());
    assert_eq!(
        denied.header("x-stepgate-decision").as_deref(),
        Some("deny")
    );
    assert!(!denied.headers.has("www-authenticate"));
    assert_eq!(denied.json()["decision"], "deny");
    assert_eq!(gateway.upstream.hits("/orders"), 14);
}

#[test]
fn shadow_mode_blocks_nothing_and_says_what_it_would() {
    let key = Key::ed25519("k1");
    let mut policy = policy(&key);
    policy["mode"] = json!("shadow");
    let Some(gateway) = Gateway::start(&policy) else {
        return;
    };
    assert_eq!(
        gateway
            .send(&at_home(&token(&key, "alice", 20).sign(&key)))
            .status,
        200
    );
    let away = gateway.send(&far_away(&token(&key, "alice", 10).sign(&key)));
    assert_eq!(away.status, 200);
    let upstream = away.echoed();
    assert_eq!(
        upstream.text("x-stepgate-decision").as_deref(),
        Some("allow")
    );
    assert_eq!(
        upstream.text("x-stepgate-would").as_deref(),
        Some("step-up")
    );
    assert_eq!(upstream.text("x-stepgate-mode").as_deref(), Some("shadow"));
    assert!(
        reasons(&away).contains("impossible-travel"),
        "{}",
        reasons(&away)
    );
}

#[test]
fn grpc_and_upgrades_are_refused_in_their_own_words() {
    let key = Key::ed25519("k1");
    let mut policy = policy(&key);
    policy["tiers"] = json!([{ "name": "all", "paths": ["/**"], "require_identity": true }]);
    let Some(gateway) = Gateway::start(&policy) else {
        return;
    };
    let grpc = Request::new("POST", "/shop.Cart/Add")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(b"\0\0\0\0\0");
    let refused = gateway.send(&grpc);
    assert_eq!(refused.status, 200);
    assert_eq!(refused.header("grpc-status").as_deref(), Some("16"));
    let upgrade = Request::get("/socket")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13");
    assert_eq!(gateway.send(&upgrade).status, 401);
    assert!(gateway.upstream.received().is_empty());
    let allowed = upgrade.bearer(&token(&key, "alice", 0).sign(&key));
    gateway.send(&allowed);
    let arrived = gateway.upstream.received().pop().unwrap();
    assert_eq!(
        arrived.headers.text("x-stepgate-decision").as_deref(),
        Some("allow")
    );
    assert_eq!(
        arrived.headers.text("upgrade").as_deref(),
        Some("websocket")
    );
}

#[test]
fn two_policies_in_one_envoy_do_not_mix() {
    if module().is_none() {
        return;
    }
    let key = Key::ed25519("k1");
    let enforcing = policy(&key);
    let mut watching = enforcing.clone();
    watching["mode"] = json!("shadow");
    let gateway = Gateway::of(
        &[
            listener("one", vec![stepgate("one", &enforcing.to_string())]),
            listener("two", vec![stepgate("two", &watching.to_string())]),
        ],
        &[],
    );
    let (one, two) = (gateway.envoy.listener("one"), gateway.envoy.listener("two"));
    let home = at_home(&token(&key, "alice", 20).sign(&key));
    let away = far_away(&token(&key, "alice", 10).sign(&key));
    assert_eq!(home.send(one).unwrap().status, 200);
    // What one has learned the other does not know.
    let unknown = away.send(two).unwrap();
    assert!(
        !reasons(&unknown).contains("impossible-travel"),
        "{}",
        reasons(&unknown)
    );
    assert_eq!(
        unknown.echoed().text("x-stepgate-mode").as_deref(),
        Some("shadow")
    );
    assert_eq!(away.send(one).unwrap().status, 401);
}
