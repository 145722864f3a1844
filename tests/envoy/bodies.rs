//! Bodies of login routes on the wire: in pieces, too long, unreadable, reset, with trailers, in HTTP/2, held or not.
//! May use raw connections, and a second Envoy as a client that speaks HTTP/2.
//! Must not count: what a name comes to has tests of its own.

use serde_json::json;
use stepgate_testkit::envoy::{Setup, until};
use stepgate_testkit::http::{Connection, Request};

use crate::gateway::{Gateway, bootstrap, listener, module};
use crate::login::{
    AWAY, FORM, HOME, chunked, filter, form, from, is_too_many, object, policy, post, reasons,
    start, wrong,
};

#[test]
fn only_a_held_body_lets_the_upstream_be_told() {
    if module().is_none() {
        return;
    }
    for hold in [true, false] {
        let mut policy = policy(&json!({ "failures": 3, "hold_body": hold }));
        policy["mode"] = json!("shadow");
        let gateway = Gateway::with(vec![filter(&policy, hold)], &[]).unwrap();
        for _ in 0..3 {
            gateway.send(&wrong(form("alice")));
        }
        let told = gateway.send(&from(form("alice"), AWAY));
        assert_eq!(told.status, 200);
        let would = told.echoed().text("x-stepgate-would");
        assert_eq!(would.as_deref(), hold.then_some("restrict"));
        assert_eq!(reasons(&told).contains("too-many-failures"), hold);
        let stats = gateway.envoy.stats();
        let counted = stats
            .iter()
            .find(|(name, _)| name.contains("=too-many-failures"));
        assert_eq!(
            counted.map(|(_, value)| value.as_str()),
            Some("1"),
            "{hold}"
        );
    }
}

#[test]
fn a_body_in_pieces_is_one_body() {
    let Some(gateway) = start(true, json!({ "failures": 3 })) else {
        return;
    };
    for _ in 0..3 {
        gateway.send(&wrong(form("alice")));
    }
    let bytes = from(form("alice"), AWAY).bytes();
    let body = bytes.len() - form("alice").body.len();
    let read = || gateway.envoy.stat("http.main.downstream_cx_rx_bytes_total");
    let mut connection = Connection::open(gateway.envoy.address()).unwrap();
    let before = read();
    let mut sent = 0;
    for end in [body, body + 4, body + 12, bytes.len() - 1] {
        connection.write(&bytes[sent..end]).unwrap();
        sent = end;
        until("the piece", || {
            (read() >= before + end as u64).then_some(())
        });
    }
    is_too_many(&connection.raw(&bytes[sent..]).unwrap());
    assert_eq!(gateway.upstream.hits("/login"), 3);
}

/// Bodies that hold no name that can be read.
fn unreadable() -> Vec<(&'static str, Request)> {
    let long = format!("username=alice&padding={}", "a".repeat(17 * 1024));
    let framed = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    vec![
        ("long", post(&long, FORM)),
        (
            "long in chunks",
            post(&framed, FORM).header("transfer-encoding", "chunked"),
        ),
        ("two names", post("username=alice&username=bob", FORM)),
        ("no text", post(b"username=\xff\xfe", FORM)),
        (
            "compressed",
            post(b"\x1f\x8b\x08\0\0", FORM).header("content-encoding", "gzip"),
        ),
        ("another type", post("<user>alice</user>", "text/xml")),
        (
            "not JSON",
            post("{\"username\":\"alice\"", "application/json"),
        ),
        ("deep", post("{\"a\":".repeat(3000), "application/json")),
        (
            "two types",
            post("username=alice", FORM).header("content-type", "text/plain"),
        ),
    ]
}

#[test]
fn what_cannot_be_read_is_a_decision() {
    for (hold, refuse) in [(true, false), (true, true), (false, false), (false, true)] {
        let policy = if refuse { "refuse" } else { "pass" };
        let Some(gateway) = start(hold, json!({ "unreadable": policy })) else {
            return;
        };
        let vms = gateway.vms();
        for (what, request) in unreadable() {
            let answer = gateway.send(&request);
            if refuse {
                assert_eq!(answer.status, 403, "{what}");
                assert_eq!(answer.json()["type"], "urn:stepgate:restricted", "{what}");
                continue;
            }
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            if hold {
                assert!(reasons(&answer).contains("unreadable-login"), "{what}");
            }
        }
        if !refuse {
            let arrived = gateway.upstream.received();
            assert_eq!(arrived.len(), unreadable().len());
            assert!(
                arrived[0].body.len() > 17 * 1024,
                "all of a long body arrives"
            );
            assert_eq!(arrived[1].body, arrived[0].body);
        }
        // Gone in the middle of a body.
        let bytes = form("alice").bytes();
        for _ in 0..8 {
            let mut connection = Connection::open(gateway.envoy.address()).unwrap();
            connection.write(&bytes[..bytes.len() - 3]).unwrap();
        }
        let empty = post("", FORM).header("content-length", "0");
        for good in [form("alice"), object("alice"), empty] {
            assert_eq!(gateway.send(&good).status, 200);
        }
        assert_eq!(gateway.vms(), vms, "hold {hold}, {policy}");
    }
}

#[test]
fn trailers_end_a_body() {
    if module().is_none() {
        return;
    }
    let policy = policy(&json!({ "failures": 3, "hold_body": true }));
    let mut listener = listener("main", vec![filter(&policy, true)]);
    let http = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    http["http_protocol_options"]["enable_trailers"] = json!(true);
    let gateway = Gateway::of(&[listener], &[]);
    let trailing = || {
        let framed = "e\r\nusername=alice\r\n0\r\nx-trailer: 1\r\n\r\n";
        post(framed, FORM).header("transfer-encoding", "chunked")
    };
    for _ in 0..3 {
        assert_eq!(gateway.send(&wrong(trailing())).status, 401);
    }
    is_too_many(&gateway.send(&from(trailing(), AWAY)));
    assert_eq!(gateway.upstream.hits("/login"), 3);
}

/// Another Envoy in front, which speaks HTTP/2 to the gateway.
#[test]
fn http_2_is_no_different() {
    for hold in [true, false] {
        let Some(gateway) = start(hold, json!({ "failures": 3 })) else {
            return;
        };
        let port = gateway.envoy.address().port();
        let mut boot = bootstrap(&[listener("front", Vec::new())], &[("api", port)]);
        boot["static_resources"]["clusters"][0]["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http2_protocol_options": {} },
            },
        });
        let front = Setup::new(&boot.to_string()).start().unwrap();
        let send = |request: Request| request.send(front.address()).unwrap();
        let vms = gateway.vms();
        // Reset in the middle of a body.
        let cut = form("alice").bytes();
        for _ in 0..4 {
            let mut connection = Connection::open(front.address()).unwrap();
            connection.write(&cut[..cut.len() - 3]).unwrap();
        }
        for _ in 0..3 {
            assert_eq!(send(wrong(chunked("alice"))).status, 401);
        }
        is_too_many(&send(form("alice")));
        assert_eq!(send(form("bob")).status, 200);
        assert_eq!(gateway.vms(), vms);
        assert!(gateway.envoy.stat("http.main.downstream_cx_http2_total") >= 1);
    }
}

#[test]
fn a_host_that_holds_without_delivering_is_found_out() {
    if module().is_none() {
        return;
    }
    // The policy asks for what Envoy was not told to do.
    let policy = policy(&json!({ "failures": 3, "hold_body": true }));
    let gateway = Gateway::with(vec![filter(&policy, false)], &[]).unwrap();
    // One request alone may be a client that sent nothing: a worker needs three.
    until("a worker that complains", || {
        let mut worker = Connection::open(gateway.envoy.address()).ok()?;
        let said = worker.send(&form("alice")).ok()?;
        assert!(matches!(said.status, 200 | 408), "{}", said.text());
        let logs = gateway.envoy.logs();
        logs.contains("allow_on_headers_stop_iteration")
            .then_some(())
    });
    // From then on headers are decided first, on that worker.
    let mut worker = same_worker(&gateway);
    for _ in 0..3 {
        assert_eq!(worker.send(&wrong(form("alice"))).unwrap().status, 401);
    }
    is_too_many(&worker.send(&from(form("alice"), AWAY)).unwrap());
}

/// A connection on a worker that has found out: one that answers a login at once.
fn same_worker(gateway: &Gateway) -> Connection {
    until("a worker that knows", || {
        let mut connection = Connection::open(gateway.envoy.address()).ok()?;
        let answer = connection.send(&from(form("somebody"), HOME)).ok()?;
        (answer.status == 200).then_some(connection)
    })
}
