//! Explanations: the baseline in words, the decisions with their reasons, and what would change the last one.

use serde_json::Value;

use crate::{AWAY, BEGIN, DAY, HOME, Workspace, login};

/// Alice at home for twelve days, then somewhere else with something else; Bob calls routes she does not.
fn story() -> Workspace {
    let work = Workspace::new();
    let mut events: String = (0..12)
        .flat_map(|day| ["alice", "bob"].map(|user| login(BEGIN + day * DAY, user, HOME)))
        .collect();
    for (user, path) in [
        ("alice", "/orders/17"),
        ("bob", "/orders/18"),
        ("bob", "/admin/keys"),
    ] {
        let call = format!(
            r#"{HOME},"http.request.method":"GET","url.path":"{path}","session.id":"{user}-s","oauth.client_id":"web","token.iat":{},"token.exp":{}"#,
            BEGIN + 10 * DAY,
            BEGIN + 13 * DAY
        );
        let line = login(BEGIN + 11 * DAY + 60, user, &call);
        events += &line.replace("login", "request");
    }
    events += &login(BEGIN + 11 * DAY + 3600, "alice", AWAY);
    work.write("events.jsonl", &events);
    work
}

#[test]
fn an_identity_is_told_in_words() {
    let work = story();
    let outcome = work.run("explain --user alice events.jsonl");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    for line in [
        "alice\n",
        "baseline: 14 authentication events from 2025-10-09T08:53:20Z to 2025-10-20T09:53:20Z\n",
        "  countries: NO 93 %, BR 7 % (on probation since 2025-10-20)\n",
        "  providers: AS64500 93 %, AS64999 7 % (on probation since 2025-10-20)\n",
        "  addresses: 2; networks: 2\n",
        "  browsers: Firefox on Linux 93 %, curl on Linux 7 % (on probation since 2025-10-20)\n",
        "  systems: Linux (desktop) 93 %, Linux (tool) 7 % (on probation since 2025-10-20)\n",
        "  hours (UTC): weekdays 8; weekends 8\n",
        "decisions: the last 10 of 14\n",
        "credentials: in use for at least 11.0 days; 1 tokens, the oldest 1.0 days old when used, good for 3.0 days at most; clients web\n",
        "routes: 1 of the 2 in these files\n  never GET /admin/keys\n",
        "\nwhat would change the decision of 2025-10-20T09:53:20Z: ",
    ] {
        assert!(outcome.stdout.contains(line), "{line}\n{}", outcome.stdout);
    }
}

#[test]
fn the_smallest_set_of_reasons_that_changes_a_decision_is_named() {
    let work = story();
    let outcome = work.run("explain --user alice events.jsonl --json");
    let told: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let last = told["decisions"].as_array().unwrap().last().unwrap();
    assert_ne!(last["decision"], "allow");
    assert_eq!(last["decision"], told["change"]["decision"]);
    let codes: Vec<&Value> = last["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["code"])
        .collect();
    let sets = told["change"]["without"].as_array().unwrap();
    assert!(!sets.is_empty());
    let sizes: Vec<usize> = sets
        .iter()
        .map(|set| {
            assert_ne!(set["decision"], last["decision"]);
            let reasons = set["reasons"].as_array().unwrap();
            assert!(reasons.iter().all(|reason| codes.contains(&reason)));
            reasons.len()
        })
        .collect();
    assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
}

#[test]
fn a_decision_of_an_exception_or_a_rule_is_explained_by_it() {
    let work = story();
    let with = |section: &str, own: &str| {
        let policy = format!(
            r#"{{"exceptions":{{"{section}":[{{"name":"it","identities":["alice"],"until":"2030-01-01T00:00:00Z","owner":"o","reason":"r"{own}}}]}}}}"#
        );
        work.write("policy.json", policy);
        work.run("explain --user alice events.jsonl --policy policy.json")
            .stdout
    };
    let denied = with("deny", "");
    assert!(denied.contains("deny at -4.6: denylisted"), "{denied}");
    assert!(
        denied.contains("  nothing but the rule denylisted, which goes before all evidence\n"),
        "{denied}"
    );
    let challenged = with("deny", r#","action":"challenge""#);
    let early = work
        .run("explain --user alice events.jsonl --policy policy.json --at 2025-10-19T08:53:20Z");
    assert!(challenged.contains("denylist-challenge"), "{challenged}");
    assert!(
        early
            .stdout
            .contains("  without denylist-challenge: allow\n"),
        "{}",
        early.stdout
    );
    let allowed = with(
        "allow",
        r#","signals":["new-country","new-device","script-client"]"#,
    );
    assert!(allowed.contains("excepted"), "{allowed}");
}

#[test]
fn scopes_that_nothing_needed_are_named() {
    let work = Workspace::new();
    let call = |user: &str, path: &str, scope: &str, status: u16| {
        let rest = format!(
            r#"{HOME},"http.request.method":"GET","url.path":"{path}","token.scope":"{scope}","http.response.status_code":{status}"#
        );
        login(BEGIN, user, &rest)
            .replace(r#""event.outcome":"success","#, "")
            .replace("login", "request")
    };
    let mut events = call("alice", "/orders/1", "orders admin", 200);
    events += &call("bob", "/orders/2", "orders", 200);
    // Refused without it: that tells nothing of what is needed.
    events += &call("bob", "/orders/3", "profile", 403);
    // Alice never went there.
    events += &call("bob", "/invoices", "admin", 200);
    work.write("events.jsonl", &events);
    let told = work.run("explain --user alice events.jsonl").stdout;
    for line in [
        "scopes: granted admin, orders\n",
        "  never needed: admin (all it did, others did without)\n",
        "  may be needed, these files do not tell: orders\n",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let bare = work.run("explain --user bob events.jsonl --json").stdout;
    let bare: Value = serde_json::from_str(&bare).unwrap();
    assert_eq!(
        bare["scopes"]["never_needed"],
        serde_json::json!(["profile"])
    );
    let without = story().run("explain --user alice events.jsonl").stdout;
    assert!(!without.contains("scopes"), "{without}");
}

#[test]
fn an_earlier_time_and_a_snapshot_are_explained_as_they_were() {
    let work = story();
    let early = work.run("explain --user alice events.jsonl --at 2025-10-12T00:00:00Z --json");
    let told: Value = serde_json::from_str(&early.stdout).unwrap();
    assert_eq!(told["baseline"]["events"], 3);
    assert_eq!(told["baseline"]["young"], true);
    assert_eq!(told["events"], 3);
    work.run("train events.jsonl --key k -o a.bin");
    let from_snapshot = work.run("explain --user alice --baseline a.bin --key k");
    assert_eq!(from_snapshot.code, 0, "{}", from_snapshot.stderr);
    assert!(
        from_snapshot
            .stdout
            .contains("  countries: NO 93 %, BR 7 %")
    );
    assert!(!from_snapshot.stdout.contains("decisions"));
}

#[test]
fn who_is_not_known_is_no_explanation() {
    let work = story();
    let nobody = work.run("explain --user carol events.jsonl");
    assert_eq!(nobody.code, 1);
    assert_eq!(
        nobody.stderr,
        "stepgate: nothing is known of \"carol\": no event names it as `user.id`, and no baseline made with this key holds it\n"
    );
    assert_eq!(work.run("explain --user alice").code, 2);
    assert_eq!(
        work.run("explain --user alice events.jsonl --at noon").code,
        2
    );
}

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

#[test]
fn a_subject_without_its_issuer_is_told_what_was_meant() {
    let work = Workspace::new();
    work.write("events.jsonl", login(BEGIN, "https://idp|alice", HOME));
    let outcome = work.run("explain --user alice events.jsonl");
    assert_eq!(outcome.code, 1);
    assert!(
        outcome
            .stderr
            .ends_with("; did you mean \"https://idp|alice\"?\n"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn what_strangers_sent_moves_no_cursor() {
    let work = Workspace::new();
    let asked = |user: &str, path: &str| {
        login(
            BEGIN,
            user,
            &format!(r#","http.request.method":"GET","url.path":"{path}""#),
        )
    };
    let events = asked("alice", r"/\u001b[2Jadmin") + &asked("bob", "/orders");
    work.write("events.jsonl", events);
    let told = work.run("explain --user bob events.jsonl").stdout;
    assert!(told.contains("never GET /\\u{1b}[2Jadmin\n"), "{told}");
}
