//! What a policy may except, and what is refused with its path.
//! May use: Policy::parse.
//! Must not: apply an exception.

use crate::policy::Policy;

/// An exception of a section with some keys replaced by `patch` (`null` removes one), as the only one.
fn parsed(section: &str, patch: &str) -> Result<Policy, String> {
    let common = r#""name":"a","from":"2026-01-01T00:00:00Z","until":"2026-02-01T00:00:00Z","owner":"soc","reason":"why""#;
    let own = match section {
        "allow" => r#""groups":["g"],"signals":["new-client"]"#,
        "deny" => r#""groups":["g"]"#,
        "travel" => r#""groups":["g"],"countries":["US"],"signals":["new-country"]"#,
        _ => r#""tiers":["default"],"signals":["new-client"]"#,
    };
    let mut entry: serde_json::Value =
        serde_json::from_str(&format!("{{{common},{own}}}")).unwrap();
    let patch: serde_json::Value = serde_json::from_str(patch).unwrap();
    for (key, value) in patch.as_object().unwrap() {
        if value.is_null() {
            entry.as_object_mut().unwrap().remove(key);
        } else {
            entry[key] = value.clone();
        }
    }
    let policy = serde_json::json!({ "exceptions": { section: [entry] } });
    Policy::parse(&policy.to_string()).map_err(|error| error.to_string())
}

fn refused(section: &str, patch: &str) -> String {
    parsed(section, patch).unwrap_err()
}

const SECTIONS: [&str; 4] = ["allow", "deny", "travel", "campaigns"];

#[test]
fn every_exception_needs_an_end_an_owner_a_reason_a_name_and_a_scope() {
    for section in SECTIONS {
        assert!(parsed(section, "{}").is_ok(), "{section}");
        let path = format!("exceptions.{section}[0]");
        for (patch, message) in [
            (
                r#"{"until":null}"#,
                ".until: is absent; say when it ends: RFC 3339, such as 2030-01-31T00:00:00Z",
            ),
            (
                r#"{"until":"soon"}"#,
                ".until: `soon` is not a time; allowed: RFC 3339, such as 2030-01-31T00:00:00Z",
            ),
            (
                r#"{"until":"2026-01-01T00:00:00Z"}"#,
                ".until: `2026-01-01T00:00:00Z` is not after `from`; allowed: a later time",
            ),
            (
                r#"{"owner":" "}"#,
                ".owner: is absent; say who answers for it",
            ),
            (
                r#"{"reason":null}"#,
                ".reason: is absent; say why it is needed",
            ),
            (
                r#"{"name":null}"#,
                ".name: `` is not a name; allowed: 1 to 64 of a-z, 0-9 and -",
            ),
        ] {
            assert_eq!(refused(section, patch), format!("{path}{message}"));
        }
        let everybody = refused(
            section,
            r#"{"groups":null,"tiers":[]}"#
                .replace(
                    if section == "campaigns" {
                        "\"groups\":null,"
                    } else {
                        ",\"tiers\":[]"
                    },
                    "",
                )
                .as_str(),
        );
        assert!(
            everybody.starts_with(&format!("{path}: holds for everybody; name ")),
            "{everybody}"
        );
    }
    // A journey and a campaign have a begin.
    for section in ["travel", "campaigns"] {
        let message = refused(section, r#"{"from":null}"#);
        assert!(message.starts_with(&format!(
            "exceptions.{section}[0].from: is absent; say when it begins"
        )));
    }
}

#[test]
fn signals_are_named_and_no_rule_is_among_them() {
    for section in ["allow", "travel", "campaigns"] {
        let at = format!("exceptions.{section}[0].signals");
        assert_eq!(
            refused(section, r#"{"signals":[]}"#),
            format!("{at}: is empty; name the reasons it takes off, `docs/reasons.md` lists them")
        );
        assert_eq!(
            refused(section, r#"{"signals":["new-moon"]}"#),
            format!("{at}[0]: `new-moon` is no reason; allowed: codes of `docs/reasons.md`")
        );
        for rule in [
            "revoked",
            "key-binding-broken",
            "dpop-replayed",
            "country-forbidden",
            "challenge-unsolved",
            "denylisted",
        ] {
            let message = refused(section, &format!(r#"{{"signals":["{rule}"]}}"#));
            assert!(
                message.starts_with(&format!(
                    "{at}[0]: `{rule}` is a rule this exception cannot take off; allowed: "
                )),
                "{message}"
            );
        }
    }
    assert_eq!(
        refused("campaigns", r#"{"signals":["impossible-travel"]}"#),
        "exceptions.campaigns[0].signals[0]: `impossible-travel` is a suspicion this exception cannot take off; allowed: novelty only"
    );
    let message = refused("travel", r#"{"signals":["new-device"]}"#);
    assert!(message.ends_with("allowed: new-address, new-network, new-asn, new-country, rare-network, session-moved, country-unexpected, impossible-travel"), "{message}");
}

#[test]
fn what_cannot_hold_is_refused() {
    for (section, patch, message) in [
        (
            "allow",
            r#"{"networks":["192.0.2.0/33"]}"#,
            ".networks: `192.0.2.0/33` is no",
        ),
        (
            "deny",
            r#"{"devices":["cookie"]}"#,
            ".devices[0]: is not a SHA-256 digest; allowed: 64 hex digits",
        ),
        (
            "deny",
            r#"{"identities":[""]}"#,
            ".identities[0]: is empty, and would name nobody",
        ),
        (
            "travel",
            r#"{"countries":[]}"#,
            ".countries: is empty; name at least one",
        ),
        (
            "travel",
            r#"{"countries":["Norway"]}"#,
            ".countries[0]: `Norway` is not a country",
        ),
        (
            "travel",
            r#"{"legs":[{"from":"NO","to":"x"}]}"#,
            ".legs[0].to: `x` is not a country",
        ),
        (
            "travel",
            r#"{"signals":["impossible-travel"]}"#,
            ".legs: is empty, and `impossible-travel` is damped on legs only",
        ),
        (
            "campaigns",
            r#"{"nats":1.5}"#,
            ".nats: 1.5 is out of range; allowed: above 0 up to 1",
        ),
        (
            "campaigns",
            r#"{"tiers":["admin"]}"#,
            ".tiers[0]: `admin` is no tier",
        ),
    ] {
        let found = refused(section, patch);
        assert!(
            found.starts_with(&format!("exceptions.{section}[0]{message}")),
            "{found}"
        );
    }
    let twice = r#"{"exceptions":{"deny":[
        {"name":"a","groups":["g"],"until":"2026-02-01T00:00:00Z","owner":"o","reason":"r"},
        {"name":"a","groups":["h"],"until":"2026-02-01T00:00:00Z","owner":"o","reason":"r"}]}}"#;
    assert_eq!(
        Policy::parse(twice).unwrap_err().to_string(),
        "exceptions.deny[1].name: `a` is taken; every exception needs a name of its own"
    );
}

#[test]
fn what_has_ended_is_told_with_its_owner() {
    let policy = parsed("travel", "{}").unwrap();
    let end = 1_769_904_000;
    assert_eq!(policy.expired(end - 1).count(), 0);
    let expired: Vec<String> = policy.expired(end).collect();
    assert_eq!(
        expired,
        [
            "exceptions.travel[0]: expired 2026-02-01T00:00:00Z and counts nothing; ask its owner `soc` whether it still holds"
        ]
    );
}
