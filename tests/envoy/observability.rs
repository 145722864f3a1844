//! Metrics as Prometheus sees them, in plain Envoy and with Istio's tag patterns, and what is built on them: alerts, dashboards.
//! May use: the table of metrics, the files of the repository, promtool where there is one.
//! Must not: know a metric that the table does not.

mod promql;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use stepgate::metrics::{ANSWERS, METRICS, Type};
use stepgate_testkit::envoy::{Envoy, Setup, TempDir, until};
use stepgate_testkit::http::{Request, Upstream};
use stepgate_testkit::tokens::Key;

use crate::contract::{at_home, far_away, policy, token};
use crate::gateway::{bootstrap, listener, module, stepgate};
use promql::named;

/// Sets of labels of each metric in a scrape.
type Scrape = BTreeMap<String, Vec<BTreeMap<String, String>>>;

fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn yaml(name: &str) -> Value {
    let text = std::fs::read_to_string(repository(name)).unwrap();
    serde_norway::from_str(&text).unwrap()
}

/// The tags of the example for plain Envoy.
fn plain() -> Value {
    yaml("envoy/envoy.yaml")["stats_config"].clone()
}

/// The tags that Istio's bootstrap template makes of `extraStatTags`, between some of its own, and what it includes by default.
fn istio() -> Value {
    let extra = plain();
    let names = extra["stats_tags"].as_array().unwrap().iter();
    let mut tags = vec![
        json!({ "tag_name": "cluster_name", "regex": r"^cluster\.((.+?(\..+?\.svc\.cluster\.local)?)\.)" }),
        json!({ "tag_name": "response_code", "regex": r"(response_code=\.=(.+?);\.;)|_rq(_(\.d{3}))$" }),
        json!({ "tag_name": "reporter", "regex": r"(reporter=\.=(.*?);\.;)" }),
    ];
    tags.extend(names.map(|tag| {
        let name = tag["tag_name"].as_str().unwrap();
        json!({ "tag_name": name, "regex": format!(r"({name}=\.=(.*?);\.;)") })
    }));
    tags.extend([
        json!({ "tag_name": "cache", "regex": r"(cache\.(.+?)\.)" }),
        json!({ "tag_name": "component", "regex": r"(component\.(.+?)\.)" }),
        json!({ "tag_name": "tag", "regex": r"(tag\.(.+?);\.)" }),
        json!({ "tag_name": "wasm_filter", "regex": r"(wasm_filter\.(.+?)\.)" }),
    ]);
    let included = [
        "reporter=",
        "cluster_manager",
        "listener_manager",
        "server",
        "wasm",
        "component",
    ];
    json!({
        "use_all_default_tags": false,
        "stats_tags": tags,
        "stats_matcher": { "inclusion_list": { "patterns": included.map(|prefix| json!({ "prefix": prefix })) } },
    })
}

/// A gateway that has allowed, challenged and refused, and its scrape once everything has been counted.
fn scrape(stats: Value) -> Option<(Envoy, Upstream, Scrape)> {
    module()?;
    let key = Key::ed25519("k1");
    let mut policy = policy(&key);
    policy["tiers"] = json!([
        { "name": "watched", "paths": ["/watched"], "mode": "shadow" },
        { "name": "admin", "paths": ["/admin"], "require_identity": true },
    ]);
    policy["feeds"] =
        json!([{ "name": "soc", "cluster": "api", "authority": "feed.test", "path": "/feed" }]);
    let upstream = Upstream::start().unwrap();
    let filter = stepgate("stepgate", &policy.to_string());
    let mut boot = bootstrap(
        &[listener("main", vec![filter])],
        &[("api", upstream.port())],
    );
    boot["stats_config"] = stats;
    boot["stats_flush_interval"] = json!("0.2s");
    let setup = Setup::new(&boot.to_string()).concurrency(2);
    let envoy = setup.start().unwrap_or_else(|error| panic!("{error}"));
    let send = |request: &Request| request.send(envoy.address()).unwrap().status;
    assert_eq!(send(&at_home(&token(&key, "alice", 20).sign(&key))), 200);
    assert_eq!(send(&far_away(&token(&key, "alice", 10).sign(&key))), 401);
    assert_eq!(send(&Request::get("/watched")), 200);
    assert_eq!(send(&Request::get("/admin")), 401);
    // Histograms are there a flush later; the pages have been looked at once.
    let scrape = until("all of it", || {
        let text = envoy.prometheus();
        let positive = |series: &str| value(&text, series).is_some_and(|value| value > 0.0);
        let timed = positive("stepgate_evaluation_microseconds_count{}");
        let scored = positive(r#"stepgate_score_count{mode="shadow"}"#);
        let looked = positive(r#"stepgate_records{table="identity"}"#);
        (timed && scored && looked).then(|| read(&text))
    });
    Some((envoy, upstream, scrape))
}

/// Prometheus' text format, version 0.0.4.
fn read(text: &str) -> Scrape {
    let mut scrape = Scrape::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, _)) = line.rsplit_once(' ') else {
            continue;
        };
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.trim_end_matches('}').split(',');
        let labels = labels.filter_map(|label| label.split_once('='));
        let labels = labels
            .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
            .collect();
        scrape.entry(name.to_owned()).or_default().push(labels);
    }
    scrape
}

/// The value of one series, in whatever order its labels are.
fn value(text: &str, series: &str) -> Option<f64> {
    let wanted = read(&format!("{series} 0"));
    let line = text.lines().find(|line| read(line) == wanted)?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn every_metric_has_its_labels_in_plain_envoy_and_in_istio() {
    for stats in [plain(), istio()] {
        let Some((envoy, _upstream, scrape)) = scrape(stats) else {
            return;
        };
        let text = envoy.prometheus();
        for (series, expected) in [
            (
                r#"stepgate_requests_total{decision="allow",mode="enforce",tier="default"}"#,
                1.0,
            ),
            (
                r#"stepgate_requests_total{decision="step-up",mode="enforce",tier="default"}"#,
                1.0,
            ),
            (
                r#"stepgate_requests_total{decision="allow",mode="shadow",tier="watched"}"#,
                1.0,
            ),
            (
                r#"stepgate_requests_total{decision="deny",mode="enforce",tier="admin"}"#,
                1.0,
            ),
            (
                r#"stepgate_identities_total{decision="step-up",kind="human",mode="enforce"}"#,
                1.0,
            ),
            (
                r#"stepgate_identities_total{decision="deny",kind="none",mode="enforce"}"#,
                1.0,
            ),
            (
                r#"stepgate_reasons_total{family="velocity",reason="impossible-travel"}"#,
                1.0,
            ),
            (r#"stepgate_score_count{mode="shadow"}"#, 1.0),
            (r#"stepgate_pages{table="identity"}"#, 176.0),
            ("stepgate_configuration_generation{}", 1.0),
        ] {
            assert_eq!(value(&text, series), Some(expected), "{series}\n{text}");
        }
        for row in METRICS {
            let name = match row.kind {
                Type::Histogram => format!("{}_bucket", row.name),
                Type::Counter | Type::Gauge => row.name.to_owned(),
            };
            let series = scrape.get(&name);
            let series = series.unwrap_or_else(|| panic!("no {name} in\n{text}"));
            let words: BTreeSet<_> = row.labels.iter().flat_map(|l| l.words()).copied().collect();
            for labels in series {
                let found: BTreeSet<_> = labels.keys().map(String::as_str).collect();
                let found: BTreeSet<_> = found.into_iter().filter(|word| *word != "le").collect();
                assert_eq!(found, words, "{name}");
            }
        }
        let ours = scrape.keys().filter(|name| name.starts_with("stepgate"));
        for name in ours {
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end));
            let known = |name: &str| METRICS.iter().any(|row| row.name == name);
            assert!(
                known(name) || base.is_some_and(known),
                "{name} is in no table"
            );
        }
    }
}

/// What Prometheus adds to every series.
fn of_prometheus(label: &str) -> bool {
    matches!(label, "instance" | "job" | "__name__")
}

/// Fails where an expression names what no scrape shows.
fn check(expression: &str, scrape: &Scrape, recorded: &[String], place: &str) {
    let said = named(expression);
    assert!(!said.selectors.is_empty(), "{place}: {expression}");
    let mut labels_known = BTreeSet::new();
    for (name, matchers) in &said.selectors {
        if recorded.contains(name) {
            continue;
        }
        let by_pattern = matchers.iter().any(|(label, _, _)| label == "__name__");
        let series = if by_pattern {
            let (start, end) = name.split_once("(.+_)?").unwrap();
            let mut found = scrape.iter();
            found.find(|(name, _)| name.starts_with(start) && name.ends_with(end))
        } else {
            scrape.get_key_value(name)
        };
        let (_, series) = series.unwrap_or_else(|| panic!("{place}: no scrape shows {name}"));
        labels_known.extend(series.iter().flat_map(|labels| labels.keys().cloned()));
        for (label, operator, wanted) in matchers {
            if of_prometheus(label) {
                continue;
            }
            let values: BTreeSet<_> = series.iter().filter_map(|l| l.get(label)).collect();
            assert!(!values.is_empty(), "{place}: {name} has no label {label}");
            let words: Vec<_> = match operator.as_str() {
                "=" | "!=" => vec![wanted.clone()],
                _ => wanted.split('|').map(str::to_owned).collect(),
            };
            for word in words {
                assert!(
                    values.contains(&word),
                    "{place}: {name}: {label} is never {word}"
                );
            }
        }
    }
    for label in &said.groups {
        let known = of_prometheus(label) || labels_known.contains(label);
        assert!(
            known,
            "{place}: grouped by {label}, which nothing has: {expression}"
        );
    }
}

#[test]
fn alerts_dashboards_and_answers_use_only_what_a_scrape_shows() {
    let Some((_envoy, _upstream, scrape)) = scrape(plain()) else {
        return;
    };
    let rules = yaml("envoy/observability/alerts.yaml");
    let groups = rules["groups"].as_array().unwrap().iter();
    let rules: Vec<_> = groups
        .flat_map(|g| g["rules"].as_array().unwrap())
        .collect();
    let recorded = rules.iter().filter_map(|rule| rule["record"].as_str());
    let recorded: Vec<_> = recorded.map(str::to_owned).collect();
    for rule in &rules {
        let place = rule["alert"].as_str().or(rule["record"].as_str()).unwrap();
        check(rule["expr"].as_str().unwrap(), &scrape, &recorded, place);
        if rule["alert"].is_string() {
            assert!(rule["labels"]["severity"].is_string(), "{place}");
            assert!(rule["annotations"]["summary"].is_string(), "{place}");
        }
    }
    for name in ["executive", "on-call", "debug"] {
        let file = format!("envoy/observability/dashboard-{name}.json");
        let text = std::fs::read_to_string(repository(&file)).unwrap();
        let board: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(board["uid"], format!("stepgate-{name}"));
        assert!(board["title"].is_string() && board["schemaVersion"].is_u64());
        let variables = board["templating"]["list"].as_array().unwrap();
        for needed in ["datasource", "instance"] {
            assert!(
                variables.iter().any(|v| v["name"] == needed),
                "{file}: {needed}"
            );
        }
        let panels = board["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|p| p["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{file}: ids");
        for panel in panels {
            let place = format!("{file}: {}", panel["title"]);
            assert!(
                panel["gridPos"]["w"].is_u64() && panel["type"].is_string(),
                "{place}"
            );
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{place}");
                check(target["expr"].as_str().unwrap(), &scrape, &[], &place);
            }
        }
    }
    let mut expressions = 0;
    for answer in ANSWERS
        .iter()
        .filter(|a| !a.answer.starts_with("stepgate "))
    {
        check(answer.answer, &scrape, &[], answer.question);
        expressions += 1;
    }
    assert!(expressions >= 8, "{expressions}");
}

#[test]
fn what_names_nothing_that_is_there_is_found() {
    let scrape = read("stepgate_a_total{decision=\"allow\",mode=\"shadow\"} 1\n");
    check(
        "sum by (mode) (rate(stepgate_a_total{decision!=\"allow\"}[5m]))",
        &scrape,
        &[],
        "fine",
    );
    for wrong in [
        "stepgate_b_total",
        "stepgate_a_total{decision=\"alow\"}",
        "stepgate_a_total{reason=\"x\"}",
        "sum by (tier) (stepgate_a_total)",
        "stepgate_a_total{decision=~\"allow|x\"}",
        "up",
    ] {
        let found = std::panic::catch_unwind(|| check(wrong, &scrape, &[], "wrong"));
        assert!(found.is_err(), "{wrong}");
    }
}

/// promtool, if it is installed; else says so.
fn promtool(arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let dir = TempDir::new();
    let stdin = std::fs::File::open(dir.write("input", input)).unwrap();
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::from(stdin));
    match command.output() {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            Some((
                output.status.success(),
                String::from_utf8_lossy(&said).into_owned(),
            ))
        }
        Err(_) => {
            println!("SKIPPED: no promtool; Debian's package prometheus has it");
            None
        }
    }
}

#[test]
fn promtool_accepts_the_rules_and_their_tests_and_the_scrape() {
    let Some((envoy, _upstream, _)) = scrape(plain()) else {
        return;
    };
    let rules = repository("envoy/observability/alerts.yaml");
    let tests = repository("envoy/observability/alerts_test.yaml");
    for arguments in [
        &["check", "rules", rules.to_str().unwrap()][..],
        &["test", "rules", tests.to_str().unwrap()],
    ] {
        let Some((accepted, said)) = promtool(arguments, "") else {
            return;
        };
        assert!(accepted, "{said}");
    }
    // Envoy writes no help. Its histograms take whole numbers and its buckets suit microseconds, so seconds would say nothing.
    let text = envoy.prometheus();
    let (_, said) = promtool(&["check", "metrics"], &text).unwrap();
    let ours: Vec<_> = said
        .lines()
        .filter(|line| line.starts_with("stepgate"))
        .collect();
    let expected = |line: &&&str| {
        line.contains("no help text") || line.contains("instead of \"microseconds\"")
    };
    let ours: Vec<_> = ours.iter().filter(|line| !expected(line)).collect();
    assert!(ours.is_empty(), "{ours:?}");
    assert!(!said.contains("error while linting"), "{said}");
}

#[test]
fn every_alert_has_a_test_that_fires_it_and_one_that_does_not() {
    let rules = yaml("envoy/observability/alerts.yaml");
    let tests = yaml("envoy/observability/alerts_test.yaml");
    let groups = rules["groups"].as_array().unwrap().iter();
    let names = groups
        .flat_map(|group| group["rules"].as_array().unwrap())
        .filter_map(|rule| rule["alert"].as_str());
    let cases = tests["tests"].as_array().unwrap().iter();
    let cases: Vec<_> = cases
        .flat_map(|test| test["alert_rule_test"].as_array().unwrap())
        .collect();
    for name in names {
        for fires in [true, false] {
            let shown = cases
                .iter()
                .any(|case| case["alertname"] == name && case["exp_alerts"].is_array() == fires);
            assert!(shown, "{name}: no test where it fires: {fires}");
        }
    }
}
