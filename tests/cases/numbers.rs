//! The numbers of the cases as text: one line per case, every bit in it.
//! May use the cases and the engine.
//! Must not round, or depend on the target.

use super::engine::Engine;

/// What is committed: the same for every target.
const COMMITTED: &str = include_str!("numbers.txt");

/// For each case its name, the logit of each request in hexadecimal, and a digest of all logits and records on the way.
pub(crate) fn all() -> String {
    let mut text = String::new();
    for case in super::all(None).iter().filter(|case| !case.needs_adapter) {
        let mut engine = Engine::new(&case.policy);
        let mut digest = 0xcbf2_9ce4_8422_2325_u64;
        let mut logits = String::new();
        for (n, wire) in case.history.iter().chain(&case.requests).enumerate() {
            let said = engine.play(wire).assessment;
            let bits = said.map_or(0, |said| said.score.logit.to_bits());
            if n >= case.history.len() {
                logits.push_str(&format!("{bits:016x} "));
            }
            fold(&mut digest, &bits.to_le_bytes());
        }
        fold(&mut digest, &engine.bytes());
        text.push_str(&format!("{}\t{logits}{digest:016x}\n", case.name));
    }
    text
}

/// FNV-1a.
fn fold(digest: &mut u64, bytes: &[u8]) {
    for byte in bytes {
        *digest = (*digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
}

/// Lines that are not the committed ones.
pub(crate) fn differences(found: &str) -> Vec<String> {
    let missing = COMMITTED
        .lines()
        .filter(|line| !found.lines().any(|have| have == *line));
    let added = found
        .lines()
        .filter(|line| !COMMITTED.lines().any(|have| have == *line));
    let missing = missing.map(|line| format!("- {line}"));
    missing
        .chain(added.map(|line| format!("+ {line}")))
        .collect()
}
