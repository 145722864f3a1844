//! How deep the stack of a VM is used: one that overflows would end the VM.
//! May use the helpers of this test.
//! Must not guess: what was written to is seen afterwards.

use serde_json::{Value, json};
use stepgate_testkit::host::Host;
use stepgate_testkit::tokens::{self, Key, Token};

use crate::{BROWSER, ISSUER, MODULE, NOW, bearer, get, policy, start, started, status};

/// As the Makefile says.
const STACK: usize = 256 << 10;
/// What may be used of it.
const DEEPEST: usize = STACK / 2;
/// What stays where nothing was written.
const UNTOUCHED: u8 = 0xa5;
/// Arrays in arrays: one less than the deepest JSON that is read.
const NESTED: usize = 126;

fn nested(innermost: Value) -> Value {
    (0..NESTED).fold(innermost, |inside, _| json!([inside]))
}

/// Makes all of the stack look untouched; nothing is on it between two calls.
fn paint(host: &mut Host) {
    host.memory_mut()[..STACK].fill(UNTOUCHED);
}

/// The bytes used since then.
fn depth(host: &mut Host) -> usize {
    let stack = &host.memory_mut()[..STACK];
    let untouched = stack.iter().take_while(|byte| **byte == UNTOUCHED);
    STACK - untouched.count()
}

/// What each key needs to be checked in the VM, as it is where the host checks nothing.
fn signed_with(key: &Key, algorithm: &str) -> usize {
    let mut host = started(&policy(|policy| {
        policy["credentials"]["issuers"][0]["algorithms"] = json!([algorithm]);
        policy["credentials"]["issuers"][0]["keys"] = tokens::jwks(&[key]);
    }));
    paint(&mut host);
    let token = Token::new(tokens::claims(ISSUER, "alice", NOW)).sign(key);
    let seen = get(&mut host, &[("authorization", bearer(&token).as_bytes())]);
    assert_eq!(status(&seen), 200, "{algorithm}");
    depth(&mut host)
}

#[test]
fn the_stack_begins_where_the_makefile_says() {
    let makefile = include_str!("../../Makefile");
    assert!(makefile.contains(&format!("\nSTACK := {STACK}\n")));
    let mut host = started(&policy(|_| ()));
    paint(&mut host);
    assert_eq!(depth(&mut host), 0);
    let _used = get(&mut host, &[]);
    assert!(depth(&mut host) > 0);
}

#[test]
fn half_of_the_stack_is_enough_for_any_signature() {
    for (key, algorithm) in [
        (Key::rsa("one"), "RS256"),
        (Key::p256("one"), "ES256"),
        (Key::p384("one"), "ES384"),
        (Key::ed25519("one"), "EdDSA"),
    ] {
        let used = signed_with(&key, algorithm);
        assert!(used <= DEEPEST, "{algorithm}: {used} bytes");
    }
}

#[test]
fn half_of_the_stack_is_enough_for_the_deepest_json() {
    let key = Key::ed25519("one");
    let mut host = started(&policy(|policy| {
        policy["credentials"]["issuers"][0]["keys"] = tokens::jwks(&[&key]);
    }));
    paint(&mut host);
    let mut claims = tokens::claims(ISSUER, "alice", NOW);
    for name in ["deep", "aud", "acr", "cnf", "amr", "roles"] {
        claims[name] = nested(json!("deep"));
    }
    let token = Token::new(claims).sign(&key);
    let _decided = get(&mut host, &[("authorization", bearer(&token).as_bytes())]);
    let used = depth(&mut host);
    assert!(used <= DEEPEST, "a token: {used} bytes");

    let mut bad = policy(|_| ());
    bad["credentials"]["issuers"][0]["keys"] = nested(json!("deep"));
    paint(&mut host);
    let _refused = host.start(&bad.to_string()).unwrap();
    let used = depth(&mut host);
    assert!(used <= DEEPEST, "a policy: {used} bytes");
}

/// Many sections, each with what it can have.
#[test]
fn half_of_the_stack_is_enough_for_a_large_policy() {
    let mut host = Host::new(&MODULE).unwrap();
    start(&mut host, &policy(|_| ()));
    let large = policy(|policy| {
        let tier = |n: usize| json!({ "name": format!("tier-{n}"), "paths": [format!("/area-{n}/*")], "methods": ["GET", "POST"] });
        policy["tiers"] = (0..200).map(tier).collect();
        let blocks = |n: usize| format!("10.{}.{}.0/24", n / 250, n % 250);
        policy["networks"] = json!([{
            "networks": (0..5_000).map(blocks).collect::<Vec<_>>(),
            "expires": "2027-01-01T00:00:00Z", "owner": "security", "reason": "seen attacking",
        }]);
        let pin = |n: usize| json!({ "name": format!("pin-{n}"), "identities": [format!("robot-{n}")], "networks": ["192.0.2.0/24"] });
        policy["pins"] = (0..200).map(pin).collect();
    });
    paint(&mut host);
    start(&mut host, &large);
    let browser = ("user-agent", BROWSER.as_bytes());
    assert_eq!(status(&get(&mut host, &[browser])), 200);
    let used = depth(&mut host);
    assert!(used <= DEEPEST, "{used} bytes");
}
