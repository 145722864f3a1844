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

#[test]
fn no_sequence_stops_the_vm_or_passes_what_it_should_not() {
    let mut all = Played::default();
    let mut broken = Vec::new();
    for seed in 0..SEQUENCES {
        let mut random = Random::new(seed);
        let length = if seed % 2 == 0 { 400 } else { 2_000 };
        let bytes: Vec<u8> = (0..length).map(|_| random.number() as u8).collect();
        match std::panic::catch_unwind(|| play(&bytes)) {
            Ok(played) => all += played,
            Err(_) => broken.push(seed),
        }
    }
    assert!(broken.is_empty(), "sequences {broken:?}");
    assert!(all.passed > 300 && all.refused > 300, "{all:?}");
    assert!(all.held > 0 && all.learned > 20, "{all:?}");
    assert!(all.damaged > 20 && all.policies_refused > 50, "{all:?}");
}
