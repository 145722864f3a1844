//! What strangers send: no byte of it may stop the VM or become an identity.
//! May use the helpers of this test.
//! Must not judge scores.

use serde_json::json;
use stepgate_testkit::tokens;

use crate::{bearer, call, get, is_alive, policy, reasons, started, status, token};

/// A policy that reads every header there is to read.
fn curious() -> serde_json::Value {
    policy(|policy| {
        policy["credentials"]["tokens"] = json!([{}, { "cookie": "session" }]);
        policy["credentials"]["api_keys"] = json!({
            "header": "x-api-key",
            "query": "key",
            "keys": [{ "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }],
        });
        policy["signals"] = json!({
            "preset": "envoy-geoip",
            "latitude": "x-lat",
            "longitude": "x-lon",
            "coordinates": "x-place",
            "tls_fingerprint": "x-ja4",
            "device_cookie": "device",
        });
    })
}

const READ: [&str; 19] = [
    "authorization",
    "cookie",
    "x-api-key",
    "user-agent",
    "accept-language",
    "sec-ch-ua",
    "sec-ch-ua-platform",
    "sec-ch-ua-mobile",
    "x-geo-country",
    "x-geo-city",
    "x-geo-asn",
    "x-geo-anon-tor",
    "x-geo-anon-vpn",
    "x-lat",
    "x-lon",
    "x-place",
    "x-ja4",
    ":path",
    ":authority",
];

const NASTY: [&[u8]; 12] = [
    b"",
    b"\xff\xfe\x80",
    b" ",
    b";=;=,,\"\\",
    b"session=\xff; device=\xc3\x28; session",
    b"Bearer \xff.\xff.\xff",
    b"Bearer",
    b"Bearer ..",
    b"1e999999",
    b"-0.0,NaN",
    b"AS4294967296",
    &[b'9'; 20_000],
];

#[test]
fn no_byte_in_any_header_stops_the_vm() {
    let mut host = started(&curious());
    for name in READ {
        for value in NASTY {
            let _decided = get(&mut host, &[(name, value)]);
            host.response(&[(":status", b"\xff".as_slice())]).unwrap();
            host.finish().unwrap();
        }
    }
    let everything: Vec<_> = READ.iter().map(|name| (*name, &b"\xff\xfe"[..])).collect();
    get(&mut host, &everything);
    is_alive(&mut host);
}

#[test]
fn hostile_properties_do_not_stop_it_either() {
    let mut host = started(&policy(|policy| {
        policy["signals"] = json!({ "tls_fingerprint_filter_state": "ja4" });
        policy["tiers"] = json!([{ "name": "admin", "route_metadata": true }]);
    }));
    for path in [
        &["source", "address"][..],
        &["metadata"],
        &["connection", "uri_san_peer_certificate"],
        &["connection", "sha256_peer_certificate_digest"],
        &["filter_state", "ja4"],
        &[
            "xds",
            "route_metadata",
            "filter_metadata",
            "stepgate",
            "tier",
        ],
    ] {
        let before = host.state().properties.clone();
        for value in NASTY {
            host.set_property(path, value);
            get(&mut host, &[]);
        }
        host.set_property(path, [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]);
        get(&mut host, &[]);
        host.state_mut().properties = before;
    }
    is_alive(&mut host);
}

#[test]
fn two_credentials_are_none() {
    let mut host = started(&curious());
    let alice = bearer(&token("alice", 0));
    let alice = alice.as_bytes();
    let cookie = [b"session=", &alice[7..]].concat();
    let two_cookies = [&cookie[..], b"; ", &cookie].concat();
    for twice in [
        &[("authorization", alice), ("authorization", alice)][..],
        &[("authorization", b"Basic YTpi"), ("authorization", alice)],
        &[("authorization", alice), ("authorization", b"Basic YTpi")],
        &[("cookie", &cookie), ("cookie", &cookie)],
        &[("cookie", &two_cookies)],
        &[("x-api-key", b"abc"), ("x-api-key", b"abc")],
        &[("x-api-key", b"abc"), (":path", b"/?key=abc")],
    ] {
        let exchange = get(&mut host, twice);
        assert_eq!(status(&exchange), 401, "{:?}", exchange.request.headers);
    }
    for once in [
        &[("authorization", alice)][..],
        &[("authorization", &[b"bEaReR \t", &alice[7..]].concat())],
        &[("cookie", &cookie)],
        &[("x-api-key", b"abc")],
        &[(":path", b"/?key=abc")],
        &[("authorization", b"Basic YTpi"), ("x-api-key", b"abc")],
    ] {
        let exchange = get(&mut host, once);
        assert_eq!(status(&exchange), 200, "{:?}", exchange.request.headers);
        assert!(!reasons(&exchange).contains("anonymous"));
    }
}

#[test]
fn duplicates_of_single_valued_signals_are_read_as_none() {
    let mut host = started(&curious());
    let alice = bearer(&token("alice", 0));
    for name in [
        "user-agent",
        "accept-language",
        "x-geo-country",
        "x-geo-asn",
        "x-ja4",
        "x-lat",
    ] {
        let exchange = get(
            &mut host,
            &[
                ("authorization", alice.as_bytes()),
                (name, b"FR"),
                (name, b"DE"),
            ],
        );
        assert_eq!(status(&exchange), 200, "{name}");
    }
    is_alive(&mut host);
}

#[test]
fn spoofed_trailers_are_removed_in_every_spelling() {
    // A server may merge trailers into the headers.
    let mut host = started(&policy(|_| {}));
    let token = bearer(&token("alice", 0));
    let headers = [
        (":method", "POST"),
        (":path", "/accounts"),
        (":authority", "api.test"),
        ("authorization", &token),
    ];
    host.open(&headers, false).unwrap();
    let sent: [(&str, &[u8]); 5] = [
        ("x-stepgate-decision", b"allow"),
        ("X-Stepgate-Score", b"0"),
        ("x_stepgate_mode", b"\xff"),
        ("x-stepgate-id", b""),
        ("grpc-status", b"0"),
    ];
    let exchange = host.trailers(&sent).unwrap();
    assert_eq!(exchange.action, stepgate_testkit::host::Action::Continue);
    let left: Vec<_> = exchange.request.trailers.0.iter().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(host.metric("stepgate_spoofed_headers_total"), 4);
}

#[test]
fn spoofed_headers_are_removed_in_every_spelling() {
    let mut host = started(&policy(|policy| {
        policy["tiers"] = json!([{ "name": "open", "paths": ["/open"], "mode": "off" }]);
    }));
    let spoofed: [(&str, &[u8]); 7] = [
        ("x-stepgate-decision", b"allow"),
        ("X-Stepgate-Anything", b"1"),
        ("x_stepgate_score", b"0"),
        ("x-stepgate_reasons", b"none"),
        ("x.stepgate.decision", b"deny"),
        ("x~stepgate-would", b"deny"),
        ("x-stepgate-signature", b"\xff"),
    ];
    for more in [
        &[][..],
        &[(":path", &b"/open"[..])],
        &[(":method", b"OPTIONS")],
    ] {
        let exchange = get(&mut host, &[&spoofed[..], more].concat());
        for (name, value) in spoofed {
            let values = exchange.request.headers.all(name);
            assert!(
                !values.contains(&value) || values == [b"allow"],
                "{name}: {values:?}"
            );
            assert!(values.len() <= 1);
        }
        assert!(!exchange.request.headers.has("x_stepgate_score"));
        assert!(!exchange.request.headers.has("x-stepgate-anything"));
        // Names that some servers make the same variable of.
        assert!(!exchange.request.headers.has("x.stepgate.decision"));
        assert!(!exchange.request.headers.has("x~stepgate-would"));
    }
    assert_eq!(host.metric("stepgate_spoofed_headers_total"), 21);
    // A client that is refused is told nothing about why.
    let forged = tokens::corrupted(&token("alice", 0));
    let reply = call(&mut host, &forged, "200").reply.unwrap();
    assert!(!reply.headers.has("x-stepgate-score") && !reply.headers.has("x-stepgate-reasons"));
    assert_eq!(
        reply.headers.text("www-authenticate").unwrap(),
        "Bearer error=\"invalid_token\""
    );
}

#[test]
fn a_host_that_shows_no_headers_keeps_no_spoofed_decision() {
    let mut host = started(&policy(|_| {}));
    host.fix("proxy_get_header_map_pairs", 2);
    let spoofed: [(&str, &[u8]); 3] = [
        ("x-stepgate-decision", b"deny"),
        ("x-stepgate-would", b"deny"),
        ("x-stepgate-signature", b"x"),
    ];
    let told = get(&mut host, &spoofed).request.headers;
    assert_eq!(told.all("x-stepgate-decision"), [b"allow"]);
    assert!(!told.has("x-stepgate-would") && !told.has("x-stepgate-signature"));
}

#[test]
fn no_word_for_a_method_makes_a_long_line() {
    let mut host = started(&policy(|policy| {
        policy["tiers"] = json!([{ "name": "all", "require_identity": true }]);
    }));
    let told = get(&mut host, &[(":method", &[b'M'; 60_000])]);
    assert_eq!(status(&told), 401);
    let line = host.logged("\"event.kind\"")[0].text.clone();
    assert!(line.len() < 4096, "{}", line.len());
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["http.request.method"], "M".repeat(32));
}

#[test]
fn a_token_in_a_path_is_logged_as_the_policy_says() {
    let path = "/reset/9f86d081884c7d659a2feaa0c55ad015?mail=a@example.org";
    let shown = |detail: &str| {
        let mut host = started(&policy(|policy| {
            policy["tiers"] = json!([{ "name": "all", "require_identity": true }]);
            policy["audit"] = json!({ "path": detail });
        }));
        get(&mut host, &[(":path", path.as_bytes())]);
        let line = &host.logged("\"event.kind\"")[0].text;
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["url.path"].as_str().map(str::to_owned)
    };
    let full = path.split('?').next().map(str::to_owned);
    assert_eq!(shown("full"), full);
    assert_eq!(shown("route").as_deref(), Some("/reset/*"));
    assert_eq!(shown("none"), None);
}

#[test]
fn forged_and_stale_tokens_are_no_identity() {
    let mut host = started(&policy(|_| {}));
    let good = token("alice", 0);
    let stranger = tokens::Key::ed25519("one");
    let claims = || tokens::Token::new(tokens::claims(crate::ISSUER, "alice", crate::NOW));
    for bad in [
        tokens::corrupted(&good),
        tokens::stripped(&good),
        tokens::tampered(&good, "sub", "mallory"),
        claims().unsigned(),
        claims().confused(&crate::KEY),
        claims().embedded(&stranger, "one"),
        claims().critical(&crate::KEY),
        claims().claim("exp", crate::NOW - 100).sign(&crate::KEY),
        claims().claim("nbf", crate::NOW + 900).sign(&crate::KEY),
        claims()
            .claim("iss", "https://other.test")
            .sign(&crate::KEY),
        "a".repeat(9000),
        "..".into(),
    ] {
        let exchange = call(&mut host, &bad, "200");
        assert_eq!(status(&exchange), 401, "{bad}");
    }
    assert_eq!(host.metric("stepgate_learned_total"), 0);
    is_alive(&mut host);
}

#[test]
fn a_stream_may_begin_anywhere() {
    let mut host = started(&policy(|_| {}));
    // Refused by the proxy before any filter saw it.
    host.log_unseen(&[(":path", b"\xff")]).unwrap();
    assert!(host.done().unwrap());
    // A local reply of a filter before this one: a response without a request.
    host.log_unseen(&[(":path", "/")]).unwrap();
    host.response(&[(":status", "429")]).unwrap();
    host.finish().unwrap();
    // No headers at all.
    host.request::<&str, &str>(&[]).unwrap();
    host.response::<&str, &str>(&[]).unwrap();
    host.finish().unwrap();
    is_alive(&mut host);
}

#[test]
fn a_preflight_passes_and_only_a_preflight() {
    let mut host = started(&policy(|policy| {
        policy["tiers"] = json!([{ "name": "all", "require_identity": true }]);
    }));
    let preflight: [(&str, &[u8]); 3] = [
        (":method", b"OPTIONS"),
        ("origin", b"https://app.test"),
        ("access-control-request-method", b"POST"),
    ];
    let exchange = get(&mut host, &preflight);
    assert_eq!(
        (
            status(&exchange),
            exchange.request.headers.has("x-stepgate-decision")
        ),
        (200, false)
    );
    assert_eq!(status(&get(&mut host, &preflight[..2])), 401);
    assert_eq!(status(&get(&mut host, &preflight[1..])), 401);
}
