//! Holds the review of how secrets are compared: every file that makes a MAC or a digest, and what it compares it with.
//! May read the sources.
//! Must not measure: on a shared machine a time shows nothing. What is not listed here fails and is to be looked at.

use std::collections::BTreeMap;
use std::path::Path;

/// What makes a value that must not be compared byte by byte.
const MAKES: [&str; 4] = ["Hmac<", "Sha256::digest", ".finalize()", "digest_api_key("];

/// Each such file, and the one way in which it compares.
const REVIEWED: [(&str, &str); 7] = [
    ("src/policy/exceptions.rs", ".ct_eq("),
    ("src/receipt.rs", ".verify_slice("),
    // Signs only: whoever verifies is behind the proxy.
    ("src/signature.rs", ""),
    ("src/token/api_key.rs", ".ct_eq("),
    // Compares a thumbprint that `dpop` has made.
    ("src/token/confirmation.rs", ".ct_eq("),
    ("src/token/dpop.rs", ".ct_eq("),
    ("src/token/software.rs", ".verify_slice("),
];

fn sources(of: &Path, into: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(of).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
            continue;
        }
        let name = path
            .strip_prefix(env!("CARGO_MANIFEST_DIR"))
            .unwrap()
            .to_str()
            .unwrap();
        if name.ends_with(".rs") && !name.ends_with("_tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            into.insert(name.to_owned(), code);
        }
    }
}

#[test]
fn secrets_are_compared_in_constant_time_and_nowhere_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = BTreeMap::new();
    for room in ["src", "envoy/src"] {
        sources(&root.join(room), &mut code);
    }
    assert!(code.len() > 150, "{}", code.len());
    let reviewed: BTreeMap<_, _> = REVIEWED.into_iter().collect();
    for (name, text) in &code {
        let makes = MAKES.iter().any(|what| text.contains(what));
        let compares = [".ct_eq(", ".verify_slice("]
            .iter()
            .any(|how| text.contains(how));
        let Some(how) = reviewed.get(name.as_str()) else {
            assert!(
                !makes && !compares,
                "{name} makes or compares a digest and was not reviewed"
            );
            continue;
        };
        assert!(text.contains(how), "{name} no longer compares with `{how}`");
        // Nothing that is equal byte by byte: of numbers and lengths only.
        for line in text
            .lines()
            .filter(|line| line.contains("==") || line.contains("!="))
        {
            let secret = ["digest", "mac", "tag", "presented", "claimed", "hash"];
            let words: Vec<_> = line
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .collect();
            let named = secret.iter().find(|word| words.contains(word));
            assert_eq!(named, None, "{name}: `{}`", line.trim());
        }
    }
    for (name, _) in REVIEWED {
        assert!(code.contains_key(name), "{name} is gone");
    }
}
