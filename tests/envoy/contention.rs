//! Two workers that learn the same identity at the same time.
//! May use one connection to each, and the audit line that says how much is known.
//! Must not rely on who is faster.

use std::sync::Barrier;

use serde_json::{Value, json};
use stepgate_testkit::envoy::until;
use stepgate_testkit::http::Request;
use stepgate_testkit::tokens::Key;

use crate::contract::{at_home, policy, token};
use crate::gateway::Gateway;
use crate::learning::one_each;

/// Logins on each worker.
const LOGINS: u64 = 1000;

#[test]
fn two_workers_that_learn_one_identity_lose_no_lesson() {
    let key = Key::ed25519("k1");
    let Some(gateway) = Gateway::start(&policy(&key)) else {
        return;
    };
    // Each with a token id of its own, and no time at which one could be older than another.
    let login = |n: u64| {
        let login = token(&key, "alice", 0).without("auth_time");
        at_home(&login.claim("jti", format!("login-{n}")).sign(&key))
    };
    let begin = Barrier::new(2);
    std::thread::scope(|scope| {
        for (worker, mut connection) in (0..).zip(one_each(&gateway)) {
            let requests: Vec<_> = (0..LOGINS).map(|n| login(worker * LOGINS + n)).collect();
            let begin = &begin;
            scope.spawn(move || {
                begin.wait();
                // Many at a time, so that neither worker waits for its client.
                for some in requests.chunks(50) {
                    let bytes: Vec<u8> = some.iter().flat_map(Request::bytes).collect();
                    connection.write(&bytes).unwrap();
                    for _ in some {
                        let answer = connection.read(false).unwrap();
                        assert_eq!(answer.status, 200, "{}", answer.text());
                    }
                }
            });
        }
    });
    let stat = |name: &str| gateway.envoy.stat(&format!("wasmcustom.stepgate_{name}"));
    let (learned, skipped) = (stat("learned_total"), stat("learning_skipped_total"));
    assert_eq!(
        learned + skipped,
        2 * LOGINS,
        "every login is one or the other"
    );
    // A lesson is given up after three conflicts in a row, which two workers hardly ever make of each other.
    assert!(skipped * 50 <= learned, "{skipped} of {learned} given up");
    // What was counted as learned is in the record, whoever wrote it.
    let last = gateway.send(&login(2 * LOGINS));
    let id = last.echoed().text("x-stepgate-id").unwrap();
    let known = until("the audit line", || {
        let logs = gateway.envoy.logs();
        let line = logs
            .lines()
            .find(|line| line.contains(&id) && line.contains("@timestamp"))?;
        let json = line.get(line.find('{')?..=line.rfind('}')?)?;
        serde_json::from_str::<Value>(json).ok()
    });
    println!(
        "{learned} learned, {skipped} skipped, {} conflicts",
        stat("cas_retries_total")
    );
    assert_eq!(known["stepgate.history"], json!(learned));
}
