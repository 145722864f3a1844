//! The reference page of the metrics, from their table.
//! May use: the table of metrics and the questions it answers.
//! Must not: hold words about a metric of its own.

use std::fmt::Write;

use stepgate::metrics::{ANSWERS, METRICS, Row, TIERS, Type};

/// `docs/metrics.md`.
pub(crate) fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\n<!-- Made by `stepgate schema --metrics` from src/metrics.rs; change it there. -->\n\n",
    );
    let _ = writeln!(
        page,
        "At `/stats/prometheus` of Envoy. The set is fixed: no name and no label value comes from a request. Tiers have their configured name, beyond {TIERS} of them `other`; feeds their configured name, at most sixteen.\n",
    );
    page.push_str(
        "A label is part of the name in Envoy (`stepgate_requests_total.decision=.=deny;.;`) until a tag pattern takes it out: in plain Envoy `stats_config.stats_tags` of the bootstrap (`envoy/envoy.yaml` has them), in Istio `extraStatTags` of the proxy configuration, which makes the same patterns: ",
    );
    let mut words = Vec::new();
    for label in METRICS.iter().flat_map(|row| row.labels) {
        for word in label.words() {
            if !words.contains(word) {
                words.push(word);
            }
        }
    }
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    let _ = writeln!(page, "{}.\n", words.join(", "));
    page.push_str("| metric | type | labels | unit | meaning |\n|---|---|---|---|---|\n");
    for row in METRICS {
        metric(&mut page, row);
    }
    page.push_str("\n## What answers what\n\n| question | answer | needs |\n|---|---|---|\n");
    for answer in ANSWERS {
        let _ = writeln!(
            page,
            "| {} | `{}` | {} |",
            answer.question,
            answer.answer.replace('|', "\\|"),
            answer.needs
        );
    }
    page.push_str(
        "\nDashboards and alerts on these are in `envoy/observability/`, checked against a running Envoy.\n",
    );
    page
}

fn metric(page: &mut String, row: &Row) {
    let kind = match row.kind {
        Type::Counter => "counter",
        Type::Gauge => "gauge",
        Type::Histogram => "histogram",
    };
    let labels = row.labels.iter().flat_map(|label| label.words());
    let labels: Vec<_> = labels.map(|word| format!("`{word}`")).collect();
    let labels = if labels.is_empty() {
        "–".to_owned()
    } else {
        labels.join(", ")
    };
    let _ = writeln!(
        page,
        "| `{}` | {kind} | {labels} | {} | {} |",
        row.name, row.unit, row.meaning
    );
}
