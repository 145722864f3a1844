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
