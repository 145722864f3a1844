//! Login endpoints on the wire: the name in forms, objects and Basic credentials, bodies held or cut off, 429 and who still passes.
//! May use a gateway with the filter as an operator would set it, and raw connections.
//! Must not know how failures are counted, only when they are too many.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stepgate_testkit::envoy::{Setup, until};
use stepgate_testkit::http::{Connection, Request, Response};

use crate::gateway::{Gateway, bootstrap, listener, module, stepgate};

const HOME: &str = "81.2.69.142";
const AWAY: &str = "185.220.101.4";
const FORM: &str = "application/x-www-form-urlencoded";

fn policy(login: &Value) -> Value {
    json!({
        "mode": "enforce",
        "hash_key": "a secret of the envoy tests",
        "baseline": { "memory_mib": 1 },
        "login": login,
        "tiers": [
            { "name": "login", "paths": ["/login"], "class": "login" },
            { "name": "token", "paths": ["/token"], "class": "login",
              "login": { "token_endpoint": true, "failures": 3, "hold_body": login["hold_body"] } },
        ],
    })
}

/// The filter, told to hold bodies or not; Envoy with it.
fn filter(policy: &Value, hold: bool) -> Value {
    let mut filter = stepgate("stepgate", &policy.to_string());
    filter["typed_config"]["config"]["allow_on_headers_stop_iteration"] = json!(hold);
    filter
}

fn start(hold: bool, mut login: Value) -> Option<Gateway> {
    module()?;
    login["hold_body"] = json!(hold);
    Gateway::with(vec![filter(&policy(&login), hold)], &[])
}

fn post(body: impl AsRef<[u8]>, media: &str) -> Request {
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    Request::new("POST", "/login")
        .header("content-type", media)
        .header("user-agent", agent)
        .body(body)
}

fn from(request: Request, address: &str) -> Request {
    request.header("x-forwarded-for", address)
}

fn wrong(request: Request) -> Request {
    request.header("x-test-status", "401")
}

fn form(name: &str) -> Request {
    post(format!("username={name}&password=secret"), FORM)
}

fn object(name: &str) -> Request {
    post(
        json!({ "password": "secret", "email": name }).to_string(),
        "application/json",
    )
}

fn basic(name: &str) -> Request {
    let encoded = STANDARD.encode(format!("{name}:secret"));
    Request::new("POST", "/login").header("authorization", format!("Basic {encoded}"))
}

fn chunked(name: &str) -> Request {
    let body = format!("username={name}&password=secret");
    let (one, two) = body.split_at(7);
    let framed = format!(
        "{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
        one.len(),
        two.len()
    );
    post(framed, FORM).header("transfer-encoding", "chunked")
}

fn is_too_many(response: &Response) {
    assert_eq!(response.status, 429, "{}", response.text());
    let wait: u32 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
    let problem = response.json();
    assert_eq!(problem["type"], "urn:stepgate:too-many-attempts");
    assert_eq!(problem["decision"], "restrict");
    assert_eq!(
        problem["id"].as_str(),
        response.header("x-stepgate-id").as_deref()
    );
    for secret in ["alice", "secret", "too-many-failures"] {
        assert!(
            !response.text().contains(secret),
            "the client is told of {secret}"
        );
    }
}

fn reasons(response: &Response) -> String {
    let told = response.echoed().text("x-stepgate-reasons");
    told.unwrap_or_default()
}

/// However the name comes, the fourth guess at it is refused, and what passed reached the upstream as it was sent.
fn the_fourth_guess_is_refused(hold: bool) {
    let Some(gateway) = start(hold, json!({ "failures": 3 })) else {
        return;
    };
    let vms = gateway.vms();
    type Kind = (&'static str, fn(&str) -> Request);
    let kinds: [Kind; 4] = [
        ("form", form),
        ("object", object),
        ("basic", basic),
        ("chunked", chunked),
    ];
    for (n, (kind, request)) in kinds.into_iter().enumerate() {
        let name = format!("alice-{kind}");
        let address = format!("23.1.{n}.9");
        gateway.upstream.forget();
        for spelling in [name.clone(), name.to_uppercase(), name.clone()] {
            let guess = from(wrong(request(&spelling)), &address);
            assert_eq!(gateway.send(&guess).status, 401, "{kind}");
        }
        let arrived = gateway.upstream.received();
        assert_eq!(arrived.len(), 3, "{kind}");
        let body = String::from_utf8(arrived[0].body.clone()).unwrap();
        match kind {
            "form" | "chunked" => assert_eq!(body, format!("username={name}&password=secret")),
            "object" => assert_eq!(body.as_bytes(), request(&name).body),
            _ => assert!(body.is_empty()),
        }
        // From another network: it is the name that failed too often.
        let elsewhere = from(request(&name), &format!("23.2.{n}.9"));
        is_too_many(&gateway.send(&elsewhere));
        let other = from(request("somebody-else"), &address);
        assert_eq!(gateway.send(&other).status, 200, "{kind}");
        let complete = gateway.upstream.received().len();
        assert_eq!(complete, 4, "{kind}: the refused one reached the upstream");
    }
    assert_eq!(gateway.vms(), vms);
    let logs = gateway.envoy.logs();
    for secret in ["alice", "secret", "somebody"] {
        let leaked = logs
            .lines()
            .find(|line| line.contains(secret) && !line.contains("a secret of"));
        assert_eq!(leaked, None);
    }
}

#[test]
fn names_are_read_before_the_decision_where_bodies_are_held() {
    the_fourth_guess_is_refused(true);
}

#[test]
fn names_cut_requests_off_where_bodies_are_not_held() {
    the_fourth_guess_is_refused(false);
}

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

#[test]
fn guesses_from_elsewhere_keep_no_owner_out() {
    let Some(gateway) = start(true, json!({})) else {
        return;
    };
    let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
    let owner = || {
        let mut request = from(form("alice"), HOME);
        request.headers.replace(b"user-agent", chrome.as_bytes());
        request
    };
    assert_eq!(gateway.send(&owner()).status, 200);
    // Two addresses in turn: five guesses each pass, then none.
    let mut passed = 0;
    for n in 0..40 {
        let address = [AWAY, "102.89.1.4"][n % 2];
        let guess = gateway.send(&from(wrong(form("alice")), address));
        match guess.status {
            401 => passed += 1,
            _ => is_too_many(&guess),
        }
    }
    assert_eq!(passed, 10);
    let home = gateway.send(&owner());
    assert_eq!(home.status, 200, "{}", home.text());
    assert!(reasons(&home).contains("own-place"), "{}", reasons(&home));
    is_too_many(&gateway.send(&from(form("alice"), AWAY)));
    // Thirty refusals made no burst of the network: others there are heard.
    assert_eq!(gateway.send(&from(form("bob"), AWAY)).status, 200);
    assert_eq!(gateway.upstream.hits("/login"), 13);
}

#[test]
fn a_spray_is_refused_where_it_comes_from() {
    let Some(gateway) = start(true, json!({ "names": 6 })) else {
        return;
    };
    let neighbour = || from(object("carol"), AWAY);
    assert_eq!(gateway.send(&neighbour()).status, 200);
    let mut said = Vec::new();
    for n in 0..20 {
        let guess = gateway.send(&from(wrong(object(&format!("user-{n}"))), AWAY));
        said.push(guess.status);
    }
    assert!(
        (5..=9).contains(&said.iter().filter(|s| **s == 401).count()),
        "{said:?}"
    );
    is_too_many(&gateway.send(&from(object("user-99"), AWAY)));
    assert_eq!(gateway.send(&neighbour()).status, 200);
    assert_eq!(gateway.send(&from(object("user-99"), HOME)).status, 200);
}

#[test]
fn a_token_endpoint_counts_whom_the_grant_names() {
    for hold in [true, false] {
        let Some(gateway) = start(hold, json!({})) else {
            return;
        };
        let grant = |body: &str| {
            let mut request = basic("billing");
            request.target = b"/token".to_vec();
            request.header("content-type", FORM).body(body)
        };
        let machine = || grant("grant_type=client_credentials&scope=a");
        for _ in 0..3 {
            assert_eq!(gateway.send(&wrong(machine())).status, 401);
        }
        is_too_many(&gateway.send(&from(machine(), AWAY)));
        // The same client asking for a person, or with a code, is another matter.
        for body in [
            "grant_type=password&username=alice&password=x",
            "grant_type=authorization_code&code=x",
        ] {
            assert_eq!(gateway.send(&grant(body)).status, 200, "{hold} {body}");
        }
    }
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
    let mut worker = Connection::open(gateway.envoy.address()).unwrap();
    let first = worker.send(&form("alice")).unwrap();
    assert_eq!(first.status, 408, "{}", first.text());
    gateway
        .envoy
        .wait_for_log("allow_on_headers_stop_iteration");
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
