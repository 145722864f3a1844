//! Streams that end where no stream should: clients and APIs that hang up in every phase, replies of other filters, no request
//! phase at all.
//! May use one worker, frames written by hand, an API that stops in the middle, Envoy's fault filter and its statistics.
//! Must not wait for a time: what has happened shows in a statistic.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};
use stepgate_testkit::envoy::until;
use stepgate_testkit::http::{Canned, Connection, Request};
use stepgate_testkit::tokens::Key;

use crate::contract::{at_home, policy, token};
use crate::gateway::{Gateway, listener, module, stepgate};
use crate::hostile::{alone, assert_alive, curious, start};
use crate::http2::{Field, Http2};

/// One worker that also has a login route, whose body it holds or watches.
fn with_login(hold: bool) -> Option<(Gateway, Key, [u64; 4])> {
    let key = Key::ed25519("k1");
    let mut policy = curious(&key);
    policy["login"] = json!({ "hold_body": hold });
    policy["tiers"] = json!([{ "name": "login", "paths": ["/login"], "class": "login" }]);
    let mut filter = stepgate("stepgate", &policy.to_string());
    filter["typed_config"]["config"]["allow_on_headers_stop_iteration"] = json!(hold);
    let gateway = alone(vec![filter], |_| {})?;
    let vms = gateway.vms();
    Some((gateway, key, vms))
}

/// Waits until Envoy has counted so many requests that the client gave up.
fn wait_for_resets(gateway: &Gateway, at_least: u64) {
    until("the resets", || {
        let seen = gateway.envoy.stat("http.main.downstream_rq_rx_reset")
            + gateway
                .envoy
                .stat("http.main.downstream_cx_destroy_remote_active_rq");
        (seen >= at_least).then_some(())
    });
}

#[test]
fn clients_that_hang_up_in_every_phase() {
    for hold in [true, false] {
        let Some((gateway, key, vms)) = with_login(hold) else {
            return;
        };
        let late = Canned::json(&json!({})).after(Duration::from_millis(300));
        gateway.upstream.serve("/late", late);
        let bearer = token(&key, "alice", 0).sign(&key);
        let authorization = format!("authorization: Bearer {bearer}\r\n");
        let cut = |sent: &str| {
            let mut connection = Connection::open(gateway.envoy.address()).unwrap();
            connection.write(sent.as_bytes()).unwrap();
        };
        for _ in 0..4 {
            // In the first line, in a header, at the end of the head; in a body; before the answer.
            cut("GE");
            cut(&format!(
                "GET / HTTP/1.1\r\nhost: a\r\n{}",
                &authorization[..40]
            ));
            cut(&format!("GET / HTTP/1.1\r\nhost: a\r\n{authorization}"));
            cut(&format!(
                "POST / HTTP/1.1\r\nhost: a\r\n{authorization}content-length: 9\r\n\r\nabc"
            ));
            cut(&format!(
                "GET /late HTTP/1.1\r\nhost: a\r\n{authorization}\r\n"
            ));
            cut(
                "POST /login HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 50\r\n\r\nusername=al",
            );
            cut(
                "POST /login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"use",
            );
        }
        wait_for_resets(&gateway, 4 * 4);
        assert_alive(&gateway, vms, &key, "hanging up over HTTP/1.1");

        let pseudo = |method: &'static [u8], path: &'static [u8]| -> [Field<'static>; 4] {
            [
                (b":method", method),
                (b":scheme", b"http"),
                (b":authority", b"api.test"),
                (b":path", path),
            ]
        };
        let before = gateway.envoy.stat("http.main.downstream_rq_rx_reset");
        let bearer = format!("Bearer {bearer}");
        let authorization: Field<'_> = (b"authorization", bearer.as_bytes());
        let form: Field<'_> = (b"content-type", b"application/x-www-form-urlencoded");
        let mut client = Http2::open(gateway.envoy.address());
        for _ in 0..4 {
            let fields = [&pseudo(b"POST", b"/login")[..], &[form]].concat();
            let held = client.request(&fields, false);
            client.reset(held);
            let held = client.request(&fields, false);
            client.data(held, b"username=al", false);
            client.reset(held);
            let fields = [&pseudo(b"GET", b"/late")[..], &[authorization]].concat();
            let waiting = client.request(&fields, true);
            client.reset(waiting);
            let fields = [&pseudo(b"POST", b"/late")[..], &[authorization]].concat();
            let sending = client.request(&fields, false);
            client.data(sending, b"abc", false);
            client.reset(sending);
        }
        until("the resets", || {
            let seen = gateway.envoy.stat("http.main.downstream_rq_rx_reset");
            (seen >= before + 16).then_some(())
        });
        assert_alive(&gateway, vms, &key, "resets over HTTP/2");
    }
}

/// An API that reads a request and answers with these bytes, then hangs up; once for each.
fn abrupt(answers: Vec<&'static [u8]>) -> (u16, std::thread::JoinHandle<()>) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let serving = std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = socket.accept().unwrap();
            let mut seen = Vec::new();
            let mut piece = [0; 1024];
            while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
                let read = stream.read(&mut piece).unwrap();
                assert!(read > 0, "a whole head arrives");
                seen.extend_from_slice(&piece[..read]);
            }
            stream.write_all(answer).unwrap();
        }
    });
    (port, serving)
}

#[test]
fn apis_that_hang_up_in_every_phase_teach_nothing() {
    if module().is_none() {
        return;
    }
    let key = Key::ed25519("k1");
    let answers: Vec<&'static [u8]> = vec![
        b"",
        b"HTTP/1.1",
        b"HTTP/1.1 200 -\r\nx-odd: \xff",
        b"no http at all\r\n\r\n",
        b"HTTP/1.1 200 -\r\ncontent-length: 100\r\n\r\nabc",
        b"HTTP/1.1 200 -\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
    ];
    let whole = answers.len() - 2;
    let count = answers.len();
    let (port, serving) = abrupt(answers);
    let filter = stepgate("stepgate", &policy(&key).to_string());
    let mut listener = listener("main", vec![filter]);
    let http = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    http["route_config"]["virtual_hosts"][0]["routes"] = json!([
        { "match": { "path": "/abrupt" }, "route": { "cluster": "abrupt" } },
        { "match": { "prefix": "/" }, "route": { "cluster": "api" } },
    ]);
    let gateway = Gateway::on(1, &[listener], &[("abrupt", port)]);
    let vms = gateway.vms();
    for n in 0..count {
        let who = token(&key, &format!("user-{n}"), 0).sign(&key);
        let mut request = at_home(&who);
        request.target = b"/abrupt".to_vec();
        let answer = request.send(gateway.envoy.address());
        if n < whole {
            let status = answer.map(|answer| answer.status);
            assert!(matches!(status, Ok(502 | 503)), "{n}: {status:?}");
        } else {
            assert!(answer.is_err(), "{n}: the body is cut: {answer:?}");
        }
    }
    serving.join().unwrap();
    // Two had a status of the API, and that is what counts; the others were accepted by nobody.
    assert_eq!(gateway.envoy.stat("wasmcustom.stepgate_learned_total"), 2);
    assert_alive(&gateway, vms, &key, "an API that hangs up");
}

/// Envoy's own filter that answers instead of the API where a header asks for it.
fn fault(header: &str) -> Value {
    json!({
        "name": format!("fault-{header}"),
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "abort": { "http_status": 418, "percentage": { "numerator": 100 } },
            "headers": [{ "name": header, "present_match": true }],
        },
    })
}

#[test]
fn replies_of_other_filters_before_and_after_teach_nothing() {
    let key = Key::ed25519("k1");
    let filter = stepgate("stepgate", &curious(&key).to_string());
    let Some(gateway) = alone(vec![fault("x-before"), filter, fault("x-after")], |_| {}) else {
        return;
    };
    let vms = gateway.vms();
    let learned = || gateway.envoy.stat("wasmcustom.stepgate_learned_total");
    for round in 0..4 {
        let alice = token(&key, "alice", round).sign(&key);
        for filter in ["x-before", "x-after"] {
            for value in [&b"1"[..], b"\xff\xfe"] {
                let asked = at_home(&alice)
                    .header(filter, value)
                    .header("x-stepgate-decision", "allow");
                let answer = gateway.send(&asked);
                assert_eq!(answer.status, 418, "{filter}");
                assert!(!answer.headers.has("x-stepgate-decision"), "{filter}");
            }
        }
    }
    // Before ours nothing was decided, after it something was.
    for (decided, count) in [("- -", 8), ("allow d", 8)] {
        let line = format!("ACCESS /orders 418 fault_filter_abort {decided}");
        until(&line, || {
            (gateway.envoy.logs().matches(&line).count() >= count).then_some(())
        });
    }
    assert_eq!(learned(), 0, "no API accepted anything");
    assert!(gateway.upstream.received().is_empty());
    // With a body, on a stream that ends without one, and for nobody.
    for request in [
        Request::new("POST", "/x")
            .header("x-before", "1")
            .body(vec![b'a'; 70_000]),
        Request::new("POST", "/x")
            .header("x-after", "1")
            .body(vec![b'a'; 70_000]),
        Request::new("HEAD", "/x").header("x-before", "1"),
    ] {
        let mut connection = Connection::open(gateway.envoy.address()).unwrap();
        let _answered_or_closed = connection.send(&request);
    }
    assert_alive(&gateway, vms, &key, "replies of other filters");
    assert_eq!(learned(), 1);
}

#[test]
fn a_log_without_a_request_phase() {
    let Some((gateway, key, vms)) = start() else {
        return;
    };
    // Refused by the codec or the connection manager, before any filter: only the log phase runs.
    let long = format!(
        "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "a".repeat(5 << 20)
    );
    for (n, refused) in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: \xff\r\n\r\n",
        b"\xff\xff / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        long.as_bytes(),
    ]
    .into_iter()
    .enumerate()
    {
        for _ in 0..3 {
            let mut connection = Connection::open(gateway.envoy.address()).unwrap();
            let status = connection.raw(refused).map(|answer| answer.status);
            assert!(!matches!(status, Ok(200..400)), "{n}: {status:?}");
        }
    }
    assert!(gateway.upstream.received().is_empty());
    assert_alive(&gateway, vms, &key, "refusals before any filter");
}
