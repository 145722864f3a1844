//! Tiers on the wire: by the metadata of a route, each with its mode and thresholds, and what is refused at load.
//! May use routes of its own.
//! Must not repeat what the cases of tiers show.

use serde_json::{Value, json};
use stepgate_testkit::envoy::Setup;
use stepgate_testkit::http::Request;
use stepgate_testkit::tokens::Key;

use crate::contract::{at_home, far_away, policy, token};
use crate::gateway::{Gateway, bootstrap, listener, module, stepgate};

/// A listener whose routes below `/<name>` name that tier in their metadata.
fn with_metadata(policy: &Value, names: &[&str]) -> Value {
    let mut listener = listener("main", vec![stepgate("stepgate", &policy.to_string())]);
    let route = |name: &&str| {
        json!({
            "match": { "path_separated_prefix": format!("/{name}") },
            "metadata": { "filter_metadata": { "stepgate": { "tier": name } } },
            "route": { "cluster": "api" },
        })
    };
    let mut routes: Vec<Value> = names.iter().map(route).collect();
    routes.push(json!({ "match": { "prefix": "/" }, "route": { "cluster": "api" } }));
    listener["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"]
        [0]["routes"] = routes.into();
    listener
}

#[test]
fn the_metadata_of_a_route_names_its_tier() {
    if module().is_none() {
        return;
    }
    let key = Key::ed25519("k1");
    let mut policy = policy(&key);
    policy["tiers"] = json!([
        { "name": "admin", "route_metadata": true, "require_identity": true, "class": "privileged" },
        { "name": "beta", "route_metadata": true, "require_identity": true, "mode": "shadow" },
        { "name": "health", "route_metadata": true, "mode": "off" },
        { "name": "patient", "route_metadata": true, "step_up": 0.999_999, "deny": 0.999_999_9 },
        { "name": "strict", "route_metadata": true, "acr_values": ["urn:test:key"], "max_age": 7 },
    ]);
    let names = ["admin", "beta", "health", "patient", "strict", "unknown"];
    let gateway = Gateway::of(&[with_metadata(&policy, &names)], &[]);
    let anonymous = |path: &str| gateway.send(&Request::get(path));
    assert_eq!(anonymous("/admin/users").status, 401);
    assert_eq!(anonymous("/open").status, 200);
    assert_eq!(anonymous("/unknown").status, 200);
    // A client cannot name a tier.
    let named = Request::get("/admin").header("x-stepgate-tier", "health");
    assert_eq!(gateway.send(&named).status, 401);

    let beta = anonymous("/beta").echoed();
    assert_eq!(beta.text("x-stepgate-mode").as_deref(), Some("shadow"));
    assert_eq!(beta.text("x-stepgate-decision").as_deref(), Some("allow"));
    assert_eq!(beta.text("x-stepgate-would").as_deref(), Some("deny"));

    let garbage = Request::get("/health")
        .bearer("garbage")
        .header("x-stepgate-score", "0");
    let health = gateway.send(&garbage);
    assert_eq!(health.status, 200);
    let told: Vec<_> = health.echoed().0;
    assert!(
        !told.iter().any(|(name, _)| name.starts_with(b"x-stepgate")),
        "{told:?}"
    );

    // The same journey, by the thresholds and the challenge of each tier.
    let login = |ago| token(&key, "alice", ago).claim("sid", "s1").sign(&key);
    assert_eq!(gateway.send(&at_home(&login(500))).status, 200);
    let away = |path: &str| {
        let request = far_away(&login(400));
        gateway.send(&Request {
            target: path.into(),
            ..request
        })
    };
    let strict = away("/strict");
    assert_eq!(strict.status, 401);
    let asked = strict.header("www-authenticate").unwrap();
    assert!(
        asked.contains("acr_values=\"urn:test:key\", max_age=7"),
        "{asked}"
    );
    assert_eq!(away("/orders").status, 401);
    let patient = away("/patient");
    assert_eq!(patient.status, 200, "{}", patient.text());
}

#[test]
fn tiers_that_contradict_each_other_are_refused_with_their_names() {
    if module().is_none() {
        return;
    }
    for (policy, message) in [
        (
            json!({ "tiers": [{ "name": "api", "paths": ["/api/**"] }, { "name": "pay", "paths": ["/api/pay"], "max_age": 60 }] }),
            "tiers[1]: `pay` never holds: `api` (tiers[0]) takes its routes first and treats them differently",
        ),
        (
            json!({ "mode": "enforce", "challenge": { "page": { "url": "/verify", "origins": ["https://api.test"] } } }),
            "challenge.page.url: `/verify` on `api.test` is in tier `default`, which enforces",
        ),
        (
            json!({ "challenge": { "page": { "url": "/verify", "origins": ["https://api.test/x"] } } }),
            "challenge.page.origins[0]: `https://api.test/x` is not an origin",
        ),
    ] {
        let filter = stepgate("stepgate", &policy.to_string());
        let setup =
            Setup::new(&bootstrap(&[listener("main", vec![filter])], &[("api", 1)]).to_string());
        let (accepted, said) = setup.validate().unwrap();
        assert!(!accepted, "{policy}");
        assert!(said.contains(message), "no `{message}` in:\n{said}");
    }
}
