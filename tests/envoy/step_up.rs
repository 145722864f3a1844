//! Step-up, closed: who is asked and how, what answers, what the answer earns, and who cannot be asked.
//! May use one gateway a replica, and the log and statistics of an operator.
//! Must not wait for a clock: an authentication that comes after a challenge says so itself.

use std::net::SocketAddr;

use serde_json::{Value, json};
use stepgate_testkit::envoy::until;
use stepgate_testkit::http::{Canned, Request, Response};
use stepgate_testkit::tokens::{Key, Token, claims, now};

use crate::contract::{ISSUER, at_home, far_away, policy, reasons, token};
use crate::gateway::{Gateway, listener, module, stepgate};

const COOKIE: &str = "__Host-stepgate-device";

/// A token of a strong authentication at that time.
fn strong(who: &str, auth_time: u64) -> Token {
    Token::new(claims(ISSUER, who, now()))
        .claim("auth_time", auth_time)
        .claim("jti", format!("{who}@{auth_time}"))
        .claim("acr", "urn:test:mfa")
        .claim("sid", "s1")
}

fn on(path: &str, request: Request) -> Request {
    Request {
        target: path.into(),
        ..request
    }
}

/// A gateway where alice was at home, and is asked at the other end of the world.
fn asked(policy: &Value, key: &Key) -> Option<Gateway> {
    let gateway = Gateway::start(policy)?;
    let home = at_home(&token(key, "alice", 500).claim("sid", "s0").sign(key));
    assert_eq!(gateway.send(&home).status, 200);
    Some(gateway)
}

fn away(key: &Key) -> Request {
    let token = token(key, "alice", 400)
        .claim("sid", "s1")
        .claim("azp", "web");
    far_away(&token.sign(key))
}

fn counted(gateway: &Gateway, parts: &[&str]) -> u64 {
    let stats = gateway.envoy.stats();
    let found = stats.iter().filter(|(name, _)| {
        name.starts_with("wasmcustom.stepgate_") && parts.iter().all(|part| name.contains(part))
    });
    found
        .filter_map(|(_, value)| value.parse::<u64>().ok())
        .sum()
}

/// The audit line of a decision.
fn audited(gateway: &Gateway, id: &str) -> Value {
    until("the audit line", || {
        let logs = gateway.envoy.logs();
        let line = logs
            .lines()
            .find(|line| line.contains(id) && line.contains("@timestamp"))?;
        let json = line.get(line.find('{')?..)?;
        let end = json.rfind('}')?;
        serde_json::from_str::<Value>(json.get(..=end)?).ok()
    })
}

fn cookies(response: &Response) -> Vec<String> {
    let found = response.headers.all("set-cookie");
    let text = |value: &&[u8]| String::from_utf8_lossy(value).into_owned();
    found.iter().map(text).collect()
}

#[test]
fn a_solved_challenge_is_a_label_and_earns_a_receipt_that_every_replica_knows() {
    let key = Key::ed25519("k1");
    let mut policy = policy(&key);
    policy["challenge"]["receipt"] = json!({});
    let Some(gateway) = asked(&policy, &key) else {
        return;
    };
    let mut canned = Canned::status(200);
    canned
        .headers
        .0
        .push((b"set-cookie".to_vec(), b"theirs=1".to_vec()));
    gateway.upstream.serve("/cookie", canned);
    assert_eq!(gateway.send(&away(&key)).status, 401);
    let after = now() + 1;

    // A failure of the upstream is no end of it: the next answer earns the receipt.
    let solved = far_away(&strong("alice", after).sign(&key));
    let failed = gateway.send(&solved.clone().header("x-test-status", "503"));
    assert_eq!((failed.status, cookies(&failed)), (503, Vec::new()));
    let solved = gateway.send(&on("/cookie", solved));
    assert_eq!(solved.status, 200, "{}", solved.text());
    let cookies_set = cookies(&solved);
    assert_eq!(cookies_set[0], "theirs=1");
    let (receipt, attributes) = cookies_set[1].split_once("; ").unwrap();
    assert!(receipt.starts_with(&format!("{COOKIE}=1.")), "{receipt}");
    assert_eq!(
        attributes,
        "Max-Age=2592000; Path=/; Secure; HttpOnly; SameSite=Lax"
    );
    assert_eq!(cookies_set.len(), 2);
    let upstream = gateway.upstream.received().pop().unwrap();
    let told = upstream.headers.text("x-stepgate-reasons").unwrap();
    assert!(
        told.contains("challenge-solved") && told.contains("stepped-up"),
        "{told}"
    );
    let id = upstream.headers.text("x-stepgate-id").unwrap();
    assert_eq!(audited(&gateway, &id)["stepgate.label"], "owner");
    // Once only: twice decided, since the first did not arrive, and learned once.
    let again = far_away(&strong("alice", after).sign(&key));
    let again = gateway.send(&again);
    assert_eq!((again.status, cookies(&again)), (200, Vec::new()));
    assert!(!reasons(&again).contains("challenge-solved"));
    assert_eq!(counted(&gateway, &["receipts_issued_total"]), 1);
    assert_eq!(
        counted(&gateway, &["reasons_total", "=challenge-solved"]),
        2
    );
    // Her session lives on in the new place, with tokens that say nothing of how she authenticated.
    let on_trip = far_away(&strong("alice", after).claim("acr", Value::Null).sign(&key));
    assert_eq!(gateway.send(&on_trip).status, 200);

    // Another replica, which knows nothing but the key.
    let replica = Gateway::start(&policy).unwrap();
    let shown = |who: &str, cookie: &str| {
        let request = far_away(&token(&key, who, 5).sign(&key)).header("cookie", cookie);
        reasons(&replica.send(&request))
    };
    assert_eq!(shown("carol", "other=1"), "young-baseline");
    let both = format!("theirs=1; {receipt}");
    assert_eq!(shown("alice", &both), "young-baseline, device-proven");
    // Somebody else's receipt, a changed one and two at once prove nothing, and are named.
    let forged = receipt.replace("=1.1", "=1.2");
    let twice = format!("{receipt}; {receipt}");
    for (who, cookie) in [("bob", receipt), ("alice", &forged), ("alice", &twice)] {
        assert_eq!(shown(who, cookie), "young-baseline, receipt-refused");
    }
    assert_eq!(counted(&replica, &["reasons_total", "=device-proven"]), 1);
    assert_eq!(counted(&replica, &["reasons_total", "=receipt-refused"]), 3);
    let logs = gateway.envoy.logs() + &replica.envoy.logs();
    assert!(!logs.contains(receipt), "a receipt in the log");
}

#[test]
fn a_browser_is_sent_to_the_page_and_never_in_circles() {
    let key = Key::ed25519("k1");
    let mut policy = policy(&key);
    policy["challenge"]["help"] = json!("https://help.test/mfa");
    policy["challenge"]["page"] = json!({ "url": "/verify", "origins": ["https://api.test"] });
    policy["tiers"] = json!([{ "name": "verify", "paths": ["/verify"], "mode": "off" }]);
    let Some(gateway) = asked(&policy, &key) else {
        return;
    };
    // Each time with a token that was issued since: what is asked with the same one at once is asked once.
    let round = std::cell::Cell::new(0);
    let returned = || {
        round.set(round.get() + 4);
        let token = token(&key, "alice", 400).claim("sid", "s1");
        far_away(&token.claim("iat", now() + round.get()).sign(&key))
    };
    let navigate = || returned().header("sec-fetch-mode", "navigate");
    let sent = gateway.send(&on("/orders?page=2&q=a%20b", navigate()));
    assert_eq!(sent.status, 302, "{}", sent.text());
    let back = "/verify?return_to=https%3A%2F%2Fapi.test%2Forders%3Fpage%3D2%26q%3Da%2520b";
    assert_eq!(sent.header("location").as_deref(), Some(back));
    assert_eq!(sent.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(
        sent.header("x-stepgate-decision").as_deref(),
        Some("step-up")
    );
    assert!(!sent.headers.has("www-authenticate"));
    // The page itself is reached with the same token.
    assert_eq!(gateway.send(&on(back, navigate())).status, 200);
    // Another host is no place to come back to, and is counted.
    let elsewhere = gateway.send(&navigate().header("host", "evil.test"));
    assert_eq!(
        elsewhere.header("location").as_deref(),
        Some("/verify?return_to=https%3A%2F%2Fapi.test%2F")
    );
    assert_eq!(counted(&gateway, &["return_addresses_refused_total"]), 1);
    // A script can do nothing with a page.
    let script = gateway.send(&returned().header("sec-fetch-mode", "cors"));
    assert_eq!(script.status, 401);
    assert!(script.headers.has("www-authenticate"));
    // Three times asked and nothing answered: no fourth redirect, on no route, but the link.
    for path in ["/orders", "/elsewhere"] {
        let refused = gateway.send(&on(path, navigate()));
        assert_eq!(refused.status, 403, "{}", refused.text());
        assert!(!refused.headers.has("location"));
        assert_eq!(refused.json()["help"], "https://help.test/mfa");
    }
    // Until a newer authentication.
    let solved = far_away(&strong("alice", now() + 1).sign(&key));
    assert_eq!(gateway.send(&solved).status, 200);
}

#[test]
fn what_a_page_sends_at_once_is_asked_once() {
    let key = Key::ed25519("k1");
    let Some(gateway) = asked(&policy(&key), &key) else {
        return;
    };
    let request = away(&key);
    // On connections of their own, which reach both workers.
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let send = || gateway.send(&request).status;
        let sent: Vec<_> = (0..12).map(|_| scope.spawn(send)).collect();
        sent.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses, [401; 12]);
    let solved = far_away(&strong("alice", now() + 1).sign(&key));
    assert_eq!(gateway.send(&solved).status, 200);
}

#[test]
fn a_client_that_only_fetches_new_tokens_is_not_asked_for_ever() {
    let key = Key::ed25519("k1");
    let Some(gateway) = asked(&policy(&key), &key) else {
        return;
    };
    let authenticated = now() - 400;
    let refreshed = |round: u64| {
        let token = token(&key, "alice", 0)
            .claim("auth_time", authenticated)
            .claim("iat", now() + round * 4)
            .claim("jti", format!("refreshed-{round}"));
        gateway.send(&far_away(&token.sign(&key))).status
    };
    let statuses: Vec<u16> = (1..5).map(refreshed).collect();
    assert_eq!(statuses, [401, 401, 401, 403]);
}

#[test]
fn somebody_never_seen_before_is_not_asked_for_ever() {
    let key = Key::ed25519("k1");
    let mut policy = policy(&key);
    policy["challenge"]["receipt"] = json!({});
    policy["exceptions"] = json!({ "deny": [{
        "name": "visitors", "clients": ["visitor"], "action": "challenge",
        "until": "2099-01-01T00:00:00Z", "owner": "soc", "reason": "campaign" }] });
    let Some(gateway) = Gateway::start(&policy) else {
        return;
    };
    let visit = |token: Token| gateway.send(&at_home(&token.claim("azp", "visitor").sign(&key)));
    let weak = |round: u64| {
        token(&key, "vera", 400)
            .claim("sid", "s1")
            .claim("iat", now() + round * 4)
    };
    let statuses: Vec<u16> = (1..5).map(|round| visit(weak(round)).status).collect();
    assert_eq!(statuses, [401, 401, 401, 403]);
    let solved = visit(strong("vera", now() + 1));
    assert_eq!(solved.status, 200, "{}", solved.text());
    assert!(reasons(&solved).contains("challenge-solved"));
    assert_eq!(cookies(&solved).len(), 1);
}

/// One Envoy with a listener for each policy, where alice was at home: each has a baseline of its own.
fn side_by_side(policies: &[Value], key: &Key) -> Option<(Gateway, Vec<SocketAddr>)> {
    module()?;
    let name = |n: usize| format!("policy-{n}");
    let listeners: Vec<_> = policies
        .iter()
        .enumerate()
        .map(|(n, policy)| listener(&name(n), vec![stepgate(&name(n), &policy.to_string())]))
        .collect();
    let gateway = Gateway::of(&listeners, &[]);
    let addresses = (0..policies.len()).map(|n| gateway.envoy.listener(&name(n)));
    let addresses: Vec<_> = addresses.collect();
    let home = at_home(&token(key, "alice", 500).claim("sid", "s0").sign(key));
    for address in &addresses {
        assert_eq!(home.send(*address).unwrap().status, 200);
    }
    Some((gateway, addresses))
}

#[test]
fn clients_that_cannot_step_up_are_restricted_and_get_the_link() {
    let key = Key::ed25519("k1");
    let pay = json!({ "name": "pay", "paths": ["/pay"], "class": "sensitive" });
    let devices = json!({ "name": "devices", "step_up_capable": false });
    let kinds = [
        ("client id", json!({ "clients": ["web"] }), &pay),
        (
            "claim",
            json!({ "claims": [{ "name": "azp", "value": "web" }] }),
            &pay,
        ),
        ("route", json!({}), &devices),
    ];
    let policies = kinds.clone().map(|(_, incapable, tier)| {
        let mut policy = policy(&key);
        policy["challenge"]["help"] = json!("https://help.test/mfa");
        policy["challenge"]["incapable"] = incapable;
        policy["tiers"] = json!([tier]);
        policy
    });
    let Some((_gateway, addresses)) = side_by_side(&policies, &key) else {
        return;
    };
    for ((what, ..), address) in kinds.iter().zip(addresses) {
        let read = away(&key).send(address).unwrap();
        assert_eq!(read.status, 200, "{what}: {}", read.text());
        let decision = read.echoed().text("x-stepgate-decision");
        assert_eq!(decision.as_deref(), Some("restrict"), "{what}");
        let mut write = away(&key);
        write.method = "POST".into();
        let mut refused = vec![write];
        if *what != "route" {
            refused.push(on("/pay", away(&key)));
        }
        for request in refused {
            let refused = request.send(address).unwrap();
            assert_eq!(refused.status, 403, "{what}: {}", refused.text());
            let decision = refused.header("x-stepgate-decision");
            assert_eq!(decision.as_deref(), Some("restrict"));
            let problem = refused.json();
            assert_eq!(problem["help"], "https://help.test/mfa", "{what}");
            assert_eq!(problem["type"], "urn:stepgate:restricted", "{what}");
        }
    }
}

#[test]
fn a_newer_token_answers_only_where_the_policy_says_so_and_earns_nothing() {
    let key = Key::ed25519("k1");
    let policies = [false, true].map(|accepted| {
        let mut policy = policy(&key);
        policy["challenge"]["receipt"] = json!({});
        policy["challenge"]["newer_token"] = json!(accepted);
        policy
    });
    let Some((gateway, addresses)) = side_by_side(&policies, &key) else {
        return;
    };
    gateway
        .envoy
        .wait_for_log("challenge.newer_token: accepts a newer token");
    for (address, accepted) in addresses.into_iter().zip([false, true]) {
        let refreshed = |seconds: i64, id: &str| {
            let issued = now().checked_add_signed(seconds).unwrap();
            let claims = Token::new(claims(ISSUER, "alice", now()))
                .claim("iat", issued)
                .claim("auth_time", Value::Null)
                .claim("jti", id)
                .claim("sid", "s1")
                .claim("acr", "urn:test:mfa");
            far_away(&claims.sign(&key)).send(address).unwrap()
        };
        assert_eq!(refreshed(-5, "a").status, 401);
        let older = refreshed(-4, "b");
        assert_eq!(older.status, 401, "issued before it was asked for");
        let newer = refreshed(30, "c");
        assert_eq!(cookies(&newer), Vec::<String>::new());
        if accepted {
            assert_eq!(newer.status, 200, "{}", newer.text());
            let told = reasons(&newer);
            assert!(told.contains("newer-token"), "{told}");
            let proven = told.contains("challenge-solved") || told.contains("stepped-up");
            assert!(!proven, "{told}");
        } else {
            assert_eq!(newer.status, 401);
        }
    }
}

#[test]
fn a_notice_is_seen_and_not_felt() {
    let key = Key::ed25519("k1");
    let mut policy = policy(&key);
    policy["tiers"] = json!([{ "name": "seen", "paths": ["/seen"], "notify": 0.001 }]);
    let Some(gateway) = Gateway::start(&policy) else {
        return;
    };
    let home = at_home(&token(&key, "alice", 20).sign(&key));
    let seen = gateway.send(&on("/seen", home.clone()));
    assert_eq!(seen.status, 200);
    let upstream = seen.echoed();
    assert_eq!(
        upstream.text("x-stepgate-decision").as_deref(),
        Some("allow")
    );
    assert_eq!(reasons(&seen), "young-baseline, notify");
    let id = upstream.text("x-stepgate-id").unwrap();
    assert_eq!(audited(&gateway, &id)["stepgate.notify"], true);
    // Even what is allowed again and again, which writes no line otherwise.
    let again = gateway.send(&on("/seen", home.clone())).echoed();
    let id = again.text("x-stepgate-id").unwrap();
    assert_eq!(audited(&gateway, &id)["stepgate.decision"], "allow");
    assert_eq!(counted(&gateway, &["reasons_total", "=notify"]), 2);
    assert_eq!(counted(&gateway, &["requests_total", "=allow"]), 2);
    assert!(!reasons(&gateway.send(&home)).contains("notify"));
}
