//! The engine in wasm32, in Node: the numbers of every case are those of the native engine, bit for bit.
//! May use the cases and wasm-bindgen-test.
//! Must not run natively: there `engine.rs` looks at the same numbers.
#![cfg(all(target_arch = "wasm32", target_os = "unknown"))]

mod cases;

use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
fn the_numbers_in_wasm_are_the_native_ones() {
    let found = cases::numbers::all();
    assert!(found.lines().count() >= 25);
    let differ = cases::numbers::differences(&found);
    assert!(differ.is_empty(), "\n{}", differ.join("\n"));
}
