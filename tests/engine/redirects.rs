//! Where a browser is sent back to, whatever it sends.
//! May use the redirect's public face and a reader of URLs as strict or lax as browsers are.
//! Must not trust the form the engine gives an address: it is read as whoever follows it reads it.

use proptest::prelude::*;
use stepgate::decision::Refusal;
use stepgate::policy::{Policy, Route};
use stepgate::redirect::{Navigation, answer};
use stepgate::signals::request::Field;

const ALLOWED: [&str; 2] = ["https://app.test", "https://shop.test:8443"];

fn policy() -> Policy {
    Policy::parse(
        r#"{"mode":"enforce","challenge":{"page":{"url":"https://id.test/mfa","origins":["https://app.test","https://shop.test:8443"],"default":"/start"}}}"#,
    )
    .unwrap()
}

/// The return address for a browser that asks for `target` at `authority`, and whether it was replaced.
fn sent_back(policy: &Policy, authority: &[u8], target: &[u8]) -> (String, bool) {
    let asked = Navigation {
        method: b"GET",
        fetch_mode: Field::Present(b"navigate"),
        accepts_html: true,
        authority,
        target,
    };
    let tier = policy.tier(&Route::default());
    let (reply, replaced) = answer(Refusal::Challenge, policy, tier, "d0", &asked);
    assert_eq!(reply.status, 302);
    let location = reply.headers.iter().find(|(name, _)| *name == "location");
    let (_, location) = location.unwrap();
    let escaped = location
        .strip_prefix("https://id.test/mfa?return_to=")
        .unwrap();
    assert!(
        escaped
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)),
        "{location:?}"
    );
    (unescaped(escaped), replaced)
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(first) = rest.next() {
        bytes.push(match first {
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// The origin of an address as a browser sees it (WHATWG URL): control characters are dropped, a backslash is a slash, any
/// number of them begins the authority, and what stands before its last `@` is no host.
fn origin(address: &str) -> String {
    let plain: String = address
        .chars()
        .filter(|c| !matches!(c, '\t' | '\r' | '\n'))
        .map(|c| if c == '\\' { '/' } else { c })
        .collect();
    let (scheme, rest) = plain.trim().split_once(':').unwrap();
    let authority = rest.trim_start_matches('/');
    let authority = authority.split(['/', '?', '#']).next().unwrap();
    let host = authority.rsplit('@').next().unwrap();
    format!("{}://{}", scheme.to_lowercase(), host.to_lowercase())
}

#[test]
fn what_was_asked_for_is_what_is_come_back_to() {
    let policy = policy();
    for (authority, target, expected) in [
        ("app.test", "/orders", "https://app.test/orders"),
        (
            "APP.test:443",
            "/a/b?c=d&e=%2F%2Fx#",
            "https://app.test/start",
        ),
        (
            "app.test",
            "/a/b?c=https://x.test//y",
            "https://app.test/a/b?c=https://x.test//y",
        ),
        (
            "shop.test:8443",
            "/%C3%A6/a%20b",
            "https://shop.test:8443/%C3%A6/a%20b",
        ),
        ("app.test", "/", "https://app.test/"),
    ] {
        let (address, replaced) = sent_back(&policy, authority.as_bytes(), target.as_bytes());
        assert_eq!(address, expected);
        assert_eq!(replaced, expected.ends_with("/start"));
    }
}

#[test]
fn no_spelling_of_a_path_leads_elsewhere() {
    let policy = policy();
    let long = format!("/{}", "a".repeat(2048));
    for target in [
        "//evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "/%2f/evil.test",
        "/%5cevil.test",
        "/%2F%2Fevil.test",
        "/%252f%252fevil.test",
        "/a//b",
        "/%0d%0aset-cookie:x",
        "/%09/evil.test",
        "/a\\b",
        "https://evil.test/",
        "@evil.test/",
        ".evil.test/",
        ":80@evil.test/",
        "*",
        "",
        "?x=1",
        "/a\u{7f}",
        "/a b",
        "/æ",
        &long,
    ] {
        let (address, replaced) = sent_back(&policy, b"app.test", target.as_bytes());
        assert_eq!(address, "https://app.test/start", "{target}");
        assert!(replaced, "{target}");
    }
    for authority in [
        "evil.test",
        "app.test@evil.test",
        "evil.test@app.test",
        "app.test.evil.test",
        "app.test:8443",
        "app.test:443:443",
        "",
        "app.test/",
    ] {
        let (address, replaced) = sent_back(&policy, authority.as_bytes(), b"/orders");
        assert_eq!(address, "https://app.test/start", "{authority}");
        assert!(replaced, "{authority}");
    }
}

proptest! {
    #[test]
    fn whatever_the_client_sends_it_comes_back_to_an_allowed_origin(
        authority in prop_oneof![
            Just(b"app.test".to_vec()),
            Just(b"shop.test:8443".to_vec()),
            "(app|shop|evil)\\.test(:[0-9]{1,5})?[@/\\\\.:]{0,2}[a-z.]{0,9}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..40),
        ],
        target in prop_oneof![
            "[/\\\\.@:%a-f0-9?#&=+ \t\r\n-]{0,40}".prop_map(String::into_bytes),
            "(/|//|\\\\|%2f|%5c|%252f|%09|%0a|\\.\\.|evil\\.test|@|https:|\\?|#|;){0,9}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..60),
        ],
    ) {
        let (address, _) = sent_back(&policy(), &authority, &target);
        prop_assert!(ALLOWED.contains(&origin(&address).as_str()), "{address:?}");
        prop_assert!(address.len() <= 2100);
        prop_assert!(address.bytes().all(|b| b.is_ascii_graphic()), "{address:?}");
        // Nor does the path alone, for a page that puts it after a host of its own.
        let own = ALLOWED.iter().find_map(|origin| address.strip_prefix(origin)).unwrap();
        prop_assert!(own.starts_with('/') && !own.starts_with("//"), "{address:?}");
    }
}
