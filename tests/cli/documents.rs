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
    assert!(!commands.is_empty());
    for command in commands {
        let outcome = run_in(Path::new(ROOT), command, &[], b"");
        assert_eq!(outcome.code, 0, "{command}\n{}", outcome.stderr);
        assert!(!outcome.stdout.is_empty(), "{command}");
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
