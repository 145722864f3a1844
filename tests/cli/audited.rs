//! What the filter wrote, explained: one decision by its id, and the decisions about one identity.
//! May use: audit lines as the filter writes them, in the logs that hold them.
//! Must not: depend on what was learned.

use serde_json::Value;

use crate::{BEGIN, Workspace};

/// A line as the filter writes it, behind the words of Envoy's log.
fn audited(time: u32, id: &str, hash: &str, would: &str, policy: &str, reasons: &str) -> String {
    format!(
        r#"[2026-01-05 08:00:00.000][7][info][wasm] [ctx.cc:1] wasm log stepgate: {{"@timestamp":{time},"event.kind":"event","event.category":"authentication","event.id":"{id}","user.hash":"{hash}","identity.kind":"human","identity.group":"human:web","oauth.client_id":"web","source.ip":"203.0.113.0","source.as.number":64999,"source.geo.country_iso_code":"BR","user_agent.name":"curl","http.request.method":"GET","url.domain":"api.example","url.path":"/orders","stepgate.decision":"{would}","stepgate.would":"{would}","stepgate.mode":"enforce","stepgate.tier":"default","stepgate.score":88,"stepgate.logit":2.0,"stepgate.history":14,"stepgate.reasons":{reasons},"stepgate.verified":true,"stepgate.class":"ordinary","stepgate.cohort":7,"stepgate.prior":-4.595,"stepgate.policy":"{policy}"}}"#
    ) + "\n"
}

/// An audit log of two people in the log of a proxy, and the policy that decided.
fn trail(work: &Workspace) -> String {
    work.write("policy.json", r#"{"mode":"enforce"}"#);
    let checked = work.run("check policy.json").stdout;
    let policy = checked.trim().rsplit(' ').next().unwrap().to_owned();
    let hash = work.run("hash --user https://idp|alice --key k").stdout;
    let hash = hash.trim().to_owned();
    let mut log =
        "[2026-01-05 07:59:00.000][7][info][main] starting main dispatch loop\n".to_owned();
    let known = r#"{"new-address":0.4}"#;
    let strange = r#"{"new-country":4.5,"new-device":2.1,"unusual-hour":-0.5}"#;
    for n in 0..12 {
        log += &audited(BEGIN + n, &format!("d{n}"), &hash, "allow", &policy, known);
        log += &audited(
            BEGIN + n,
            &format!("e{n}"),
            "00000000000000aa",
            "allow",
            &policy,
            known,
        );
    }
    log += &audited(
        BEGIN + 60,
        "d5f0c1a2b3d4e5f60",
        &hash,
        "step-up",
        &policy,
        strange,
    );
    work.write("envoy.log", log);
    hash
}

#[test]
fn a_decision_is_found_by_its_id_in_the_log_of_the_proxy() {
    let work = Workspace::new();
    let hash = trail(&work);
    let outcome = work.run("explain --decision d5f0c1a2b3d4e5f60 envoy.log --policy policy.json");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    for line in [
        "decision d5f0c1a2b3d4e5f60\n",
        "  when: 2025-10-09T08:54:20Z\n",
        "  decision: step-up (enforce)\n",
        &format!("  who: user.hash {hash}, human, human:web, web\n"),
        "  from: 203.0.113.0, BR, curl, AS64999\n",
        "  asked: GET, api.example, /orders\n",
        "  score: 88, 2.0 nats, after 14 authentication events\n",
        "  reasons:\n    new-country +4.5: a country this identity was not seen in\n    new-device +2.1: a browser",
        "  what would change it:\n    without new-country: allow\n    without new-device: allow\n",
    ] {
        assert!(outcome.stdout.contains(line), "{line}\n{}", outcome.stdout);
    }
    // Paths are what clients sent: none may move the cursor of whoever reads this.
    let painted = String::from_utf8(work.read("envoy.log")).unwrap();
    work.write(
        "painted.log",
        painted.replace("/orders", r"/\u001b[31morders"),
    );
    let painted = work
        .run("explain --decision d5f0c1a2b3d4e5f60 painted.log")
        .stdout;
    assert!(painted.contains(r"/\u{1b}[31morders"), "{painted}");
    // For machines the line as it is, and what no line has.
    let json =
        work.run("explain --decision d5f0c1a2b3d4e5f60 envoy.log --policy policy.json --json");
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json.as_object().unwrap().len(), 1, "{json}");
    let last = &json["audit"]["last"];
    assert_eq!(last["line"]["stepgate.score"], 88);
    assert_eq!(last["line"]["user.hash"], hash);
    assert_eq!(last["without"][0]["reasons"][0], "new-country");
    assert_eq!(
        last["reasons"][0]["meaning"],
        "a country this identity was not seen in"
    );
    // Another policy did not decide it.
    work.write(
        "other.json",
        r#"{"mode":"enforce","score":{"step_up":0.4}}"#,
    );
    let other = work.run("explain --decision d5f0c1a2b3d4e5f60 envoy.log --policy other.json");
    assert!(
        other.stdout.contains("is not the one that decided"),
        "{}",
        other.stdout
    );
    assert!(!other.stdout.contains("without"), "{}", other.stdout);
}

#[test]
fn the_lines_of_one_person_are_found_by_name_and_by_hash() {
    let work = Workspace::new();
    let hash = trail(&work);
    let by_hash = work.run(&format!("explain --hash {hash} envoy.log"));
    assert_eq!((by_hash.code, by_hash.stderr.as_str()), (0, ""));
    assert!(
        by_hash
            .stdout
            .starts_with("audit lines: the last 10 of 13\n"),
        "{}",
        by_hash.stdout
    );
    for line in [
        "  2025-10-09T08:53:31Z  d11  allow (enforce)  GET /orders: new-address +0.4\n",
        "  2025-10-09T08:54:20Z  d5f0c1a2b3d4e5f60  step-up (enforce)  GET /orders: new-country +4.5, new-device +2.1, unusual-hour -0.5\n",
        "decision d5f0c1a2b3d4e5f60\n",
        "  with --policy, the one that decided, it says what would change it\n",
    ] {
        assert!(by_hash.stdout.contains(line), "{line}\n{}", by_hash.stdout);
    }
    assert!(!by_hash.stdout.contains(" e1"), "{}", by_hash.stdout);

    // It is no table, whatever its first line is.
    let log = String::from_utf8(work.read("envoy.log")).unwrap();
    work.write("wrapped.log", log.split_once('\n').unwrap().1);
    // Nor is the access log beside it worth a word.
    let access = r#"{"@timestamp":"2026-01-01T00:00:00Z","source.ip":"192.0.2.1"}"#;
    work.write("both.log", format!("{access}\n{log}"));
    let both = work.run("explain --user https://idp|alice --key k both.log");
    assert_eq!((both.code, both.stderr.as_str()), (0, ""));
    let wrapped = work.run(&format!("explain --hash {hash} wrapped.log"));
    assert_eq!(wrapped.stdout, by_hash.stdout);

    let audit: String = String::from_utf8(work.read("envoy.log"))
        .unwrap()
        .lines()
        .filter_map(|line| Some(line.get(line.find('{')?..)?.to_owned() + "\n"))
        .collect();
    work.write("audit.log", audit);
    let by_name = work.run("explain --user https://idp|alice --key k audit.log --json");
    assert_eq!((by_name.code, by_name.stderr.as_str()), (0, ""));
    let told: Value = serde_json::from_str(&by_name.stdout).unwrap();
    assert_eq!(told["audit"]["lines"], 13);
    assert_eq!(told["audit"]["last"]["reasons"][0]["code"], "new-country");
    let early =
        work.run("explain --user https://idp|alice --key k audit.log --at 1760000005 --json");
    let early: Value = serde_json::from_str(&early.stdout).unwrap();
    assert_eq!(early["audit"]["lines"], 6);
}

#[test]
fn the_log_of_a_proxy_that_logs_in_json_or_in_a_container_is_read_too() {
    let work = Workspace::new();
    trail(&work);
    let plain = String::from_utf8(work.read("envoy.log")).unwrap();
    let wrap = |lines: &str, name: &str| -> String {
        let wrapped = lines.lines().map(|line| {
            let mut outer = serde_json::json!({ "level": "info", "time": "2026-01-05T08:00:00Z" });
            outer[name] = line.into();
            format!("{outer}\n")
        });
        wrapped.collect()
    };
    let json = wrap(&plain, "msg");
    work.write("container.log", wrap(&json, "log"));
    work.write("json.log", json);
    let arguments = "explain --decision d5f0c1a2b3d4e5f60 --policy policy.json";
    let told = work.run(&format!("{arguments} envoy.log"));
    assert_eq!(told.code, 0);
    for log in ["json.log", "container.log"] {
        let outcome = work.run(&format!("{arguments} {log}"));
        assert_eq!(outcome.stdout, told.stdout, "{log}: {}", outcome.stderr);
    }
    let replayed =
        work.run("replay --policy policy.json --against policy.json container.log --json");
    let replayed: Value = serde_json::from_str(&replayed.stdout).unwrap();
    assert_eq!(replayed["audited"]["redecided"], 25, "{replayed}");

    // What a client calls itself is no line of ours.
    let (_, ours) = plain.lines().last().unwrap().split_once('{').unwrap();
    let forged = format!(
        "\"GET / HTTP/1.1\" 200 \"{{{}\"\n",
        ours.replace("step-up", "allow")
    );
    work.write("access.txt", plain.clone() + &forged);
    let outcome = work.run(&format!("{arguments} access.txt"));
    assert_eq!(outcome.stdout, told.stdout);
}

#[test]
fn who_is_not_in_an_audit_log_is_told_why() {
    let work = Workspace::new();
    trail(&work);
    let failed = |arguments: &str| {
        let outcome = work.run(arguments);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (1, ""),
            "{arguments}"
        );
        outcome.stderr
    };
    assert_eq!(
        failed("explain --decision d99 envoy.log"),
        "stepgate: of 25 audit lines none has \"d99\" as `event.id`: a repeated allow has no line, and those held back by audit.repeat_seconds have one between them\n"
    );
    let unknown = failed("explain --hash 0000000000000000 envoy.log");
    assert!(
        unknown.ends_with("none has \"0000000000000000\" as `user.hash`\n"),
        "{unknown}"
    );
    let by_name = failed("explain --user bob envoy.log");
    assert!(
        by_name.ends_with("; of 25 audit lines none has its hash under this key; 1 lines are neither events nor audit lines\n"),
        "{by_name}"
    );
    work.write("plain.log", "[info] nothing of ours\n");
    assert_eq!(
        failed("explain --hash 00 plain.log"),
        "stepgate: the input has no audit line: they are in the log of the proxy, at level info of its component wasm\n"
    );
}
