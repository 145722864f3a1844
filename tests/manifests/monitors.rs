//! What the Prometheus operator gets: the alerts as they are, and a scrape in which they find everything they look at.
//! May use the published fields of the kinds, and kubectl where there is one.
//! Must not need a cluster.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::kinds::{described, faults};
use crate::yaml;

const ALERTS: &str = "envoy/observability/alerts.yaml";
const RULE: &str = "envoy/observability/prometheusrule.yaml";
const MONITOR: &str = "envoy/observability/podmonitor.yaml";

const HEAD: &str = "# The alerts for the Prometheus operator: alerts.yaml under `spec`, made by `UPDATE=1 cargo test --test manifests`. Change that
# file, where it also says what is yours to set.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: stepgate
spec:
";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The alerts one level deeper, without the words before them.
fn made() -> String {
    let alerts = std::fs::read_to_string(file(ALERTS)).unwrap();
    let (_, groups) = alerts.split_once("\ngroups:\n").unwrap();
    let indented = groups.lines().map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("  {line}\n"),
    });
    format!("{HEAD}  groups:\n{}", indented.collect::<String>())
}

#[test]
fn the_rule_is_the_alerts() {
    let made = made();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file(RULE), &made).unwrap();
    }
    let kept = std::fs::read_to_string(file(RULE)).unwrap();
    assert!(
        kept == made,
        "{RULE} is not what {ALERTS} says: `UPDATE=1 cargo test --test manifests` makes it anew"
    );
    let rule = yaml(RULE);
    assert_eq!(rule["spec"]["groups"], yaml(ALERTS)["groups"]);
}

#[test]
fn their_fields_are_those_of_their_kinds() {
    for name in [RULE, MONITOR] {
        let manifest = yaml(name);
        let found = faults(&manifest["spec"], &described(&manifest), "spec");
        assert!(found.is_empty(), "{name}: {found:?}");
        assert_eq!(manifest["metadata"]["name"], "stepgate");
    }
}

/// Every metric of Envoy or the filter that stands in a text; Istio has namespaces in the names of some.
fn metrics(text: &str) -> BTreeSet<String> {
    let text = text.replace("(.+_)?", "");
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = |word: &&str| word.starts_with("stepgate_") || word.starts_with("envoy_");
    words.filter(ours).map(str::to_owned).collect()
}

#[test]
fn the_scrape_keeps_what_alerts_and_dashboards_look_at() {
    let monitor = yaml(MONITOR);
    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
    let kept = endpoint["metricRelabelings"][0]["regex"].as_str().unwrap();
    let keeps = |name: &str| {
        kept.split('|')
            .any(|pattern| match pattern.strip_suffix(".+") {
                Some(start) => name.len() > start.len() && name.starts_with(start),
                None => name == pattern,
            })
    };
    let mut looked_at = 0;
    let mut texts = vec![ALERTS.to_owned()];
    texts.extend(
        ["executive", "on-call", "debug"]
            .map(|name| format!("envoy/observability/dashboard-{name}.json")),
    );
    for name in texts {
        for metric in metrics(&std::fs::read_to_string(file(&name)).unwrap()) {
            assert!(keeps(&metric), "{name}: {metric}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 30, "{looked_at}");
    assert!(!keeps("envoy_cluster_upstream_rq_total"));
}

#[test]
fn the_scrape_finds_the_proxies_of_the_gateway_and_expects_the_filter_there() {
    let monitor = yaml(MONITOR);
    let plugin = yaml("envoy/istio-wasmplugin.yaml");
    assert_eq!(monitor["spec"]["selector"], plugin["spec"]["selector"]);
    assert_eq!(
        monitor["spec"]["namespaceSelector"]["matchNames"][0],
        plugin["metadata"]["namespace"]
    );
    let label = &monitor["spec"]["podMetricsEndpoints"][0]["relabelings"][0];
    let name = label["targetLabel"].as_str().unwrap();
    let value = label["replacement"].as_str().unwrap();
    let alerts = std::fs::read_to_string(file(ALERTS)).unwrap();
    assert!(alerts.contains(&format!("up{{{name}=\"{value}\"}} == 1 unless")));
}

#[test]
fn kubectl_puts_rule_monitor_and_dashboards_together() {
    let output = Command::new("kubectl")
        .args(["kustomize", "envoy/observability"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let Ok(output) = output else {
        println!("SKIPPED: no kubectl to put them together");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let built = String::from_utf8(output.stdout).unwrap();
    let built: Vec<Value> = built
        .split("\n---\n")
        .map(|document| serde_norway::from_str(document).unwrap())
        .collect();
    assert_eq!(built.len(), 3);
    for manifest in built {
        let kind = manifest["kind"].as_str().unwrap();
        if kind == "ConfigMap" {
            assert_eq!(manifest["metadata"]["labels"]["grafana_dashboard"], "1");
            let boards = manifest["data"].as_object().unwrap();
            assert_eq!(boards.len(), 3);
            for (name, board) in boards {
                let path = file(&format!("envoy/observability/{name}"));
                assert_eq!(
                    board.as_str().unwrap(),
                    std::fs::read_to_string(path).unwrap()
                );
            }
            continue;
        }
        let source = if kind == "PodMonitor" { MONITOR } else { RULE };
        assert_eq!(manifest["spec"], yaml(source)["spec"], "{kind}");
        assert_eq!(manifest["metadata"]["labels"]["release"], "prometheus");
        assert_eq!(manifest["metadata"]["namespace"], "monitoring");
    }
}

#[test]
fn every_alert_has_its_row_in_the_operations_guide() {
    let guide = std::fs::read_to_string(file("docs/operations.md")).unwrap();
    let (_, table) = guide.split_once("### When an alert fires").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let groups = yaml(ALERTS)["groups"].as_array().unwrap().clone();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    for alert in rules.filter_map(|rule| rule["alert"].as_str()) {
        let row = table
            .lines()
            .find(|row| row.contains(&format!("`{alert}`")));
        assert!(row.is_some_and(|row| row.starts_with("| ")), "{alert}");
    }
}
