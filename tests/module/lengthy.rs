//! What long requests cost: no more than a few forged tokens, which anybody may send.
//! May use the count of instructions.
//! Must not read a clock.

use serde_json::json;
use stepgate_testkit::host::Host;
use stepgate_testkit::tokens::{self, Token};

use crate::{HOME, ISSUER, KEY, MODULE, NOW, bearer, get, policy, status, token};

/// Forged tokens one request may cost.
const TOKENS: u64 = 4;

/// Instructions of one request, and its answer.
fn cost(host: &mut Host, more: &[(&str, &[u8])]) -> (u64, u32) {
    host.spent();
    let answer = status(&get(host, more));
    host.finish().unwrap();
    (host.spent(), answer)
}

#[test]
fn no_length_of_anything_makes_a_request_dear() {
    let mut host = Host::metered(&MODULE).unwrap();
    host.set_property(&["source", "address"], HOME);
    let tiers = (0..100)
        .map(|n| json!({ "name": format!("t{n}"), "paths": [format!("/area{n}/{{id}}/**")] }));
    let tiers: Vec<_> = tiers.collect();
    let policy = policy(|policy| {
        policy["tiers"] = json!(tiers);
        policy["credentials"]["tokens"] = json!([{}, { "cookie": "session" }, { "cookie": "a" }]);
        policy["credentials"]["api_keys"] = json!({ "query": "key", "keys": [] });
        policy["signals"] = json!({ "device_cookie": "device" });
    });
    assert!(host.start(&policy.to_string()).unwrap());
    let good = bearer(&token("alice", 0));
    let forged = bearer(&tokens::corrupted(&token("alice", 0)));
    let long = Token::new(tokens::claims(ISSUER, "bob", NOW)).claim("x", "y".repeat(60_000));
    let long = bearer(&long.sign(&KEY));
    let nested = (0..120).fold(json!(1), |inner, _| json!([inner]));
    let deep = Token::new(tokens::claims(ISSUER, "bob", NOW)).claim("x", nested);
    let deep = bearer(&deep.sign(&KEY));
    let path = |piece: &str, length: usize| format!("/area1{}", piece.repeat(length / piece.len()));
    let (most, _) = cost(&mut host, &[("authorization", forged.as_bytes())]);
    let header = |name: &'static str, value: String| (name, value);
    for (name, value) in [
        header("cookie", "a=b; ".repeat(5000)),
        header("cookie", "%61=b;".repeat(5000)),
        header("cookie", ";".repeat(60_000)),
        header("accept-language", "de-DE;q=0.5,".repeat(5000)),
        header("accept", "a/b,".repeat(5000)),
        header("user-agent", "A/1 ".repeat(4000)),
        header("user-agent", "(".repeat(16_000)),
        header("sec-ch-ua", "\"Chromium\";v=\"1\", ".repeat(3500)),
        header(":path", path("/a", 8000)),
        header(":path", path("a", 8000)),
        header(":path", path("/..;/%2f\\.//", 2000)),
        header(":path", path("/", 2000)),
        header(":path", path("\\", 2000)),
        header(":path", path("/a/../%2e;", 60_000)),
        header(":path", path("/a", 60_000)),
        header(":path", format!("/?{}", "&key=1".repeat(10_000))),
        header(":method", "M".repeat(60_000)),
        header(":authority", "a.".repeat(30_000)),
        header("authorization", format!("Bearer {}", "a.b.c ".repeat(300))),
        header("authorization", format!("Bearer {}", "e.".repeat(8000))),
        header("authorization", long),
        header("authorization", deep),
    ] {
        let mut sent: Vec<(&str, &[u8])> = vec![(name, value.as_bytes())];
        if name != "authorization" {
            sent.push(("authorization", good.as_bytes()));
        }
        let (spent, answer) = cost(&mut host, &sent);
        let begin: String = value.chars().take(24).collect();
        assert!(
            spent <= TOKENS * most,
            "{name} `{begin}`: {spent} instructions, a forged token {most}; {answer}"
        );
    }
}

#[test]
fn a_path_too_long_to_be_read_in_every_way_is_refused() {
    let mut host = crate::started(&policy(|policy| {
        policy["mode"] = json!("shadow");
        policy["tiers"] = json!([
            { "name": "open", "paths": ["/open/**"], "mode": "off" },
            { "name": "desk", "paths": ["/login"], "class": "login", "mode": "enforce" },
        ]);
    }));
    let answer = |host: &mut Host, path: String| {
        let told = get(host, &[(":path", path.as_bytes())]);
        (status(&told), told.header("x-stepgate-mode"))
    };
    let hidden = |times: usize| format!("/open{}/../login", "/a/..".repeat(times));
    assert_eq!(answer(&mut host, hidden(10)).0, 200);
    assert_eq!(answer(&mut host, hidden(1000)).0, 403);
    assert_eq!(
        answer(&mut host, format!("/open/{}", "a".repeat(9000))).0,
        403
    );
    let plain = answer(&mut host, format!("/other/{}", "a/".repeat(3000)));
    assert_eq!(plain, (200, Some("shadow".into())));
    // Where there are no tiers nothing depends on it.
    let mut host = crate::started(&policy(|_| {}));
    assert_eq!(answer(&mut host, hidden(1000)).0, 200);
}
