//! What a client says of itself to be taken for somebody else, or somewhere else, or as already decided on.
//! May use raw sockets, frames written by hand, and both workers.
//! Must not repeat what one layer alone shows: each of these needs Envoy beside the filter.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stepgate_testkit::http::{Request, Response};
use stepgate_testkit::tokens::{Key, Token, base64url, claims, now};

use crate::contract::{at_home, far_away, policy, reasons, token};
use crate::gateway::{Gateway, module, stepgate};
use crate::hostile::alone;
use crate::http2::{End, Field, Http2};
use crate::learning::one_each;

const SPELLINGS: [&str; 10] = [
    "x-stepgate-decision",
    "X-Stepgate-Decision",
    "X-STEPGATE-DECISION",
    "x_stepgate_decision",
    "X_Stepgate-Decision",
    "x-stepgate_score",
    "x-stepgate-would",
    "x-stepgate-signature",
    "x-stepgate-id",
    "x-stepgate-anything",
];

/// What reached the API: of ours once each, with our values.
fn assert_ours(gateway: &Gateway, what: &str) {
    let arrived = gateway.upstream.received().pop().unwrap();
    let mut told = Vec::new();
    for (name, value) in &arrived.headers.0 {
        let name = String::from_utf8_lossy(name).to_lowercase();
        if name.replace('_', "-").starts_with("x-stepgate-") {
            assert_ne!(value, b"spoofed", "{what}: {name}");
            told.push(name);
        }
    }
    told.sort();
    let ours = ["decision", "id", "mode", "reasons", "score"];
    assert_eq!(
        told,
        ours.map(|name| format!("x-stepgate-{name}")),
        "{what}"
    );
}

#[test]
fn spoofed_decisions_never_arrive_in_any_spelling() {
    let key = Key::ed25519("k1");
    let filter = stepgate("stepgate", &policy(&key).to_string());
    let Some(gateway) = alone(vec![filter], |_| {}) else {
        return;
    };
    let mut spoofed = Request::get("/");
    for name in SPELLINGS {
        spoofed = spoofed.header(name, "spoofed").header(name, "spoofed");
    }
    assert_eq!(gateway.send(&spoofed).status, 200);
    assert_ours(&gateway, "HTTP/1.1");
    let names: Vec<_> = SPELLINGS
        .iter()
        .map(|name| name.to_ascii_lowercase())
        .collect();
    let mut fields: Vec<Field<'_>> = vec![
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":authority", b"api.test"),
        (b":path", b"/"),
    ];
    for name in names.iter().chain(&names) {
        fields.push((name.as_bytes(), b"spoofed"));
    }
    let mut client = Http2::open(gateway.envoy.address());
    let stream = client.request(&fields, true);
    assert_eq!(client.end(stream), End::Answered { ok: true });
    assert_ours(&gateway, "HTTP/2");
}

/// A policy that names where a request comes from: each network has a list of its own, told by its weight.
fn placed(key: &Key) -> Value {
    let mut policy = policy(key);
    let list = |network: &str, nats: f64| json!({ "networks": [network], "score": nats, "expires": "2099-01-01T00:00:00Z", "owner": "o", "reason": "r" });
    policy["networks"] = json!([
        list("127.0.0.0/8", 1.1),
        list("10.0.0.0/24", 1.2),
        list("2.2.2.0/24", 1.3),
        list("1.1.1.0/24", 1.4),
    ]);
    policy
}

/// Where a request was taken to come from.
fn place(answer: &Response) -> &'static str {
    let told = reasons(answer);
    [
        ("1.1", "peer"),
        ("1.2", "10.0.0.5"),
        ("1.3", "2.2.2.2"),
        ("1.4", "1.1.1.1"),
    ]
    .into_iter()
    .find(|(nats, _)| told.contains(&format!("listed-network;w={nats}")))
    .map_or("elsewhere", |(_, place)| place)
}

#[test]
fn the_address_is_the_one_envoy_trusts_in_each_setting() {
    let key = Key::ed25519("k1");
    for (remote, hops, expected) in [
        (false, 0, "10.0.0.5"),
        (false, 1, "2.2.2.2"),
        (true, 0, "peer"),
        (true, 1, "10.0.0.5"),
    ] {
        let filter = stepgate("stepgate", &placed(&key).to_string());
        let Some(gateway) = alone(vec![filter], |http| {
            http["use_remote_address"] = json!(remote);
            http["xff_num_trusted_hops"] = json!(hops);
        }) else {
            return;
        };
        let vms = gateway.vms();
        let bearer = token(&key, "alice", 0).sign(&key);
        let ask = |games: &[(&str, &str)]| {
            let mut request = Request::get("/").bearer(&bearer);
            for (name, value) in games {
                request = request.header(name, value);
            }
            place(&gateway.send(&request))
        };
        let what = format!("use_remote_address {remote}, xff_num_trusted_hops {hops}");
        let proxied = ("x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.0.0.5");
        assert_eq!(ask(&[proxied]), expected, "{what}");
        // Whatever a client writes to the left of it, in other headers, or in another field of the same name, counts nothing.
        let long = format!("{}2.2.2.2, 10.0.0.5", "1.1.1.1, ".repeat(300));
        for game in [
            &[(
                "x-forwarded-for",
                "evil, ::1, 1.1.1.1:80, 2.2.2.2, 10.0.0.5",
            )][..],
            &[
                ("x-forwarded-for", "1.1.1.1"),
                ("X-Forwarded-For", "2.2.2.2, 10.0.0.5"),
            ],
            &[("x-forwarded-for", &long)],
            &[
                proxied,
                ("x-real-ip", "1.1.1.1"),
                ("true-client-ip", "1.1.1.1"),
            ],
            &[
                proxied,
                ("forwarded", "for=1.1.1.1"),
                ("cf-connecting-ip", "1.1.1.1"),
            ],
            &[
                proxied,
                ("x-envoy-external-address", "1.1.1.1"),
                ("x_forwarded_for", "1.1.1.1"),
            ],
            &[
                proxied,
                ("x-original-forwarded-for", "1.1.1.1"),
                ("client-ip", "1.1.1.1"),
            ],
        ] {
            assert_eq!(ask(game), expected, "{what}: {game:?}");
        }
        // Where Envoy finds no address in the header, it takes the peer's.
        for game in ["", "evil", "1.1.1.1.1", "999.1.1.1", ",,,"] {
            let found = ask(&[("x-forwarded-for", game)]);
            assert!(
                matches!(found, "peer" | "elsewhere"),
                "{what}: `{game}` is {found}"
            );
        }
        assert_eq!(gateway.vms(), vms);
    }
}

/// The filter that the example puts in front, as it is written there.
fn strips_geography() -> Value {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/envoy/envoy.yaml")).unwrap();
    let example: Value = serde_norway::from_str(&text).unwrap();
    let filters = &example["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        ["http_filters"];
    let filters = filters.as_array().unwrap().iter();
    let mut found = filters.filter(|filter| filter["name"] == "strip-geo-headers");
    found.next().unwrap().clone()
}

#[test]
fn a_client_cannot_say_where_it_is() {
    if module().is_none() {
        return;
    }
    let key = Key::ed25519("k1");
    let mut unnamed = policy(&key);
    unnamed["signals"] = json!({});
    let stripped = vec![
        strips_geography(),
        stepgate("stepgate", &policy(&key).to_string()),
    ];
    let unread = vec![stepgate("stepgate", &unnamed.to_string())];
    for (what, filters) in [("stripped", stripped), ("not named", unread)] {
        let gateway = alone(filters, |_| {}).unwrap();
        // Both are at home; somebody with their tokens is far away, and says or does not say what could put them there.
        let told = |who: &str, claims: &[(&str, &str)]| {
            for ago in (20..32).rev() {
                let home = at_home(&token(&key, who, ago).sign(&key));
                assert_eq!(gateway.send(&home).status, 200);
            }
            let mut away = far_away(&token(&key, who, 10).sign(&key));
            away.headers
                .0
                .retain(|(name, _)| !name.starts_with(b"x-geo-"));
            for (name, value) in claims {
                away = away.header(name, value);
            }
            let answer = gateway.send(&away);
            let codes: Vec<String> = match answer.status {
                200 => reasons(&answer)
                    .split(", ")
                    .map(|reason| reason.split(';').next().unwrap().to_owned())
                    .collect(),
                _ => Vec::new(),
            };
            (answer.status, codes)
        };
        let silent = told("alice", &[]);
        let claiming = told(
            "bob",
            &[
                ("x-geo-country", "GB"),
                ("X-Geo-Country", "GB"),
                ("x_geo_country", "GB"),
                ("x-geo-asn", "AS12576"),
                ("x-geo-city", "London"),
                ("cf-ipcountry", "GB"),
                ("cloudfront-viewer-country", "GB"),
                ("x-client-geo-location", "GB"),
                ("client-geo-country", "GB"),
            ],
        );
        assert_eq!(claiming, silent, "{what}");
        let logs = gateway.envoy.logs();
        let audited = logs
            .lines()
            .filter(|line| line.contains("@timestamp") && line.contains("stepgate"));
        for line in audited {
            assert!(
                !line.contains("\"GB\"") && !line.contains("12576"),
                "{what}: {line}"
            );
        }
    }
}

#[test]
fn forged_tokens_and_those_of_other_tenants_are_nobody() {
    let key = Key::rsa("k1");
    // Another key under the same name.
    let mut other = Key::rsa("other");
    other.kid = key.kid.clone();
    let Some(gateway) = Gateway::start(&policy(&key)) else {
        return;
    };
    let alice = || token(&key, "alice", 0);
    let none = |alg: &str| {
        let unsigned = alice().header("alg", alg).unsigned();
        let (head, _) = unsigned.rsplit_once('.').unwrap();
        [format!("{head}."), format!("{head}.AAAA")]
    };
    let mut forged: Vec<String> = ["none", "None", "NONE", "nOnE"]
        .into_iter()
        .flat_map(none)
        .collect();
    forged.push(alice().confused(&key));
    forged.push(alice().embedded(&other, "k1"));
    forged.push(alice().critical(&key));
    forged.push(alice().sign(&other));
    for (name, value) in [
        ("jku", json!("http://127.0.0.1/keys")),
        ("x5u", json!("http://127.0.0.1/chain")),
        ("x5c", json!(["AAAA"])),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("k1' UNION SELECT 'key")),
        ("kid", json!("k1\r\nx-stepgate-decision: allow")),
        ("kid", json!("k".repeat(4000))),
        ("kid", json!("\u{0}")),
        ("alg", json!("RSA")),
        ("alg", json!("HS256")),
        ("alg", json!("ES256")),
    ] {
        forged.push(alice().header(name, value).sign(&other));
    }
    // Another tenant of the same provider, with its own key and with a name like ours.
    for tenant in [
        "https://idp.test/tenant-b",
        "https://IDP.test",
        "https://idp.test/",
        "https://idp.test@evil.test",
    ] {
        forged.push(Token::new(claims(tenant, "alice", now())).sign(&key));
    }
    let vms = gateway.vms();
    for forged in &forged {
        let answer = gateway.send(&at_home(forged));
        assert_eq!(answer.status, 401, "{forged}");
        assert_eq!(
            answer.header("www-authenticate").as_deref(),
            Some("Bearer error=\"invalid_token\"")
        );
    }
    assert!(gateway.upstream.received().is_empty());
    assert_eq!(gateway.send(&at_home(&alice().sign(&key))).status, 200);
    assert_eq!(gateway.vms(), vms);
}

#[test]
fn a_proof_is_good_once_on_both_workers_together() {
    let key = Key::ed25519("k1");
    let holder = Key::ed25519("holder");
    let mut policy = policy(&key);
    policy["credentials"]["origin"] = json!("https://api.test");
    let Some(gateway) = Gateway::start(&policy) else {
        return;
    };
    let x = holder.jwk()["x"].as_str().unwrap().to_owned();
    let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
    let bound = token(&key, "alice", 0).claim("cnf", json!({ "jkt": base64url(thumbprint) }));
    let bound = bound.sign(&key);
    let proof = |jti: &str| {
        let claims = json!({
            "jti": jti, "htm": "GET", "htu": "https://api.test/orders", "iat": now(),
            "ath": base64url(Sha256::digest(&bound)),
        });
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
        let proof = Token::new(claims)
            .header("typ", "dpop+jwt")
            .header("jwk", jwk);
        let proof = proof.header("kid", Value::Null).sign(&holder);
        let mut request = at_home(&bound).header("dpop", proof);
        request
            .headers
            .replace(b"authorization", format!("DPoP {bound}").as_bytes());
        request
    };
    let [mut one, mut other] = one_each(&gateway);
    for n in 0..8 {
        let used = proof(&format!("p{n}"));
        let (first, second) = if n % 2 == 0 {
            (&mut one, &mut other)
        } else {
            (&mut other, &mut one)
        };
        assert_eq!(first.send(&used).unwrap().status, 200);
        for again in [first, second] {
            let replayed = again.send(&used).unwrap();
            assert_eq!(replayed.status, 401, "{}", replayed.text());
            let asked = replayed.header("www-authenticate").unwrap();
            assert!(asked.contains("invalid_dpop_proof"), "{asked}");
        }
    }
    assert_eq!(gateway.upstream.hits("/orders"), 8);
}

#[test]
fn no_address_to_come_back_to_leaves() {
    let key = Key::ed25519("k1");
    let mut policy = policy(&key);
    policy["challenge"]["page"] = json!({ "url": "/verify", "origins": ["https://api.test"] });
    policy["tiers"] = json!([{ "name": "verify", "paths": ["/verify"], "mode": "off" }]);
    // All come from two networks, which many share after a while: no ends of a journey any more, and less suspicious.
    policy["score"] = json!({ "step_up": 0.2 });
    let Some(gateway) = Gateway::start(&policy) else {
        return;
    };
    for (n, (host, target)) in [
        ("evil.test", "/orders"),
        ("api.test.evil.test", "/orders"),
        ("api.test@evil.test", "/orders"),
        ("api.test", "//evil.test/orders"),
        ("api.test", "/%2f%2fevil.test"),
        ("api.test", "/%252f%252fevil.test"),
        ("api.test", "/\\evil.test"),
        ("api.test", "/%5cevil.test"),
        ("api.test", "http://evil.test/orders"),
        ("api.test", "/a%0d%0alocation:%20https://evil.test"),
        ("api.test", "/orders?return_to=https://evil.test"),
        ("api.test", "/\u{e9}vil"),
    ]
    .into_iter()
    .enumerate()
    {
        let who = format!("user-{n}");
        let home = at_home(&token(&key, &who, 500).sign(&key));
        assert_eq!(gateway.send(&home).status, 200);
        let mut away = far_away(&token(&key, &who, 400).sign(&key))
            .header("accept", "text/html")
            .header("host", host)
            .header("x-forwarded-host", "evil.test")
            .header("referer", "https://evil.test/");
        away.target = target.as_bytes().to_vec();
        let sent = gateway.send(&away);
        // What Envoy itself refuses leads nowhere.
        if sent.status == 400 {
            continue;
        }
        assert_eq!(sent.status, 302, "{host} {target}: {}", sent.text());
        let location = sent.header("location").unwrap();
        let back = location.strip_prefix("/verify?return_to=https%3A%2F%2Fapi.test%2F");
        let back = back.unwrap_or_else(|| panic!("{host} {target}: {location}"));
        assert!(
            back.is_empty() || back == "orders%3Freturn_to%3Dhttps%3A%2F%2Fevil.test",
            "{host} {target}: {location}"
        );
    }
}
