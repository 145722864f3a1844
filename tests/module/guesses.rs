//! Guesses at one name in spellings that an upstream may read and a filter may not.
//! May use one VM, driven by hand, with the login section as it is by default.
//! Must not need Envoy: what arrives is given.

use serde_json::json;
use stepgate_testkit::host::{Exchange, Host};

use crate::login::{desk_of, status};
use crate::{BROWSER, bearer, token};

const FORM: &str = "application/x-www-form-urlencoded";

/// A login as a client sends it.
struct Guess {
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: Vec<u8>,
    token: Option<String>,
}

impl Guess {
    fn new(method: &'static str, path: &'static str) -> Self {
        Self {
            method,
            path,
            headers: &[],
            body: Vec::new(),
            token: None,
        }
    }

    pub(crate) fn with(
        mut self,
        headers: &'static [(&'static str, &'static str)],
        body: &str,
    ) -> Self {
        (self.headers, self.body) = (headers, body.as_bytes().to_vec());
        self
    }

    /// From an address, answered with this status if it gets there.
    fn send(&self, host: &mut Host, address: &str, answer: &str) -> Exchange {
        host.set_property(&["source", "address"], format!("{address}:4711"));
        let length = self.body.len().to_string();
        let mut headers = vec![
            (":method", self.method),
            (":path", self.path),
            (":authority", "api.test"),
            ("user-agent", BROWSER),
        ];
        headers.extend(self.headers);
        headers.extend(self.token.iter().map(|token| ("authorization", &**token)));
        if !self.body.is_empty() {
            headers.push(("content-length", &length));
        }
        let mut exchange = host.open(&headers, self.body.is_empty()).unwrap();
        if exchange.reply.is_none() && !self.body.is_empty() {
            exchange = host.body(&self.body, true).unwrap();
        }
        if exchange.reply.is_none() {
            host.response(&[(":status", answer)]).unwrap();
        }
        host.finish().unwrap();
        exchange
    }
}

/// Guesses at one name from thirty networks, and how many of them pass.
fn pass(host: &mut Host, guess: &Guess) -> usize {
    let passed = |n: &usize| status(&guess.send(host, &format!("23.{n}.1.9"), "401")) == 200;
    (0..30).filter(passed).count()
}

fn plain(name: &str) -> Guess {
    Guess::new("POST", "/login").with(&[("content-type", FORM)], &format!("username={name}"))
}

#[test]
fn no_spelling_of_a_name_escapes_its_count() {
    let form = &[("content-type", FORM)];
    let json = &[("content-type", "application/json")];
    let padded = format!("username=alice&padding={}", "a".repeat(17 * 1024));
    let part = "--b\r\ncontent-disposition: form-data; name=\"username\"\r\n\r\nalice\r\n--b--\r\n";
    let decoy = &[
        ("content-type", FORM),
        ("authorization", "Basic ZGVjb3k6eA=="),
    ];
    let ebcdic = &[(
        "content-type",
        "application/x-www-form-urlencoded; charset=ibm037",
    )];
    let guesses = [
        (
            "query",
            Guess::new("POST", "/login?username=alice&password=x"),
        ),
        ("escaped", Guess::new("POST", "/login?x=1&%75sername=alice")),
        ("zero", Guess::new("POST", "/login?username%00=alice")),
        (
            "query and decoy",
            Guess::new("POST", "/login?username=alice").with(form, "username=decoy"),
        ),
        ("GET", Guess::new("GET", "/login?username=alice&password=x")),
        (
            "HEAD",
            Guess::new("HEAD", "/login?username=alice&password=x"),
        ),
        (
            "GET with a body",
            Guess::new("GET", "/login").with(form, "username=alice&password=x"),
        ),
        ("padded", Guess::new("POST", "/login").with(form, &padded)),
        (
            "multipart",
            Guess::new("POST", "/login")
                .with(&[("content-type", "multipart/form-data; boundary=b")], part),
        ),
        (
            "two fields",
            Guess::new("POST", "/login").with(json, "{\"username\":\"alice\",\"email\":\"decoy\"}"),
        ),
        (
            "semicolon",
            Guess::new("POST", "/login").with(form, "x=1;username=alice"),
        ),
        (
            "Basic",
            Guess::new("POST", "/login").with(decoy, "username=alice"),
        ),
        (
            "object as a form",
            Guess::new("POST", "/login").with(form, "{\"username\":\"alice\"}"),
        ),
        (
            "list",
            Guess::new("POST", "/login").with(form, "username%5B0%5D=alice"),
        ),
        (
            "long s",
            Guess::new("POST", "/login").with(json, "{\"u\u{17f}ername\":\"alice\"}"),
        ),
        (
            "byte order mark",
            Guess::new("POST", "/login").with(form, "\u{feff}username=alice"),
        ),
        (
            "zero width",
            Guess::new("POST", "/login").with(form, "username=al%E2%80%8Bice"),
        ),
        (
            "accents",
            Guess::new("POST", "/login").with(form, "username=%C3%A1lic%C3%A9"),
        ),
        (
            "character set",
            Guess::new("POST", "/login").with(ebcdic, "%A4%A2%85%99%95%81%94%85=%81%93%89%83%85"),
        ),
    ];
    for hold in [false, true] {
        for (spelling, guess) in &guesses {
            let mut host = desk_of(json!({ "hold_body": hold, "failures": 3 }));
            let passed = pass(&mut host, guess);
            assert!(passed <= 3, "hold {hold}, {spelling}: {passed}");
            // What is counted is counted for the name, however it is spelled next.
            if passed > 0 {
                assert_eq!(
                    status(&plain("alice").send(&mut host, "24.1.1.1", "200")),
                    429,
                    "{spelling}"
                );
            }
        }
    }
}

#[test]
fn a_page_that_was_only_read_makes_no_place_ones_own() {
    let mut host = desk_of(json!({ "failures": 3 }));
    let page = Guess::new("GET", "/login?username=alice");
    for _ in 0..5 {
        assert_eq!(status(&page.send(&mut host, "23.1.1.9", "200")), 200);
    }
    assert_eq!(pass(&mut host, &plain("alice")), 3);
    let stranger = plain("alice").send(&mut host, "23.1.1.9", "200");
    assert_eq!(status(&stranger), 429, "it is a stranger's place");
}

#[test]
fn a_token_of_ones_own_makes_no_place_of_anothers_name_ones_own() {
    let own = bearer(&token("mallory", 0));
    let mut host = desk_of(json!({ "failures": 3 }));
    // Who is logged in already is sent home, whatever name and password say.
    let mut logged_in = plain("alice");
    logged_in.token = Some(own);
    for _ in 0..3 {
        let sent_home = logged_in.send(&mut host, "23.1.1.9", "302");
        assert_eq!(status(&sent_home), 200);
    }
    let guess = plain("alice");
    let passed = (0..30).filter(|_| status(&guess.send(&mut host, "23.1.1.9", "401")) == 200);
    assert_eq!(passed.count(), 3);
}

#[test]
fn a_body_that_names_nobody_can_be_read() {
    let json = &[("content-type", "application/json")];
    let mut host = desk_of(json!({}));
    for passkey in [
        Guess::new("POST", "/login").with(
            json,
            "{\"id\":\"AbC\",\"type\":\"public-key\",\"response\":{}}",
        ),
        Guess::new("POST", "/login"),
        Guess::new("GET", "/login"),
        Guess::new("GET", "/login?next=/home"),
    ] {
        assert_eq!(status(&passkey.send(&mut host, "23.1.1.9", "200")), 200);
    }
}
