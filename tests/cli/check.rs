//! What `check` says of policies, wherever they stand.

use crate::{Workspace, run_in};

/// A policy that leaves nothing to warn of.
const QUIET: &str = r#"{"hash_key":"0123456789abcdef","signals":{"preset":"envoy-geoip"}}"#;

/// A bootstrap with the filter, and its configuration after `configuration:`.
fn bootstrap(configuration: &str) -> String {
    format!(
        r#"static_resources:
  listeners:
  - filter_chains:
    - filters:
      - typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          http_filters:
          - name: other
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config: {{ name: other, configuration: {{ "@type": type.googleapis.com/google.protobuf.StringValue, value: '{{"a":1}}' }} }}
          - name: stepgate
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                root_id: stepgate
                failure_policy: FAIL_RELOAD
                vm_config: {{ environment_variables: {{ host_env_keys: [STEPGATE_KEY] }} }}
                configuration: {configuration}
"#
    )
}

const PLACE: &str = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[1].typed_config.config.configuration";

#[test]
fn a_good_policy_is_fine_in_json_and_yaml() {
    let work = Workspace::new();
    work.write("policy.json", QUIET);
    work.write(
        "policy.yaml",
        "hash_key: 0123456789abcdef\nsignals:\n  preset: envoy-geoip\n",
    );
    let outcome = work.run("check policy.json policy.yaml");
    assert_eq!(outcome.code, 0);
    assert_eq!(outcome.stderr, "");
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let digest = lines[0]
        .strip_prefix("policy.json: fine: shadow mode, 0 tiers, 0 issuers, policy ")
        .unwrap();
    assert_eq!(
        lines[1],
        format!("policy.yaml: fine: shadow mode, 0 tiers, 0 issuers, policy {digest}")
    );
}

#[test]
fn errors_name_path_value_and_what_is_allowed() {
    let work = Workspace::new();
    for (name, text, said) in [
        (
            "mode.json",
            r#"{"mode":"enforc"}"#,
            "mode: unknown variant `enforc`, expected one of `shadow`, `enforce`, `off` at line 1 column 16",
        ),
        (
            "mode.yaml",
            "mode: enforc",
            "mode: unknown variant `enforc`, expected one of `shadow`, `enforce`, `off`",
        ),
        (
            "tier.yaml",
            "tiers:\n- name: x\n  step_up: 2\n",
            "tiers[0].step_up: 2 is not a probability; allowed: above 0 and below 1",
        ),
        (
            "preset.yaml",
            "signals: { preset: akamai }",
            "signals.preset: unknown variant `akamai`, expected one of `envoy-geoip`, `cloudflare`, `cloudfront`, `google-lb`, `fastly`",
        ),
        (
            "twice.json",
            r#"{"mode":"off","mode":"off"}"#,
            "mode: duplicate field `mode` at line 1 column 20",
        ),
        (
            "snapshot.yaml",
            "baseline: { snapshot: AAAA }",
            "baseline.snapshot: no snapshot: it does not begin with SGBL; `stepgate train` makes one",
        ),
    ] {
        work.write(name, text);
        let outcome = work.run(&format!("check {name}"));
        assert_eq!(outcome.code, 1, "{name}");
        assert_eq!(outcome.stderr, format!("{name}: {said}\n"));
        assert_eq!(outcome.stdout, "");
    }
}

#[test]
fn an_empty_file_is_the_default_policy_and_a_missing_one_is_an_error() {
    let work = Workspace::new();
    work.write("empty.json", "");
    let outcome = work.run("check empty.json");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let missing = work.run("check none.json");
    assert_eq!(missing.code, 1);
    assert_eq!(missing.stderr, "stepgate: none.json: no such file\n");
}

#[test]
fn warnings_say_what_an_operator_should_know() {
    let work = Workspace::new();
    work.write(
        "policy.yaml",
        "mode: enforce\ntiers:\n- name: all\n- name: admin\n  paths: [/admin/**]\n",
    );
    let outcome = work.run("check policy.yaml");
    assert_eq!(outcome.code, 0);
    assert_eq!(
        outcome.stderr,
        "policy.yaml: warning: hash_key: is absent, and so is STEPGATE_KEY: hashes in the baseline are made with a public constant and can be guessed back\n\
         policy.yaml: warning: credentials.issuers: is empty: only identities that jwt_authn or a client certificate brings are challenged or denied\n\
         policy.yaml: warning: signals: names neither a preset nor headers for country and asn: places are not compared, and impossible travel is never seen\n\
         policy.yaml: warning: tiers[0]: holds for every route: the tiers after it never do\n"
    );
}

#[test]
fn tiers_that_enforce_on_nobody_are_named() {
    let work = Workspace::new();
    let named = |tiers: &str| {
        work.write(
            "policy.yaml",
            format!(
                "mode: enforce\ncredentials: {{ api_keys: {{ header: x-api-key, keys: [{{ sha256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad }}] }} }}\ntiers:\n{tiers}"
            ),
        );
        let outcome = work.run("check policy.yaml");
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let start = "policy.yaml: warning: tiers: without `require_identity` enforce ";
        let warned = outcome
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix(start));
        warned.and_then(|line| Some(line.split_once(": ")?.0.to_owned()))
    };
    let tiers = "- {name: login, paths: [/login], class: login}\n- {name: health, paths: [/healthz], mode: off}\n- {name: new, paths: [/new], mode: shadow}\n- {name: pay, paths: [/pay], require_identity: true}\n- {name: docs, paths: [/docs/**]}\n";
    assert_eq!(named(tiers).as_deref(), Some("`docs`, `default`"));
    let all =
        "- {name: login, paths: [/login], class: login}\n- {name: all, require_identity: true}\n";
    assert_eq!(named(all), None);
}

#[test]
fn what_weakens_a_challenge_is_said() {
    let work = Workspace::new();
    work.write(
        "policy.yaml",
        "signals: { preset: fastly }\nchallenge: { newer_token: true, receipt: {}, incapable: { clients: [tv] } }\n",
    );
    let outcome = work.run("check policy.yaml");
    assert_eq!(outcome.code, 0);
    let warned: Vec<&str> = outcome.stderr.lines().collect();
    for (line, start) in [
        (
            1,
            "policy.yaml: warning: challenge.newer_token: accepts a newer token",
        ),
        (
            2,
            "policy.yaml: warning: challenge.receipt: is off: without STEPGATE_KEY",
        ),
        (3, "policy.yaml: warning: challenge.help: is absent"),
    ] {
        assert!(warned[line].starts_with(start), "{warned:?}");
    }
    assert_eq!(warned.len(), 4);
}

#[test]
fn proofs_held_against_any_host_are_warned_of() {
    let work = Workspace::new();
    let warned = |more: &str| {
        let policy = format!("credentials:\n  tokens: [{{scheme: DPoP}}]\n{more}");
        work.write("policy.yaml", &policy);
        let outcome = work.run("check policy.yaml");
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        outcome
            .stderr
            .contains("warning: credentials.origin: is absent")
    };
    assert!(warned(""));
    assert!(!warned("  origin: https://api.example.com\n"));
}

#[test]
fn exceptions_that_do_nothing_are_warned_of() {
    let work = Workspace::new();
    work.write(
        "policy.yaml",
        "canary_permille: 10\nexceptions:\n  travel:\n  - {name: fair, identities: [a], countries: [US], signals: [new-country], from: 2020-01-01T00:00:00Z, until: 2020-02-01T00:00:00Z, owner: sales, reason: fair}\n",
    );
    let outcome = work.run("check policy.yaml");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for warning in [
        "exceptions.travel[0]: expired 2020-02-01T00:00:00Z and counts nothing; ask its owner `sales` whether it still holds\n",
        "exceptions.travel: sees no country: `signals` names no header for it, so no journey ever holds\n",
        "canary_permille: says for how many to enforce, and nothing is enforced\n",
    ] {
        let warning = format!("policy.yaml: warning: {warning}");
        assert!(outcome.stderr.contains(&warning), "{}", outcome.stderr);
    }
}

#[test]
fn a_policy_in_a_bootstrap_is_found_and_others_are_not_looked_at() {
    let work = Workspace::new();
    let string = r#"{ "@type": type.googleapis.com/google.protobuf.StringValue, value: '{"signals":{"preset":"fastly"}}' }"#;
    let object = r#"{ "@type": type.googleapis.com/google.protobuf.Struct, value: { signals: { preset: fastly } } }"#;
    let mut digests = Vec::new();
    for configuration in [string, object] {
        work.write("envoy.yaml", bootstrap(configuration));
        let outcome = work.run("check envoy.yaml");
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
        digests.push(outcome.stdout);
    }
    assert_eq!(digests[0], digests[1]);
    assert!(digests[0].starts_with(&format!("envoy.yaml: {PLACE}: fine: shadow mode")));
}

#[test]
fn what_the_filter_could_not_read_is_refused_where_it_stands() {
    let work = Workspace::new();
    let kind = "type.googleapis.com/google.protobuf";
    for (configuration, said) in [
        (
            format!(r#"{{ "@type": {kind}.StringValue, value: "mode: enforce" }}"#),
            "is YAML, and the filter reads JSON; write JSON",
        ),
        (
            format!(r#"{{ "@type": {kind}.StringValue, value: '{{"audit":{{"enabled":1}}}}' }}"#),
            "audit.enabled: invalid type: integer `1`, expected a boolean at line 1 column 21",
        ),
        (
            format!(r#"{{ "@type": {kind}.Struct, value: {{ score: {{ step_up: 0.4 }} }} }}"#),
            "value: has fractions, which Envoy reads from YAML as text; write the policy as JSON text under a google.protobuf.StringValue",
        ),
        (
            format!(r#"{{ "@type": {kind}.Struct, value: {{ baseline: {{ memory_mib: 0 }} }} }}"#),
            "baseline.memory_mib: 0 is out of range; allowed: 1 to 4096",
        ),
        (
            format!(r#"{{ "@type": {kind}.Int32Value, value: 1 }}"#),
            "@type: `type.googleapis.com/google.protobuf.Int32Value` does not reach the filter as JSON; allowed: type.googleapis.com/google.protobuf.StringValue, BytesValue or Struct",
        ),
    ] {
        work.write("envoy.yaml", bootstrap(&configuration));
        let outcome = work.run("check envoy.yaml");
        assert_eq!(outcome.code, 1);
        assert_eq!(outcome.stderr, format!("envoy.yaml: {PLACE}: {said}\n"));
    }
}

#[test]
fn manifests_of_istio_and_envoy_gateway_hold_policies_too() {
    let work = Workspace::new();
    work.write(
        "manifests.yaml",
        r#"apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: { name: a }
spec:
  url: oci://registry/stepgate:1
  failStrategy: FAIL_RELOAD
  vmConfig: { env: [{ name: STEPGATE_KEY, valueFrom: HOST }] }
  pluginConfig: { signals: { preset: fastly } }
---
apiVersion: extensions.istio.io/v1alpha1
kind: TrafficExtension
spec:
  wasm: { url: oci://registry/stepgate:1, failStrategy: FAIL_OPEN, pluginConfig: { mode: wrong } }
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
spec:
  wasm:
  - name: stepgate
    env: { hostKeys: [STEPGATE_KEY] }
    config: { signals: { preset: fastly } }
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
spec:
  configPatches:
  - applyTo: EXTENSION_CONFIG
    patch:
      operation: ADD
      value:
        name: stepgate
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
          config:
            configuration: { "@type": type.googleapis.com/google.protobuf.Struct, value: { hash_key: short } }
"#,
    );
    let outcome = work.run("check manifests.yaml");
    assert_eq!(outcome.code, 1);
    let fine: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(fine.len(), 2);
    assert!(fine[0].starts_with("manifests.yaml: document 1: spec.pluginConfig: fine: "));
    assert!(fine[1].starts_with("manifests.yaml: document 3: spec.wasm[0].config: fine: "));
    assert_eq!(
        outcome.stderr,
        "manifests.yaml: document 2: spec.wasm.pluginConfig: mode: unknown variant `wrong`, expected one of `shadow`, `enforce`, `off`\n\
         manifests.yaml: document 4: spec.configPatches[0].patch.value.typed_config.config.configuration: hash_key: 5 characters are too short for a secret; allowed: 16 or more\n"
    );
}

#[test]
fn configuration_without_a_policy_is_refused() {
    let work = Workspace::new();
    work.write("envoy.yaml", "static_resources: {}\n");
    let outcome = work.run("check envoy.yaml");
    assert_eq!(outcome.code, 1);
    assert_eq!(
        outcome.stderr,
        "envoy.yaml: holds no Stepgate policy: no wasm filter, WasmPlugin, TrafficExtension or EnvoyExtensionPolicy names stepgate or has its keys\n"
    );
}

#[test]
fn a_directory_is_none_and_kustomize_is_named_where_it_is_one_of_its() {
    let work = Workspace::new();
    std::fs::create_dir(work.path("overlay")).unwrap();
    let plain = work.run("check overlay").stderr;
    assert_eq!(plain, "stepgate: overlay: is a directory\n");
    work.write("overlay/kustomization.yaml", "kind: Kustomization\n");
    let overlay = work.run("check overlay").stderr;
    assert_eq!(
        overlay,
        "stepgate: overlay: is a directory; `kubectl kustomize` prints what it makes, and `-` reads that\n"
    );
}

#[test]
fn json_for_machines_and_stdin() {
    let work = Workspace::new();
    let outcome = run_in(
        &work.0,
        "check --json -",
        &[("STEPGATE_KEY", "any")],
        br#"{"hash_key":"short"}"#,
    );
    assert_eq!(outcome.code, 1);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(report["policies"][0]["file"], "stdin");
    assert_eq!(report["policies"][0]["error"]["path"], "hash_key");
    assert_eq!(
        report["policies"][0]["error"]["message"],
        "5 characters are too short for a secret; allowed: 16 or more"
    );
}
