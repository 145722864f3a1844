//! The short form of hostile sequences against the built module; libFuzzer plays the long one (`make fuzz`).
//! May use the module that `make wasm` built.
//! Must not take long, nor pass by doing nothing: what was reached is counted.
#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of tests is a test: a panic is its failure"
)]

use stepgate_targets::mutate::Random;
use stepgate_targets::sequence::{Played, play};

/// Sequences; half of them are long.
const SEQUENCES: u64 = 200;

/// Plays these sequences: what they reached, and those that broke something.
fn played(seeds: std::ops::Range<u64>) -> (Played, Vec<u64>) {
    let mut all = Played::default();
    let mut broken = Vec::new();
    for seed in seeds {
        let mut random = Random::new(seed);
        let length = if seed % 2 == 0 { 400 } else { 2_000 };
        let bytes: Vec<u8> = (0..length).map(|_| random.number() as u8).collect();
        match std::panic::catch_unwind(|| play(&bytes)) {
            Ok(played) => all += played,
            Err(_) => broken.push(seed),
        }
    }
    (all, broken)
}

#[test]
fn no_sequence_stops_the_vm_or_passes_what_it_should_not() {
    let other = std::thread::spawn(|| played(0..SEQUENCES / 2));
    let (mut all, mut broken) = played(SEQUENCES / 2..SEQUENCES);
    let (more, others) = other.join().unwrap();
    all += more;
    broken.extend(others);
    assert!(broken.is_empty(), "sequences {broken:?}");
    let reached = [
        ("passed", all.passed, 1500),
        ("refused", all.refused, 500),
        ("held", all.held, 200),
        ("continued", all.continued, 200),
        ("learned", all.learned, 1000),
        ("challenged", all.challenged, 100),
        ("denied", all.denied, 25),
        ("answered", all.answered, 50),
        ("ticks", all.ticks, 300),
        ("trained", all.trained, 50),
        ("fed", all.fed, 8),
        ("damaged", all.damaged, 100),
        ("policies refused", all.policies_refused, 50),
    ];
    for (what, times, least) in reached {
        assert!(times >= least, "{what}: {times} of {least}: {all:?}");
    }
}
