//! What a document may say, and what refuses it.
//! May use: the document and the names of a credential.
//! Must not: fetch one.

use super::*;
use crate::signals::address::Address;

const NOW: u32 = 1_750_000_000;

fn read(json: &str) -> Result<Document, String> {
    Document::read(json.as_bytes(), &HashKey::PUBLIC, NOW)
}

fn refused(json: &str) -> String {
    read(json).unwrap_err()
}

fn alice() -> Names {
    Names::of(
        "https://idp",
        b"https://idp|alice",
        b"s1",
        b"web",
        b"t1",
        &HashKey::PUBLIC,
    )
}

#[test]
fn everything_a_feed_can_say_is_read_and_what_it_does_not_know_is_passed_over() {
    let read = read(
        r#"{
            "version": 1, "mode": "shadow", "issued_at": 7, "comment": { "any": ["thing"] },
            "not_before": {
                "subjects": [{ "iss": "https://idp", "sub": "alice", "time": 1749999000, "why": "asked" }, { "id": "api-key:ab", "time": "2025-06-15T12:00:00Z" }],
                "sessions": [{ "iss": "https://idp", "sid": "s2", "time": 1749999000.5, "expires": 1 }],
                "clients": [{ "iss": "https://idp", "client_id": "old", "time": 1749999000 }]
            },
            "tokens": [{ "iss": "https://idp", "jti": "t1", "expires": "2030-01-01T00:00:00Z" }],
            "networks": [
                { "networks": ["198.51.100.0/24", "2001:db8::/32"], "score": 4, "expires": 1750000001 },
                { "networks": ["192.0.2.0/24"], "risk": 50, "expires": 1750000001 },
                { "networks": ["192.0.2.0/24"], "expires": 1750000000 }
            ],
            "overrides": [{ "iss": "https://idp", "sub": "alice", "action": "step-up", "expires": 1750000001, "owner": "soc", "reason": "case 7" }],
            "verdicts": [
                { "decision": "d00000000000000ff", "owner": false },
                { "iss": "https://idp", "sub": "alice", "sid": "s1", "time": 5, "owner": true }
            ],
            "snapshot": { "path": "/baseline.bin" }
        }"#,
    )
    .unwrap();
    let feed = &read.feed;
    assert!(feed.shadow);
    assert_eq!(read.expired, 2);
    assert_eq!(feed.revocations.len(), 4);
    let token = Names {
        subject: 0,
        ..alice()
    };
    assert!(feed.revocations.concerns(&token, NOW, NOW));
    let subject = Names {
        token: 0,
        ..alice()
    };
    assert!(feed.revocations.concerns(&subject, 1_749_998_999, NOW));
    assert!(!feed.revocations.concerns(&subject, 1_749_999_000, NOW));
    let nats: Vec<_> = feed.networks.iter().map(|list| list.nats).collect();
    assert_eq!(nats, [Some(4.0), Some(2.5)]);
    let listed = Address::parse("198.51.100.7").unwrap();
    assert!(feed.networks[0].networks.contains(listed));
    let by = Answerable::of("soc", "case 7");
    assert_eq!(feed.ordered(&alice(), NOW), Some((Order::StepUp, &by)));
    assert_eq!(feed.ordered(&alice(), NOW + 1), None);
    assert_eq!(
        read.verdicts[0],
        Verdict {
            of: Judged::Decision(255),
            owner: false
        }
    );
    assert!(
        read.verdicts[1].owner && matches!(read.verdicts[1].of, Judged::Session { time: 5, .. })
    );
    assert_eq!(read.snapshot.as_deref(), Some("/baseline.bin"));
}

#[test]
fn names_belong_to_their_issuer() {
    let feed = read(
        r#"{"version":1,"tokens":[{"iss":"https://other","jti":"t1"}],
            "not_before":{"sessions":[{"iss":"https://other","sid":"s1","time":1750000000}],
                          "clients":[{"iss":"https://other","client_id":"web","time":1750000000}]}}"#,
    )
    .unwrap()
    .feed;
    assert_eq!(feed.revocations.len(), 3);
    assert!(!feed.revocations.concerns(&alice(), 5, NOW));
}

#[test]
fn an_empty_feed_is_one_and_an_error_page_is_none() {
    assert_eq!(read(r#"{"version":1}"#), Ok(Document::default()));
    for (bad, why) in [
        ("", "EOF"),
        ("<html>", "expected value"),
        ("{}", "missing field `version`"),
        (r#"{"error":"rate limited"}"#, "missing field `version`"),
        (r#"{"version":1}{"version":1}"#, "trailing characters"),
        (r#"{"version":1,"version":1}"#, "duplicate field"),
        (r#"{"version":2}"#, "version: 2 is not known; allowed: 1"),
        (r#"{"version":1,"mode":"enforce"}"#, "mode: unknown variant"),
        (r#"{"version":1,"tokens":{}}"#, "tokens: invalid type"),
        (
            r#"{"version":1,"tokens":[{"iss":"i","jti":7}]}"#,
            "tokens[0].jti: invalid type",
        ),
        (
            r#"{"version":1,"tokens":[{"iss":"i","jti":""}]}"#,
            "tokens[0].jti: is empty",
        ),
        (
            r#"{"version":1,"tokens":[{"jti":"a"}]}"#,
            "tokens[0]: missing field `iss`",
        ),
        (
            r#"{"version":1,"not_before":{"clients":[{"iss":"i","client_id":"c","time":1750000000000}]}}"#,
            "not_before.clients[0].time: invalid value: floating point `1750000000000.0`, expected a time",
        ),
        (
            r#"{"version":1,"not_before":{"subjects":[{"sub":"a","time":1}]}}"#,
            "not_before.subjects[0]: names no identity",
        ),
        (
            r#"{"version":1,"networks":[{"networks":["1.2.3.4/33"],"expires":1}]}"#,
            "networks[0].networks: `1.2.3.4/33` is no",
        ),
        (
            r#"{"version":1,"networks":[{"networks":[],"score":0,"expires":1}]}"#,
            "networks[0].score: 0 is not a score",
        ),
        (
            r#"{"version":1,"networks":[{"networks":[],"risk":101,"expires":1}]}"#,
            "networks[0].risk: 101 is not a risk",
        ),
        (
            r#"{"version":1,"networks":[{"networks":[]}]}"#,
            "networks[0]: missing field `expires`",
        ),
        (
            r#"{"version":1,"overrides":[{"id":"a","action":"deny","expires":1,"owner":" ","reason":"r"}]}"#,
            "overrides[0].owner: is empty",
        ),
        (
            r#"{"version":1,"overrides":[{"id":"a","action":"deny","owner":"o","reason":"r"}]}"#,
            "overrides[0]: missing field `expires`",
        ),
        (
            r#"{"version":1,"verdicts":[{"decision":"d+0000000000000ff","owner":true}]}"#,
            "verdicts[0].decision: is not the id of a decision",
        ),
        (
            r#"{"version":1,"verdicts":[{"id":"a","owner":true}]}"#,
            "verdicts[0]: names no decision",
        ),
        (
            r#"{"version":1,"snapshot":{"path":"https://elsewhere/"}}"#,
            "snapshot.path: is not a path",
        ),
    ] {
        let said = refused(bad);
        assert!(said.contains(why), "{bad}: {said}");
    }
}

#[test]
fn a_document_is_bounded() {
    let tokens = vec![r#"{"iss":"i","jti":"t"}"#; MOST + 1].join(",");
    assert!(
        refused(&format!(r#"{{"version":1,"tokens":[{tokens}]}}"#))
            .starts_with("revocations: 65537 are too many")
    );
    let verdicts = vec![r#"{"decision":"d00000000000000ff","owner":true}"#; 10_001].join(",");
    assert!(
        refused(&format!(r#"{{"version":1,"verdicts":[{verdicts}]}}"#))
            .starts_with("verdicts: 10001 are too many")
    );
}
