//! Snapshots: the same for the same events, refused where they are foreign.

use std::io::Write;

use crate::{AWAY, BEGIN, DAY, HOME, Workspace, login, run_in};

fn history() -> String {
    (0..12)
        .flat_map(|day| ["alice", "bob"].map(|user| login(BEGIN + day * DAY, user, HOME)))
        .collect()
}

#[test]
fn a_snapshot_is_the_same_for_the_same_events() {
    let work = Workspace::new();
    work.write("events.jsonl", history());
    let outcome = work.run("train events.jsonl --key secret -o a.bin");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .starts_with("2 identities from 24 of 24 events in "),
        "{}",
        outcome.stderr
    );
    work.run("train events.jsonl --key secret -o b.bin");
    assert_eq!(work.read("a.bin"), work.read("b.bin"));
    work.run("train events.jsonl --key other -o c.bin");
    assert_ne!(work.read("a.bin"), work.read("c.bin"));
}

#[test]
fn gzip_stdin_and_base64_give_the_same_snapshot() {
    let work = Workspace::new();
    work.write("events.jsonl", history());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(history().as_bytes()).unwrap();
    work.write("events.gz", packed.finish().unwrap());
    let key = [("STEPGATE_KEY", "secret")];
    let plain = run_in(&work.0, "train events.jsonl --base64 -o -", &key, b"");
    let gzip = run_in(&work.0, "train events.gz --base64 -o -", &key, b"");
    let stdin = run_in(&work.0, "train - --base64 -o -", &key, history().as_bytes());
    assert!(plain.stdout.starts_with("U0dCT"), "SGBL in base64");
    assert_eq!(plain.stdout, gzip.stdout);
    assert_eq!(plain.stdout, stdin.stdout);
}

#[test]
fn check_takes_the_snapshot_with_its_key_and_refuses_it_with_another() {
    let work = Workspace::new();
    work.write("events.jsonl", history());
    let key = "0123456789abcdef";
    let snapshot = work.run(&format!("train events.jsonl --key {key} --base64 -o -"));
    let policy = |key: &str| {
        format!(
            r#"{{"hash_key":"{key}","signals":{{"preset":"fastly"}},"baseline":{{"snapshot":"{}"}}}}"#,
            snapshot.stdout.trim()
        )
    };
    work.write("right.json", policy(key));
    work.write("wrong.json", policy("another key of 24 chars."));
    assert_eq!(work.run("check right.json").stderr, "");
    let wrong = work.run("check wrong.json");
    assert_eq!(wrong.code, 1);
    assert_eq!(
        wrong.stderr,
        "wrong.json: baseline.snapshot: the snapshot was trained with another hash key; use the same `STEPGATE_KEY` or `hash_key` for both\n"
    );
}

#[test]
fn without_a_key_a_warning_says_so() {
    let work = Workspace::new();
    work.write("events.jsonl", history());
    let outcome = work.run("train events.jsonl -o a.bin");
    assert_eq!(outcome.code, 0);
    assert!(outcome.stderr.starts_with(
        "warning: no hash key: neither --key, STEPGATE_KEY nor hash_key is set; hashed with a public constant\n"
    ));
}

#[test]
fn attacks_and_failures_teach_nothing() {
    let work = Workspace::new();
    let failed = login(BEGIN + 12 * DAY, "alice", AWAY).replace("success", "failure");
    let unknown = login(BEGIN + 12 * DAY, "nobody", AWAY).replace("success", "failure");
    let challenged = login(BEGIN + 11 * DAY + 60, "alice", AWAY);
    work.write(
        "policy.json",
        r#"{"mode":"enforce","signals":{"preset":"fastly"}}"#,
    );
    work.write("clean.jsonl", history());
    work.write(
        "attacked.jsonl",
        history() + &challenged + &failed + &unknown,
    );
    let clean = work.run("train clean.jsonl --policy policy.json --key k -o a.bin");
    let attacked = work.run("train attacked.jsonl --policy policy.json --key k -o b.bin");
    assert!(clean.stderr.starts_with("2 identities from 24 of 24"));
    assert!(
        attacked.stderr.starts_with("2 identities from 24 of 27"),
        "{}",
        attacked.stderr
    );
}

#[test]
fn input_without_events_is_refused() {
    let work = Workspace::new();
    work.write("empty", "");
    work.write("bad", "nonsense\n{}\n");
    let empty = work.run("train empty --key k -o a.bin");
    assert_eq!(
        (empty.code, empty.stderr.as_str()),
        (1, "stepgate: no events: the input is empty\n")
    );
    let bad = work.run("train bad --key k -o a.bin");
    assert_eq!(bad.code, 1);
    assert_eq!(
        bad.stderr,
        "bad:1: skipped: the line is no JSON object: expected ident at column 2\n\
         bad:2: skipped: `@timestamp` is absent, must be a time after RFC 3339 or seconds since 1970\n\
         stepgate: no events: none of 2 lines could be read; logs of other makers go through `stepgate import`\n"
    );
    assert!(!work.path("a.bin").exists());
    let nowhere = work.run("train bad --key k -o none/a.bin");
    assert_eq!(nowhere.code, 1);
}

/// Training on the whole gives what training on its beginning and going on with the rest gives.
#[test]
fn training_goes_on_where_a_snapshot_ended() {
    let work = Workspace::new();
    let whole = history();
    let (first, rest) = whole.split_at(whole.len() / 2);
    work.write("whole.jsonl", &whole);
    work.write("first.jsonl", first);
    work.write("rest.jsonl", rest);
    work.run("train whole.jsonl --key k -o whole.bin");
    work.run("train first.jsonl --key k -o first.bin");
    let outcome = work.run("train rest.jsonl --key k --baseline first.bin -o both.bin");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(work.read("whole.bin"), work.read("both.bin"));
    let foreign = work.run("replay rest.jsonl --key other --baseline first.bin");
    assert_eq!(foreign.code, 1);
    assert_eq!(
        foreign.stderr,
        "stepgate: first.bin: the snapshot was trained with another hash key; use the same `STEPGATE_KEY` or `hash_key` for both\n"
    );
}

#[test]
fn a_replay_begins_with_what_a_snapshot_knows() {
    let work = Workspace::new();
    work.write("events.jsonl", history());
    work.write("next.jsonl", login(BEGIN + 13 * DAY, "alice", HOME));
    work.run("train events.jsonl --key k --base64 -o snapshot");
    let outcome = work.run("replay --events next.jsonl --key k --baseline snapshot");
    let line: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(line["stepgate"]["history"], 12);
}

/// Logins of twenty people, one an hour, each from another network: all that a training remembers of them for a while.
fn hours(of: std::ops::Range<u32>) -> String {
    let line = |hour: u32| {
        let network = format!("10.{}.{}.7", hour / 256 % 256, hour % 256);
        let from = HOME.replace("192.0.2.7", &network);
        login(BEGIN + hour * 3600, &format!("p{}", hour % 20), &from)
    };
    of.map(line).collect()
}

/// Linux tells what a process holds. Its stdin is a pipe: what was written was read, but for what a pipe and two batches take.
#[cfg(target_os = "linux")]
#[test]
fn memory_is_bounded_by_identities_and_not_by_events() {
    let work = Workspace::new();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_stepgate"))
        .args([
            "train",
            "-",
            "-o",
            "snapshot",
            "--learn",
            "unlabelled",
            "--threads",
            "2",
        ])
        .current_dir(work.path("."))
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut held = |hours: std::ops::Range<u32>| {
        stdin.write_all(self::hours(hours).as_bytes()).unwrap();
        let status = std::fs::read_to_string(&status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
        kibibytes.parse::<u64>().unwrap()
    };
    let before = held(0..4_000);
    let after = held(4_000..12_000);
    drop(stdin);
    let trained = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&trained.stderr).into_owned();
    assert!(
        said.contains("20 identities from 12000 of 12000 events"),
        "{said}"
    );
    // A hundred bytes for every event would be 800 KiB.
    assert!(after < before + 600, "{before} KiB, then {after} KiB");
}
