//! What the documents show works as it is written: policies are fine, commands run.
//! May use the files of the repository.
//! Must not know what a document says.

use std::path::Path;

use crate::{Workspace, run_in};

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
fn the_commands_shown_run() {
    let shown = blocks("docs/operations.md", "sh").join("\n");
    let commands: Vec<&str> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("stepgate "))
        .collect();
    assert!(commands.len() >= 4);
    for command in commands {
        // Quotes are for a shell; no argument has a space in it.
        let outcome = run_in(Path::new(ROOT), &command.replace('\'', ""), &[], b"");
        assert_eq!(outcome.code, 0, "{command}\n{}", outcome.stderr);
        assert!(!outcome.stdout.is_empty(), "{command}");
    }
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
