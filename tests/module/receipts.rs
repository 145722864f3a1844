//! The device receipt over its life: earned, renewed, expired, read after a change of keys, and never made with the public one.
//! May use the helpers of this test and a clock that jumps.
//! Must not know the form of a receipt beyond its parts.

use serde_json::{Value, json};
use stepgate_testkit::host::{Exchange, Host};
use stepgate_testkit::tokens::{self, Token};

use crate::{ISSUER, KEY, NOW, bearer, get, policy, reasons, started, status};

const COOKIE: &str = "__Host-stepgate-device";
const DAY: u64 = 86_400;

fn with_receipts(change: impl FnOnce(&mut Value)) -> Value {
    policy(|policy| {
        policy["signals"] = json!({ "preset": "envoy-geoip" });
        policy["challenge"] = json!({ "acr_values": ["mfa"], "receipt": {} });
        change(policy);
    })
}

/// A request of alice at a time, from a country; a strong authentication of that moment or none of note. What the upstream
/// answers reaches the client.
fn ask(
    host: &mut Host,
    at: u64,
    country: &str,
    acr: &str,
    cookie: Option<&str>,
) -> (Exchange, Exchange) {
    host.set_time(at as f64);
    let address = if country == "GB" {
        "81.2.69.142:1"
    } else {
        "1.128.3.4:1"
    };
    host.set_property(&["source", "address"], address);
    let mut claims = Token::new(tokens::claims(ISSUER, "alice", at)).claim("auth_time", at);
    if !acr.is_empty() {
        claims = claims.claim("acr", acr);
    }
    let token = bearer(&claims.sign(&KEY));
    let mut headers = vec![
        ("authorization", token.as_bytes()),
        ("x-geo-country", country.as_bytes()),
    ];
    let cookie = cookie.map(|receipt| format!("a=b; {COOKIE}={receipt}; c=d"));
    headers.extend(cookie.iter().map(|cookie| ("cookie", cookie.as_bytes())));
    let asked = get(host, &headers);
    let mut answered = asked.clone();
    if asked.reply.is_none() {
        answered = host.response(&[(":status", "200")]).unwrap();
    }
    host.finish().unwrap();
    (asked, answered)
}

fn given(answered: &Exchange) -> Option<String> {
    let set = answered.response.headers.text("set-cookie")?;
    let value = set.strip_prefix(COOKIE)?.strip_prefix('=')?;
    value.split(';').next().map(str::to_owned)
}

/// A VM where alice has solved a challenge at `NOW + 700`, and what she got for it.
fn earned(policy: &Value) -> (Host, Option<String>) {
    let mut host = started(policy);
    let (home, none) = ask(&mut host, NOW, "GB", "mfa", None);
    assert_eq!(status(&home), 200);
    assert_eq!(given(&none), None, "a strong login alone earns nothing");
    let (asked, none) = ask(&mut host, NOW + 600, "AU", "", None);
    assert_eq!((status(&asked), given(&none)), (401, None));
    let (solved, answered) = ask(&mut host, NOW + 700, "AU", "mfa", None);
    assert_eq!(status(&solved), 200);
    assert!(
        reasons(&solved).contains("challenge-solved"),
        "{}",
        reasons(&solved)
    );
    (host, given(&answered))
}

#[test]
fn a_receipt_is_renewed_daily_and_ends_after_thirty_days_without_use() {
    let (mut host, receipt) = earned(&with_receipts(|_| {}));
    let receipt = receipt.unwrap();
    let device = |receipt: &str| receipt.split('.').nth(2).map(str::to_owned);
    let mut at = NOW + 700;
    let (asked, answered) = ask(&mut host, at + DAY - 1, "AU", "mfa", Some(&receipt));
    assert!(
        reasons(&asked).contains("device-proven"),
        "{}",
        reasons(&asked)
    );
    assert_eq!(given(&answered), None, "it is not a day old");
    let mut held = receipt.clone();
    for days in [1, 29, 29] {
        at += days * DAY;
        let (asked, answered) = ask(&mut host, at, "AU", "mfa", Some(&held));
        assert!(
            reasons(&asked).contains("device-proven"),
            "{}",
            reasons(&asked)
        );
        let renewed = given(&answered).unwrap();
        assert_eq!(device(&renewed), device(&receipt), "the same device");
        assert_ne!(renewed, held);
        held = renewed;
    }
    let (asked, answered) = ask(&mut host, at + 30 * DAY, "AU", "mfa", Some(&held));
    assert!(
        reasons(&asked).contains("receipt-refused"),
        "{}",
        reasons(&asked)
    );
    assert_eq!(given(&answered), None);
    assert_eq!(host.metric("stepgate_receipts_issued_total"), 4);
}

#[test]
fn the_key_before_reads_receipts_and_only_the_new_one_makes_them() {
    let (_, receipt) = earned(&with_receipts(|_| {}));
    let receipt = receipt.unwrap();
    let rotated = |previous: bool| {
        started(&with_receipts(|policy| {
            policy["hash_key"] = json!("another key for tests");
            if previous {
                policy["previous_hash_key"] = json!("a key for tests only");
            }
        }))
    };
    let later = NOW + 2 * DAY;
    let (asked, answered) = ask(&mut rotated(true), later, "AU", "", Some(&receipt));
    assert!(
        reasons(&asked).contains("device-proven"),
        "{}",
        reasons(&asked)
    );
    let renewed = given(&answered).unwrap();
    for (receipt, expected) in [(&receipt, "receipt-refused"), (&renewed, "device-proven")] {
        let (asked, _) = ask(&mut rotated(false), later, "AU", "", Some(receipt));
        assert!(reasons(&asked).contains(expected), "{}", reasons(&asked));
    }
}

#[test]
fn with_the_public_key_there_are_no_receipts_and_a_warning() {
    let (host, receipt) = earned(&with_receipts(|policy| policy["hash_key"] = Value::Null));
    assert_eq!(receipt, None);
    assert_eq!(host.logged("challenge.receipt: is off").len(), 1);
}

#[test]
fn without_the_section_no_cookie_is_set_or_read() {
    let (mut host, receipt) = earned(&with_receipts(|policy| {
        policy["challenge"]["receipt"] = Value::Null
    }));
    assert_eq!(receipt, None);
    let (asked, _) = ask(&mut host, NOW + 800, "AU", "mfa", Some("1.2.3.4"));
    assert!(!reasons(&asked).contains("receipt"), "{}", reasons(&asked));
}
