//! The command line as a user meets it: arguments in, exit code, stdout and stderr out.
//! May use: the built binary and files of its own making.
//! Must not: call the engine.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of tests is a test: a panic is its failure"
)]

mod audited;
mod check;
mod documents;
mod explain;
mod generate;
mod hash;
mod import;
mod manifests;
mod replay;
mod schema;
mod threads;
mod train;
mod tune;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that goes away with the test.
struct Workspace(PathBuf);

impl Workspace {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("stepgate-cli-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn run(&self, arguments: &str) -> Outcome {
        run_in(&self.0, arguments, &[], b"")
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_dir_all(&self.0);
    }
}

/// What a command came to.
struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs the binary in a directory, with arguments parted by spaces, variables and stdin.
fn run_in(directory: &Path, arguments: &str, variables: &[(&str, &str)], stdin: &[u8]) -> Outcome {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stepgate"))
        .args(arguments.split_whitespace())
        .env_remove("STEPGATE_KEY")
        .envs(variables.iter().copied())
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its stdin closes it.
    let _closed = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A login of somebody at a time, in an event line.
fn login(time: u32, user: &str, rest: &str) -> String {
    format!(
        r#"{{"@timestamp":{time},"event.action":"login","event.outcome":"success","user.id":"{user}"{rest}}}"#
    ) + "\n"
}

/// From a person's usual network and client.
const HOME: &str = r#","source.ip":"192.0.2.7","source.as.number":64500,"source.geo.country_iso_code":"NO","user_agent.name":"Firefox","user_agent.os.name":"Linux","user_agent.device.name":"desktop""#;

/// From somewhere else, with something else.
const AWAY: &str = r#","source.ip":"203.0.113.9","source.as.number":64999,"source.geo.country_iso_code":"BR","user_agent.name":"curl","user_agent.os.name":"Linux","user_agent.device.name":"bot""#;

const DAY: u32 = 86_400;
const BEGIN: u32 = 1_760_000_000;

#[test]
fn usage_is_told_apart_from_failure() {
    let work = Workspace::new();
    for wrong in ["", "chekc", "check", "train a.jsonl", "replay --per hour a"] {
        assert_eq!(work.run(wrong).code, 2, "{wrong}");
    }
    let help = work.run("--help");
    assert_eq!(help.code, 0);
    for command in [
        "check", "schema", "train", "replay", "tune", "import", "explain", "hash", "generate",
    ] {
        assert!(help.stdout.contains(&format!("  {command} ")), "{command}");
    }
    assert_eq!(work.run("--version").code, 0);
}
