//! Manifests whose Envoy configuration a control plane writes: their fields against those of their kinds, their policy in the
//! real Envoy in the form the control plane gives it.
//! May use the published fields of the kinds, as `tests/fixtures/crds.json` has them.
//! Must not need a cluster.

use serde_json::{Value, json};
use stepgate_testkit::envoy::Setup;

use crate::{MODULE, ready, yaml};

/// The files, and where each has its policy.
const MANIFESTS: [(&str, &str); 3] = [
    ("envoy/istio-wasmplugin.yaml", "/spec/pluginConfig"),
    (
        "envoy/istio-trafficextension.yaml",
        "/spec/wasm/pluginConfig",
    ),
    ("envoy/envoy-gateway.yaml", "/spec/wasm/0/config"),
];

/// What is wrong with a value of a described field.
pub(crate) fn faults(value: &Value, described: &Value, path: &str) -> Vec<String> {
    match (described, value) {
        (Value::Object(members), Value::Object(given)) => {
            let of_given = given
                .iter()
                .flat_map(|(name, value)| match members.get(name) {
                    Some(described) => faults(value, described, &format!("{path}.{name}")),
                    None => vec![format!("{path}.{name}: no such field")],
                });
            let missing = members.iter().filter(|(name, described)| {
                described.as_str().is_some_and(|word| word.ends_with('!'))
                    && !given.contains_key(*name)
            });
            let missing = missing.map(|(name, _)| format!("{path}.{name}: is required"));
            of_given.chain(missing).collect()
        }
        (Value::Array(item), Value::Array(given)) => given
            .iter()
            .enumerate()
            .flat_map(|(at, value)| faults(value, &item[0], &format!("{path}[{at}]")))
            .collect(),
        (Value::String(word), value) => {
            let fits = match (word.trim_end_matches('!'), value) {
                ("map", Value::Object(_)) | ("boolean", Value::Bool(_)) => true,
                ("integer", Value::Number(number)) => number.is_u64(),
                ("text", Value::String(text)) => !text.is_empty(),
                (words, Value::String(text)) => words.split('|').any(|word| word == text),
                _ => false,
            };
            if fits {
                Vec::new()
            } else {
                vec![format!("{path}: {value} is not {word}")]
            }
        }
        _ => vec![format!("{path}: {value} has another form")],
    }
}

pub(crate) fn described(manifest: &Value) -> Value {
    let kinds = yaml("tests/fixtures/crds.json");
    let text = |name: &str| manifest[name].as_str().unwrap().to_owned();
    let kind = format!("{} {}", text("apiVersion"), text("kind"));
    kinds.get(&kind).unwrap_or_else(|| panic!("{kind}")).clone()
}

#[test]
fn every_field_is_one_of_its_kind() {
    for (name, _) in MANIFESTS {
        let manifest = yaml(name);
        let found = faults(&manifest["spec"], &described(&manifest), "spec");
        assert!(found.is_empty(), "{name}: {found:?}");
        assert!(!manifest["metadata"]["name"].as_str().unwrap().is_empty());
    }
}

#[test]
fn a_field_that_is_none_is_found() {
    let manifest = yaml("envoy/istio-wasmplugin.yaml");
    let described = described(&manifest);
    let broken = |change: fn(&mut Value)| {
        let mut spec = manifest["spec"].clone();
        change(&mut spec);
        faults(&spec, &described, "spec").join("; ")
    };
    assert_eq!(
        broken(|spec| spec["failPolicy"] = "x".into()),
        "spec.failPolicy: no such field"
    );
    assert_eq!(
        broken(|spec| spec["phase"] = "LAST".into()),
        "spec.phase: \"LAST\" is not AUTHN|AUTHZ|STATS"
    );
    assert_eq!(
        broken(|spec| drop(spec.as_object_mut().unwrap().remove("url"))),
        "spec.url: is required"
    );
}

#[test]
fn the_proxies_of_envoy_gateway_get_key_audit_lines_and_labels() {
    let proxy = yaml("envoy/envoy-gateway/proxy.yaml");
    let found = faults(&proxy["spec"], &described(&proxy), "spec");
    assert!(found.is_empty(), "{found:?}");
    let policy = yaml("envoy/envoy-gateway.yaml");
    let spec = &proxy["spec"];
    let env = &spec["provider"]["kubernetes"]["envoyDeployment"]["container"]["env"][0];
    assert_eq!(env["name"], policy["spec"]["wasm"][0]["env"]["hostKeys"][0]);
    assert_eq!(spec["logging"]["level"]["wasm"], "info");
    let bootstrap = spec["bootstrap"]["value"].as_str().unwrap();
    let bootstrap: Value = serde_norway::from_str(bootstrap).unwrap();
    // The patterns that a test in Envoy holds against what it exports.
    assert_eq!(
        bootstrap["stats_config"],
        yaml("envoy/envoy.yaml")["stats_config"]
    );
}

/// Istio and Envoy Gateway hand the policy on as JSON in a StringValue; who writes Envoy's configuration may also use a Struct.
#[test]
fn their_policies_are_taken_as_text_and_as_a_struct() {
    if !ready() {
        return;
    }
    for (name, place) in MANIFESTS {
        let manifest = yaml(name);
        let policy = manifest.pointer(place).unwrap();
        assert_eq!(policy["mode"], "shadow", "manifests watch first");
        let validate = |policy: &Value, form: &str| {
            let bootstrap = json!({ "static_resources": { "listeners": [{
                "name": "main",
                "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
                "filter_chains": [{ "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                        "stat_prefix": "main",
                        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [
                            { "match": { "prefix": "/" }, "direct_response": { "status": 200 } },
                        ] }] },
                        "http_filters": [
                            { "name": "stepgate", "typed_config": {
                                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                                "config": {
                                    "name": "stepgate",
                                    "root_id": "stepgate",
                                    "vm_config": { "runtime": "envoy.wasm.runtime.v8", "code": { "local": { "filename": MODULE } } },
                                    "configuration": {
                                        "@type": format!("type.googleapis.com/google.protobuf.{form}"),
                                        "value": if form == "Struct" { policy.clone() } else { policy.to_string().into() },
                                    },
                                },
                            } },
                            { "name": "router", "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } },
                        ],
                    },
                }] }],
            }] } });
            Setup::new(&bootstrap.to_string()).validate().unwrap()
        };
        let (accepted, said) = validate(policy, "StringValue");
        assert!(accepted, "{name}: {said}");
        // Envoy reads fractions from YAML as text: a Struct can do without them or comes by xDS.
        let mut whole = policy.clone();
        whole["tiers"][0].as_object_mut().unwrap().remove("step_up");
        let (accepted, said) = validate(&whole, "Struct");
        assert!(accepted, "{name}: {said}");
        whole["tiers"][0]["step_up"] = 2.into();
        let (accepted, said) = validate(&whole, "Struct");
        assert!(!accepted, "{name}");
        let why = "tiers[0].step_up: 2 is not a probability";
        assert!(said.contains(why), "{said}");
    }
}
