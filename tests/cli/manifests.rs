//! `check` on the files a user starts from: it finds the policy in each, and refuses there what the filter could not read.
//! May use the files under `envoy/`.
//! Must not know what their policies say.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Workspace;

/// Every file with a policy, and the kind of place it stands in.
fn files() -> Vec<PathBuf> {
    let envoy = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy");
    let mut files: Vec<_> = std::fs::read_dir(&envoy)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "yaml"))
        .collect();
    files.push(envoy.join("kustomize/base/wasmplugin.yaml"));
    files.sort();
    files
}

/// The first member of this name, anywhere below.
fn member<'a>(
    value: &'a mut Value,
    wanted: &dyn Fn(&str, &Value) -> bool,
) -> Option<&'a mut Value> {
    match value {
        Value::Object(map) => {
            let mut below = None;
            for (key, value) in map {
                if wanted(key, value) {
                    return Some(value);
                }
                below = below.or_else(|| member(value, wanted));
            }
            below
        }
        Value::Array(list) => list.iter_mut().find_map(|item| member(item, wanted)),
        _ => None,
    }
}

#[test]
fn the_policy_in_every_file_is_found_and_fine() {
    let work = Workspace::new();
    let files = files();
    assert!(files.len() >= 9, "{files:?}");
    for file in files {
        let outcome = work.run(&format!("check {}", file.display()));
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert_eq!(outcome.stdout.lines().count(), 1, "{}", outcome.stdout);
        assert!(
            outcome.stdout.contains(": fine: shadow mode"),
            "{}",
            outcome.stdout
        );
        // The key comes from the environment, and a fault starts the filter again wherever the host can.
        for weak in ["hash_key", "failure_policy", "failStrategy", "failOpen"] {
            assert!(!outcome.stderr.contains(weak), "{}", outcome.stderr);
        }
    }
}

#[test]
fn yaml_where_the_filter_takes_json_is_refused_in_every_file() {
    let work = Workspace::new();
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut document: Value = serde_norway::from_str(&text).unwrap();
        let is_json = |key: &str, value: &Value| {
            key == "value"
                && value
                    .as_str()
                    .is_some_and(|text| text.trim_start().starts_with('{'))
        };
        let is_object = |key: &str, value: &Value| {
            ["pluginConfig", "config"].contains(&key) && value.get("mode").is_some()
        };
        let said = if let Some(policy) = member(&mut document, &is_json) {
            let held: Value = serde_json::from_str(policy.as_str().unwrap()).unwrap();
            *policy = serde_norway::to_string(&held).unwrap().into();
            "is YAML, and the filter reads JSON; write JSON"
        } else {
            let policy = member(&mut document, &is_object).unwrap();
            *policy = serde_norway::to_string(policy).unwrap().into();
            "is no object"
        };
        work.write("changed.yaml", document.to_string());
        let outcome = work.run("check changed.yaml");
        assert_eq!(outcome.code, 1, "{}: {}", file.display(), outcome.stdout);
        assert!(
            outcome.stderr.contains(said),
            "{}: {}",
            file.display(),
            outcome.stderr
        );
    }
}

#[test]
fn a_digest_that_was_not_replaced_is_pointed_out() {
    let work = Workspace::new();
    let zeros = "0".repeat(64);
    let mut with_digest = 0;
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let said = work.run(&format!("check {}", file.display())).stderr;
        let warned = said.contains("sha256: is all zeros, which no module has");
        assert_eq!(warned, text.contains(&zeros), "{}: {said}", file.display());
        work.write("own.yaml", text.replace(&zeros, &"0a".repeat(32)));
        let said = work.run("check own.yaml").stderr;
        assert!(!said.contains("sha256"), "{}: {said}", file.display());
        with_digest += u32::from(warned);
    }
    assert!(with_digest >= 5, "{with_digest}");
}

#[test]
fn every_command_finds_the_policy_in_every_file() {
    let work = Workspace::new();
    work.write(
        "audit.log",
        r#"{"@timestamp":1750000000,"event.id":"d1","user.hash":"aa","stepgate.reasons":{"new-country":6},"stepgate.tier":"default","stepgate.cohort":1,"stepgate.verified":true,"stepgate.policy":"another"}"#,
    );
    for file in files() {
        let file = file.display();
        let checked = work.run(&format!("check {file}")).stdout;
        let digest = checked.trim().rsplit(' ').next().unwrap();
        let told = work.run(&format!("explain --decision d1 audit.log --policy {file}"));
        assert_eq!(told.code, 0, "{file}: {}", told.stderr);
        let given = format!("the policy given ({digest}) is not the one that decided (another)");
        assert!(told.stdout.contains(&given), "{file}: {}", told.stdout);
    }
}

#[test]
fn of_several_policies_none_is_chosen() {
    let work = Workspace::new();
    let policy = |mode: &str| {
        format!(
            "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{ name: stepgate }}\nspec: {{ url: u, pluginName: stepgate, pluginConfig: {{ mode: {mode} }} }}\n"
        )
    };
    work.write(
        "two.yaml",
        format!("{}---\n{}", policy("shadow"), policy("enforce")),
    );
    work.write("none.yaml", "static_resources: {}\n");
    work.write("bad.yaml", policy("strict"));
    for (file, said) in [
        (
            "two.yaml",
            "holds 2 policies (spec.pluginConfig, spec.pluginConfig), and one is wanted: put it into a file of its own\n",
        ),
        (
            "none.yaml",
            "holds no Stepgate policy: no wasm filter, WasmPlugin, TrafficExtension or EnvoyExtensionPolicy names stepgate or has its keys\n",
        ),
    ] {
        let outcome = work.run(&format!("hash --user a --policy {file}"));
        assert_eq!(outcome.code, 1, "{file}");
        assert_eq!(outcome.stderr, format!("stepgate: {file}: {said}"));
    }
    let bad = work.run("hash --user a --policy bad.yaml");
    assert!(
        bad.stderr.starts_with("stepgate: bad.yaml: mode: "),
        "{}",
        bad.stderr
    );
}

#[test]
fn what_is_tuned_of_a_manifest_is_the_policy() {
    let work = Workspace::new();
    let manifest = files()
        .into_iter()
        .find(|file| file.ends_with("istio-wasmplugin.yaml"));
    let history = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/history.jsonl");
    let tune = format!(
        "tune {} --policy {} --budget 1% -o tuned.json",
        history.display(),
        manifest.unwrap().display()
    );
    let outcome = work.run(&tune);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let tuned: Value = serde_json::from_slice(&work.read("tuned.json")).unwrap();
    assert_eq!(tuned["credentials"]["jwt_authn"][0], "payload", "{tuned}");
    assert_eq!(work.run("check tuned.json").code, 0);
}
