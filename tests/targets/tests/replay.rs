//! The short form of fuzzing, on stable Rust: every seed and so many mutations of the seeds go through every target.
//! May use the seeds in the repository.
//! Must not take long: `make fuzz` runs the same targets for as long as one likes.
#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of tests is a test: a panic is its failure"
)]

use std::path::Path;

use stepgate_targets::mutate::{Random, mutated};
use stepgate_targets::{TARGETS, run};

/// Mutations of the seeds of one target.
const MUTATIONS: usize = 3_000;
const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds");

/// Seeds of a target, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(SEEDS).join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("no seeds in `{}`: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

/// Runs one input; where it breaks something, the input is shown so that it can be kept as a seed.
fn check(target: &str, data: &[u8]) {
    let found = std::panic::catch_unwind(|| run(target, data));
    assert!(found.is_ok(), "target `{target}`: {}", data.escape_ascii());
}

/// Runs the seeds and their mutations; some are mutations of mutations.
fn replay(target: &str) {
    let seeds = seeds(target);
    assert!(seeds.len() >= 3, "`{target}` has {} seeds", seeds.len());
    for seed in &seeds {
        assert!(seed.len() <= 8 * 1024, "`{target}`: a seed is a few KB");
        check(target, seed);
    }
    let mut random = Random::new(1);
    let mut last = Vec::new();
    for round in 0..MUTATIONS {
        let seed = &seeds[round % seeds.len()];
        let other = &seeds[random.below(seeds.len())];
        let of = if round % 4 == 3 { &last } else { seed };
        let bytes = mutated(of, other, &mut random);
        check(target, &bytes);
        last = bytes;
    }
}

macro_rules! replayed {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })*

        #[test]
        fn every_target_is_replayed() {
            let replayed = [$(stringify!($target)),*];
            assert!(TARGETS.iter().map(|(name, _)| *name).eq(replayed));
        }
    };
}

replayed!(address body client event feed headers import jwks metadata policy record snapshot token);

#[test]
fn every_target_can_be_run_for_long() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    for target in TARGETS.iter().map(|(name, _)| *name).chain(["sequence"]) {
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target}"
        );
    }
}
