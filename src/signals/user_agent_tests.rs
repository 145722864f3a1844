//! Tests of clients: real user agents from a table, names of events, client hints.

use super::*;

fn shown(client: Client) -> String {
    let browser = client
        .browser
        .name()
        .map_or_else(|| "?".to_owned(), str::to_owned);
    let mut flags = String::new();
    if client.webview {
        flags.push_str(" webview");
    }
    if client.automated {
        flags.push_str(" automated");
    }
    let os = client.os.name().unwrap_or("-");
    format!(
        "{browser} {} | {os} {} | {:?}{flags}",
        client.major, client.os_major, client.device
    )
}

#[test]
fn real_user_agents_are_recognised() {
    let table = include_str!("../../tests/fixtures/user_agents.tsv");
    let rows: Vec<_> = table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert!(rows.len() >= 60);
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let (expected, header) = row.split_once('\t').expect("two columns");
            let got = shown(parse(header.as_bytes()));
            (got != expected).then(|| format!("{header}\n  expected {expected}\n  got      {got}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unknown_products_still_differ() {
    let of = |header: &str| parse(header.as_bytes()).browser;
    assert_ne!(of("AcmeApp/1.0 (x)"), of("OtherApp/1.0 (x)"));
    assert_eq!(of("AcmeApp/1.0 (x)"), of("AcmeApp/2.0"));
    assert_eq!(
        of("AcmeApp/1.0"),
        from_names(Some("AcmeApp"), None, None, None, None).browser
    );
    assert_ne!(of("AcmeApp/1.0"), Browser::NONE);
    assert_eq!(parse(b""), Client::default());
    let long = "X".repeat(5000);
    assert_ne!(of(&long), of(&"Y".repeat(5000)));
}

#[test]
fn names_of_events_give_the_same_client() {
    let named = |name, version, os, os_version, device| {
        shown(from_names(name, version, os, os_version, device))
    };
    for (name, version, os, device, expected) in [
        (
            "Chrome iOS",
            "90",
            "iOS 12",
            "mobile",
            "Chrome iOS 90 | iOS 12 | Mobile",
        ),
        (
            "Chrome",
            "90",
            "Windows 10",
            "desktop",
            "Chrome 90 | Windows 10 | Desktop",
        ),
        (
            "Mobile Safari",
            "12.1",
            "iOS 12",
            "tablet",
            "Safari 12 | iPadOS 12 | Tablet",
        ),
        (
            "Safari",
            "97",
            "Mac OS X 13",
            "desktop",
            "Safari 97 | macOS 13 | Desktop",
        ),
        (
            "Chrome WebView",
            "90",
            "Android 13",
            "mobile",
            "Android WebView 90 | Android 13 | Mobile webview",
        ),
        (
            "Chrome Mobile 46.0.2490",
            "",
            "Android 4.1",
            "mobile",
            "Chrome 46 | Android 4 | Mobile",
        ),
        (
            "Firefox 20.0.0.1618",
            "",
            "iOS 13.4",
            "mobile",
            "Firefox 20 | iOS 13 | Mobile",
        ),
        ("Edge", "18", "Windows", "", "Edge 18 | Windows 0 | Desktop"),
        (
            "curl",
            "8",
            "Linux",
            "bot",
            "curl 8 | Linux 0 | Tool automated",
        ),
        (
            "Go-http",
            "1",
            "Linux",
            "bot",
            "Go-http-client 1 | Linux 0 | Tool automated",
        ),
        (
            "Googlebot",
            "2.1",
            "Other",
            "Spider",
            "Googlebot 2 | - 0 | Bot automated",
        ),
        (
            "Samsung Internet",
            "14",
            "Android 11",
            "Samsung SM-G960F",
            "Samsung Internet 14 | Android 11 | Mobile",
        ),
        (
            "Evolution",
            "",
            "unknown",
            "",
            "Evolution 0 | - 0 | Unknown",
        ),
        ("", "", "", "", "? 0 | - 0 | Unknown"),
    ] {
        assert_eq!(
            named(Some(name), Some(version), Some(os), None, Some(device)),
            expected,
            "{name}"
        );
    }
    assert_eq!(named(None, None, None, None, None), "? 0 | - 0 | Unknown");
    assert_eq!(
        named(Some("IE"), Some("11"), Some("Windows"), Some("7"), None),
        "IE 11 | Windows 7 | Desktop"
    );
}

#[test]
fn hints_correct_frozen_strings() {
    let chrome = parse(
        b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/116.0.0.0 Safari/537.36",
    );
    let hinted = |brands: &[u8], platform: &[u8], mobile: &[u8]| {
        shown(chrome.with_hints(Some(brands), Some(platform), Some(mobile)))
    };
    assert_eq!(
        hinted(
            br#""Chromium";v="116", "Not)A;Brand";v="24", "Google Chrome";v="116""#,
            b"\"Windows\"",
            b"?0"
        ),
        "Chrome 116 | Windows 10 | Desktop"
    );
    assert_eq!(
        hinted(
            br#""Brave";v="117", "Not;A=Brand";v="8", "Chromium";v="117""#,
            b"\"macOS\"",
            b"?0"
        ),
        "Brave 117 | macOS 0 | Desktop"
    );
    assert_eq!(
        hinted(
            br#""Not/A)Brand";v="99", "Microsoft Edge";v="115", "Chromium";v="115""#,
            b"\"Android\"",
            b"?1"
        ),
        "Edge 115 | Android 0 | Mobile"
    );
    assert_eq!(
        hinted(
            br#""HeadlessChrome";v="119", "Chromium";v="119""#,
            b"\"Linux\"",
            b"?0"
        ),
        "Chrome 119 | Linux 0 | Desktop automated"
    );
    assert_eq!(
        hinted(b"", b"\"Unknown\"", b"yes"),
        "Chrome 116 | Windows 10 | Desktop"
    );
    assert_eq!(
        hinted(br#""""";;"x"#, b"\xff", b""),
        "Chrome 116 | Windows 10 | Desktop"
    );
    assert_eq!(chrome.with_hints(None, None, None), chrome);
    let curl = parse(b"curl/8.4.0");
    assert_eq!(
        curl.with_hints(
            Some(br#""Google Chrome";v="116""#),
            Some(b"\"Windows\""),
            None
        ),
        curl
    );
}

#[cfg(not(target_family = "wasm"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_panic(header: Vec<u8>, brands: Vec<u8>, platform: Vec<u8>, mobile: Vec<u8>) {
            let _ = parse(&header).with_hints(Some(&brands), Some(&platform), Some(&mobile));
        }

        #[test]
        fn no_mix_of_words_panics(words in prop::collection::vec(
            prop::sample::select(vec!["Windows", "NT", "6.1", "Mac", "OS", "X", "Android", "99999999", "/", "wv",
                "Chrome/", "Version/4", "bot", "(", ")", ";", " ", "curl", "Mozilla/5.0", "iPhone", "v", "Trident/65535"]), 0..40,
        )) {
            let _ = parse(words.join(" ").as_bytes());
            let _ = parse(words.concat().as_bytes());
        }

        #[test]
        fn no_names_panic(names in prop::collection::vec(prop::option::of(".{0,80}"), 5)) {
            let of = |i: usize| names.get(i).cloned().flatten();
            let (a, b, c, d, e) = (of(0), of(1), of(2), of(3), of(4));
            let _ = from_names(a.as_deref(), b.as_deref(), c.as_deref(), d.as_deref(), e.as_deref());
        }
    }
}
