//! Exceptions on the wire: lists, a journey, a campaign, and their ends.
//! May use one gateway a test, and its log.
//! Must not expect how strong a piece of evidence is.

use serde_json::{Value, json};
use stepgate::signals::ecs::rfc3339;
use stepgate_testkit::envoy::until;
use stepgate_testkit::http::{Request, Response};
use stepgate_testkit::tokens::{Key, now};

use crate::contract::{at_home, far_away, policy, reasons, token};
use crate::gateway::Gateway;

/// The policy with one exception, in force for an hour from an hour ago.
fn excepting(key: &Key, section: &str, own: &Value) -> Value {
    let mut entry = json!({
        "name": "the-exception", "from": at(-3600), "until": at(3600), "owner": "soc", "reason": "a test",
    });
    for (name, value) in own.as_object().unwrap() {
        entry[name] = value.clone();
    }
    let mut policy = policy(key);
    policy["exceptions"] = json!({ section: [entry] });
    policy
}

fn at(seconds: i64) -> String {
    rfc3339(now() as f64 + seconds as f64)
}

/// The audit line of a decision.
fn audit(gateway: &Gateway, id: &str) -> Value {
    until("the audit line", || {
        let logs = gateway.envoy.logs();
        let mut lines = logs.lines();
        let line = lines.find(|line| line.contains(id) && line.contains("@timestamp"))?;
        let json = line.get(line.find('{')?..)?;
        serde_json::from_str::<Value>(json.get(..=json.rfind('}')?)?).ok()
    })
}

fn id(response: &Response) -> String {
    let passed = response.status == 200;
    let id = if passed {
        response.echoed().text("x-stepgate-id")
    } else {
        response.header("x-stepgate-id")
    };
    id.unwrap_or_else(|| panic!("no id: {}", response.text()))
}

/// Alice at home, then on the other side of the world ten minutes later.
fn travels(gateway: &Gateway, key: &Key) -> Response {
    let home = gateway.send(&at_home(&token(key, "alice", 700).sign(key)));
    assert_eq!(home.status, 200, "{}", home.text());
    assert!(!reasons(&home).contains("excepted"));
    gateway.send(&far_away(&token(key, "alice", 100).sign(key)))
}

/// The exception is told: to the upstream by a reason, to the operator by name and with what it took off.
fn is_told(gateway: &Gateway, response: &Response, damped: &str) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    assert!(
        reasons(response).contains("excepted"),
        "{}",
        reasons(response)
    );
    let line = audit(gateway, &id(response));
    assert_eq!(
        line["stepgate.exceptions"],
        json!(["the-exception"]),
        "{line}"
    );
    assert!(
        line["stepgate.damped"][damped]
            .as_f64()
            .is_some_and(|nats| nats > 0.0),
        "{line}"
    );
    let counted = gateway.envoy.stats().into_iter().any(|(name, value)| {
        name.contains("reasons_total") && name.contains("=excepted") && value == "1"
    });
    assert!(counted, "the exception is counted");
    line
}

#[test]
fn an_allowlist_damps_what_it_names() {
    let key = Key::ed25519("k1");
    let own = json!({ "networks": ["1.128.3.0/24"], "signals": ["impossible-travel"] });
    let Some(gateway) = Gateway::start(&excepting(&key, "allow", &own)) else {
        return;
    };
    let response = travels(&gateway, &key);
    let line = is_told(&gateway, &response, "impossible-travel");
    assert_eq!(line["stepgate.reasons"]["impossible-travel"], 0.0);
}

#[test]
fn a_denylist_denies_by_identity_and_by_network() {
    let key = Key::ed25519("k1");
    let own = json!({ "identities": ["https://idp.test|mallory"] });
    let mut policy = excepting(&key, "deny", &own);
    let mut network = policy["exceptions"]["deny"][0].clone();
    network["name"] = json!("botnet");
    network["networks"] = json!(["1.128.3.0/24"]);
    network.as_object_mut().unwrap().remove("identities");
    policy["exceptions"]["deny"]
        .as_array_mut()
        .unwrap()
        .push(network);
    let Some(gateway) = Gateway::start(&policy) else {
        return;
    };
    let denied = gateway.send(&at_home(&token(&key, "mallory", 10).sign(&key)));
    assert_eq!(denied.status, 403, "{}", denied.text());
    assert_eq!(
        denied.header("x-stepgate-decision").as_deref(),
        Some("deny")
    );
    let line = audit(&gateway, &id(&denied));
    assert_eq!(line["stepgate.exceptions"], json!(["the-exception"]));
    assert_eq!(line["stepgate.reasons"], json!({ "denylisted": 0.0 }));
    assert_eq!(
        gateway
            .send(&at_home(&token(&key, "alice", 10).sign(&key)))
            .status,
        200
    );
    let from_there = Request::get("/").header("x-forwarded-for", "1.128.3.9");
    assert_eq!(gateway.send(&from_there).status, 403);
    // A token that is none is none, denylist or not: the rule comes first.
    let spoiled = token(&key, "mallory", 10).sign(&Key::ed25519("k1"));
    assert_eq!(gateway.send(&at_home(&spoiled)).status, 401);
}

#[test]
fn an_announced_journey_passes_and_home_stays_open() {
    let key = Key::ed25519("k1");
    let own = json!({
        "identities": ["https://idp.test|alice"], "countries": ["AU"], "legs": [{ "from": "GB", "to": "AU" }],
        "signals": ["new-country", "new-asn", "impossible-travel"],
    });
    let Some(gateway) = Gateway::start(&excepting(&key, "travel", &own)) else {
        return;
    };
    let response = travels(&gateway, &key);
    let line = is_told(&gateway, &response, "impossible-travel");
    assert_eq!(line["stepgate.left"], json!(["GB"]));
    let home = gateway.send(&at_home(&token(&key, "alice", 50).sign(&key)));
    assert_eq!(home.status, 200, "{}", home.text());
    // The journey is Alice's.
    let bob = |ago| token(&key, "bob", ago).sign(&key);
    assert_eq!(gateway.send(&at_home(&bob(700))).status, 200);
    assert_eq!(gateway.send(&far_away(&bob(100))).status, 401);
}

#[test]
fn a_campaign_takes_a_nat_at_most_off_the_novelty_of_its_cohort() {
    let key = Key::ed25519("k1");
    let own = json!({ "groups": ["human:web"], "signals": ["new-client", "new-device"] });
    let Some(gateway) = Gateway::start(&excepting(&key, "campaigns", &own)) else {
        return;
    };
    let mint = |ago| token(&key, "alice", ago).claim("azp", "web").sign(&key);
    for ago in [900, 800, 700, 600] {
        assert_eq!(gateway.send(&at_home(&mint(ago))).status, 200);
    }
    let mut renewed = at_home(&mint(100));
    renewed.headers.0.retain(|(name, _)| name != b"user-agent");
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    let response = gateway.send(&renewed.header("user-agent", agent));
    let line = is_told(&gateway, &response, "new-device");
    let before = line["stepgate.damped"]["new-device"].as_f64().unwrap();
    let after = line["stepgate.reasons"]["new-device"].as_f64().unwrap();
    assert!(before > after && before - after <= 1.001, "{line}");
}

#[test]
fn an_exception_ends_at_its_time_and_its_owner_is_named() {
    let key = Key::ed25519("k1");
    let end = now() + 6;
    let own = json!({ "identities": ["https://idp.test|mallory"], "until": rfc3339(end as f64) });
    let Some(gateway) = Gateway::start(&excepting(&key, "deny", &own)) else {
        return;
    };
    let mallory = at_home(&token(&key, "mallory", 10).sign(&key));
    let first = gateway.send(&mallory);
    if now() < end {
        assert_eq!(first.status, 403, "{}", first.text());
    }
    let passed = until("the end of the exception", || {
        let before = now();
        let status = gateway.send(&mallory).status;
        assert!(status == 200 || before < end, "denied after its end");
        assert!(status == 403 || now() >= end, "passed before its end");
        (status == 200).then_some(now())
    });
    assert!(passed >= end);
    gateway.envoy.wait_for_log("exceptions.deny[0]: expired");
    gateway
        .envoy
        .wait_for_log("ask its owner `soc` whether it still holds");
}
