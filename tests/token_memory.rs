//! Holds the bound on memory: what one token may make the filter allocate, whoever wrote it.
//! May count allocations, which takes a global allocator and so a test of its own.
//! Must not hold a second test: the count is the process's.
#![cfg(not(target_family = "wasm"))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use stepgate::token::{Algorithm, Issuer, IssuerRules, KeySet, Origin, verify};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SIZE: usize = 8 * 1024;
/// The worst that anyone can send takes 9 times its size (members with short names); the worst that an issuer can sign, 15 (lists of
/// empty strings).
const MULTIPLE: usize = 16;

fn mint(header: &str, payload: &str, seed: u8) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = SigningKey::from_bytes(&[seed; 32]).sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn fill(unit: impl Fn(usize) -> String, open: &str, close: &str) -> String {
    let mut text = open.to_owned();
    for index in 0.. {
        let next = unit(index);
        if text.len() + next.len() + close.len() > SIZE * 3 / 4 - 200 {
            break;
        }
        text.push_str(&next);
    }
    text + close
}

#[test]
fn no_token_allocates_more_than_a_small_multiple_of_its_size() {
    let x = URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&[1; 32]).verifying_key());
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#);
    let keys = KeySet::from_jwks(jwk.as_bytes(), Origin::Remote).unwrap();
    let rules = IssuerRules {
        issuer: "i".to_owned(),
        algorithms: vec![Algorithm::EdDSA],
        groups_claim: Some("groups".to_owned()),
        ..IssuerRules::default()
    };
    let issuers = [Issuer::new(rules, keys).unwrap()];
    let open = r#"{"iss":"i","sub":"s","exp":4000000000"#;
    let payloads = [
        fill(|n| format!(",\"{n:x}\":0"), open, "}"),
        fill(|_| "[".to_owned(), &format!("{open},\"amr\":"), ""),
        fill(|_| "{\"\":".to_owned(), &format!("{open},\"amr\":"), ""),
        fill(|_| "\"\",".to_owned(), &format!("{open},\"x\":["), "0]}"),
        fill(
            |_| "{\"\":0},".to_owned(),
            &format!("{open},\"x\":["),
            "0]}",
        ),
    ];
    // These are read as values, but only when the issuer itself signed them.
    let signed_payloads = [
        fill(
            |_| "\"\",".to_owned(),
            &format!("{open},\"groups\":["),
            "\"\"]}",
        ),
        fill(
            |_| "\"\",".to_owned(),
            &format!("{open},\"amr\":["),
            "\"\"]}",
        ),
    ];
    let header = r#"{"alg":"EdDSA"}"#;
    let mut tokens: Vec<String> = payloads
        .iter()
        .flat_map(|text| [1, 2].map(|seed| mint(header, text, seed)))
        .collect();
    tokens.extend(signed_payloads.iter().map(|text| mint(header, text, 1)));
    tokens.push(mint(
        &fill(|n| format!(",\"{n:x}\":0"), r#"{"alg":"EdDSA""#, "}"),
        "{}",
        1,
    ));
    for token in tokens {
        let before = LIVE.load(Relaxed);
        PEAK.store(before, Relaxed);
        let result = verify(token.as_bytes(), &issuers, 1_893_456_000);
        let peak = PEAK.load(Relaxed) - before;
        assert!(
            peak <= MULTIPLE * SIZE,
            "{peak} bytes for a token of {}: {result:?}",
            token.len()
        );
    }
}
