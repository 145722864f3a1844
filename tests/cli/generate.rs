//! Made-up events: the same for the same arguments, like real ones, and attacked as their labels say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::Workspace;

fn events(arguments: &str) -> Vec<Value> {
    let outcome = Workspace::new().run(&format!("generate {arguments}"));
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let lines = outcome.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap_or_default()
}

fn labelled<'a>(events: &'a [Value], label: &'a str) -> impl Iterator<Item = &'a Value> + Clone {
    events
        .iter()
        .filter(move |event| text(event, "labels.attack") == label)
}

fn day(event: &Value) -> u32 {
    let time = text(event, "@timestamp");
    let month: u32 = time.get(5..7).unwrap().parse().unwrap();
    // January to March 2026.
    let before = [0, 31, 59][month as usize - 1];
    before + time.get(8..10).unwrap().parse::<u32>().unwrap()
}

#[test]
fn the_same_arguments_give_the_same_events() {
    let work = Workspace::new();
    let run = |seed: u32| work.run(&format!("generate --people 300 --seed {seed}"));
    let (first, again, other) = (run(1), run(1), run(2));
    assert_eq!(first.stdout, again.stdout);
    assert_ne!(first.stdout, other.stdout);
    assert!(
        first.stderr.ends_with(" of them attacks\n"),
        "{}",
        first.stderr
    );
    let quiet = events("--people 300 --attacks 0");
    assert!(
        quiet
            .iter()
            .all(|event| event.get("labels.attack").is_none())
    );
}

#[test]
fn every_kind_is_read_in_order_and_has_its_attacks() {
    const ON_ALL: [&str; 8] = [
        "ato_campaign",
        "ato_no_history",
        "low_and_slow",
        "naive",
        "spray",
        "stuffing",
        "targeted",
        "very_targeted",
    ];
    const ON_SESSIONS: [&str; 4] = [
        "apikey_leaked",
        "privileged_abuse",
        "slow_exfil",
        "token_replay",
    ];
    for (kind, size) in [
        ("consumer", "--people 3000"),
        ("workforce", "--people 80 --days 40"),
        ("api", "--people 40"),
    ] {
        let work = Workspace::new();
        let made = work.run(&format!(
            "generate --kind {kind} {size} --attacks 20 -o a.jsonl.gz"
        ));
        assert_eq!(
            (made.code, made.stdout.as_str()),
            (0, ""),
            "{}",
            made.stderr
        );
        let replayed = work.run("replay a.jsonl.gz --events");
        assert!(
            replayed.stderr.contains(", 0 lines skipped"),
            "{}",
            replayed.stderr
        );
        let events: Vec<Value> = replayed
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        // RFC 3339 drops zeros at the end of a fraction: the seconds order as text.
        let times = events
            .iter()
            .map(|event| text(event, "@timestamp").get(..19));
        assert!(times.is_sorted());
        let labels: BTreeSet<&str> = events
            .iter()
            .map(|event| text(event, "labels.attack"))
            .collect();
        for label in ON_ALL {
            assert!(labels.contains(label), "{kind} {label}");
        }
        for label in ON_SESSIONS {
            assert_eq!(labels.contains(label), kind != "consumer", "{kind} {label}");
        }
        assert!(
            events
                .iter()
                .any(|event| text(event, "labels.persona") == "commuter")
        );
    }
}

/// The figures two scans of a public data set gave, held at a size at which they say something.
#[test]
fn made_up_logins_are_like_real_ones() {
    for seed in [1, 2] {
        inside_all_bands(seed);
    }
}

fn inside_all_bands(seed: u32) {
    let outcome = Workspace::new().run(&format!("generate --accept --attacks 20 --seed {seed}"));
    let figures: Vec<&str> = outcome
        .stdout
        .lines()
        .skip(1)
        .take_while(|line| !line.is_empty())
        .collect();
    assert_eq!(figures.len(), 11);
    for line in figures {
        assert!(line.ends_with("  inside"), "{}", outcome.stdout);
    }
    let (_, audit) = outcome.stdout.split_once("told apart by").unwrap();
    assert!(!audit.contains("outside"), "{}", outcome.stdout);
}

#[test]
fn attacks_are_what_their_labels_say() {
    let events = events("--kind workforce --people 150 --days 42 --attacks 20");
    let own = |event: &&Value| event.get("labels.attack").is_none();
    let session = |event: &Value| text(event, "session.id").to_owned();

    let sessions: BTreeSet<String> = events.iter().filter(own).map(session).collect();
    assert!(labelled(&events, "token_replay").all(|event| sessions.contains(&session(event))));
    assert!(labelled(&events, "slow_exfil").all(|event| sessions.contains(&session(event))));
    assert!(labelled(&events, "naive").all(|event| !sessions.contains(&session(event))));

    let mut attempts: BTreeMap<(&str, u32), u32> = BTreeMap::new();
    for event in labelled(&events, "low_and_slow") {
        // The first day is a Monday, the fifth of the month.
        let week = (day(event) - 5) / 7;
        *attempts
            .entry((text(event, "source.ip"), week))
            .or_default() += 1;
    }
    assert!(attempts.len() > 20);
    assert!(attempts.values().all(|count| *count <= 3), "{attempts:?}");

    let network = |event: &Value| {
        let address = text(event, "source.ip");
        (
            text(event, "user.id").to_owned(),
            address.rsplit_once('.').unwrap().0.to_owned(),
        )
    };
    let networks: BTreeSet<_> = events.iter().filter(own).map(network).collect();
    assert!(labelled(&events, "very_targeted").all(|event| networks.contains(&network(event))));

    let route = |event: &Value| {
        let digits = |c: char| c.is_ascii_digit();
        (
            text(event, "user.id").to_owned(),
            text(event, "http.request.method").to_owned(),
            text(event, "url.path").replace(digits, ""),
        )
    };
    let routes: BTreeSet<_> = events.iter().filter(own).map(route).collect();
    for event in labelled(&events, "privileged_abuse")
        .filter(|event| text(event, "event.action") == "request")
    {
        assert!(text(event, "url.path").starts_with("/admin/"));
        assert!(!routes.contains(&route(event)), "{event}");
    }
}

#[test]
fn wrong_arguments_are_refused() {
    let work = Workspace::new();
    for wrong in [
        "--people 1",
        "--attacks 101",
        "--attacks x",
        "--kind bank",
        "--accept -o a",
        "--days 0",
    ] {
        assert_eq!(work.run(&format!("generate {wrong}")).code, 2, "{wrong}");
    }
    let nowhere = work.run("generate --people 2 -o none/a.jsonl");
    assert_eq!(nowhere.code, 1);
    assert!(
        nowhere.stderr.starts_with("stepgate: none/a.jsonl: "),
        "{}",
        nowhere.stderr
    );
}
