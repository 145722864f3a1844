//! What `tune` changes, what it says of it, and what it refuses.

use serde_json::Value;

use crate::{AWAY, BEGIN, DAY, HOME, Outcome, Workspace, login, run_in};

/// Forty people over thirty days, who sometimes use another client. From the tenth day on some are attacked, with a label
/// if `label` is given and an id in any case.
fn traffic(label: Option<&str>) -> String {
    let mut lines = String::new();
    for day in 0..30_u32 {
        for person in 0..40_u32 {
            let client = if (day * 7 + person * 3) % 23 == 0 {
                "Chrome"
            } else {
                "Firefox"
            };
            let network = if (day * 5 + person) % 19 == 0 {
                64600
            } else {
                64500 + person % 4
            };
            let home = HOME
                .replace(
                    "192.0.2.7",
                    &format!("192.{}.{person}.{}", network % 200, 1 + day % 3),
                )
                .replace("64500", &network.to_string())
                .replace("Firefox", client);
            let time = BEGIN + day * DAY + person * 600;
            lines += &login(time, &format!("p{person}"), &home);
            if day >= 10 && (day + person) % 8 == 0 {
                let mut rest = format!(r#"{AWAY},"event.id":"d{day}-{person}""#);
                if let Some(label) = label {
                    rest += &format!(r#","labels.attack":"{label}""#);
                }
                lines += &login(time + 60, &format!("p{person}"), &rest);
            }
        }
    }
    lines
}

fn run(work: &Workspace, arguments: &str) -> Outcome {
    let outcome = work.run(arguments);
    assert_eq!(outcome.code, 0, "{arguments}: {}", outcome.stderr);
    outcome
}

/// The two percentages of a line that begins so.
fn shares(text: &str, name: &str) -> [f64; 2] {
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with(name));
    assert!(line.is_some(), "no {name} in {text}");
    let line = line.unwrap();
    let shares: Vec<f64> = line
        .split_whitespace()
        .filter_map(|word| word.strip_suffix('%')?.parse().ok())
        .collect();
    [shares[0], shares[1]]
}

#[test]
fn a_budget_becomes_a_threshold_and_the_policy_stays_what_it_was() {
    let work = Workspace::new();
    work.write("events.jsonl", traffic(None));
    work.write(
        "policy.yaml",
        "mode: shadow\nhash_key: sixteen-letters-or-more\nscore:\n  prior: 0.02\n",
    );
    let command = "tune events.jsonl --policy policy.yaml --budget 3% -o";
    let said = run(&work, &format!("{command} a.json")).stdout;
    assert!(said.contains("thresholds, for 3.000% of logins"), "{said}");
    assert!(said.contains("stay: 0 labelled attacks"), "{said}");
    let tuned: Value = serde_json::from_slice(&work.read("a.json")).unwrap();
    assert_eq!(tuned["hash_key"], "sixteen-letters-or-more");
    assert_eq!(tuned["score"]["prior"], 0.02);
    assert!(tuned["score"]["weights"].is_null());
    assert!(tuned["score"]["step_up"].as_f64() < tuned["score"]["deny"].as_f64());
    run(&work, &format!("{command} b.json"));
    assert_eq!(work.read("a.json"), work.read("b.json"));
    run(&work, &format!("{command} c.yaml"));
    for policy in ["a.json", "c.yaml"] {
        run(&work, &format!("check {policy}"));
    }
    let tight = run(&work, "tune events.jsonl --budget 0.1%").stdout;
    let loose = run(&work, "tune events.jsonl --budget 10%").stdout;
    let name = "logins of people challenged";
    let ([before, tight], [same, loose]) = (shares(&tight, name), shares(&loose, name));
    assert_eq!(before, same);
    assert!(tight <= loose && loose <= 20.0, "{tight} {loose}");
}

#[test]
fn a_denial_is_never_made_easier_however_late_the_policy_denies() {
    let work = Workspace::new();
    work.write("events.jsonl", traffic(None));
    work.write("late.json", r#"{"score":{"deny":0.9999999}}"#);
    let said = run(
        &work,
        "tune events.jsonl --policy late.json --budget 3% -o tuned.json",
    );
    let tuned: Value = serde_json::from_slice(&work.read("tuned.json")).unwrap();
    assert_eq!(tuned["score"]["deny"], 0.999_999_9, "{}", said.stdout);
}

#[test]
fn labels_and_verdicts_fit_the_same_weights() {
    let work = Workspace::new();
    work.write("labelled.jsonl", traffic(Some("adjudicated")));
    work.write("plain.jsonl", traffic(None));
    let mut verdicts = String::from("id,verdict\n");
    for line in traffic(None).lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        if let Some(id) = event["event.id"].as_str() {
            verdicts += &format!("{id},attack\n");
        }
    }
    work.write("verdicts.csv", verdicts);
    let labelled = run(&work, "tune labelled.jsonl --budget 2% -o a.json");
    let judged = run(
        &work,
        "tune plain.jsonl --budget 2% --adjudications verdicts.csv -o b.json",
    );
    assert_eq!(labelled.stdout, judged.stdout);
    assert_eq!(work.read("a.json"), work.read("b.json"));
    assert!(
        labelled.stdout.contains("of attacks with fitted weights"),
        "{}",
        labelled.stdout
    );
    run(&work, "check a.json");
    let [before, after] = shares(&labelled.stdout, "detected: adjudicated");
    assert!(after >= before, "{}", labelled.stdout);
}

#[test]
fn verdicts_that_mean_nothing_are_named() {
    let work = Workspace::new();
    work.write("events.jsonl", traffic(None));
    work.write("unknown.csv", "id,verdict\nd-other,owner\n");
    let outcome = run(&work, "tune events.jsonl --adjudications unknown.csv");
    assert!(
        outcome.stderr.contains("1 of 1 verdicts are about"),
        "{}",
        outcome.stderr
    );
    for (text, message) in [
        (
            "a,maybe\n",
            "wrong.csv:1: `maybe` is no verdict; allowed: attack or owner",
        ),
        (
            "a,attack\na,owner\n",
            "wrong.csv:2: decision `a` has two verdicts",
        ),
    ] {
        work.write("wrong.csv", text);
        let outcome = work.run("tune events.jsonl --adjudications wrong.csv");
        assert_eq!(outcome.code, 1);
        assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
    }
}

#[test]
fn drift_is_seen_against_an_earlier_replay() {
    let work = Workspace::new();
    work.write("events.jsonl", traffic(None));
    let earlier = run(&work, "replay events.jsonl --events").stdout;
    work.write("earlier.jsonl", earlier);
    let same = run(&work, "tune events.jsonl --since earlier.jsonl").stdout;
    assert!(
        same.starts_with("drift of people's scores: stability index 0.000 (stable)"),
        "{same}"
    );
    let halves = run(&work, "tune events.jsonl").stdout;
    assert!(
        !halves.starts_with("drift of people's scores: stability index 0.000"),
        "{halves}"
    );
    let refused = work.run("tune events.jsonl --since events.jsonl");
    assert!(
        refused.stderr.contains("events.jsonl:1: no line of"),
        "{}",
        refused.stderr
    );
}

#[test]
fn what_cannot_be_tuned_is_refused() {
    let work = Workspace::new();
    work.write("events.jsonl", traffic(None));
    work.write(
        "failed.jsonl",
        login(BEGIN, "p", HOME).replace("success", "failure"),
    );
    for budget in ["0", "60%", "x", "-1%"] {
        let outcome = work.run(&format!("tune events.jsonl --budget={budget}"));
        assert_eq!(outcome.code, 2, "{budget}");
    }
    let stdin = run_in(&work.0, "tune -", &[], b"");
    assert!(stdin.stderr.contains("stdin cannot be"), "{}", stdin.stderr);
    let failed = work.run("tune failed.jsonl");
    assert!(
        failed.stderr.contains("no event of an owner"),
        "{}",
        failed.stderr
    );
}
