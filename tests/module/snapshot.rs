//! Loading a trained baseline: in pieces, once, by one VM at a time, or not at all.
//! May use the helpers of this test, and the engine to write a snapshot.
//! Must not train: what a snapshot holds is tested with the command line.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::page::PageKind;
use stepgate::baseline::population::Population;
use stepgate::baseline::snapshot::SnapshotWriter;
use stepgate::signals::keyed::{Domain, HashKey};
use stepgate_testkit::host::Host;

use crate::{ISSUER, NOW, call, is_alive, policy, reasons, start, started, token};

/// Identities whose records, of about a hundred bytes, make several pieces.
pub(crate) const MANY: usize = 4_000;

pub(crate) fn snapshot(key: &str) -> Vec<u8> {
    let key = HashKey::from_secret(key);
    let mut writer = SnapshotWriter::default();
    for number in 0..MANY {
        let identity = format!("{ISSUER}|user{number}");
        let locator = key.locate(Domain::Identity, &[identity.as_bytes()]);
        let record = IdentityRecord {
            created: NOW as u32 - 90 * 86_400,
            updated: NOW as u32,
            history: 200,
            events: 100.0,
            ..IdentityRecord::default()
        };
        assert!(writer.record(PageKind::Identity, locator, |out| record.encode(out)));
    }
    let mut population = Vec::new();
    Population::default().encode(&mut population);
    writer.population(&population);
    writer.trained_on(200 * MANY as u64, NOW as u32);
    writer.finish(&key)
}

pub(crate) fn trained(snapshot: &[u8]) -> Value {
    policy(|policy| {
        policy["baseline"] = json!({ "memory_mib": 4, "snapshot": STANDARD.encode(snapshot) });
    })
}

/// Whether an identity of the snapshot is known.
pub(crate) fn knows(host: &mut Host, number: usize) -> bool {
    let exchange = call(host, &token(&format!("user{number}"), 0), "500");
    !reasons(&exchange).contains("young-baseline")
}

fn tick(host: &mut Host, seconds: u64) {
    host.set_time((NOW + seconds) as f64);
    host.tick().unwrap();
}

#[test]
fn a_snapshot_is_loaded_in_pieces_and_once() {
    let policy = trained(&snapshot("a key for tests only"));
    let mut one = started(&policy);
    let mut two = one.sibling();
    start(&mut two, &policy);
    assert!(!knows(&mut one, 1));
    tick(&mut one, 1);
    let first = one.metric("stepgate_snapshot_records_total");
    assert!(first > 0 && first < MANY as u64, "{first}");
    let mut ticks = 1;
    while one.logged("snapshot loaded").is_empty() && two.logged("snapshot loaded").is_empty() {
        ticks += 1;
        assert!(ticks < 100, "never loaded");
        tick(if ticks % 2 == 0 { &mut two } else { &mut one }, ticks);
    }
    let all = one.metric("stepgate_snapshot_records_total");
    assert_eq!(all, MANY as u64);
    for number in [0, 1, MANY / 2, MANY - 1] {
        assert!(
            knows(&mut one, number) && knows(&mut two, number),
            "{number}"
        );
    }
    // Nobody loads it again: not this VM, not another, not after an update.
    start(&mut one, &policy);
    let mut three = one.sibling();
    start(&mut three, &policy);
    for host in [&mut one, &mut two, &mut three] {
        tick(host, 200);
        tick(host, 201);
    }
    assert_eq!(one.metric("stepgate_snapshot_records_total"), all);
}

#[test]
fn what_is_not_sound_as_a_whole_is_not_used() {
    let good = snapshot("a key for tests only");
    let mut flipped = good.clone();
    flipped[5_000] ^= 1;
    let foreign = snapshot("another key for tests");
    for (bad, why) in [
        (STANDARD.encode(&flipped), "its digest does not hold"),
        (
            STANDARD.encode(&good[..good.len() - 1]),
            "its digest does not hold",
        ),
        (STANDARD.encode(&foreign), "trained with another hash key"),
        (STANDARD.encode("something else"), "no snapshot"),
        ("not base64!".to_owned(), "is not base64"),
    ] {
        let policy = policy(|policy| {
            policy["baseline"] = json!({ "memory_mib": 4, "snapshot": bad });
        });
        // It costs the baseline, not the protection.
        let mut host = started(&policy);
        assert_eq!(
            host.logged("snapshot refused: baseline.snapshot: ").len(),
            1
        );
        assert_eq!(host.logged(why).len(), 1, "{why}: {:?}", host.state().logs);
        assert_eq!(host.metric("stepgate_snapshot_refused_total"), 1);
        tick(&mut host, 1);
        assert_eq!(host.metric("stepgate_snapshot_records_total"), 0);
        assert!(!knows(&mut host, 1));
        host.set_time(NOW as f64);
        is_alive(&mut host);
    }
}

#[test]
fn live_and_trained_knowledge_add_up() {
    let policy = trained(&snapshot("a key for tests only"));
    let mut host = started(&policy);
    call(&mut host, &token("user7", 0), "200");
    assert_eq!(host.metric("stepgate_learned_total"), 1);
    for second in 1..100 {
        tick(&mut host, second);
    }
    assert!(knows(&mut host, 7));
    // The event that was learned before is not learned again.
    call(&mut host, &token("user7", 0), "200");
    assert_eq!(host.metric("stepgate_learned_total"), 1);
}
