//! libFuzzer's entry into the target `import`.
//! May use the target.
//! Must not do anything of its own.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stepgate_targets::run("import", data));
