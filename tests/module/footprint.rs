//! What the module takes: bytes on disk, and memory of a VM, which never gives any back.
//! May use the helpers of this test; claims that the proxy has verified, since signatures cost an interpreter too much.
//! Must not count shared data, which all VMs have together and `baseline.memory_mib` bounds.

use serde_json::{Map, Value, json};

use crate::{MODULE, NOW, get, policy, started, status};

/// README tells what it is made of. Whoever needs more says there what for.
const LARGEST_MODULE: usize = 1_090_000;
/// The memory of a VM that has started: its stack is a quarter of it, the constants of the module an eighth.
const LARGEST_AT_START: usize = 1 << 20;
/// The same under load: with the tokens it remembers, its copy of the population, and what it teaches all others in bytes.
const LARGEST_VM: usize = 7 << 19;

/// The memory of a VM after half of so many identities and after all of them came once each, with a token, a network and a
/// client of their own.
fn after(identities: usize) -> [usize; 2] {
    let mut host = started(&policy(|policy| policy["credentials"] = json!({})));
    let mut halfway = 0;
    for n in 0..identities {
        let at = NOW + n as u64 / 50;
        host.set_time(at as f64);
        let (a, b, c) = (20 + n / 62_500, n / 250 % 250, n % 250);
        host.set_property(&["source", "address"], format!("{a}.{b}.{c}.9:1"));
        let claims: Map<String, Value> = [
            ("iss", json!("https://issuer.test")),
            ("sub", json!(format!("identity-{n}"))),
            ("sid", json!(format!("session-{n}"))),
            ("jti", json!(format!("token-{n}"))),
            ("auth_time", json!(at)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        host.set_property(&["metadata"], crate::played::metadata(&claims));
        let agent = format!("client-{n}/1.0");
        let exchange = get(&mut host, &[("user-agent", agent.as_bytes())]);
        assert_eq!(status(&exchange), 200);
        host.response(&[(":status", "200")]).unwrap();
        host.finish().unwrap();
        // The host keeps every stream and line it ever saw.
        host.state_mut().streams.clear();
        host.state_mut().logs.clear();
        if n % 500 == 499 {
            host.tick().unwrap();
        }
        if n == identities / 2 {
            halfway = host.memory();
        }
    }
    assert!(host.dead().is_none());
    [halfway, host.memory()]
}

#[test]
fn the_module_is_no_larger_than_said() {
    let bytes = MODULE.len();
    assert!(bytes <= LARGEST_MODULE, "{bytes} bytes");
}

#[test]
fn a_vm_that_has_started_takes_less_than_a_mib() {
    let [_, bytes] = after(0);
    assert!(bytes <= LARGEST_AT_START, "{bytes} bytes");
}

/// More identities than any table of a VM holds, so that whatever grows with them would show.
#[test]
fn a_vm_keeps_its_bound_however_many_come() {
    let [some, many] = after(6_000);
    assert!(many <= LARGEST_VM, "{some} bytes became {many}");
}
