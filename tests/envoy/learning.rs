//! What one worker learns all know.
//! May use connections that stay on their worker, and the statistics that tell which it is.
//! Must not rely on how the kernel spreads connections.

use stepgate_testkit::http::{Connection, Request};
use stepgate_testkit::tokens::Key;

use crate::contract::{at_home, far_away, policy, reasons, token};
use crate::gateway::Gateway;

/// A connection on each of the two workers.
pub(crate) fn one_each(gateway: &Gateway) -> [Connection; 2] {
    let count = |worker: u32| {
        let suffix = format!(".worker_{worker}.downstream_cx_total");
        let stats = gateway.envoy.stats();
        let found = stats
            .iter()
            .find(|(name, _)| name.starts_with("listener.127") && name.ends_with(&suffix));
        found
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or(0_u64)
    };
    let mut found: [Option<Connection>; 2] = [None, None];
    for _ in 0..200 {
        let before = [count(0), count(1)];
        let mut connection = Connection::open(gateway.envoy.address()).unwrap();
        // Once it has answered, it was accepted.
        connection.send(&Request::get("/")).unwrap();
        let worker = usize::from(count(0) == before[0]);
        found[worker].get_or_insert(connection);
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    found.map(|connection| {
        connection.unwrap_or_else(|| panic!("no connection on one of the workers"))
    })
}

#[test]
fn what_one_worker_learns_the_other_knows() {
    let key = Key::ed25519("k1");
    let Some(gateway) = Gateway::start(&policy(&key)) else {
        return;
    };
    let [mut one, mut other] = one_each(&gateway);
    let first = one
        .send(&at_home(&token(&key, "alice", 20).sign(&key)))
        .unwrap();
    assert_eq!(first.status, 200);
    let away = far_away(&token(&key, "alice", 10).sign(&key));
    assert_eq!(
        other.send(&away).unwrap().status,
        401,
        "the other worker knows the home"
    );
    // A stranger to both is no traveller.
    let stranger = far_away(&token(&key, "carol", 10).sign(&key));
    let stranger = other.send(&stranger).unwrap();
    assert_eq!(stranger.status, 200);
    assert!(!reasons(&stranger).contains("impossible-travel"));
}

#[test]
fn what_the_upstream_refused_is_not_learned() {
    let key = Key::ed25519("k1");
    let Some(gateway) = Gateway::start(&policy(&key)) else {
        return;
    };
    let failed = at_home(&token(&key, "alice", 20).sign(&key)).header("x-test-status", "401");
    assert_eq!(gateway.send(&failed).status, 401);
    let away = gateway.send(&far_away(&token(&key, "alice", 10).sign(&key)));
    assert_eq!(away.status, 200);
    assert_eq!(reasons(&away), "young-baseline");
}
