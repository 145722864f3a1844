//! From watching to enforcing: the canary, and what is counted in either mode.
//! May use several listeners of one gateway, and its statistics.
//! Must not know which identities are in a canary, only that they are the same everywhere.

use std::collections::BTreeMap;

use serde_json::json;
use stepgate_testkit::http::Request;
use stepgate_testkit::tokens::Key;

use crate::contract::{at_home, far_away, policy, token};
use crate::gateway::{Gateway, listener, module, stepgate};

/// Whether each of these people is enforced for, on a listener.
fn enforced(gateway: &Gateway, name: &str, key: &Key) -> Vec<bool> {
    let address = gateway.envoy.listener(name);
    let of = |person: u32| {
        let bearer = token(key, &format!("person-{person}"), 10).sign(key);
        let response = at_home(&bearer).send(address).unwrap();
        assert_eq!(response.status, 200, "{}", response.text());
        let mode = response.echoed().text("x-stepgate-mode");
        assert!(
            matches!(mode.as_deref(), Some("enforce" | "shadow")),
            "{mode:?}"
        );
        mode.as_deref() == Some("enforce")
    };
    (0..30).map(of).collect()
}

#[test]
fn a_canary_is_the_same_on_every_replica_and_grows() {
    if module().is_none() {
        return;
    }
    let key = Key::ed25519("k1");
    let with = |permille: u16, secret: &str| {
        let mut policy = policy(&key);
        policy["canary_permille"] = json!(permille);
        policy["hash_key"] = json!(secret);
        policy["exceptions"] = json!({ "deny": [{
            "name": "leavers", "clients": ["leavers"], "until": "2099-01-01T00:00:00Z", "owner": "hr", "reason": "left" }] });
        policy.to_string()
    };
    let secret = "a secret of the envoy tests";
    let policies = [
        ("half", with(500, secret)),
        ("most", with(800, secret)),
        ("other", with(500, "another secret of the tests")),
    ];
    let listeners: Vec<_> = policies
        .iter()
        .map(|(name, policy)| listener(name, vec![stepgate(name, policy)]))
        .collect();
    let (one, other) = (Gateway::of(&listeners, &[]), Gateway::of(&listeners, &[]));
    let half = enforced(&one, "half", &key);
    assert!(half.contains(&true) && half.contains(&false));
    assert_eq!(
        half,
        enforced(&one, "half", &key),
        "from one request to the next"
    );
    assert_eq!(half, enforced(&other, "half", &key), "on another replica");
    let most = enforced(&one, "most", &key);
    assert!(
        half.iter().zip(&most).all(|(half, most)| !half || *most),
        "who was in stays in"
    );
    assert_ne!(
        half,
        enforced(&one, "other", &key),
        "another key, another part"
    );

    // Outside the canary nothing is refused, inside it is.
    let address = one.envoy.listener("half");
    for (person, enforced) in half.iter().enumerate().take(12) {
        let who = format!("person-{person}");
        let leaver = token(&key, &who, 5).claim("azp", "leavers").sign(&key);
        let response = at_home(&leaver).send(address).unwrap();
        let expected = if *enforced { 403 } else { 200 };
        assert_eq!(response.status, expected, "{who}: {}", response.text());
    }
    // Who is nobody counts by its address: always the same.
    let anonymous = |last: u32| {
        let request = Request::get("/").header("x-forwarded-for", format!("192.0.{last}.1"));
        let echoed = request.send(address).unwrap().echoed();
        echoed.text("x-stepgate-mode").unwrap()
    };
    let modes: Vec<String> = (0..40).map(anonymous).collect();
    assert_eq!(modes, (0..40).map(anonymous).collect::<Vec<_>>());
    assert!(modes.contains(&"enforce".into()) && modes.contains(&"shadow".into()));
}

#[test]
fn what_would_be_is_counted_as_what_is() {
    if module().is_none() {
        return;
    }
    let key = Key::ed25519("k1");
    let listeners = ["enforce", "shadow"].map(|mode| {
        let mut policy = policy(&key);
        policy["mode"] = json!(mode);
        policy["tiers"] = json!([{ "name": "closed", "paths": ["/closed"], "require_identity": true }]);
        policy["exceptions"] = json!({ "deny": [{
            "name": "botnet", "networks": ["203.0.113.0/24"], "until": "2099-01-01T00:00:00Z", "owner": "soc", "reason": "botnet" }] });
        listener(mode, vec![stepgate(mode, &policy.to_string())])
    });
    let gateway = Gateway::of(&listeners, &[]);
    let mut requests = Vec::new();
    for person in 0..5 {
        let who = format!("person-{person}");
        requests.push(at_home(&token(&key, &who, 700).sign(&key)));
        requests.push(far_away(&token(&key, &who, 100).sign(&key)));
    }
    let job = |ago| {
        token(&key, "job", ago)
            .claim("client_id", "job")
            .claim("azp", "job")
            .sign(&key)
    };
    requests.push(at_home(&job(60)));
    requests.push(Request::get("/closed"));
    requests.push(Request::get("/open"));
    requests.push(Request::get("/open").header("x-forwarded-for", "203.0.113.9"));
    requests.push(at_home(
        &token(&key, "forger", 10).sign(&Key::ed25519("k1")),
    ));
    for mode in ["enforce", "shadow"] {
        let address = gateway.envoy.listener(mode);
        for request in &requests {
            let response = request.send(address).unwrap();
            assert!(
                mode == "enforce" || response.status == 200,
                "{}",
                response.text()
            );
        }
    }
    let counted = |mode: &str| -> BTreeMap<String, u64> {
        let stats = gateway.envoy.stats();
        let of_mode = stats.iter().filter(|(name, _)| {
            name.contains("stepgate_requests_total") && name.contains(&format!("mode=.={mode}"))
        });
        let decision = |name: &str| {
            let (_, rest) = name.split_once("decision=.=").unwrap();
            rest.split(';').next().unwrap().to_owned()
        };
        let mut counts = BTreeMap::new();
        for (name, value) in of_mode {
            *counts.entry(decision(name)).or_default() += value.parse::<u64>().unwrap();
        }
        counts
    };
    let (enforce, shadow) = (counted("enforce"), counted("shadow"));
    assert_eq!(enforce, shadow);
    assert_eq!(enforce.values().sum::<u64>(), requests.len() as u64);
    assert!(
        enforce.values().filter(|count| **count > 0).count() >= 3,
        "{enforce:?}"
    );
}
