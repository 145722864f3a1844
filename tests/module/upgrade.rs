//! Modules of different versions on the same shared data: one takes over, one comes back.
//! May use the helpers of this test; the place of the version in a page, and of the check that goes with it.
//! Must not know more of a page than that.

use stepgate::baseline::page::VERSION;
use stepgate::signals::keyed::{Domain, HashKey};
use stepgate_testkit::host::Host;

use crate::snapshot::{knows, snapshot, trained};
use crate::{HOME, MODULE, NOW, call, policy, reasons, start, started, status, token};

/// Where the version stands in a page.
const AT: usize = 2;
/// Where the check of the hash key stands, which is one of the kind and the version as well.
const CHECK: std::ops::Range<usize> = 4..8;
const KINDS: [&str; 4] = ["i", "r", "s", "a"];

/// The pages of shared data, each with its version set to this one.
fn mark(host: &Host, version: u8) -> Vec<Vec<u8>> {
    let key = HashKey::from_secret("a key for tests only");
    let mut marked = Vec::new();
    for (name, (value, _)) in &mut host.state().process.borrow_mut().data.entries {
        let rest = name.strip_prefix(b"stepgate/stepgate/".as_slice());
        let kind = rest.and_then(|rest| std::str::from_utf8(rest.get(..1)?).ok());
        if value.len() == 4096 && kind.is_some_and(|kind| KINDS.contains(&kind)) {
            value[AT] = version;
            let check = key.hash32(Domain::Checksum, &[value[AT + 1], version]);
            value[CHECK].copy_from_slice(&check.to_le_bytes());
            marked.push(value.clone());
        }
    }
    assert!(marked.len() > 100, "{}", marked.len());
    marked
}

/// The pages as they are.
fn pages(host: &Host) -> Vec<Vec<u8>> {
    let process = host.state().process.borrow();
    let values = process.data.entries.values();
    values
        .filter(|(value, _)| value.len() == 4096)
        .map(|(value, _)| value.clone())
        .collect()
}

fn successor(of: &Host) -> Host {
    let mut host = of.successor(&MODULE).unwrap();
    host.set_property(&["source", "address"], HOME);
    start(&mut host, &policy(|_| {}));
    host
}

#[test]
fn pages_of_the_version_before_read_as_empty_and_are_written_anew() {
    let mut before = started(&policy(|_| {}));
    for later in 0..12 {
        call(&mut before, &token("alice", later), "200");
    }
    mark(&before, VERSION - 1);
    let mut after = successor(&before);
    let learned = after.metric("stepgate_learned_total");
    let exchange = call(&mut after, &token("alice", 0), "200");
    assert_eq!(status(&exchange), 200);
    assert!(reasons(&exchange).contains("young-baseline"));
    assert_eq!(after.metric("stepgate_learned_total"), learned + 1);
    assert!(pages(&after).iter().any(|page| page[AT] == VERSION));
    // Learned in the new version, it is known to it.
    call(&mut after, &token("alice", 0), "200");
    assert_eq!(after.metric("stepgate_learned_total"), learned + 1);
    assert_eq!(after.metric("stepgate_learning_skipped_total"), 0);
    // Every page is of the version before after an upgrade: that is no damage.
    assert_eq!(after.metric("stepgate_bad_pages_total"), 0);
}

#[test]
fn a_newer_version_that_comes_back_finds_what_it_left() {
    let mut newer = started(&policy(|_| {}));
    for later in 0..12 {
        call(&mut newer, &token("alice", later), "200");
    }
    let learned = newer.metric("stepgate_learned_total");
    // To the module that follows these pages are of a version it does not know.
    let left = mark(&newer, VERSION + 1);
    let mut older = successor(&newer);
    for later in 0..3 {
        let exchange = call(&mut older, &token("alice", later), "200");
        assert_eq!(status(&exchange), 200);
        assert!(reasons(&exchange).contains("young-baseline"));
    }
    assert_eq!(older.metric("stepgate_learned_total"), learned);
    assert_eq!(older.metric("stepgate_learning_skipped_total"), 3);
    assert_eq!(pages(&older), left, "an older module wrote a page");
    mark(&older, VERSION);
    let mut back = successor(&older);
    let exchange = call(&mut back, &token("alice", 11), "200");
    assert!(!reasons(&exchange).contains("young-baseline"));
    assert_eq!(back.metric("stepgate_learned_total"), learned, "known");
}

#[test]
fn every_version_has_a_population_of_its_own() {
    let mut host = started(&policy(|_| {}));
    call(&mut host, &token("alice", 0), "200");
    host.set_time((NOW + 20) as f64);
    host.tick().unwrap();
    let name = format!("stepgate/stepgate/population{VERSION}");
    let process = host.state().process.borrow();
    assert!(
        process
            .data
            .get(&name)
            .is_some_and(|(value, _)| value.len() > 1000)
    );
    assert!(process.data.get("stepgate/stepgate/population").is_none());
}

#[test]
fn a_module_with_other_pages_loads_the_snapshot_into_them() {
    let policy = trained(&snapshot("a key for tests only"));
    let mut before = started(&policy);
    let load = |host: &mut Host, from: u64| {
        for second in from..from + 60 {
            host.set_time((NOW + second) as f64);
            host.tick().unwrap();
        }
        knows(host, 7)
    };
    assert!(load(&mut before, 0));
    // What a module of the version before has left: its pages, and that it had loaded the snapshot into them.
    mark(&before, VERSION - 1);
    {
        let mut process = before.state().process.borrow_mut();
        let entries = std::mem::take(&mut process.data.entries);
        let (ours, theirs) = (format!(".{VERSION}"), format!(".{}", VERSION - 1));
        let renamed =
            entries
                .into_iter()
                .map(|(name, value)| match name.strip_suffix(ours.as_bytes()) {
                    Some(stem) => ([stem, theirs.as_bytes()].concat(), value),
                    None => (name, value),
                });
        process.data.entries = renamed.collect();
    }
    let mut after = before.successor(&MODULE).unwrap();
    after.set_property(&["source", "address"], HOME);
    start(&mut after, &policy);
    assert!(!knows(&mut after, 7));
    assert!(load(&mut after, 100));
}
