//! What `replay` writes, and that it measures by the published definition.

use serde_json::Value;

use crate::{AWAY, BEGIN, DAY, HOME, Workspace, login};

/// Twenty people who log in every day for a month, one of them attacked in two ways near its end.
fn labelled() -> String {
    let mut lines = String::new();
    for day in 0..30 {
        for person in 0..20_u32 {
            let home = HOME
                .replace("192.0.2.7", &format!("192.0.{person}.{}", 1 + day % 3))
                .replace("64500", &format!("{}", 64500 + person % 4));
            let time = BEGIN + day * DAY + person * 600;
            lines += &login(time, &format!("p{person}"), &home);
            if day >= 20 && person == 7 {
                let label = format!(
                    r#"{AWAY},"labels.attack":"{}""#,
                    if day % 2 == 0 { "naive" } else { "replay" }
                );
                lines += &login(time + 300, "p3", &label);
            }
        }
    }
    lines
}

fn events(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The definition once more, word for word and slow: counts over pairs, thresholds from a sorted list.
fn detection(lines: &[Value], attack: &str) -> (f64, Vec<f64>) {
    let known = |line: &&Value| line["stepgate"]["history"].as_u64().unwrap() >= 1;
    let logit = |line: &Value| line["stepgate"]["logit"].as_f64().unwrap();
    let label = |line: &Value| line.get("labels.attack").cloned();
    let mut legitimate: Vec<f64> = lines
        .iter()
        .filter(known)
        .filter(|line| label(line).is_none() && line["event.outcome"] != "failure")
        .filter(|line| line["event.action"] == "login")
        .map(logit)
        .collect();
    let attacks: Vec<f64> = lines
        .iter()
        .filter(known)
        .filter(|line| label(line) == Some(attack.into()))
        .map(logit)
        .collect();
    legitimate.sort_by(|a, b| b.partial_cmp(a).unwrap());
    let mut wins = 0.0;
    for attack in &attacks {
        for legitimate in &legitimate {
            wins += match attack.partial_cmp(legitimate).unwrap() {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    let detected = [0.001, 0.005, 0.01, 0.05, 0.1]
        .map(|rate| {
            let threshold = legitimate[(rate * legitimate.len() as f64) as usize];
            let above = attacks.iter().filter(|score| **score > threshold).count();
            above as f64 / attacks.len() as f64
        })
        .to_vec();
    let pairs = (attacks.len() * legitimate.len()) as f64;
    (wins / pairs, detected)
}

#[test]
fn the_summary_measures_what_the_event_lines_say() {
    let work = Workspace::new();
    work.write("events.jsonl", labelled());
    let lines = events(&work.run("replay --events events.jsonl").stdout);
    let summary: Value =
        serde_json::from_str(&work.run("replay --json events.jsonl").stdout).unwrap();
    let measured = summary["measured"]["attacks"].as_array().unwrap();
    assert_eq!(measured.len(), 2);
    for found in measured {
        let (auc, detected) = detection(&lines, found["attack"].as_str().unwrap());
        assert!((found["auc"].as_f64().unwrap() - auc).abs() < 1e-9);
        assert_eq!(found["detected"], Value::from(detected));
        assert_eq!(found["events"], 5);
    }
    assert!(measured[0]["auc"].as_f64().unwrap() > 0.95, "{summary:#}");
}

#[test]
fn event_lines_are_in_the_order_of_the_input_and_repeat_what_identifies_them() {
    let work = Workspace::new();
    work.write("events.jsonl", labelled());
    let outcome = work.run("replay --events events.jsonl");
    assert_eq!(outcome.code, 0);
    let (read, written) = (events(&labelled()), events(&outcome.stdout));
    assert_eq!(read.len(), written.len());
    for (read, written) in read.iter().zip(&written) {
        for key in ["user.id", "event.action", "event.outcome", "labels.attack"] {
            assert_eq!(read.get(key), written.get(key));
        }
        assert_eq!(read["@timestamp"].as_f64(), written["@timestamp"].as_f64());
        assert!(written.get("source.ip").is_none());
        assert!(written["stepgate"]["score"].as_u64().unwrap() <= 100);
        assert!(written["stepgate"]["reasons"].is_object());
    }
    assert_eq!(written[0]["stepgate"]["history"], 0);
    assert_eq!(written[20]["stepgate"]["history"], 1);
    assert_eq!(
        outcome.stdout,
        work.run("replay --events events.jsonl").stdout
    );
    assert!(
        outcome.stderr.contains("challenge rate: "),
        "{}",
        outcome.stderr
    );
}

#[test]
fn labels_reach_no_decision_as_live() {
    let work = Workspace::new();
    work.write("labelled.jsonl", labelled());
    let plain: String = labelled()
        .lines()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            event.as_object_mut().unwrap().remove("labels.attack");
            event.to_string() + "\n"
        })
        .collect();
    work.write("plain.jsonl", plain);
    let verdicts = |file: &str| -> Vec<Value> {
        events(&work.run(&format!("replay --events {file}")).stdout)
            .into_iter()
            .map(|mut line| line["stepgate"].take())
            .collect()
    };
    assert_eq!(verdicts("labelled.jsonl"), verdicts("plain.jsonl"));
}

#[test]
fn sessions_have_one_line_each() {
    let work = Workspace::new();
    let mut lines = String::new();
    for step in 0..3 {
        for session in ["s1", "s2"] {
            lines += &login(
                BEGIN + step * 60,
                "alice",
                &format!(r#"{HOME},"session.id":"{session}""#),
            );
        }
    }
    lines += &login(BEGIN + 400, "alice", HOME);
    work.write("events.jsonl", lines);
    let outcome = work.run("replay --per session events.jsonl");
    let sessions = events(&outcome.stdout);
    let ids: Vec<&Value> = sessions.iter().map(|line| &line["session.id"]).collect();
    assert_eq!(ids, ["s1", "s2"]);
    for line in &sessions {
        let verdict = &line["stepgate"];
        assert!(verdict["logit"].as_f64() >= verdict["logit_last"].as_f64());
    }
    assert!(outcome.stderr.contains("7 events in "));
}

#[test]
fn bad_lines_are_named_and_skipped() {
    let work = Workspace::new();
    let mut lines = login(BEGIN, "alice", HOME);
    lines += "\n";
    lines += &r#"{"@timestamp":1,"source.as.number":"many"}"#.replace('\n', "");
    lines += "\n";
    for _ in 0..11 {
        lines += "{\n";
    }
    work.write("events.jsonl", lines);
    let outcome = work.run("replay events.jsonl");
    assert_eq!(outcome.code, 0);
    let said: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(
        said[0],
        "events.jsonl:3: skipped: `source.as.number` is \"many\", must be a whole number from 0 to 4294967295"
    );
    assert_eq!(said.len(), 12);
    assert_eq!(said[10], "further bad lines are only counted");
    assert_eq!(said[11], "12 lines skipped");
    assert!(outcome.stdout.starts_with("1 events in "));
    assert!(outcome.stdout.contains(", 12 lines skipped\n"));
}

#[test]
fn csv_with_the_names_of_fields_is_read_as_well() {
    let work = Workspace::new();
    work.write(
        "events.csv",
        "@timestamp,user.id,event.action,source.ip,note\n\
         2026-01-01T00:00:00Z,alice,login,192.0.2.1,\"a,\nb\"\n\
         never,alice,login,192.0.2.1,\n\
         1767312000,alice,login,,\n",
    );
    let outcome = work.run("replay --events events.csv");
    let lines = events(&outcome.stdout);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["stepgate"]["history"], 1);
    assert!(
        outcome
            .stderr
            .starts_with("events.csv:4: skipped: `@timestamp` is \"never\""),
        "{}",
        outcome.stderr
    );
}

#[test]
fn bounded_memory_forgets_and_says_how_many_it_knows() {
    let work = Workspace::new();
    let lines: String = (0..6000)
        .map(|person| login(BEGIN + person, &format!("p{person}"), HOME))
        .collect();
    work.write("events.jsonl", lines);
    let known = |options: &str| {
        let outcome = work.run(&format!("replay --json {options} events.jsonl"));
        let summary: Value = serde_json::from_str(&outcome.stdout).unwrap();
        summary["identities"].as_u64().unwrap()
    };
    assert_eq!(known(""), 6000);
    let bounded = known("--memory 1");
    assert!((1000..6000).contains(&bounded), "{bounded}");
    assert_eq!(work.run("replay --memory 0 events.jsonl").code, 2);
}

#[test]
fn a_policy_decides_and_a_bad_one_is_refused() {
    let work = Workspace::new();
    work.write("events.jsonl", labelled());
    work.write(
        "lenient.yaml",
        "score: { step_up: 0.9999999, deny: 0.99999999 }\n",
    );
    work.write("bad.yaml", "score: { prior: 4 }\n");
    let allowed = |options: &str| {
        let outcome = work.run(&format!("replay --json {options} events.jsonl"));
        let summary: Value = serde_json::from_str(&outcome.stdout).unwrap();
        summary["decisions"]["allow"].as_u64().unwrap()
    };
    assert!(allowed("--policy lenient.yaml") > allowed(""));
    let bad = work.run("replay --policy bad.yaml events.jsonl");
    assert_eq!(bad.code, 1);
    assert_eq!(
        bad.stderr,
        "stepgate: bad.yaml: score.prior: 4 is not a probability; allowed: above 0 and below 1\n"
    );
}

#[test]
fn two_policies_are_held_against_each_other() {
    let work = Workspace::new();
    work.write("events.jsonl", labelled());
    work.write("a.yaml", "{}\n");
    work.write(
        "b.yaml",
        "score: { step_up: 0.9999999, deny: 0.99999999 }\n",
    );
    let outcome = work.run("replay --json --policy a.yaml --against b.yaml events.jsonl");
    let summary: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let allowed = |of: &Value| of["decisions"]["allow"].as_u64().unwrap();
    let changed: u64 = summary["changes"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert!(changed > 0);
    assert_eq!(allowed(&summary["against"]) - allowed(&summary), changed);
    let same = work.run("replay --against a.yaml events.jsonl");
    assert!(
        same.stdout.ends_with("\nchanges:\nnone\n"),
        "{}",
        same.stdout
    );
}

/// A line as the filter writes it: an identity away from home with these reasons.
fn audited(n: u32, who: &str, would: &str, rest: &str) -> String {
    format!(
        r#"{{"@timestamp":1772618400,"event.kind":"event","event.id":"d{n}","user.hash":"{who}","identity.kind":"human","source.ip":"203.0.113.0","http.request.method":"GET","url.path":"/orders","stepgate.decision":"allow","stepgate.would":"{would}","stepgate.mode":"shadow","stepgate.tier":"default","stepgate.verified":true,"stepgate.cohort":500,"stepgate.policy":"0000000000000000",{rest}}}"#
    ) + "\n"
}

#[test]
fn an_audit_log_is_decided_again_under_two_policies() {
    let work = Workspace::new();
    let strong =
        r#""stepgate.reasons":{"impossible-travel":5.1,"new-device":3.5,"new-country":1.0}"#;
    let weak = r#""stepgate.reasons":{"new-device":1.0}"#;
    let mut log = audited(1, "aa", "deny", strong);
    log += &audited(2, "bb", "deny", strong);
    log += &audited(3, "aa", "allow", weak);
    log += &audited(
        4,
        "cc",
        "allow",
        r#""stepgate.reasons":{"token-expired":0}"#,
    )
    .replace("\"allow\",\"stepgate.mode", "\"deny\",\"stepgate.mode");
    log += r#"{"@timestamp":1772618400,"stepgate.tier":"default","stepgate.reasons":{}}"#;
    log += "\nwords\n";
    log += &login(BEGIN, "dave", HOME);
    work.write("audit.log", &log);
    work.write("a.json", r#"{"mode":"shadow"}"#);
    work.write("b.json", r#"{"mode":"enforce","exceptions":{"allow":[{"name":"office","networks":["203.0.113.0/24"],"signals":["impossible-travel"],"until":"2026-04-01T00:00:00Z","owner":"soc","reason":"new office"}]}}"#);
    let outcome = work.run("replay audit.log --policy a.json --against b.json --json");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let summary: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let audited = &summary["audited"];
    assert_eq!(audited["redecided"], 4);
    assert_eq!(summary["events"], 1);
    assert_eq!(summary["bad_lines"], 2);
    assert_eq!(audited["changes"]["shadow deny to allow"]["count"], 2);
    assert_eq!(
        audited["changes"]["shadow deny to allow"]["examples"],
        serde_json::json!(["d1", "d2"])
    );
    assert_eq!(
        audited["changes"]["shadow deny to deny"]["examples"],
        serde_json::json!(["d4"])
    );
    assert_eq!(audited["because"]["exception office"], 2);
    assert_eq!(audited["because"]["mode shadow to enforce"], 3);
    assert_eq!(
        audited["identities"]["user.hash aa"]["shadow deny to allow"],
        1
    );
    assert!(
        outcome
            .stderr
            .contains("audit.log:5: skipped: the audit line has no `stepgate.cohort`"),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stderr.contains("audit.log:6: skipped: "),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome
            .stderr
            .contains("4 of 4 audit lines were written under another policy than the one given"),
        "{}",
        outcome.stderr
    );

    let text = work
        .run("replay audit.log --policy a.json --against b.json")
        .stdout;
    assert!(
        text.contains("4 audit lines decided again, 3 otherwise, of 3 identities\n"),
        "{text}"
    );
    assert!(
        text.contains("  shadow deny to allow: 2 (d1, d2)\n"),
        "{text}"
    );
}
