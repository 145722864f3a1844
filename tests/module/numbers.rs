//! Numbers in headers: what JSON takes for one, and nothing else.
//! May use the helpers of this test.
//! Must not judge what a number is worth.

use serde_json::json;

use crate::{bearer, get, policy, reasons, started, token};

#[test]
fn a_score_is_a_number_as_json_writes_it() {
    let mut host = started(&policy(|policy| {
        policy["signals"] = json!({ "risk": { "header": "x-risk" } });
    }));
    let alice = bearer(&token("alice", 0));
    let mut counts = |score: &str| {
        let headers = [
            ("authorization", alice.as_bytes()),
            ("x-risk", score.as_bytes()),
        ];
        reasons(&get(&mut host, &headers)).contains("external-risk")
    };
    for score in ["90", "90.5", "9e1", " 90 "] {
        assert!(counts(score), "{score}");
    }
    for other in [
        "", "inf", "nan", "+90", ".9e2", "90.", "0x5a", "90 91", "1e999", "[90]", "\"90\"",
    ] {
        assert!(!counts(other), "{other}");
    }
}
