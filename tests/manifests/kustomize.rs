//! The kustomize bases, put together as kustomize does it: what they name exists, and what comes out is a sound manifest that
//! watches.
//! May use the published fields of the kinds, and kubectl where there is one.
//! Must not need a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use stepgate::policy::Policy;

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
    assert_eq!(
        kustomization["apiVersion"],
        "kustomize.config.k8s.io/v1beta1"
    );
    assert_eq!(kustomization["kind"], "Kustomization");
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
    for patch in list("patches") {
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
        assert!(plugin["metadata"]["namespace"].is_string());
    }
}

#[test]
fn kubectl_puts_the_same_together() {
    for name in OVERLAYS {
        let output = Command::new("kubectl")
            .arg("kustomize")
            .arg(overlay(name))
            .output();
        let Ok(output) = output else {
            println!("SKIPPED: no kubectl to compare with");
            return;
        };
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let theirs: Value = serde_norway::from_slice(&output.stdout).unwrap();
        assert_eq!(built(&overlay(name)), [theirs], "{name}");
    }
}
