//! What the documents show works as it is written: policies are fine, commands run.
//! May use the files of the repository.
//! Must not know what a document says.

use std::path::Path;

use crate::Workspace;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The fenced blocks of a language in a document.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(ROOT).join(document)).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<Vec<&str>> = None;
    for line in text.lines().map(str::trim_start) {
        match &mut open {
            None if line == format!("```{language}") => open = Some(Vec::new()),
            Some(lines) if line == "```" => {
                blocks.push(lines.join("\n"));
                open = None;
            }
            Some(lines) => lines.push(line),
            None => {}
        }
    }
    assert!(open.is_none(), "{document}: a block without an end");
    blocks
}

#[test]
fn the_policies_shown_and_given_are_fine() {
    let work = Workspace::new();
    let mut policies = blocks("docs/operations.md", "json");
    assert!(policies.len() >= 3);
    policies.extend(["policy", "enforce"].map(|name| {
        std::fs::read_to_string(Path::new(ROOT).join(format!("examples/{name}.json"))).unwrap()
    }));
    for policy in policies {
        work.write("policy.json", &policy);
        let outcome = work.run("check policy.json");
        assert_eq!(outcome.code, 0, "{policy}\n{}", outcome.stderr);
        assert!(outcome.stdout.contains(": fine: "), "{policy}");
    }
}

#[test]
fn the_feed_shown_is_one() {
    let shown = blocks("docs/feeds.md", "json");
    let [policy, feed] = shown.as_slice() else {
        panic!("{} blocks", shown.len())
    };
    let work = Workspace::new();
    work.write("policy.json", policy);
    assert_eq!(work.run("check policy.json").code, 0);
    // In its own year: entries end.
    let now = 1_796_000_000;
    let key = stepgate::signals::keyed::HashKey::PUBLIC;
    let read = stepgate::feed::Document::read(feed.as_bytes(), &key, now);
    assert!(read.is_ok(), "{:?}", read.err());
}

/// What a reader of the README has lying about: a policy or two, a configuration, events, logs, verdicts.
fn belongings(work: &Workspace) {
    let example = |name: &str| std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
    work.write("envoy.yaml", example("envoy/envoy.yaml"));
    for name in ["policy.json", "now.json"] {
        work.write(name, example("examples/policy.json"));
    }
    work.write("next.json", example("examples/enforce.json"));
    std::fs::create_dir_all(work.path("examples")).unwrap();
    for name in ["examples/policy.json", "examples/enforce.json"] {
        work.write(name, example(name));
    }
    let history = example("examples/history.jsonl");
    work.write("examples/history.jsonl", &history);
    let mut events = String::new();
    for (n, event) in history.lines().enumerate() {
        let rest = event.strip_prefix('{').unwrap();
        events.push_str(&format!("{{\"event.id\":\"d{n}\",{rest}\n"));
    }
    work.write("events.jsonl", events);
    work.write(
        "verdicts.csv",
        "event.id,verdict\nd20,attack\nd21,owner\nd90,owner\n",
    );
    let alice = work.run("hash --user https://idp.example/|alice").stdout;
    let line = r#"{"@timestamp":1750000000,"event.id":"d5f0c1a2b3d4e5f60","event.outcome":"success","user.hash":"ALICE","stepgate.reasons":{"new-country":6},"stepgate.tier":"default","stepgate.cohort":1,"stepgate.verified":true,"stepgate.would":"deny","stepgate.policy":"p"}"#;
    let line = line.replace("ALICE", alice.trim());
    work.write("envoy.log", format!("[info][wasm] wasm log: {line}\n"));
    work.write("audit.log", line);
    work.write(
        "logins.csv",
        "When,Account,Address\n1750000000,alice,192.0.2.7\n",
    );
    let log = r#"{"start_time":"2026-01-02T03:04:05Z","user":"alice","method":"GET","path":"/","response_code":200}"#;
    work.write("access.log.gz", log);
}

/// Runs the commands that a document shows, among what its reader has; how many there were.
fn commands_run(document: &str) -> usize {
    let work = Workspace::new();
    belongings(&work);
    std::fs::create_dir_all(work.path("bin")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_stepgate"), work.path("bin/stepgate")).unwrap();
    let path = format!("{}:/usr/bin:/bin", work.path("bin").display());
    let shown = blocks(document, "sh").join("\n");
    let commands = shown.lines().filter(|line| line.starts_with("stepgate "));
    let mut run = 0;
    for command in commands {
        // Their output overwrites what was there.
        let events = work.read("events.jsonl");
        let output = std::process::Command::new("sh")
            .args(["-ec", command])
            .current_dir(work.path(""))
            .env_clear()
            .env("PATH", &path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}\n{said}");
        if command.contains("> events.jsonl") {
            assert!(!work.read("events.jsonl").is_empty(), "{command}\n{said}");
            work.write("events.jsonl", events);
        } else {
            assert!(!output.stdout.is_empty() || !said.is_empty(), "{command}");
        }
        run += 1;
    }
    run
}

#[test]
fn the_commands_of_the_readme_run() {
    let run = commands_run("README.md");
    assert!(run >= 13, "{run}");
}

#[test]
fn the_commands_of_the_operations_guide_run() {
    let run = commands_run("docs/operations.md");
    assert!(run >= 8, "{run}");
}

/// Rows of all tables of a page by the code in their first cell.
fn rows(page: &str) -> std::collections::BTreeMap<String, Vec<String>> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.trim_matches('|').replace("\\|", "/"));
    let cells = cells.map(|row| row.split('|').map(|c| c.trim().to_owned()).collect());
    cells
        .map(|cells: Vec<String>| (cells[0].trim_matches('`').to_owned(), cells))
        .collect()
}

#[test]
fn every_reason_has_its_runbook() {
    let work = Workspace::new();
    let reasons = rows(&work.run("schema --reasons").stdout);
    let text = std::fs::read_to_string(Path::new(ROOT).join("docs/runbooks.md")).unwrap();
    let runbooks = rows(&text);
    let codes =
        |rows: &std::collections::BTreeMap<_, _>| rows.keys().cloned().collect::<Vec<String>>();
    assert_eq!(codes(&reasons), codes(&runbooks));
    assert!(reasons.len() > 90);
    for (code, reason) in &reasons {
        let [_, means, deeper, silence] = runbooks[code].as_slice() else {
            panic!("{code}: four cells")
        };
        let [_, nature, _, meaning, _] = reason.as_slice() else {
            panic!("{code}: five cells")
        };
        assert_eq!(means, meaning, "{code}");
        assert!(deeper.len() > 10 && silence.len() > 10, "{code}");
        // A campaign takes nothing off but novelty, and no exception takes off a rule.
        if silence.contains("exceptions.campaigns") {
            assert_eq!(nature, "novelty", "{code}");
        }
        if nature == "rule" && silence.contains("exceptions.allow") {
            panic!("{code}: no exception waives a rule");
        }
    }
}

#[test]
fn the_tests_that_are_named_exist() {
    let table = std::fs::read_to_string(Path::new(ROOT).join("SECURITY.md")).unwrap();
    let mut named = 0;
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        let shown = row.rsplit('|').nth(1).unwrap();
        let mut files = String::new();
        for word in shown.split('`').skip(1).step_by(2) {
            let path = Path::new(ROOT).join(word);
            if word.contains('/') {
                assert!(path.exists(), "{word}");
                files.push_str(&std::fs::read_to_string(path).unwrap_or_default());
            } else if word.contains('_') && !word.contains(['.', ' ']) && !word.contains("xff") {
                assert!(files.contains(&format!("fn {word}()")), "{word}");
                named += 1;
            }
        }
    }
    assert!(named > 20, "{named}");
}
