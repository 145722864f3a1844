//! The kustomize bases, put together as kustomize does it: what they name exists, and what comes out is a sound manifest that
//! watches.
//! May use the published fields of the kinds, and kubectl where there is one.
//! Must not need a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use stepgate::policy::Policy;
use stepgate_testkit::envoy::TempDir;

use crate::kinds::{described, faults};

const OVERLAYS: [&str; 2] = ["gateway", "sidecar"];

fn overlay(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("envoy/kustomize")
        .join(name)
}

fn read(path: &Path) -> Value {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_norway::from_str(&text).unwrap()
}

/// Resources without a schema that kustomize knows are merged as RFC 7386 says.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Default::default());
    }
    let members = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            members.remove(key);
        } else {
            merge(members.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// The resources of a directory with a `kustomization.yaml`.
fn built(dir: &Path) -> Vec<Value> {
    let kustomization = read(&dir.join("kustomization.yaml"));
    for key in kustomization.as_object().unwrap().keys() {
        let known = ["apiVersion", "kind", "namespace", "resources", "patches"];
        assert!(known.contains(&key.as_str()), "{}: `{key}`", dir.display());
    }
    let kind = match kustomization["apiVersion"].as_str().unwrap() {
        "kustomize.config.k8s.io/v1beta1" => "Kustomization",
        "kustomize.config.k8s.io/v1alpha1" => "Component",
        other => panic!("{}: {other}", dir.display()),
    };
    assert_eq!(kustomization["kind"], kind);
    let list = |key: &str| kustomization[key].as_array().cloned().unwrap_or_default();
    let mut resources: Vec<Value> = list("resources")
        .iter()
        .flat_map(|resource| {
            let path = dir.join(resource.as_str().unwrap());
            if path.is_dir() {
                built(&path)
            } else {
                vec![read(&path)]
            }
        })
        .collect();
    // A component patches what the kustomization has that takes it in, by a target.
    let own = list("patches")
        .into_iter()
        .filter(|patch| patch.get("target").is_none());
    for patch in own {
        let patch = read(&dir.join(patch["path"].as_str().unwrap()));
        let same = |key: &str, other: &Value| patch[key] == other[key];
        let target = resources.iter_mut().find(|resource| {
            same("kind", resource)
                && same("apiVersion", resource)
                && patch["metadata"]["name"] == resource["metadata"]["name"]
        });
        let target = target.unwrap_or_else(|| panic!("{patch} has no target"));
        merge(target, &patch);
    }
    if let Some(namespace) = kustomization.get("namespace") {
        for resource in &mut resources {
            resource["metadata"]["namespace"] = namespace.clone();
        }
    }
    resources
}

#[test]
fn what_comes_out_is_sound_and_watches() {
    for name in OVERLAYS {
        let resources = built(&overlay(name));
        let [plugin] = resources.as_slice() else {
            panic!("{name}: {resources:?}");
        };
        let found = faults(&plugin["spec"], &described(plugin), "spec");
        assert!(found.is_empty(), "{name}: {found:?}");
        let spec = &plugin["spec"];
        assert!(
            spec["selector"]["matchLabels"].is_object(),
            "{name}: reaches every proxy"
        );
        assert_eq!(spec["phase"], "AUTHZ");
        assert_eq!(spec["failStrategy"], "FAIL_RELOAD");
        assert!(spec["url"].as_str().unwrap().starts_with("oci://"));
        assert_eq!(spec["sha256"].as_str().unwrap().len(), 64);
        let key = &spec["vmConfig"]["env"][0];
        assert_eq!(
            (&key["name"], &key["valueFrom"]),
            (&"STEPGATE_KEY".into(), &"HOST".into())
        );
        let policy = Policy::parse(&spec["pluginConfig"].to_string()).unwrap();
        assert_eq!(
            stepgate::headers::mode_word(policy.config.mode),
            "shadow",
            "{name}"
        );
        let whole = name != "sidecar";
        assert_eq!(plugin["metadata"]["namespace"].is_string(), whole, "{name}");
    }
}

/// What `kubectl kustomize` makes of a directory; `None` where there is no kubectl.
fn kubectl(dir: &Path) -> Option<Vec<Value>> {
    let output = Command::new("kubectl").arg("kustomize").arg(dir).output();
    let Ok(output) = output else {
        println!("SKIPPED: no kubectl to compare with");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", dir.display());
    let text = String::from_utf8(output.stdout).unwrap();
    let documents = text.split("\n---\n");
    Some(
        documents
            .map(|text| serde_norway::from_str(text).unwrap())
            .collect(),
    )
}

#[test]
fn kubectl_puts_the_same_together() {
    if let Some(theirs) = kubectl(&overlay("gateway")) {
        assert_eq!(built(&overlay("gateway")), theirs);
    }
}

const DEPLOYMENTS: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: { name: orders, labels: { stepgate: sidecar } }
spec:
  selector: { matchLabels: { app: orders } }
  template:
    metadata: { labels: { app: orders } }
    spec: { containers: [{ name: orders, image: "orders:1", env: [{ name: MODE, value: live }] }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: other }
spec:
  selector: { matchLabels: { app: other } }
  template:
    metadata: { labels: { app: other } }
    spec: { containers: [{ name: other, image: "other:1" }] }
"#;

/// The kustomization that the component shows in its comment, with the component from here.
fn shown() -> String {
    let text = std::fs::read_to_string(overlay("sidecar").join("kustomization.yaml")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("#   "));
    let shown: Vec<&str> = lines.collect();
    assert!(shown.len() > 5, "{shown:?}");
    shown.join("\n")
}

#[test]
fn the_component_gives_the_sidecars_of_marked_workloads_what_they_need() {
    let mut shown: Value = serde_norway::from_str(&shown()).unwrap();
    // kubectl takes no absolute paths, so the component and what it is made of lie beside the kustomization.
    let dir = TempDir::new();
    for part in ["base", "sidecar"] {
        std::fs::create_dir(dir.path().join(part)).unwrap();
        for entry in std::fs::read_dir(overlay(part)).unwrap() {
            let file = entry.unwrap();
            let name = format!("{part}/{}", file.file_name().display());
            dir.write(&name, std::fs::read(file.path()).unwrap());
        }
    }
    assert!(
        shown["components"][0]
            .as_str()
            .unwrap()
            .contains("//envoy/kustomize/sidecar?")
    );
    shown["components"] = serde_json::json!(["../sidecar"]);
    shown["apiVersion"] = "kustomize.config.k8s.io/v1beta1".into();
    shown["kind"] = "Kustomization".into();
    std::fs::create_dir(dir.path().join("shop")).unwrap();
    dir.write("shop/deployment.yaml", DEPLOYMENTS);
    dir.write("shop/kustomization.yaml", shown.to_string());
    let Some(made) = kubectl(&dir.path().join("shop")) else {
        return;
    };
    let named = |kind: &str, name: &str| {
        let mut made = made.iter();
        let found = made.find(|r| r["kind"] == kind && r["metadata"]["name"] == name);
        let found = found.unwrap_or_else(|| panic!("{kind} {name}")).clone();
        assert_eq!(found["metadata"]["namespace"], "shop");
        found
    };
    assert_eq!(made.len(), 3);
    let plugin = named("WasmPlugin", "stepgate");
    let spec = &plugin["spec"];
    assert_eq!(spec["sha256"], "…", "the two values that are replaced");
    assert_eq!(spec["match"][0]["mode"], "SERVER");

    let template = &named("Deployment", "orders")["spec"]["template"];
    // Whom the plugin selects.
    let labels = &template["metadata"]["labels"];
    for (label, value) in spec["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&labels[label], value);
    }
    assert_eq!(labels["app"], "orders");
    let containers = template["spec"]["containers"].as_array().unwrap();
    let names: Vec<_> = containers
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["istio-proxy", "orders"]);
    assert_eq!(containers[0]["image"], "auto");
    let key = &containers[0]["env"][0];
    assert_eq!(key["name"], "STEPGATE_KEY");
    assert_eq!(key["valueFrom"]["secretKeyRef"]["name"], "stepgate");
    assert_eq!(containers[1]["env"][0]["name"], "MODE");
    let annotations = &template["metadata"]["annotations"];
    assert_eq!(
        annotations["sidecar.istio.io/componentLogLevel"],
        "wasm:info"
    );
    // The same labels of metrics as a gateway is told to have.
    let tags = annotations["proxy.istio.io/config"]
        .as_str()
        .unwrap()
        .trim();
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    assert!(std::fs::read_to_string(guide).unwrap().contains(tags));

    let other = named("Deployment", "other");
    assert!(!other.to_string().contains("istio-proxy"), "{other}");
}
