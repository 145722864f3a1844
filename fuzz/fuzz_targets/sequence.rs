//! libFuzzer's entry into hostile request sequences against the built module.
//! May use the target.
//! Must not do anything of its own.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _reached = stepgate_targets::sequence::play(data);
});
