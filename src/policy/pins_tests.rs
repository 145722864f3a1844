//! What a policy may pin, what is refused with its path, and who keeps to a pin.
//! May use: Policy::parse.
//! Must not: assess a request.

use crate::policy::{Asker, Policy};
use crate::signals::address::Address;
use crate::signals::request::{ClientSignals, Field, NetworkSignals, Signals, Standing, Subject};

const DIGEST: &str = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";

/// A policy with these pins and the headers of a proxy that says country and provider.
fn parsed(pins: serde_json::Value) -> Result<Policy, String> {
    let policy = serde_json::json!({ "signals": { "preset": "envoy-geoip" }, "pins": pins });
    Policy::parse(&policy.to_string()).map_err(|error| error.to_string())
}

fn refused(pins: serde_json::Value) -> String {
    parsed(pins).unwrap_err()
}

fn ci(patch: serde_json::Value) -> serde_json::Value {
    let mut pin = serde_json::json!({ "name": "ci", "identities": ["ci"] });
    for (key, value) in patch.as_object().unwrap() {
        pin[key] = value.clone();
    }
    pin
}

fn subject() -> Subject<'static> {
    Subject {
        id: "ci".into(),
        ..Subject::default()
    }
}

fn signals() -> Signals<'static> {
    Signals {
        standing: Standing::Verified(subject()),
        network: NetworkSignals {
            address: Field::from(Address::parse("198.51.100.7")),
            asn: Field::Present(64_500),
            country: Field::Present(*b"NO"),
            ..NetworkSignals::default()
        },
        client: ClientSignals {
            user_agent: Field::Present(b"Terraform/1.9 (+https://terraform.test)"),
            certificate: Field::Present(DIGEST.as_bytes()),
            workload: Field::Present(b"spiffe://cluster.test/ns/ci/sa/runner"),
            ..ClientSignals::default()
        },
        ..Signals::default()
    }
}

fn keeps(pins: serde_json::Value, signals: &Signals<'_>) -> bool {
    let policy = parsed(pins).unwrap();
    let asker = Asker {
        signals,
        now: 0,
        tier: "default",
        left: &[],
    };
    policy.pins.broken(&asker).is_none()
}

#[test]
fn every_limit_holds_by_itself_and_what_is_not_known_meets_none() {
    let nowhere = Signals {
        standing: Standing::Verified(subject()),
        ..Signals::default()
    };
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    for (limit, kept) in [
        (r#"{"networks":["198.51.100.0/24"]}"#, true),
        (r#"{"networks":["192.0.2.0/24"]}"#, false),
        (r#"{"countries":["SE","NO"]}"#, true),
        (r#"{"countries":["SE"]}"#, false),
        (r#"{"asns":[64500]}"#, true),
        (r#"{"asns":[64501]}"#, false),
        (
            r#"{"workloads":["spiffe://cluster.test/ns/ci/sa/runner"]}"#,
            true,
        ),
        (
            r#"{"workloads":["spiffe://cluster.test/ns/ci/sa/runner2"]}"#,
            false,
        ),
        (r#"{"agents":["curl","terraform"]}"#, true),
        (r#"{"agents":["terra"]}"#, false),
        (
            r#"{"networks":["198.51.100.0/24"],"agents":["curl"]}"#,
            false,
        ),
    ] {
        let pins = || serde_json::json!([ci(json(limit))]);
        assert_eq!(keeps(pins(), &signals()), kept, "{limit}");
        assert!(!keeps(pins(), &nowhere), "{limit}");
    }
    let pins =
        |digest: &str| serde_json::json!([ci(serde_json::json!({"certificates": [digest]}))]);
    assert!(keeps(pins(&DIGEST.to_lowercase()), &signals()));
    assert!(!keeps(pins(&"0".repeat(64)), &signals()));
}

#[test]
fn every_pin_that_names_somebody_must_hold_and_others_are_not_asked() {
    let two = serde_json::json!([
        { "name": "a", "identities": ["ci"], "countries": ["NO"] },
        { "name": "b", "identities": ["ci"], "asns": [1] },
    ]);
    assert!(!keeps(two.clone(), &signals()));
    let someone = |standing| Signals {
        standing,
        ..signals()
    };
    let other = Subject {
        id: "someone".into(),
        ..Subject::default()
    };
    assert!(keeps(two.clone(), &someone(Standing::Verified(other))));
    // A name nobody verified is anybody's to give.
    assert!(keeps(
        two.clone(),
        &someone(Standing::Unverified(subject()))
    ));
    assert!(keeps(two, &someone(Standing::Anonymous)));
}

#[test]
fn what_cannot_be_a_pin_is_refused_with_its_path() {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    for (patch, message) in [
        (
            "{}",
            "pins[0]: pins to nothing; name networks, countries, asns, certificates, workloads or agents",
        ),
        (
            r#"{"identities":[],"asns":[1]}"#,
            "pins[0]: holds for everybody; name identities, groups or clients",
        ),
        (
            r#"{"name":"CI runner","asns":[1]}"#,
            "pins[0].name: `CI runner` is not a name; allowed: 1 to 64 of a-z, 0-9 and -",
        ),
        (
            r#"{"groups":[""],"asns":[1]}"#,
            "pins[0].groups[0]: is empty, and would name nobody",
        ),
        (
            r#"{"countries":["Norway"]}"#,
            "pins[0].countries[0]: `Norway` is not a country; allowed: ISO 3166-1 alpha-2 in upper case",
        ),
        (
            r#"{"asns":[7,0]}"#,
            "pins[0].asns[1]: 0 is no autonomous system; allowed: 1 to 4294967295 (RFC 7607)",
        ),
        (
            r#"{"certificates":["ab"]}"#,
            "pins[0].certificates[0]: is not a SHA-256 digest; allowed: 64 hex digits",
        ),
        (
            r#"{"workloads":["runner"]}"#,
            "pins[0].workloads[0]: is no URI; allowed: the URI SAN of a certificate, such as spiffe://cluster.local/ns/shop/sa/cart",
        ),
        (
            r#"{"agents":["terraform/1"]}"#,
            "pins[0].agents[0]: `terraform/1` is no product of a user agent; allowed: what stands before its first / or space, such as terraform",
        ),
    ] {
        assert_eq!(refused(serde_json::json!([ci(json(patch))])), message);
    }
    assert!(
        refused(serde_json::json!([ci(json(
            r#"{"networks":["10.0.0.0/33"]}"#
        ))]))
        .starts_with("pins[0].networks: `10.0.0.0/33` is no")
    );
    let one = ci(json(r#"{"asns":[1]}"#));
    assert_eq!(
        refused(serde_json::json!([one, one])),
        "pins[1].name: `ci` is taken; every pin needs a name of its own"
    );
    let many: Vec<u32> = (1..=1001).collect();
    assert_eq!(
        refused(serde_json::json!([ci(serde_json::json!({ "asns": many }))])),
        "pins[0].asns: 1001 are too many; allowed: 1000"
    );
    assert_eq!(
        refused(serde_json::json!(vec![one; 1001])),
        "pins: 1001 are too many; allowed: 1000"
    );
}

#[test]
fn a_pin_on_what_no_header_says_is_refused() {
    for (key, value, signal) in [("countries", "[\"NO\"]", "country"), ("asns", "[1]", "asn")] {
        let policy = format!(r#"{{"pins":[{{"name":"ci","identities":["ci"],"{key}":{value}}}]}}"#);
        assert_eq!(
            Policy::parse(&policy).unwrap_err().to_string(),
            format!(
                "pins[0].{key}: no header is named that says it, so that every request would be refused; set `signals.{signal}` or `signals.preset`"
            )
        );
    }
}
