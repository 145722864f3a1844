//! Login endpoints on the wire: the name in forms, objects and Basic credentials, 429 and who still passes.
//! May use a gateway with the filter as an operator would set it.
//! Must not know how failures are counted, only when they are too many.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stepgate_testkit::http::{Request, Response};

use crate::gateway::{Gateway, module, stepgate};

pub(crate) const HOME: &str = "81.2.69.142";
pub(crate) const AWAY: &str = "185.220.101.4";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) fn policy(login: &Value) -> Value {
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
pub(crate) fn filter(policy: &Value, hold: bool) -> Value {
    let mut filter = stepgate("stepgate", &policy.to_string());
    filter["typed_config"]["config"]["allow_on_headers_stop_iteration"] = json!(hold);
    filter
}

pub(crate) fn start(hold: bool, mut login: Value) -> Option<Gateway> {
    module()?;
    login["hold_body"] = json!(hold);
    Gateway::with(vec![filter(&policy(&login), hold)], &[])
}

pub(crate) fn post(body: impl AsRef<[u8]>, media: &str) -> Request {
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    Request::new("POST", "/login")
        .header("content-type", media)
        .header("user-agent", agent)
        .body(body)
}

pub(crate) fn from(request: Request, address: &str) -> Request {
    request.header("x-forwarded-for", address)
}

pub(crate) fn wrong(request: Request) -> Request {
    request.header("x-test-status", "401")
}

pub(crate) fn form(name: &str) -> Request {
    post(format!("username={name}&password=secret"), FORM)
}

pub(crate) fn object(name: &str) -> Request {
    post(
        json!({ "password": "secret", "email": name }).to_string(),
        "application/json",
    )
}

pub(crate) fn basic(name: &str) -> Request {
    let encoded = STANDARD.encode(format!("{name}:secret"));
    Request::new("POST", "/login").header("authorization", format!("Basic {encoded}"))
}

pub(crate) fn chunked(name: &str) -> Request {
    let body = format!("username={name}&password=secret");
    let (one, two) = body.split_at(7);
    let framed = format!(
        "{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
        one.len(),
        two.len()
    );
    post(framed, FORM).header("transfer-encoding", "chunked")
}

pub(crate) fn is_too_many(response: &Response) {
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

pub(crate) fn reasons(response: &Response) -> String {
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
fn guesses_from_elsewhere_keep_no_owner_out() {
    for hold in [true, false] {
        guess_from_elsewhere(hold);
    }
}

fn guess_from_elsewhere(hold: bool) {
    let Some(gateway) = start(hold, json!({})) else {
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
    // The upstream is told before the name is known where bodies are not held.
    assert_eq!(
        reasons(&home).contains("own-place"),
        hold,
        "{}",
        reasons(&home)
    );
    is_too_many(&gateway.send(&from(form("alice"), AWAY)));
    // Thirty refusals made no burst of the network: others there are heard.
    assert_eq!(gateway.send(&from(form("bob"), AWAY)).status, 200);
    assert_eq!(gateway.upstream.hits("/login"), 13);
}

/// Guesses at thirty names from the owner's own network, with another client.
#[test]
fn a_neighbour_who_guesses_keeps_no_owner_out() {
    for hold in [true, false] {
        let Some(gateway) = start(hold, json!({})) else {
            return;
        };
        let owner = || from(form("alice"), HOME);
        for _ in 0..3 {
            assert_eq!(gateway.send(&owner()).status, 200);
        }
        let mut passed = 0;
        for n in 0..30 {
            let mut guess = from(wrong(form(&format!("name-{n}"))), "81.2.69.77");
            guess.headers.replace(b"user-agent", b"curl/8");
            let said = gateway.send(&guess);
            match said.status {
                401 => passed += 1,
                _ => is_too_many(&said),
            }
        }
        assert!((10..25).contains(&passed), "hold {hold}: {passed}");
        let home = gateway.send(&owner());
        assert_eq!(home.status, 200, "hold {hold}: {}", home.text());
        // A name that has not logged in there is refused there, and its body goes no further.
        is_too_many(&gateway.send(&from(form("bob"), HOME)));
        assert_eq!(gateway.upstream.hits("/login"), 4 + passed);
    }
}

#[test]
fn a_spray_is_refused_where_it_comes_from() {
    for hold in [true, false] {
        spray(hold);
    }
}

fn spray(hold: bool) {
    let Some(gateway) = start(hold, json!({ "names": 6 })) else {
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
