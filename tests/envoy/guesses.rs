//! Guesses at one name in spellings that an upstream may read and a filter may not, as Envoy delivers them.
//! May use a gateway with the login section as it is by default: bodies are not held.
//! Must not list every spelling: the module's tests do.

use serde_json::json;
use stepgate_testkit::http::{Request, Response};

use crate::gateway::Gateway;
use crate::login::{FORM, HOME, from, is_too_many, object, post, start, wrong};

/// Guesses from thirty networks, and how many of them the upstream saw.
fn reached(gateway: &Gateway, guess: &Request) -> usize {
    let passes = |n: &usize| {
        let guess = from(wrong(guess.clone()), &format!("23.{n}.1.9"));
        !is_refusal(&gateway.send(&guess))
    };
    (0..30).filter(passes).count()
}

fn is_refusal(said: &Response) -> bool {
    match said.status {
        401 => false,
        403 => {
            assert_eq!(said.json()["type"], "urn:stepgate:restricted");
            true
        }
        _ => {
            is_too_many(said);
            true
        }
    }
}

fn to(target: &str, body: &str) -> Request {
    let mut request = post(body, FORM);
    request.target = target.as_bytes().to_vec();
    request
}

#[test]
fn no_spelling_of_a_name_escapes_its_count() {
    let Some(gateway) = start(false, json!({ "failures": 3 })) else {
        return;
    };
    let padded = format!("username=dave&padding={}", "a".repeat(17 * 1024));
    let query = to("/login?username=alice&password=x", "");
    let decoy = to("/login?username=bob", "username=decoy");
    let two = post(
        r#"{"username":"carol","email":"decoy"}"#,
        "application/json",
    );
    let basic = post("username=erin", FORM).header("authorization", "Basic ZGVjb3k6eA==");
    let read = Request::new("GET", "/login?username=frank&password=x");
    for (spelling, guess, most) in [
        ("query", query, 3),
        ("query and decoy", decoy, 0),
        ("two fields", two, 0),
        ("padded", post(padded, FORM), 0),
        ("Basic", basic, 0),
        ("GET", read, 3),
    ] {
        gateway.upstream.forget();
        let passed = reached(&gateway, &guess);
        assert_eq!(passed, most, "{spelling}");
        // Where a body shows that there are two names, it goes no further.
        assert_eq!(gateway.upstream.received().len(), most, "{spelling}");
    }
    // A passkey names nobody, and its body is read.
    let passkey = post(r#"{"id":"AbC","type":"public-key"}"#, "application/json");
    assert_eq!(gateway.send(&from(passkey, HOME)).status, 200);
    assert_eq!(gateway.send(&from(object("grace"), HOME)).status, 200);
}
