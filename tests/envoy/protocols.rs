//! Every way a request may come: HTTP/1.0, chunks, HTTP/2, gRPC, trailers, upgrades, tunnels; each hostile as well.
//! May use one worker, raw sockets and frames written by hand, and Envoy's access log.
//! Must not judge a hostile request's answer where Envoy gives it: only that the VM decides on the next one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use stepgate_testkit::envoy::until;
use stepgate_testkit::http::{Connection, TIMEOUT};
use stepgate_testkit::tokens::Key;

use crate::contract::token;
use crate::gateway::{Gateway, stepgate};
use crate::hostile::{READ, alone, assert_alive, curious, start};
use crate::http2::{End, Field, Http2};

/// What every HTTP/2 request of these tests begins with.
fn pseudo<'a>(method: &'a [u8], path: &'a [u8]) -> [Field<'a>; 4] {
    [
        (b":method", method),
        (b":scheme", b"http"),
        (b":authority", b"api.test"),
        (b":path", path),
    ]
}

/// The same, with more fields.
fn with<'a>(method: &'a [u8], path: &'a [u8], more: &[Field<'a>]) -> Vec<Field<'a>> {
    [&pseudo(method, path)[..], more].concat()
}

fn bearer(key: &Key) -> Vec<u8> {
    format!("Bearer {}", token(key, "alice", 0).sign(key)).into_bytes()
}

/// The status in the access log line of a path that only one request had.
fn logged(gateway: &Gateway, path: &str) -> String {
    let line = gateway.envoy.wait_for_log(&format!("ACCESS {path} "));
    let mut words = line.split(' ').skip_while(|word| *word != path).skip(1);
    words.next().unwrap_or_default().to_owned()
}

#[test]
fn http_1_0_and_chunks_carry_the_decision() {
    let Some((gateway, key, vms)) = start() else {
        return;
    };
    let bearer = String::from_utf8(bearer(&key)).unwrap();
    let old = format!("GET /old HTTP/1.0\r\nauthorization: {bearer}\r\n\r\n");
    let chunked = format!(
        "POST /chunked HTTP/1.1\r\nhost: a\r\nauthorization: {bearer}\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\nx-stepgate-decision: allow\r\nx-odd: \u{e9}\r\n\r\n"
    );
    for (what, sent) in [("/old", old), ("/chunked", chunked)] {
        let mut connection = Connection::open(gateway.envoy.address()).unwrap();
        assert_eq!(
            connection.raw(sent.as_bytes()).unwrap().status,
            200,
            "{what}"
        );
        let arrived = gateway.upstream.received().pop().unwrap();
        assert_eq!(arrived.target, what);
        assert_eq!(arrived.headers.all("x-stepgate-decision"), [b"allow"]);
        assert_eq!(arrived.headers.all("x-stepgate-mode"), [b"enforce"]);
    }
    assert_alive(&gateway, vms, &key, "http/1.0 and chunks");
}

#[test]
fn http_2_bytes_that_are_no_text_in_every_header_that_is_read() {
    let Some((gateway, key, vms)) = start() else {
        return;
    };
    let long = vec![b'a'; 900 * 1024];
    let values: [&[u8]; 7] = [
        b"\xff\xfe",
        b"Bearer \xff\xfe",
        b"",
        b"\x80",
        b"session=\xff; device=\xfe",
        b"Bearer ..",
        &long,
    ];
    for name in READ {
        // A connection each: what Envoy refuses may end it.
        let mut client = Http2::open(gateway.envoy.address());
        for value in values {
            let (once, again): (Field<'_>, Field<'_>) =
                ((name.as_bytes(), value), (name.as_bytes(), b"x"));
            for fields in [&[once][..], &[once, again]] {
                let stream = client.request(&with(b"GET", b"/nasty", fields), true);
                if client.end(stream) == End::Reset {
                    client = Http2::open(gateway.envoy.address());
                }
            }
        }
    }
    assert!(
        gateway.envoy.stat("http.main.downstream_rq_total") > 200,
        "most reached the filter"
    );
    assert_alive(&gateway, vms, &key, "http/2 with bytes that are no text");
}

#[test]
fn http_2_requests_that_are_hardly_http() {
    let Some((gateway, key, vms)) = start() else {
        return;
    };
    let many: Vec<String> = (0..3000).map(|n| format!("x-{n}")).collect();
    let many: Vec<Field<'_>> = many
        .iter()
        .map(|name| (name.as_bytes(), &b"v"[..]))
        .collect();
    let empty: [Field<'_>; 4] = [
        (b":method", b""),
        (b":scheme", b""),
        (b":authority", b""),
        (b":path", b""),
    ];
    let absurd: [Vec<Field<'_>>; 13] = [
        vec![],
        empty.to_vec(),
        with(b"GET", b"no-slash", &[]),
        with(b"GET", b"/\xff\xfe", &[]),
        with(b"G\0T", b"/", &[]),
        with(b"GET", b"/", &pseudo(b"GET", b"/")),
        with(b"GET", b"/", &[(b"X-Stepgate-Decision", b"allow")]),
        with(b"GET", b"/", &[(b"x", b"a\r\nx-stepgate-decision: allow")]),
        with(b"GET", b"/", &[(b"x", b"a\0b")]),
        with(b"GET", b"/", &[(b"", b"a")]),
        with(b"GET", b"/", &[(b"connection", b"close")]),
        with(b"GET", b"/", &[(b"host", b"other.test")]),
        with(b"GET", b"/", &[(b"content-length", b"5")]),
    ];
    for fields in &absurd {
        let mut client = Http2::open(gateway.envoy.address());
        let stream = client.request(fields, true);
        client.end(stream);
    }
    let mut client = Http2::open(gateway.envoy.address());
    let crowded = client.request(&with(b"GET", b"/crowded", &many), true);
    assert_eq!(client.end(crowded), End::Answered { ok: true });
    assert_alive(&gateway, vms, &key, "hardly http/2");
}

#[test]
fn grpc_streams_and_trailers() {
    let key = Key::ed25519("k1");
    let mut policy = curious(&key);
    policy["tiers"] = json!([{ "name": "all", "paths": ["/**"], "require_identity": true }]);
    let filter = stepgate("stepgate", &policy.to_string());
    let trailers =
        |http: &mut Value| http["http2_protocol_options"] = json!({ "allow_connect": true });
    let Some(gateway) = alone(vec![filter], trailers) else {
        return;
    };
    let vms = gateway.vms();
    let bearer = bearer(&key);
    let [grpc, te]: [Field<'_>; 2] = [(b"content-type", b"application/grpc"), (b"te", b"trailers")];
    let message = b"\0\0\0\0\0";
    let mut client = Http2::open(gateway.envoy.address());
    // A stream of messages that ends in trailers, hostile ones: the API behind gets the decision.
    let authorization: Field<'_> = (b"authorization", &bearer);
    let fields = with(b"POST", b"/shop.Cart/Add", &[grpc, te, authorization]);
    let stream = client.request(&fields, false);
    client.data(stream, message, false);
    client.data(stream, message, false);
    client.trailers(
        stream,
        &[(b"x-stepgate-decision", b"allow"), (b"x", b"\xff\xfe")],
    );
    assert_eq!(client.end(stream), End::Answered { ok: true });
    let arrived = gateway.upstream.received().pop().unwrap();
    assert_eq!(arrived.body.len(), 10);
    assert_eq!(arrived.headers.all("x-stepgate-decision"), [b"allow"]);
    // Nobody: refused in the words of gRPC, which are status 200 and a grpc-status.
    let nobody = client.request(&with(b"POST", b"/shop.Cart/Nobody", &[grpc, te]), false);
    client.data(nobody, message, false);
    assert_eq!(client.head(nobody), Some(true));
    assert_eq!(logged(&gateway, "/shop.Cart/Nobody"), "200");
    assert_eq!(gateway.upstream.hits("/shop.Cart/Nobody"), 0);
    // Trailers and no body at all.
    let bare = client.request(&fields, false);
    client.trailers(bare, &[(b"grpc-status", b"\xff")]);
    assert_eq!(client.end(bare), End::Answered { ok: true });
    assert_alive(&gateway, vms, &key, "gRPC");
}

/// An API that accepts one upgrade or tunnel and sends back what it gets through it.
fn echo(answer: &'static [u8]) -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = socket.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && !answer.is_empty() {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(answer).unwrap();
        stream.write_all(&head).unwrap();
        let mut copy = stream.try_clone().unwrap();
        let _hung_up = std::io::copy(&mut stream, &mut copy);
    });
    port
}

/// Reads until `text` has arrived.
fn expect(stream: &mut TcpStream, text: &str) -> String {
    let mut seen = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&seen).contains(text) {
        let read = stream
            .read(&mut piece)
            .unwrap_or_else(|error| panic!("{error}: no `{text}` in `{}`", seen.escape_ascii()));
        assert!(read > 0, "no `{text}` in `{}`", seen.escape_ascii());
        seen.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

/// A listener whose API is on this port, with this route.
fn to(port: u16, route: Value, upgrade: &str) -> Option<(Gateway, Key, [u64; 4])> {
    crate::gateway::module()?;
    let key = Key::ed25519("k1");
    let filter = stepgate("stepgate", &curious(&key).to_string());
    let mut listener = crate::gateway::listener("main", vec![filter]);
    let http = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    http["upgrade_configs"] = json!([{ "upgrade_type": upgrade }]);
    let rest = json!({ "match": { "prefix": "/" }, "route": { "cluster": "api" } });
    http["route_config"]["virtual_hosts"][0]["routes"] = json!([route, rest]);
    let gateway = Gateway::on(1, &[listener], &[("tunnel", port)]);
    let vms = gateway.vms();
    Some((gateway, key, vms))
}

fn connect(gateway: &Gateway) -> TcpStream {
    let stream = TcpStream::connect_timeout(&gateway.envoy.address(), TIMEOUT).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

#[test]
fn a_websocket_is_decided_on_once_and_then_left_alone() {
    let port = echo(b"HTTP/1.1 101 -\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n");
    let route = json!({ "match": { "path": "/socket" }, "route": { "cluster": "tunnel" } });
    let Some((gateway, key, vms)) = to(port, route, "websocket") else {
        return;
    };
    let open = |authorization: &str| {
        let mut socket = connect(&gateway);
        write!(socket, "GET /socket HTTP/1.1\r\nhost: a\r\nauthorization: {authorization}\r\nx-stepgate-decision: deny\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n").unwrap();
        socket
    };
    let bearer = String::from_utf8(bearer(&key)).unwrap();
    expect(&mut open("Bearer a.b.c"), "HTTP/1.1 401");
    let mut socket = open(&bearer);
    // The API sends back the request as it arrived, through the socket that is now open.
    let seen = expect(&mut socket, "x-stepgate-id");
    assert!(seen.starts_with("HTTP/1.1 101"), "{seen}");
    assert!(seen.contains("x-stepgate-decision: allow"), "{seen}");
    assert!(!seen.contains("x-stepgate-decision: deny"), "{seen}");
    socket.write_all(b"\x81\xff\xfe\0no frame at all").unwrap();
    expect(&mut socket, "no frame at all");
    drop(socket);
    until("the end of the socket", || {
        (gateway
            .envoy
            .stat("http.main.downstream_cx_upgrades_active")
            == 0)
            .then_some(())
    });
    assert_eq!(logged(&gateway, "/socket"), "401");
    assert_alive(&gateway, vms, &key, "a websocket");
}

#[test]
fn a_tunnel_is_decided_on_like_a_request() {
    // A tunnel ends here: the API gets the bytes in it, and nothing of the request.
    let port = echo(b"");
    let route = json!({
        "match": { "connect_matcher": {} },
        "route": { "cluster": "tunnel", "upgrade_configs": [{ "upgrade_type": "CONNECT", "connect_config": {} }] },
    });
    let Some((gateway, key, vms)) = to(port, route, "CONNECT") else {
        return;
    };
    let open = |authorization: &str| {
        let mut socket = connect(&gateway);
        write!(socket, "CONNECT api.test:443 HTTP/1.1\r\nhost: api.test:443\r\nauthorization: {authorization}\r\n\r\n").unwrap();
        socket
    };
    expect(&mut open("Bearer a.b.c"), "HTTP/1.1 401");
    let bearer = String::from_utf8(bearer(&key)).unwrap();
    let mut socket = open(&bearer);
    expect(&mut socket, "HTTP/1.1 200");
    socket.write_all(b"\xff\xfe in the tunnel").unwrap();
    expect(&mut socket, "in the tunnel");
    drop(socket);
    // Without an authority, and one that is no host.
    for target in ["", "/", "\u{e9}", "a:b:c", "[::1"] {
        let mut socket = connect(&gateway);
        write!(socket, "CONNECT {target} HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let _refused_or_closed = socket.read(&mut [0; 64]);
    }
    assert_alive(&gateway, vms, &key, "a tunnel");
}
