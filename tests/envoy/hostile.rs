//! What strangers send: the VM that sees it must serve the next request.
//! May use raw sockets, for what an HTTP client would refuse to send.
//! Must not care what a hostile request is answered, only that it is, or that the connection is closed.

use serde_json::{Value, json};
use stepgate_testkit::http::{Connection, Request, Upstream};
use stepgate_testkit::tokens::{Key, corrupted};

use crate::contract::{at_home, policy, token};
use crate::gateway::{Gateway, listener, module, stepgate};

/// A policy that reads every header a policy can name.
pub(crate) fn curious(key: &Key) -> Value {
    let mut policy = policy(key);
    policy["credentials"]["tokens"] = json!([{ "header": "authorization" }, { "header": "x-token", "scheme": "" }, { "cookie": "session" }]);
    policy["credentials"]["api_keys"] = json!({ "header": "x-api-key", "query": "api_key", "keys": [{ "sha256": "0".repeat(64), "group": "g" }] });
    policy["signals"] = json!({
        "preset": "envoy-geoip", "latitude": "x-lat", "longitude": "x-lon", "coordinates": "x-coordinates",
        "tls_fingerprint": "x-ja4", "device_cookie": "device",
    });
    policy
}

pub(crate) const READ: [&str; 27] = [
    "authorization",
    "x-token",
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
    "x-geo-anon",
    "x-geo-anon-tor",
    "x-geo-anon-vpn",
    "x-geo-anon-proxy",
    "x-geo-anon-hosting",
    "x-geo-relay",
    "x-lat",
    "x-lon",
    "x-coordinates",
    "x-ja4",
    "origin",
    "access-control-request-method",
    "x-forwarded-for",
    "x-stepgate-decision",
    "content-type",
];

/// Serves as before: the same VM, which lets a good request pass and refuses a forged one, and no request that it failed.
pub(crate) fn assert_alive(gateway: &Gateway, vms: [u64; 4], key: &Key, after: &str) {
    let bearer = token(key, "owner", 0).sign(key);
    let good = gateway.send(&at_home(&bearer));
    assert_eq!(good.status, 200, "after {after}: {}", good.text());
    let decision = good.echoed().text("x-stepgate-decision");
    assert_eq!(decision.as_deref(), Some("allow"), "after {after}");
    let forged = gateway.send(&at_home(&corrupted(&bearer)));
    assert_eq!(forged.status, 401, "after {after}");
    assert_eq!(gateway.vms(), vms, "after {after}");
    assert!(
        !gateway.envoy.logs().contains("wasm_fail_stream"),
        "after {after}"
    );
}

/// One worker with these filters, and what `change` makes of its listener's connection manager.
pub(crate) fn alone(filters: Vec<Value>, change: impl FnOnce(&mut Value)) -> Option<Gateway> {
    module()?;
    let mut listener = listener("main", filters);
    change(&mut listener["filter_chains"][0]["filters"][0]["typed_config"]);
    Some(Gateway::on(1, &[listener], &[]))
}

/// One worker that reads every header.
pub(crate) fn start() -> Option<(Gateway, Key, [u64; 4])> {
    let key = Key::ed25519("k1");
    let filter = stepgate("stepgate", &curious(&key).to_string());
    let gateway = alone(vec![filter], |_| {})?;
    let vms = gateway.vms();
    Some((gateway, key, vms))
}

#[test]
fn bytes_that_are_no_text_in_every_header_that_is_read() {
    let Some((gateway, key, vms)) = start() else {
        return;
    };
    let values: [&[u8]; 9] = [
        b"\xff\xfe",
        b"Bearer \xff\xfe",
        b"\x80",
        b"session=\xff; device=\xfe",
        b"a\tb",
        b"",
        b";=;=,;",
        b"Bearer ..",
        b"\xed\xa0\x80",
    ];
    for name in READ {
        for value in values {
            // A closed connection is an answer too.
            let _ = Request::get("/")
                .header(name, value)
                .send(gateway.envoy.address());
            let twice = Request::get("/").header(name, value).header(name, b"x");
            let _ = twice.send(gateway.envoy.address());
        }
    }
    for target in [
        &b"/\xff\xfe"[..],
        b"/%ff%fe?api_key=%ff",
        b"/?api_key=\xff&api_key",
        b"/?&&=&api_key=",
        b"//..//%2e%2e/..",
        b"*",
    ] {
        let _ = Request::get(target).send(gateway.envoy.address());
    }
    assert_alive(&gateway, vms, &key, "bytes that are no text");
}

#[test]
fn many_headers_and_long_ones() {
    let Some((gateway, key, vms)) = start() else {
        return;
    };
    let many = (0..3000).fold(Request::get("/"), |request, n| {
        request.header(format!("x-{n}"), "v")
    });
    assert_eq!(gateway.send(&many).status, 200);
    let spoofed = (0..1500).fold(Request::get("/"), |request, n| {
        request.header(format!("x-stepgate-{n}"), "v")
    });
    let spoofed = gateway.send(&spoofed);
    assert_eq!(spoofed.status, 200);
    let left = spoofed
        .echoed()
        .0
        .iter()
        .filter(|(name, _)| name.starts_with(b"x-stepgate-"))
        .count();
    assert_eq!(
        left,
        5,
        "decision, mode, score, reasons, id: {:?}",
        spoofed.echoed()
    );
    let long = vec![b'a'; 900 * 1024];
    for name in READ {
        if name == "x-forwarded-for" {
            continue;
        }
        let prefix: &[u8] = if name == "authorization" {
            b"Bearer "
        } else {
            b""
        };
        let answer = Request::get("/")
            .header(name, [prefix, &long].concat())
            .send(gateway.envoy.address());
        assert!(answer.is_ok(), "{name}: {answer:?}");
    }
    let target = [b"/?api_key=", &long[..]].concat();
    assert!(Request::get(target).send(gateway.envoy.address()).is_ok());
    let cookies = (0..2000).fold(Request::get("/"), |request, _| {
        request.header("cookie", "session=a; device=b")
    });
    assert_eq!(gateway.send(&cookies).status, 401);
    assert_alive(&gateway, vms, &key, "many headers and long ones");
}

#[test]
fn requests_that_are_hardly_http() {
    let Some((gateway, key, vms)) = start() else {
        return;
    };
    let raw = |bytes: &[u8]| {
        let mut connection = Connection::open(gateway.envoy.address()).unwrap();
        connection.raw(bytes).map(|response| response.status)
    };
    // Refused before any filter sees them: only the log phase runs.
    for refused in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: \xff\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let status = raw(refused);
        assert!(
            matches!(status, Ok(400)),
            "{}: {status:?}",
            refused.escape_ascii()
        );
    }
    let bearer = token(&key, "alice", 0).sign(&key);
    let old = format!("GET /old HTTP/1.0\r\nauthorization: Bearer {bearer}\r\n\r\n");
    assert_eq!(raw(old.as_bytes()).unwrap(), 200);
    let chunked = format!(
        "POST /chunked HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {bearer}\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-trailer: 1\r\n\r\n"
    );
    assert_eq!(raw(chunked.as_bytes()).unwrap(), 200);
    let absolute = b"GET http://other.test/absolute?api_key=1 HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(raw(absolute).unwrap(), 401);
    // Gone before the answer, in the middle of a body, in the middle of a head.
    for cut in [
        &old.as_bytes()[..30],
        old.as_bytes(),
        &chunked.as_bytes()[..chunked.len() - 20],
    ] {
        let mut connection = Connection::open(gateway.envoy.address()).unwrap();
        connection.write(cut).unwrap();
    }
    assert_alive(&gateway, vms, &key, "requests that are hardly http");
}

#[test]
fn a_flood_of_everything_at_random() {
    let Some((gateway, key, vms)) = start() else {
        return;
    };
    let good = token(&key, "mallory", 0).sign(&key);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut passed = 0;
    for _ in 0..60 {
        let Ok(mut connection) = Connection::open(gateway.envoy.address()) else {
            continue;
        };
        for _ in 0..10 {
            let mut request = Request::new(
                ["GET", "POST", "OPTIONS", "PUT", "REPORT"][random(5)],
                ["/", "/a/../b", "/%2e%2e", "/?api_key=x"][random(4)],
            );
            for _ in 0..random(30) {
                let name = READ[random(READ.len())];
                let mut value = match random(3) {
                    0 => format!("Bearer {good}").into_bytes(),
                    1 => b"session=x.y.z; device=1".to_vec(),
                    _ => (0..random(60)).map(|_| (random(223) + 32) as u8).collect(),
                };
                // One byte of anything but a line end somewhere.
                if !value.is_empty() {
                    let place = random(value.len());
                    value[place] = (random(95) + 160) as u8;
                }
                value.retain(|byte| *byte != 127);
                request = request.header(name, value);
            }
            // What Envoy itself refuses ends the connection; what it passes on is what is tested.
            match connection.send(&request) {
                Ok(response) if response.status != 400 => passed += 1,
                _ => break,
            }
        }
    }
    assert!(passed > 300, "only {passed} requests reached the filter");
    assert_alive(&gateway, vms, &key, "the flood");
}

#[test]
fn an_upstream_that_misbehaves_does_no_harm() {
    let Some((gateway, key, vms)) = start() else {
        return;
    };
    let bearer = token(&key, "alice", 0).sign(&key);
    gateway.upstream.serve(
        "/odd",
        stepgate_testkit::http::Canned {
            headers: stepgate_testkit::headers::Headers::of(&[("x-odd", b"\xff\xfe")]),
            ..stepgate_testkit::http::Canned::status(299)
        },
    );
    assert_eq!(
        gateway.send(&Request::get("/odd").bearer(&bearer)).status,
        299
    );
    // Gone altogether: Envoy answers for it.
    let Gateway { envoy, upstream } = gateway;
    let address = upstream.address();
    drop(upstream);
    let unserved = Request::get("/odd").bearer(&bearer);
    assert_eq!(unserved.send(envoy.address()).unwrap().status, 503);
    let upstream = Upstream::bind(address).unwrap();
    let gateway = Gateway { envoy, upstream };
    assert_alive(&gateway, vms, &key, "an upstream that misbehaves");
}
