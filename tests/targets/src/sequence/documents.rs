//! The documents of a sequence: policies, feeds, key sets.
//! May use the names and secrets of the grammar.
//! Must not draw anything but from the bytes of the sequence.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::PageKind;
use stepgate::baseline::population::Population;
use stepgate::baseline::snapshot::SnapshotWriter;
use stepgate::signals::keyed::{Domain, HashKey};
use stepgate_testkit::tokens;

use super::grammar::{ISSUER, NOW, SECRET};

/// Keys that are fetched.
pub(super) const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w"},{"kty":"oct","k":"AAAA"}]}"#;

/// What a feed says.
pub(super) fn feed(input: &mut Unstructured<'_>) -> Result<String> {
    let mut document = json!({ "version": 1 });
    match input.int_in_range(0..=4u8)? {
        0 => document["tokens"] = json!([{ "iss": ISSUER, "jti": "t1" }]),
        1 => {
            document["not_before"] =
                json!({ "subjects": [{ "iss": ISSUER, "sub": "alice", "time": NOW }] });
        }
        2 => {
            document["overrides"] = json!([{
                "iss": ISSUER, "sub": "bob", "action": "deny", "owner": "soc", "reason": "x", "expires": NOW + 9000
            }]);
        }
        3 => document["mode"] = json!("shadow"),
        _ => document["snapshot"] = json!({ "path": "/snapshot" }),
    }
    Ok(document.to_string())
}

/// The key that pages and snapshots are made with.
const HASH_KEY: &str = "a key for tests only";

/// A baseline of a few identities, trained elsewhere.
static SNAPSHOT: LazyLock<String> = LazyLock::new(|| {
    let key = HashKey::from_secret(HASH_KEY);
    let mut writer = SnapshotWriter::default();
    for subject in ["alice", "bob", "dave"] {
        let identity = format!("{ISSUER}|{subject}");
        let locator = key.locate(Domain::Identity, &[identity.as_bytes()]);
        let record = IdentityRecord {
            created: NOW as u32 - 90 * 86_400,
            updated: NOW as u32,
            history: 200,
            events: 100.0,
            ..IdentityRecord::default()
        };
        assert!(writer.record(PageKind::Identity, locator, |out| record.encode(out)));
    }
    let mut population = Vec::new();
    Population::default().encode(&mut population);
    writer.population(&population);
    writer.trained_on(600, NOW as u32);
    STANDARD.encode(writer.finish(&key))
});

/// How many policies there are.
pub(super) const POLICIES: u8 = 6;

/// The policies that sequences run under.
pub(super) fn policy(which: u8) -> Value {
    let mut policy = json!({
        "mode": "enforce",
        "hash_key": HASH_KEY,
        "baseline": { "memory_mib": 1 },
        "credentials": {
            "issuers": [{ "issuer": ISSUER, "algorithms": ["HS256"], "secret": tokens::base64url(SECRET) }],
            "tokens": [{}, { "scheme": "DPoP" }, { "cookie": "session" }],
            "api_keys": {
                "header": "x-api-key", "query": "key",
                "keys": [{ "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }],
            },
        },
        "signals": {
            "preset": "envoy-geoip", "coordinates": "x-coordinates", "tls_fingerprint": "x-ja4", "device_cookie": "device",
        },
        "score": { "step_up": 0.5 },
        "tiers": [
            { "name": "open", "paths": ["/open"], "mode": "off" },
            { "name": "login", "paths": ["/login"], "class": "login" },
            { "name": "token", "paths": ["/token"], "class": "login", "login": { "token_endpoint": true } },
            { "name": "recover", "paths": ["/recover"], "class": "recovery" },
            { "name": "admin", "paths": ["/admin/**"], "class": "privileged", "require_identity": true },
        ],
    });
    match which {
        0 => {}
        1 => {
            policy["login"] = json!({ "hold_body": true, "unreadable": "refuse" });
            policy["challenge"] = json!({
                "page": { "url": "https://id.test/mfa", "origins": ["https://app.test"] }, "receipt": {}
            });
            policy["signature"] = json!({ "secret": "sixteen characters", "kid": "k2" });
        }
        2 => {
            let issuers = policy["credentials"]["issuers"].as_array_mut().unwrap();
            issuers.push(json!({ "issuer": "https://other.test", "jwks": { "cluster": "idp", "authority": "idp.test" } }));
            policy["feeds"] = json!([{
                "name": "soc", "cluster": "feeds", "authority": "feeds.test", "path": "/v1", "refresh_seconds": 10,
                "max_bytes": 200_000,
            }]);
        }
        3 => {
            policy["mode"] = json!("shadow");
            policy["audit"] = json!({ "enabled": true, "identity": true });
            policy["behaviour"] = json!({ "watch": "all" });
            policy["login"] = json!({ "hold_body": true });
        }
        4 => {
            policy["baseline"]["snapshot"] = json!(*SNAPSHOT);
            policy["login"] = json!({ "hold_body": true });
            policy["tiers"][1]["login"] = json!({ "failures": 3 });
        }
        _ => {
            policy["canary_permille"] = json!(500);
            policy["signals"]["tls_fingerprint"] = Value::Null;
            policy["signals"]["tls_fingerprint_filter_state"] = json!("ja4");
            let tiers = policy["tiers"].as_array_mut().unwrap();
            tiers.push(json!({ "name": "meta", "route_metadata": true, "require_identity": true }));
        }
    }
    policy
}
