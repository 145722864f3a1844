//! Where keys and feeds come from, misbehaving in every way at once: what was known holds, and no request waits.
//! May use the kit's server that answers as badly as it is told, one for each way.
//! Must not wait for a time, only for what Envoy says and does.

use serde_json::{Value, json};
use stepgate_testkit::envoy::until;
use stepgate_testkit::http::{Manner, Request, Rogue};
use stepgate_testkit::tokens::{Key, Token, claims, jwks, now};

use crate::contract::{ISSUER, policy};
use crate::gateway::{Gateway, module, stepgate};

const KEPT: [&str; 2] = [
    "the last good ones are kept",
    "what it said last still holds",
];
const REDIRECT: &str = "location: http://127.0.0.1:1/keys\r\n";

/// A way to misbehave and what is said of it, where keys and where feeds are fetched.
struct Way {
    name: &'static str,
    manner: Manner,
    said: [&'static str; 2],
}

fn ways() -> Vec<Way> {
    let way = |name, manner, said| Way { name, manner, said };
    let raw = |bytes: &str| Manner::Raw(bytes.as_bytes().to_vec());
    vec![
        way("slow", Manner::Hang, ["status 504", "status 504"]),
        way(
            "dripping",
            Manner::Drip(vec![b'H'; 100]),
            ["status 504", "status 504"],
        ),
        way("endless", Manner::Endless, ["", ""]),
        way(
            "huge",
            Manner::complete("200 OK", "", vec![b' '; 5_000_000]),
            [
                "bytes: at most 65536 are read",
                "bytes: at most 4096 are read",
            ],
        ),
        way(
            "wrong-type",
            Manner::complete("200 OK", "content-type: text/html\r\n", "<html>"),
            ["not a JWKS", "expected value"],
        ),
        way(
            "redirecting",
            Manner::complete("302 Found", REDIRECT, ""),
            ["status 302", "status 302"],
        ),
        way(
            "promising-more",
            raw("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{\"version\":1}"),
            ["", ""],
        ),
        way(
            "promising-less",
            raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{\"version\":1}"),
            ["not a JWKS", ""],
        ),
        way(
            "promising-nonsense",
            raw("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}"),
            ["status 50", "status 50"],
        ),
        way("hanging-up", raw(""), ["status 503", "status 503"]),
    ]
}

/// A source of one name: keys of an issuer, or a feed that revokes a token.
struct Source {
    name: String,
    rogue: Option<Rogue>,
    good: Manner,
    bad: Manner,
    said: &'static str,
}

fn issuer(name: &str) -> String {
    format!("https://{name}.test")
}

fn signed(issuer: &str, key: &Key, jti: &str) -> String {
    Token::new(claims(issuer, "alice", now()))
        .claim("jti", jti)
        .sign(key)
}

#[test]
fn what_was_fetched_last_holds_whatever_its_source_does() {
    if module().is_none() {
        return;
    }
    let (key, fetched) = (Key::ed25519("k1"), Key::ed25519("fetched"));
    let set = Manner::complete("200 OK", "", jwks(&[&fetched]).to_string());
    let mut policy = policy(&key);
    let (mut issuers, mut feeds) = (Vec::<Source>::new(), Vec::<Source>::new());
    let (mut to_keys, mut to_feeds) = (Vec::new(), Vec::new());
    let mut down = ways();
    down.push(Way {
        name: "down",
        manner: Manner::Hang,
        said: ["status 503", "status 503"],
    });
    for Way { name, manner, said } in down {
        let revoking = json!({ "version": 1, "tokens": [{ "iss": ISSUER, "jti": name }] });
        let revoking = Manner::complete("200 OK", "", revoking.to_string());
        for (sources, kind, good, said) in [
            (&mut issuers, "keys", set.clone(), said[0]),
            (&mut feeds, "feed", revoking, said[1]),
        ] {
            sources.push(Source {
                name: format!("{kind}-{name}"),
                rogue: Some(Rogue::start(good.clone()).unwrap()),
                good,
                bad: manner.clone(),
                said,
            });
        }
        to_keys.push(json!({
            "issuer": issuer(name), "algorithms": ["EdDSA"],
            "jwks": { "cluster": format!("keys-{name}"), "authority": "keys.test", "refresh_seconds": 10, "timeout_seconds": 2 },
        }));
        to_feeds.push(json!({
            "name": name, "cluster": format!("feed-{name}"), "authority": "feeds.test", "path": "/feed",
            "refresh_seconds": 1, "timeout_seconds": 2, "max_bytes": 4096,
        }));
    }
    let known = policy["credentials"]["issuers"].as_array_mut().unwrap();
    known.extend(to_keys);
    policy["feeds"] = Value::Array(to_feeds);
    let names: Vec<String> = ways().iter().map(|way| way.name.to_owned()).collect();
    let names = [names, vec!["down".to_owned()]].concat();
    let clusters: Vec<(&str, u16)> = issuers
        .iter()
        .chain(&feeds)
        .map(|source| (source.name.as_str(), source.rogue.as_ref().unwrap().port()))
        .collect();
    let filter = stepgate("stepgate", &policy.to_string());
    let gateway = Gateway::with(vec![filter], &clusters).unwrap();

    let status = |token: &str| gateway.send(&Request::get("/").bearer(token)).status;
    let by_fetched: Vec<String> = names
        .iter()
        .map(|name| signed(&issuer(name), &fetched, name))
        .collect();
    let revoked: Vec<String> = names
        .iter()
        .map(|name| signed(ISSUER, &key, name))
        .collect();
    let alive = signed(ISSUER, &key, "alive");
    let holds = || {
        status(&alive) == 200
            && by_fetched.iter().all(|token| status(token) == 200)
            && revoked.iter().all(|token| status(token) == 401)
    };
    until("keys and feeds on every worker", || {
        (0..8).all(|_| holds()).then_some(())
    });

    for source in issuers.iter_mut().chain(&mut feeds) {
        match source.name.ends_with("-down") {
            true => drop(source.rogue.take()),
            false => source.rogue.as_ref().unwrap().behave(source.bad.clone()),
        }
    }
    for source in issuers.iter().chain(&feeds) {
        let named = format!("from cluster `{}`: ", source.name);
        // Envoy may refuse the very first call of all, when there is nothing to keep.
        let line = until(&named, || {
            let logs = gateway.envoy.logs();
            let kept = |line: &&str| KEPT.iter().any(|kept| line.contains(kept));
            let found = logs.lines().filter(|line| line.contains(&named));
            found.into_iter().find(kept).map(str::to_owned)
        });
        assert!(line.contains(source.said), "{line}");
        println!("{line}");
    }
    assert!(holds());
    // Requests are answered while a source is being waited for: it began before them, and has not ended after them.
    let hanging = |sources: &[Source]| {
        let slow = sources.iter().find(|source| source.name.ends_with("-slow"));
        slow.unwrap().rogue.as_ref().unwrap().held() > 0
    };
    until("an answer in between", || {
        let before = hanging(&feeds);
        let answered = status(&alive) == 200;
        (before && answered && hanging(&feeds)).then_some(())
    });
    let stat = |name: &str| gateway.envoy.stat(&format!("wasmcustom.{name}"));
    let many = names.len() as u64;
    assert!(stat("stepgate_jwks_failed_total") >= many);
    assert!(stat("stepgate_feeds_failed_total") >= many);

    // All are well again, and say something else.
    for source in issuers.iter().chain(&feeds) {
        let good = match source.name.starts_with("feed") {
            true => Manner::complete("200 OK", "", "{\"version\":1}"),
            false => source.good.clone(),
        };
        if let Some(rogue) = &source.rogue {
            rogue.behave(good);
        }
    }
    until("the feeds again", || {
        let ended = revoked
            .iter()
            .zip(&names)
            .filter(|(_, name)| *name != "down");
        ended
            .into_iter()
            .all(|(token, _)| (0..4).all(|_| status(token) == 200))
            .then_some(())
    });
    assert_eq!(
        status(revoked.last().unwrap()),
        401,
        "that one is still down"
    );
    assert!(by_fetched.iter().all(|token| status(token) == 200));
}
