//! The OWASP cheat sheet on JSON Web Tokens ("for Java", whose list is every verifier's), item by item, in the built module.
//! May use the helpers of this test.
//! Must not skip an item: where the filter can only do a part, the test shows that part.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stepgate_testkit::host::{Exchange, Host};
use stepgate_testkit::tokens::{self, Key, Token, base64url};

use crate::{
    ISSUER, KEY, NOW, bearer, call, get, policy, reasons, start, started, status, token, vm,
};

fn alice() -> Token {
    Token::new(tokens::claims(ISSUER, "alice", NOW))
}

fn challenge(exchange: &Exchange) -> String {
    let reply = exchange.reply.as_ref().unwrap();
    reply.headers.text("www-authenticate").unwrap_or_default()
}

#[test]
fn owasp_jwt_none_hashing_algorithm() {
    let mut host = started(&policy(|_| {}));
    for alg in ["none", "None", "NONE", "nOnE"] {
        let unsigned = alice().header("alg", alg).unsigned();
        let signed = alice().header("alg", alg).sign(&KEY);
        for token in [unsigned, signed] {
            assert_eq!(status(&call(&mut host, &token, "200")), 401, "{alg}");
        }
    }
    // Nor does leaving the algorithm to the token help: the policy names it.
    for alg in ["HS256", "RS256", "ES256", "PS256", "ES512", "", "eddsa"] {
        let token = alice().header("alg", alg).sign(&KEY);
        assert_eq!(status(&call(&mut host, &token, "200")), 401, "{alg}");
    }
    assert_eq!(host.metric("stepgate_learned_total"), 0);
}

/// The token of alice that only the holder of a key may use, and a maker of proofs of that key.
fn bound(holder: &Key) -> (String, impl Fn(&str, &str) -> String + use<>) {
    let x = holder.jwk()["x"].as_str().unwrap().to_owned();
    let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
    let token = alice()
        .claim("cnf", json!({ "jkt": base64url(thumbprint) }))
        .sign(&KEY);
    let (of, holder) = (token.clone(), holder.clone());
    let proof = move |jti: &str, method: &str| {
        let claims = json!({
            "jti": jti, "htm": method, "htu": "https://api.test/accounts", "iat": NOW,
            "ath": base64url(Sha256::digest(&of)),
        });
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
        let proof = Token::new(claims)
            .header("typ", "dpop+jwt")
            .header("jwk", jwk);
        proof.header("kid", Value::Null).sign(&holder)
    };
    (token, proof)
}

#[test]
fn owasp_jwt_token_sidejacking() {
    let mut one = started(&policy(|policy| {
        policy["credentials"]["origin"] = json!("https://api.test");
        policy["signals"] = json!({ "preset": "envoy-geoip" });
    }));
    let mut other = one.sibling();
    other.set_property(&["source", "address"], crate::HOME);
    start(
        &mut other,
        &policy(|policy| policy["credentials"]["origin"] = json!("https://api.test")),
    );
    // A token that is bound to a key is worth nothing without it, and its proof nothing twice, on any worker.
    let (token, proof) = bound(&Key::ed25519("holder"));
    let with = |host: &mut Host, scheme: &str, proof: Option<&str>| {
        let authorization = format!("{scheme} {token}");
        let mut headers = vec![("authorization", authorization.as_bytes())];
        headers.extend(proof.map(|proof| ("dpop", proof.as_bytes())));
        let exchange = get(host, &headers);
        if exchange.reply.is_none() {
            host.response(&[(":status", "200")]).unwrap();
        }
        host.finish().unwrap();
        exchange
    };
    assert_eq!(status(&with(&mut one, "Bearer", None)), 401);
    assert_eq!(status(&with(&mut one, "DPoP", None)), 401);
    let (_, of_thief) = bound(&Key::ed25519("thief"));
    assert_eq!(
        status(&with(&mut one, "DPoP", Some(&of_thief("a", "GET")))),
        401
    );
    let used = proof("a", "GET");
    assert_eq!(status(&with(&mut one, "DPoP", Some(&used))), 200);
    for host in [&mut one, &mut other] {
        let replayed = with(host, "DPoP", Some(&used));
        assert!(
            challenge(&replayed).contains("invalid_dpop_proof"),
            "{}",
            challenge(&replayed)
        );
    }
    assert_eq!(
        status(&with(&mut other, "DPoP", Some(&proof("b", "GET")))),
        200
    );
    assert_eq!(
        status(&with(&mut one, "DPoP", Some(&proof("c", "POST")))),
        401
    );
    // One that is not bound is challenged where it turns up in other hands.
    let mut host = started(&policy(|policy| {
        policy["signals"] = json!({ "preset": "envoy-geoip" })
    }));
    let mine = bearer(&alice().claim("sid", "s1").sign(&KEY));
    let home: [(&str, &[u8]); 3] = [
        ("authorization", mine.as_bytes()),
        ("x-geo-country", b"GB"),
        ("x-geo-asn", b"AS12576"),
    ];
    assert_eq!(status(&get(&mut host, &home)), 200);
    host.response(&[(":status", "200")]).unwrap();
    host.finish().unwrap();
    host.set_property(&["source", "address"], "1.128.3.4:5");
    host.set_time((NOW + 60) as f64);
    let away: [(&str, &[u8]); 4] = [
        ("authorization", mine.as_bytes()),
        ("x-geo-country", b"AU"),
        ("x-geo-asn", b"AS1221"),
        ("user-agent", b"curl/8.5.0"),
    ];
    let stolen = get(&mut host, &away);
    assert!(
        challenge(&stolen).contains("insufficient_user_authentication"),
        "{}",
        reasons(&stolen)
    );
}

#[test]
fn owasp_jwt_no_built_in_token_revocation_by_the_user() {
    let mut host = started(&policy(|policy| {
        policy["feeds"] = json!([{
            "name": "logouts", "cluster": "feeds", "authority": "feeds.test", "path": "/v1", "refresh_seconds": 1,
        }]);
    }));
    let (mine, other) = (
        alice().claim("jti", "mine").sign(&KEY),
        alice().claim("jti", "other").sign(&KEY),
    );
    for token in [&mine, &other] {
        assert_eq!(
            status(&call(&mut host, token, "200")),
            200,
            "known, and cached"
        );
    }
    host.set_time((NOW + 2) as f64);
    host.tick().unwrap();
    let fetch = host.state().calls.last().unwrap().token;
    let logout = json!({ "version": 1, "tokens": [{ "iss": ISSUER, "jti": "mine" }] });
    host.answer(fetch, &[(":status", "200")], logout.to_string())
        .unwrap();
    assert_eq!(status(&call(&mut host, &mine, "200")), 401);
    assert_eq!(status(&call(&mut host, &other, "200")), 200);
}

#[test]
fn owasp_jwt_token_information_disclosure() {
    let mut host = started(&policy(|policy| {
        policy["audit"] = json!({ "enabled": true })
    }));
    let mail = "alice.private@corp.test";
    let secret = Token::new(tokens::claims(ISSUER, mail, NOW))
        .claim("email", mail)
        .claim("name", "Alice Private")
        .claim("jti", "jti-private");
    let good = secret.sign(&KEY);
    for token in [
        good.clone(),
        tokens::corrupted(&good),
        secret.clone().claim("exp", NOW - 900).sign(&KEY),
    ] {
        let exchange = call(&mut host, &token, "200");
        let told = format!("{:?}", exchange.reply);
        let upstream: Vec<_> = exchange
            .request
            .headers
            .0
            .iter()
            .filter(|(name, _)| name.starts_with(b"x-stepgate-"))
            .collect();
        let shown = format!(
            "{told} {}",
            upstream
                .iter()
                .map(|(_, value)| value.escape_ascii().to_string())
                .collect::<String>()
        );
        assert!(!shown.contains("rivate"), "{shown}");
    }
    host.set_time((NOW + 60) as f64);
    host.tick().unwrap();
    // Neither a log line nor shared data, which outlives the token, has anything of it.
    let (_, payload) = good.split_once('.').unwrap();
    let kept = host.state().process.borrow();
    let lines = host.state().logs.iter().map(|line| line.text.as_bytes());
    let values = kept
        .data
        .entries
        .iter()
        .flat_map(|(name, (value, _))| [name.as_slice(), value]);
    for bytes in lines.chain(values) {
        for part in [mail, "Alice Private", "jti-private", &payload[..20]] {
            let found = bytes
                .windows(part.len())
                .any(|window| window == part.as_bytes());
            assert!(!found, "`{part}` in `{}`", bytes.escape_ascii());
        }
    }
}

#[test]
fn owasp_jwt_token_storage_on_client_side() {
    // A token is read where the policy says that clients keep it, and nowhere else.
    let mut host = started(&policy(|policy| {
        policy["tiers"] = json!([{ "name": "all", "require_identity": true }]);
    }));
    let token = token("alice", 0);
    let cookie = format!("session={token}; token={token}; authorization={token}");
    let query = format!("/accounts?access_token={token}&token={token}");
    for (name, value) in [
        ("cookie", &cookie),
        (":path", &query),
        ("x-access-token", &token),
        ("x-token", &token),
    ] {
        assert_eq!(
            status(&get(&mut host, &[(name, value.as_bytes())])),
            401,
            "{name}"
        );
    }
    assert_eq!(status(&call(&mut host, &token, "200")), 200);
    let mut host = started(&policy(|policy| {
        policy["credentials"]["tokens"] = json!([{ "cookie": "__Host-session" }]);
        policy["tiers"] = json!([{ "name": "all", "require_identity": true }]);
    }));
    let cookie = |name: &str| format!("{name}={token}");
    for (name, expected) in [
        ("__Host-session", 200),
        ("session", 401),
        ("__host-session", 401),
        ("__Host-session2", 401),
    ] {
        let exchange = get(&mut host, &[("cookie", cookie(name).as_bytes())]);
        assert_eq!(status(&exchange), expected, "{name}");
    }
}

#[test]
fn owasp_jwt_weak_token_secret() {
    let secret = |secret: &[u8]| {
        policy(|policy| {
            let issuer = &mut policy["credentials"]["issuers"][0];
            issuer["algorithms"] = json!(["HS256"]);
            issuer["keys"] =
                json!({ "keys": [{ "kty": "oct", "k": BASE64_URL_SAFE_NO_PAD.encode(secret) }] });
        })
    };
    for weak in [&b"secret"[..], b"", b"0123456789012345678901234567890"] {
        let mut host = vm();
        assert!(
            !host.start(&secret(weak).to_string()).unwrap(),
            "{} bytes",
            weak.len()
        );
        assert_eq!(
            host.logged("at least 32 are needed").len(),
            1,
            "{:?}",
            host.state().logs
        );
        assert!(!host.logged("policy refused").is_empty());
    }
    let strong = b"a secret of thirty-two bytes, no less";
    let mut host = started(&secret(strong));
    let signed = |key: &[u8]| alice().header("kid", Value::Null).sign(&Key::hmac("", key));
    assert_eq!(status(&call(&mut host, &signed(strong), "200")), 200);
    for guess in [
        &b"secret"[..],
        b"",
        b"a secret of thirty-two bytes, no mor",
        b"password",
    ] {
        assert_eq!(status(&call(&mut host, &signed(guess), "200")), 401);
    }
}
