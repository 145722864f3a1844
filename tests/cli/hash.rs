//! Hashes that lead from a person to audit lines.

use std::path::Path;

use crate::{Workspace, run_in};

fn hash(arguments: &str, key: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let variables = [("STEPGATE_KEY", key)];
    let outcome = run_in(directory, &format!("hash {arguments}"), &variables, b"");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    let digits = outcome.stdout.strip_suffix('\n').unwrap().to_owned();
    assert_eq!(digits.len(), 16, "{digits}");
    assert!(digits.bytes().all(|b| b.is_ascii_hexdigit()), "{digits}");
    digits
}

#[test]
fn an_identity_has_one_hash_however_it_is_named() {
    let whole = hash("--user https://idp.example/|alice", "k");
    let parts = hash("--issuer https://idp.example/ --subject alice", "k");
    assert_eq!(whole, parts);
    assert_ne!(whole, hash("--user https://idp.example/|alice", "another"));
    assert_ne!(whole, hash("--user https://idp.example|alice", "k"));
    // A name that is tried is something else than an identity, and is folded as the filter does.
    let tried = hash("--login alice", "k");
    assert_ne!(tried, hash("--user alice", "k"));
    assert_eq!(tried, hash("--login Alice", "k"));
}

#[test]
fn the_policy_says_which_key_and_whether_case_counts() {
    let work = Workspace::new();
    let secret = "a secret that is long enough";
    let policy = format!(r#"{{"hash_key":"{secret}","login":{{"fold_case":false}}}}"#);
    work.write("policy.json", policy);
    let of_policy = |arguments: &str| {
        let outcome = work.run(&format!("hash {arguments} --policy policy.json"));
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
        outcome.stdout.trim().to_owned()
    };
    assert_eq!(of_policy("--user a"), hash("--user a", secret));
    assert_ne!(of_policy("--login Alice"), of_policy("--login alice"));
}

#[test]
fn who_is_asked_for_is_said_once_and_whole() {
    let work = Workspace::new();
    for wrong in [
        "",
        "--subject alice",
        "--issuer https://idp",
        "--user a --login a",
    ] {
        assert_eq!(work.run(&format!("hash {wrong}")).code, 2, "{wrong}");
    }
    let public = work.run("hash --user a");
    assert_eq!(public.code, 0);
    assert!(
        public.stderr.starts_with("warning: no hash key: "),
        "{}",
        public.stderr
    );
}
