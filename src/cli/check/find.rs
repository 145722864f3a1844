//! Where policies hide in the configuration of Envoy, Istio and Envoy Gateway.
//! May use: parsed documents.
//! Must not: judge a policy.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use stepgate::policy::{PolicyConfig, PolicyError};

/// A place that holds a policy.
pub(super) struct Place {
    /// Path inside the file.
    pub(super) path: String,
    pub(super) content: Content,
    /// Whether the environment of the VM brings `STEPGATE_KEY`.
    pub(super) has_key: bool,
    /// What is wrong around the policy.
    pub(super) warnings: Vec<PolicyError>,
}

/// What the filter gets there.
pub(super) enum Content {
    /// Text as it stands.
    Text(String),
    /// An object that the host turns into JSON.
    Object(Value),
    /// Nothing the filter could read, and why.
    Unusable(String),
}

/// Whether a document is configuration of something else rather than a bare policy.
pub(super) fn is_container(document: &Value) -> bool {
    const MARKS: [&str; 14] = [
        "@type",
        "apiVersion",
        "kind",
        "static_resources",
        "dynamic_resources",
        "admin",
        "node",
        "filter_chains",
        "http_filters",
        "typed_config",
        "resources",
        "virtual_hosts",
        "items",
        "listeners",
    ];
    document
        .as_object()
        .is_none_or(|map| MARKS.iter().any(|mark| map.contains_key(*mark)))
}

/// Adds every place of a document that holds a policy.
pub(super) fn places(value: &Value, path: String, found: &mut Vec<Place>) {
    match value {
        Value::Object(map) => {
            if kubernetes(map, &path, found) || envoy(map, &path, found) {
                return;
            }
            for (key, inner) in map {
                places(inner, join(&path, key), found);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                places(inner, format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// The path of a key of an object.
fn join(path: &str, key: &str) -> String {
    let plain = key
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'@'));
    match (path, plain) {
        ("", true) => key.to_owned(),
        (path, true) => format!("{path}.{key}"),
        (path, false) => format!("{path}[{key:?}]"),
    }
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The value at a path of keys.
fn at<'a>(map: &'a Map<String, Value>, keys: &[&str]) -> Option<&'a Value> {
    let (first, rest) = keys.split_first()?;
    rest.iter()
        .try_fold(map.get(*first)?, |value, key| value.get(key))
}

/// Envoy's own form: a typed wasm filter, also behind a TypedStruct.
fn envoy(map: &Map<String, Value>, path: &str, found: &mut Vec<Place>) -> bool {
    const WASM: &str = "/envoy.extensions.filters.http.wasm.v3.Wasm";
    let kind = text(map, "@type");
    let (config, path) = if kind.ends_with(WASM) {
        (at(map, &["config"]), join(path, "config"))
    } else if kind.ends_with(".TypedStruct") && text(map, "type_url").ends_with(WASM) {
        (
            at(map, &["value", "config"]),
            join(&join(path, "value"), "config"),
        )
    } else {
        return false;
    };
    let Some(Value::Object(config)) = config else {
        return true;
    };
    let content = configuration(config.get("configuration"));
    if !is_ours(config, "configuration", &content) {
        return true;
    }
    let environment = at(config, &["vm_config", "environment_variables"]);
    let policy = text(config, "failure_policy");
    let mut warnings = Vec::new();
    match policy {
        "FAIL_RELOAD" => {}
        "FAIL_OPEN" => warnings.push(warning(
            "failure_policy",
            "FAIL_OPEN lets every request pass unchecked after a fault; FAIL_RELOAD starts the filter again",
        )),
        _ if config.get("fail_open") == Some(&Value::Bool(true)) => warnings.push(warning(
            "fail_open",
            "lets every request pass unchecked after a fault; failure_policy: FAIL_RELOAD starts the filter again",
        )),
        _ => warnings.push(warning(
            "failure_policy",
            "is not FAIL_RELOAD: after a fault every request is answered 503 until Envoy restarts",
        )),
    }
    let digest = at(config, &["vm_config", "code", "remote", "sha256"]);
    warnings.extend(placeholder("vm_config.code.remote.sha256", digest));
    found.push(Place {
        path: join(&path, "configuration"),
        content,
        has_key: names_key(environment),
        warnings,
    });
    true
}

/// What a `google.protobuf.Any` in `configuration` gives the filter.
fn configuration(any: Option<&Value>) -> Content {
    let map = match any {
        None | Some(Value::Null) => return Content::Text(String::new()),
        Some(Value::Object(map)) => map,
        Some(_) => return Content::Unusable("is no object with an `@type`".to_owned()),
    };
    let kind = text(map, "@type");
    let name = kind.rsplit_once('/').map_or("", |(_, name)| name);
    match (name, map.get("value")) {
        ("google.protobuf.StringValue" | "google.protobuf.BytesValue" | "google.protobuf.Struct", None) => {
            Content::Text(String::new())
        }
        ("google.protobuf.StringValue", Some(Value::String(value))) => Content::Text(value.clone()),
        ("google.protobuf.StringValue", Some(Value::Object(_))) => Content::Unusable(
            "value: is an object, and a google.protobuf.StringValue takes text; write the policy as JSON text (`value: |`)".to_owned(),
        ),
        ("google.protobuf.BytesValue", Some(Value::String(value))) => STANDARD
            .decode(value)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .map_or_else(
                || Content::Unusable("value: is not base64 of UTF-8 text".to_owned()),
                Content::Text,
            ),
        ("google.protobuf.Struct", Some(value @ Value::Object(_))) if has_fraction(value) => Content::Unusable(
            "value: has fractions, which Envoy reads from YAML as text; write the policy as JSON text under a google.protobuf.StringValue".to_owned(),
        ),
        ("google.protobuf.Struct", Some(value @ Value::Object(_))) => Content::Object(value.clone()),
        ("google.protobuf.StringValue" | "google.protobuf.BytesValue" | "google.protobuf.Struct", Some(_)) => {
            Content::Unusable(format!("value: is not what a {name} takes"))
        }
        _ => Content::Unusable(format!(
            "@type: `{kind}` does not reach the filter as JSON; allowed: type.googleapis.com/google.protobuf.StringValue, BytesValue or Struct"
        )),
    }
}

/// Whether a number in it is no integer: Envoy's YAML reader knows integers, truth values and text.
fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(list) => list.iter().any(has_fraction),
        Value::Object(map) => map.values().any(has_fraction),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// Manifests that have a form of their own.
fn kubernetes(map: &Map<String, Value>, path: &str, found: &mut Vec<Place>) -> bool {
    match text(map, "kind") {
        "WasmPlugin" if map.contains_key("apiVersion") => {
            if let Some(Value::Object(spec)) = map.get("spec") {
                istio(spec, &join(path, "spec"), found);
            }
        }
        "TrafficExtension" if map.contains_key("apiVersion") => {
            if let Some(Value::Object(wasm)) = at(map, &["spec", "wasm"]) {
                istio(wasm, &join(&join(path, "spec"), "wasm"), found);
            }
        }
        "EnvoyExtensionPolicy" if map.contains_key("apiVersion") => {
            let list = at(map, &["spec", "wasm"]).and_then(Value::as_array);
            for (index, entry) in list.into_iter().flatten().enumerate() {
                if let Value::Object(entry) = entry {
                    gateway(
                        entry,
                        &format!("{}[{index}]", join(&join(path, "spec"), "wasm")),
                        found,
                    );
                }
            }
        }
        "ConfigMap" if map.contains_key("apiVersion") => {
            let data = map.get("data").and_then(Value::as_object);
            for (name, inner) in data.into_iter().flatten() {
                let inner = inner.as_str().filter(|text| text.contains("wasm.v3.Wasm"));
                if let Some(Ok(document)) = inner.map(serde_norway::from_str::<Value>) {
                    places(&document, join(&join(path, "data"), name), found);
                }
            }
        }
        _ => return false,
    }
    true
}

fn istio(spec: &Map<String, Value>, path: &str, found: &mut Vec<Place>) {
    let content = plain(spec.get("pluginConfig"));
    if !is_ours(spec, "pluginConfig", &content) {
        return;
    }
    let mut warnings = Vec::new();
    match text(spec, "failStrategy") {
        "FAIL_RELOAD" => {}
        "FAIL_OPEN" => warnings.push(warning(
            "failStrategy",
            "FAIL_OPEN lets every request pass unchecked after a fault; FAIL_RELOAD starts the filter again",
        )),
        _ => warnings.push(warning(
            "failStrategy",
            "is not FAIL_RELOAD (Istio 1.27): after a fault every request is answered 503 until the proxy restarts",
        )),
    }
    warnings.extend(placeholder("sha256", spec.get("sha256")));
    found.push(Place {
        path: join(path, "pluginConfig"),
        content,
        has_key: names_key(at(spec, &["vmConfig", "env"])),
        warnings,
    });
}

fn gateway(entry: &Map<String, Value>, path: &str, found: &mut Vec<Place>) {
    let content = plain(entry.get("config"));
    if !is_ours(entry, "config", &content) {
        return;
    }
    let mut warnings = Vec::new();
    if entry.get("failOpen") == Some(&Value::Bool(true)) {
        warnings.push(warning(
            "failOpen",
            "lets every request pass unchecked after a fault",
        ));
    }
    for source in ["http", "image"] {
        let digest = at(entry, &["code", source, "sha256"]);
        warnings.extend(placeholder(&format!("code.{source}.sha256"), digest));
    }
    found.push(Place {
        path: join(path, "config"),
        content,
        has_key: names_key(entry.get("env")),
        warnings,
    });
}

fn plain(config: Option<&Value>) -> Content {
    match config {
        None | Some(Value::Null) => Content::Text(String::new()),
        Some(value @ Value::Object(_)) => Content::Object(value.clone()),
        Some(_) => Content::Unusable("is no object".to_owned()),
    }
}

/// The digest of the example manifests, left as it was.
fn placeholder(path: &str, digest: Option<&Value>) -> Option<PolicyError> {
    let digest = digest?.as_str()?;
    let zeros = !digest.is_empty() && digest.bytes().all(|b| b == b'0');
    zeros.then(|| {
        warning(
            path,
            "is all zeros, which no module has: until it is the digest of yours, the host cannot load the filter, and may refuse every request",
        )
    })
}

fn warning(path: &str, message: &str) -> PolicyError {
    PolicyError {
        path: path.to_owned(),
        message: message.to_owned(),
    }
}

/// Whether `STEPGATE_KEY` is among the variables, whatever form they are listed in.
fn names_key(environment: Option<&Value>) -> bool {
    environment.is_some_and(|value| value.to_string().contains("\"STEPGATE_KEY\""))
}

/// Ours is what says so by any of its names, and what has nothing but keys of a policy.
fn is_ours(config: &Map<String, Value>, policy_key: &str, content: &Content) -> bool {
    let named = config
        .iter()
        .filter(|(key, _)| *key != policy_key)
        .any(|(_, value)| value.to_string().to_ascii_lowercase().contains("stepgate"));
    named
        || match content {
            Content::Object(value) => has_our_keys(value),
            Content::Text(text) => {
                serde_json::from_str(text).is_ok_and(|value: Value| has_our_keys(&value))
            }
            Content::Unusable(_) => false,
        }
}

fn has_our_keys(value: &Value) -> bool {
    let ours = serde_json::to_value(PolicyConfig::default()).unwrap_or_default();
    value
        .as_object()
        .is_some_and(|map| !map.is_empty() && map.keys().all(|key| ours.get(key).is_some()))
}
