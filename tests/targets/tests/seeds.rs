//! Seeds that are records must be of this version, or their targets would stop at the first byte.
//! May use the engine, and with `UPDATE=1` the command line, which trains them anew from the history in `examples/`.
//! Must not judge what a record says.
#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of tests is a test: a panic is its failure"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::PageKind;
use stepgate::baseline::population::Population;
use stepgate::baseline::profile::Profile;
use stepgate::baseline::snapshot::Snapshot;
use stepgate::feed::Document;
use stepgate::policy::Policy;
use stepgate::signals::keyed::HashKey;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// Lines of the history that make a snapshot of a few KB.
const LINES: usize = 60;

fn place(name: &str) -> PathBuf {
    Path::new(ROOT).join("fuzz/seeds").join(name)
}

/// A seed without the byte that selects what it is taken for.
fn seed(name: &str) -> Vec<u8> {
    let bytes = std::fs::read(place(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    bytes[1..].to_vec()
}

fn trained() -> Vec<u8> {
    let history = std::fs::read_to_string(Path::new(ROOT).join("examples/history.jsonl")).unwrap();
    let lines: String = history.split_inclusive('\n').take(LINES).collect();
    let mut train = Command::new(env!("CARGO"))
        .args([
            "run", "--quiet", "--bin", "stepgate", "--", "train", "-", "-o", "-",
        ])
        .current_dir(ROOT)
        .env_remove("STEPGATE_KEY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    train
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let output = train.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn update() {
    let write = |name: &str, mode: u8, parts: &[&[u8]]| {
        std::fs::write(place(name), [&[mode], &parts.concat()[..]].concat()).unwrap();
    };
    let bytes = trained();
    write("snapshot/trained", 0, &[&bytes]);
    write("snapshot/body", 1, &[&bytes[..bytes.len() - 16]]);
    let snapshot = Snapshot::read(&bytes[..], &HashKey::PUBLIC).unwrap();
    write("record/population", 6, &[snapshot.population()]);
    let of = |kind| snapshot.records().filter(move |record| record.kind == kind);
    for (number, record) in of(PageKind::Identity).enumerate() {
        write(&format!("record/identity-{number}"), 9, &[record.bytes]);
        write(&format!("record/decided-{number}"), 7, &[record.bytes]);
    }
    for (number, record) in of(PageKind::Routes).enumerate() {
        write(&format!("record/profile-{number}"), 5, &[record.bytes]);
    }
    let mut two = of(PageKind::Identity);
    let (one, other) = (two.next().unwrap().bytes, two.next().unwrap().bytes);
    let length = (one.len() as u16).to_le_bytes();
    write("record/merged", 9, &[&length, one, other]);
}

#[test]
fn seeds_are_of_this_version() {
    if std::env::var_os("UPDATE").is_some() {
        update();
    }
    let hint = "a seed of another version: run this test with UPDATE=1";
    let key = HashKey::PUBLIC;
    assert!(
        Snapshot::read(&seed("snapshot/trained")[..], &key).is_ok(),
        "{hint}"
    );
    assert!(
        Population::decode(&seed("record/population")).is_some(),
        "{hint}"
    );
    for name in ["record/identity-0", "record/decided-0", "record/identity-1"] {
        assert!(
            IdentityRecord::decode(&seed(name)).is_some(),
            "{name}: {hint}"
        );
    }
    assert!(
        Profile::decode(&seed("record/profile-0")).is_some(),
        "{hint}"
    );
    let feed = std::fs::read(place("feed/all")).unwrap();
    Document::read(&feed, &key, 1_893_456_000).unwrap();
    for name in ["policy/everything", "policy/enforce", "policy/feeds"] {
        let text = String::from_utf8(seed(name)).unwrap();
        Policy::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
