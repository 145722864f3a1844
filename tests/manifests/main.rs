//! The files a user starts from, in the real Envoy: each loads as it is and decides a request.
//! May use the test kit and the files under `envoy/` and `examples/`.
//! Must not test what a decision is made of.
#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: what is not there fails it"
)]

mod kinds;
mod kustomize;
mod monitors;
mod variants;

use std::path::Path;

use serde_json::{Value, json};
use stepgate::policy::Policy;
use stepgate_testkit::envoy::{Setup, TempDir, binary};
use stepgate_testkit::http::{Request, Response, Upstream};
use stepgate_testkit::tokens::{Key, Token, claims, jwks, now};

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/stepgate.wasm");
const ISSUER: &str = "https://idp.example/";
const WASM: &str = "/typed_config/config";

fn yaml(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    serde_norway::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Whether there is an Envoy and a module; says so if not.
fn ready() -> bool {
    let built = Path::new(MODULE).is_file();
    if !built {
        println!("SKIPPED: no module; `make wasm` builds {MODULE}");
    }
    built && binary().is_some()
}

fn put(value: &mut Value, path: &str, new: impl Into<Value>) {
    *value
        .pointer_mut(path)
        .unwrap_or_else(|| panic!("no {path}")) = new.into();
}

fn named<'a>(list: &'a mut Value, name: &str) -> &'a mut Value {
    let mut items = list.as_array_mut().unwrap().iter_mut();
    items.find(|item| item["name"] == name).unwrap()
}

fn header(response: &Response, name: &str) -> String {
    response.echoed().text(name).unwrap_or_default()
}

/// A bootstrap under `envoy/` on free ports, with the built module.
fn on_free_ports(name: &str, upstream: &Upstream) -> Value {
    let mut bootstrap = yaml(name);
    let listener = "/static_resources/listeners/0";
    put(
        &mut bootstrap,
        &format!("{listener}/address/socket_address/port_value"),
        0,
    );
    let clusters = &mut bootstrap["static_resources"]["clusters"];
    put(
        named(clusters, "api"),
        "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value",
        upstream.port(),
    );
    let config = filter(&mut bootstrap, "stepgate").pointer_mut(WASM);
    put(config.unwrap(), "/vm_config/code/local/filename", MODULE);
    bootstrap
}

/// An HTTP filter of a bootstrap with one listener.
fn filter<'a>(bootstrap: &'a mut Value, name: &str) -> &'a mut Value {
    let filters =
        "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
    named(bootstrap.pointer_mut(filters).unwrap(), name)
}

/// The same with a key in place of a key set nobody serves here.
fn static_bootstrap(name: &str, upstream: &Upstream, key: &Key) -> Value {
    let mut bootstrap = on_free_ports(name, upstream);
    let config = filter(&mut bootstrap, "stepgate").pointer_mut(WASM);
    let config = config.unwrap();
    let policy = config.pointer("/configuration/value").unwrap();
    let mut policy: Value = serde_json::from_str(policy.as_str().unwrap()).unwrap();
    let issuer = policy["credentials"]["issuers"][0].as_object_mut().unwrap();
    issuer.remove("jwks");
    issuer.insert("keys".into(), jwks(&[key]));
    put(config, "/configuration/value", policy.to_string());
    bootstrap
}

#[test]
fn the_static_bootstrap_is_accepted_as_it_is() {
    if !ready() {
        return;
    }
    let mut bootstrap = yaml("envoy/envoy.yaml");
    let filters =
        "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
    let filters = bootstrap.pointer_mut(filters).unwrap();
    put(
        named(filters, "stepgate"),
        "/typed_config/config/vm_config/code/local/filename",
        MODULE,
    );
    let (accepted, said) = Setup::new(&bootstrap.to_string()).validate().unwrap();
    assert!(accepted, "{said}");
}

#[test]
fn the_static_bootstrap_watches_and_lets_no_client_place_itself() {
    if !ready() {
        return;
    }
    let upstream = Upstream::start().unwrap();
    let key = Key::rsa("static");
    let bootstrap = static_bootstrap("envoy/envoy.yaml", &upstream, &key).to_string();
    let envoy = Setup::new(&bootstrap).start().unwrap();
    let token = Token::new(claims(ISSUER, "alice", now())).claim("aud", "https://api.example/");
    let request = Request::get("/api/orders")
        .bearer(&token.sign(&key))
        .header("X-Geo-Country", "DE")
        .header("x-geo-city", "Berlin")
        .header("x-stepgate-decision", "deny")
        .header("x_stepgate_score", "99");
    let response = request.send(envoy.address()).unwrap();
    assert_eq!(response.status, 200, "{}", response.text());
    let seen = response.echoed();
    assert_eq!(seen.all("x-stepgate-decision"), [b"allow"]);
    assert_eq!(seen.all("x-stepgate-mode"), [b"shadow"]);
    for gone in ["x-geo-country", "x-geo-city", "x_stepgate_score"] {
        assert!(!seen.has(gone), "{gone} in {seen:?}");
    }

    // what enforcing would refuse passes, and says so
    let stranger = Token::new(claims(ISSUER, "alice", now())).claim("aud", "elsewhere");
    let request = Request::get("/api/orders").bearer(&stranger.sign(&key));
    let response = request.send(envoy.address()).unwrap();
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(header(&response, "x-stepgate-decision"), "allow");
    assert_eq!(header(&response, "x-stepgate-would"), "deny");

    // decisions are in the metrics with their labels, and in the access log
    let counted = "stepgate_requests_total{decision=\"allow\",mode=\"shadow\",tier=\"default\"} 1";
    assert!(
        envoy.prometheus().contains(counted),
        "{}",
        envoy.prometheus()
    );
    let id = header(&response, "x-stepgate-id");
    let line = envoy.wait_for_log(&format!("\"stepgate.id\":\"{id}\""));
    assert!(line.contains("\"stepgate.would\":\"deny\""), "{line}");
}

/// Applies an EnvoyFilter as Istio's control plane and agent do: the extension becomes a resource in a file instead of one
/// from the control plane, its code the file the agent has fetched.
fn apply(manifest: &Value, gateway: &mut Value, dir: &TempDir, policy: impl Fn(&mut Value)) {
    for patch in manifest["spec"]["configPatches"].as_array().unwrap() {
        assert_eq!(patch["match"]["context"], "GATEWAY");
        let operation = (
            patch["applyTo"].as_str(),
            patch["patch"]["operation"].as_str(),
        );
        let mut value = patch["patch"]["value"].clone();
        match operation {
            (Some("EXTENSION_CONFIG"), Some("ADD")) => {
                let config = value.pointer_mut(WASM).unwrap();
                put(
                    config,
                    "/vm_config/code",
                    json!({ "local": { "filename": MODULE } }),
                );
                let text = config.pointer("/configuration/value").unwrap();
                let mut written: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
                policy(&mut written);
                put(config, "/configuration/value", written.to_string());
                value["@type"] =
                    "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig".into();
                let name = format!("{}.json", value["name"].as_str().unwrap());
                dir.write(
                    &name,
                    json!({ "version_info": "1", "resources": [value] }).to_string(),
                );
            }
            (Some("HTTP_FILTER"), Some("INSERT_BEFORE")) => {
                let name = format!("{}.json", value["name"].as_str().unwrap());
                let path = dir.path().join(name).display().to_string();
                let source = value
                    .pointer_mut("/config_discovery/config_source")
                    .unwrap();
                assert!(source.as_object_mut().unwrap().remove("ads").is_some());
                source["path_config_source"] = json!({ "path": path });
                let place = &patch["match"]["listener"]["filterChain"]["filter"];
                insert_before(gateway, place, value);
            }
            (Some("HTTP_ROUTE"), Some("MERGE")) => {
                let route = &patch["match"]["routeConfiguration"]["vhost"]["route"];
                let hosts = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts";
                let hosts = gateway.pointer_mut(hosts).unwrap();
                let routes = &mut hosts[0]["routes"];
                let found = named(routes, route["name"].as_str().unwrap());
                found["metadata"] = value["metadata"].take();
            }
            other => panic!("the manifest has a patch this test does not know: {other:?}"),
        }
    }
}

fn insert_before(gateway: &mut Value, place: &Value, value: Value) {
    let network = "/static_resources/listeners/0/filter_chains/0/filters";
    let network = gateway.pointer_mut(network).unwrap();
    let manager = named(network, place["name"].as_str().unwrap());
    let filters = &mut manager["typed_config"]["http_filters"];
    let filters = filters.as_array_mut().unwrap();
    let sub = &place["subFilter"]["name"];
    let at = filters.iter().position(|filter| filter["name"] == *sub);
    filters.insert(at.unwrap(), value);
}

fn gateway(upstream: &Upstream, key: &Key) -> Value {
    let mut gateway = yaml("tests/fixtures/istio-gateway.yaml");
    let filters =
        "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
    let jwt_authn = named(
        gateway.pointer_mut(filters).unwrap(),
        "envoy.filters.http.jwt_authn",
    );
    put(
        jwt_authn,
        "/typed_config/providers/origins-0/local_jwks/inline_string",
        jwks(&[key]).to_string(),
    );
    put(
        &mut gateway,
        "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value",
        upstream.port(),
    );
    gateway
}

#[test]
fn the_istio_manifest_decides_on_claims_istio_verified() {
    if !ready() {
        return;
    }
    let (upstream, key, dir) = (
        Upstream::start().unwrap(),
        Key::rsa("istio"),
        TempDir::new(),
    );
    let manifest = yaml("envoy/istio-envoyfilter.yaml");
    assert_eq!(manifest["kind"], "EnvoyFilter");
    let mut bootstrap = gateway(&upstream, &key);
    apply(&manifest, &mut bootstrap, &dir, |policy| {
        assert_eq!(policy["mode"], "shadow", "manifests watch first");
        policy["mode"] = "enforce".into();
    });
    let envoy = Setup::new(&bootstrap.to_string())
        .concurrency(2)
        .start()
        .unwrap();

    let get = |path: &str, token: Option<String>| {
        let request = Request::get(path).header("x-forwarded-for", "198.51.100.23");
        let request = token
            .iter()
            .fold(request, |request, token| request.bearer(token));
        request.send(envoy.address()).unwrap()
    };
    // a null claim and a list among the claims are no obstacle
    let alice = Token::new(claims(ISSUER, "alice", now()))
        .claim("middle_name", Value::Null)
        .claim("scope", "orders:read orders:write");
    let allowed = get("/admin/users", Some(alice.sign(&key)));
    assert_eq!(allowed.status, 200, "{}", allowed.text());
    assert_eq!(header(&allowed, "x-stepgate-decision"), "allow");
    assert_eq!(header(&allowed, "x-stepgate-mode"), "enforce");
    let reasons = header(&allowed, "x-stepgate-reasons");
    assert!(
        !reasons.contains("unverified") && !reasons.contains("anonymous"),
        "{reasons}"
    );

    // without a token there is no identity, and the tier wants one
    let refused = get("/admin/users", None);
    assert_eq!(refused.status, 401, "{}", refused.text());
    assert_eq!(
        refused.header("x-stepgate-decision").as_deref(),
        Some("deny")
    );
    assert_eq!(header(&get("/", None), "x-stepgate-decision"), "allow");

    // the route says which tier it has, whatever its path
    let unknown = get("/desk/search", None);
    assert_eq!(unknown.status, 401, "{}", unknown.text());
    let known = get("/desk/search", Some(alice.sign(&key)));
    assert_eq!(header(&known, "x-stepgate-decision"), "allow");

    // a VM of its own name, and a backoff of its own
    let running = envoy.config_dump().to_string();
    for set in [
        "\"vm_id\":\"stepgate\"",
        "\"base_interval\":\"0.100s\"",
        "\"failure_policy\":\"FAIL_RELOAD\"",
    ] {
        assert!(running.contains(set), "{set}");
    }

    // Istio itself refuses what it cannot verify
    let forged = Token::new(claims(ISSUER, "alice", now())).sign(&Key::rsa("another"));
    let refused = get("/admin/users", Some(forged));
    assert_eq!(
        (refused.status, refused.header("x-stepgate-id")),
        (401, None)
    );
    assert_eq!(upstream.hits("/admin/users"), 1);
}

#[test]
fn policies_of_all_files_are_good_and_watch() {
    let example =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policy.json"));
    let mut bootstrap = yaml("envoy/envoy.yaml");
    let filters =
        "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
    let filters = bootstrap.pointer_mut(filters).unwrap();
    let of_envoy = named(filters, "stepgate")
        .pointer("/typed_config/config/configuration/value")
        .cloned();
    let of_istio = yaml("envoy/istio-envoyfilter.yaml")
        .pointer("/spec/configPatches/0/patch/value/typed_config/config/configuration/value")
        .cloned();
    let text = |value: Option<Value>| value.unwrap().as_str().unwrap().to_owned();
    for policy in [example.unwrap(), text(of_envoy), text(of_istio)] {
        let policy = Policy::parse(&policy).unwrap();
        assert_eq!(stepgate::headers::mode_word(policy.config.mode), "shadow");
    }
}
