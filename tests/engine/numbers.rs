//! The numbers of every case against the committed ones, bit for bit; `UPDATE=1` writes them anew.
//! May use the file system natively.
//! Must not round.

use crate::cases;

#[test]
fn the_numbers_are_the_committed_ones() {
    let found = cases::numbers::all();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/numbers.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, found).unwrap();
        return;
    }
    let differ = cases::numbers::differences(&found);
    assert!(
        differ.is_empty(),
        "if this is meant, run with UPDATE=1:\n{}",
        differ.join("\n")
    );
}
