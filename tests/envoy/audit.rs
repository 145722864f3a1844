//! The audit trail: the line in Envoy's log, and the fields of an access log through filter state.
//! May use one gateway a test.
//! Must not depend on which worker took a request.

use serde_json::{Value, json};
use stepgate_testkit::envoy::{TempDir, until};
use stepgate_testkit::http::Request;
use stepgate_testkit::tokens::Key;

use crate::contract::{ISSUER, at_home, far_away, policy, token};
use crate::gateway::{Gateway, listener, module, stepgate};

/// The JSON lines of a log.
fn lines(log: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line.get(line.find('{')?..)?).ok();
    log.lines().filter_map(parse).collect()
}

#[test]
fn the_access_log_of_the_example_tells_the_decision_and_finds_the_audit_line() {
    if module().is_none() {
        return;
    }
    let key = Key::ed25519("k1");
    let filter = stepgate("stepgate", &policy(&key).to_string());
    let mut listener = listener("main", vec![filter]);
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/envoy/envoy.yaml"));
    let example: Value = serde_norway::from_str(&text.unwrap()).unwrap();
    let manager = "/filter_chains/0/filters/0/typed_config/access_log";
    let log = example["static_resources"]["listeners"][0].pointer(manager);
    *listener.pointer_mut(manager).unwrap() = log.unwrap().clone();
    let gateway = Gateway::of(&[listener], &[]);
    let home = at_home(&token(&key, "alice", 20).sign(&key));
    assert_eq!(gateway.send(&home).status, 200);
    let refused = gateway.send(&far_away(&token(&key, "alice", 10).sign(&key)));
    let id = refused.header("x-stepgate-id").unwrap();
    let (access, audit) = until("both lines", || {
        let lines = lines(&gateway.envoy.logs());
        let access = lines.iter().find(|line| line["stepgate.id"] == id)?;
        let audit = lines.iter().find(|line| line["event.id"] == id)?;
        Some((access.clone(), audit.clone()))
    });
    assert_eq!(access["stepgate.decision"], "step-up");
    assert_eq!(access["stepgate.would"], "step-up");
    assert_eq!(access["http.response.status_code"], 401);
    assert_eq!(access["envoy.details"], "stepgate_step_up");
    assert_eq!(access["url.path"], "/orders");
    assert!(access["@timestamp"].is_string());
    assert_eq!(audit["stepgate.decision"], access["stepgate.decision"]);
    assert_eq!(audit["http.request.method"], access["http.request.method"]);
}

/// Runs the command line on files of a directory.
fn stepgate_says(dir: &TempDir, arguments: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_stepgate"))
        .args(arguments)
        .current_dir(dir.path())
        .env_remove("STEPGATE_KEY")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_id_of_a_reply_and_the_name_of_a_person_lead_to_the_reasons() {
    let key = Key::ed25519("k1");
    let policy = policy(&key);
    let Some(gateway) = Gateway::start(&policy) else {
        return;
    };
    let home = at_home(&token(&key, "alice", 20).sign(&key));
    assert_eq!(gateway.send(&home).status, 200);
    let refused = gateway.send(&far_away(&token(&key, "alice", 10).sign(&key)));
    let id = refused.header("x-stepgate-id").unwrap().to_owned();
    until("the audit line", || {
        lines(&gateway.envoy.logs())
            .into_iter()
            .find(|line| line["event.id"] == id)
    });
    let dir = TempDir::new();
    dir.write("envoy.log", gateway.envoy.logs());
    dir.write("policy.json", policy.to_string());
    let of_policy = ["--policy", "policy.json"];

    // What the metric says is in what `check` prints.
    let checked = stepgate_says(&dir, &["check", "policy.json"]);
    let digest = checked.trim().rsplit(' ').next().unwrap();
    let low = u32::from_str_radix(digest.get(8..).unwrap(), 16).unwrap();
    let scraped = gateway.envoy.prometheus();
    let metric = format!("stepgate_configuration_digest{{}} {low}\n");
    assert!(scraped.contains(&metric), "{metric}\n{scraped}");

    let told = ["explain", "--decision", &id, "envoy.log"];
    let told = stepgate_says(&dir, &[&told[..], &of_policy].concat());
    for line in [
        &*format!("decision {id}\n"),
        "  decision: step-up (enforce)\n",
        "    impossible-travel +",
        "  what would change it:\n    without impossible-travel: allow\n",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }

    let hash = ["hash", "--issuer", ISSUER, "--subject", "alice"];
    let hash = stepgate_says(&dir, &[&hash[..], &of_policy].concat());
    assert!(
        told.contains(&format!("  who: user.hash {}, human", hash.trim())),
        "{told}"
    );
    let user = format!("{ISSUER}|alice");
    let by_name = ["explain", "--user", &user, "--json", "envoy.log"];
    let by_hash = ["explain", "--hash", hash.trim(), "--json", "envoy.log"];
    for arguments in [by_name, by_hash] {
        let told = stepgate_says(&dir, &[&arguments[..], &of_policy].concat());
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["audit"]["last"]["event.id"], id, "{told}");
    }
}

#[test]
fn repetitions_are_held_back_and_counted_to_the_last_one() {
    let key = Key::ed25519("k1");
    let mut policy = policy(&key);
    policy["audit"] = json!({ "repeat_seconds": 2 });
    let Some(gateway) = Gateway::start(&policy) else {
        return;
    };
    const SENT: u64 = 40;
    let garbage = Request::get("/").bearer("nothing.that.holds");
    for _ in 0..SENT {
        assert_eq!(gateway.send(&garbage).status, 401);
    }
    let (written, held) = until("every request in a line or a count", || {
        let lines = lines(&gateway.envoy.logs());
        let written = lines
            .iter()
            .filter(|line| line["stepgate.reasons"].is_object())
            .count() as u64;
        let counts = lines
            .iter()
            .filter_map(|line| line["stepgate.suppressed"].as_u64());
        let held: u64 = counts.sum();
        (written + held == SENT).then_some((written, held))
    });
    assert!(
        held > 0 && written < SENT,
        "{written} written, {held} held back"
    );
    assert_eq!(
        gateway.envoy.stat("wasmcustom.stepgate_audit_lines_total"),
        written
    );
    assert_eq!(
        gateway
            .envoy
            .stat("wasmcustom.stepgate_audit_suppressed_total"),
        held
    );
    // The count is found by the id of the line that was written.
    let all = lines(&gateway.envoy.logs());
    for summary in all
        .iter()
        .filter(|line| line["stepgate.suppressed"].is_u64())
    {
        let of = all.iter().find(|line| {
            line["event.id"] == summary["event.id"] && line["stepgate.reasons"].is_object()
        });
        assert!(of.is_some(), "{summary}");
    }
}

#[test]
fn a_sample_of_the_allows_has_lines_too() {
    let key = Key::ed25519("k1");
    for (permille, lines_of_repeats) in [(0, 0), (1000, 3)] {
        let mut policy = policy(&key);
        policy["audit"] = json!({ "sample_permille": permille });
        let Some(gateway) = Gateway::start(&policy) else {
            return;
        };
        let request = at_home(&token(&key, "alice", 20).sign(&key));
        for _ in 0..4 {
            assert_eq!(gateway.send(&request).status, 200);
        }
        // A refusal comes last, so that all lines before it are there with it.
        let last = gateway.send(&far_away(&token(&key, "alice", 10).sign(&key)));
        gateway
            .envoy
            .wait_for_log(&last.header("x-stepgate-id").unwrap());
        let count = until("the line of the first login", || {
            let lines = lines(&gateway.envoy.logs());
            let allowed = lines.iter().filter(|l| l["stepgate.reasons"].is_object());
            let allowed: Vec<_> = allowed.filter(|l| l["stepgate.would"] == "allow").collect();
            let sampled = allowed
                .iter()
                .filter(|l| l["stepgate.sample_permille"] == permille);
            let sampled = sampled.count();
            (allowed.len() == sampled + 1).then_some(sampled)
        });
        assert_eq!(count, lines_of_repeats);
    }
}
