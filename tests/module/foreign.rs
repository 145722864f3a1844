//! Values in shared data that somebody else wrote: of any form, under any of our names, at any time.
//! May use the helpers of this test and the list of what is in shared data.
//! Must not know what a value is for.

use serde_json::{Value, json};
use stepgate::baseline::page::VERSION;
use stepgate_testkit::host::Host;

use crate::{KEY, NOW, call, get, is_alive, policy, start, started, status, token, vm};

/// A policy under which there is a value of every kind: pages, population, keys, feeds, verdicts.
fn everything() -> Value {
    policy(|policy| {
        policy["feeds"] = json!([{
            "name": "soc", "cluster": "feeds", "authority": "feeds.test", "path": "/v1", "refresh_seconds": 1,
        }]);
        let mut fetched = policy["credentials"]["issuers"][0].clone();
        fetched["issuer"] = json!("https://fetched.test");
        fetched["keys"] = Value::Null;
        fetched["jwks"] = json!({ "cluster": "idp", "authority": "idp.test", "path": "/keys" });
        let issuers = policy["credentials"]["issuers"].as_array_mut().unwrap();
        issuers.push(fetched);
    })
}

/// Ticks at `NOW + seconds`, and answers what is fetched.
fn tick(host: &mut Host, seconds: u64) {
    host.set_time((NOW + seconds) as f64);
    let before = host.state().calls.len();
    host.tick().unwrap();
    let calls = host.state().calls[before..].to_vec();
    for call in calls {
        let body = match call.upstream.as_str() {
            "idp" => stepgate_testkit::tokens::jwks(&[&KEY]),
            _ => json!({ "version": 1 }),
        };
        let ok = [(":status", "200")];
        host.answer(call.token, &ok, body.to_string()).unwrap();
    }
}

fn lived_in() -> Host {
    let mut host = started(&everything());
    for later in 0..3 {
        tick(&mut host, later * 20);
        call(&mut host, &token("alice", later), "200");
    }
    tick(&mut host, 80);
    host
}

/// Garbage over every value. Returns how many there are.
fn spoil(host: &Host, garbage: impl Fn(&[u8]) -> Vec<u8>) -> usize {
    let mut process = host.state().process.borrow_mut();
    let names: Vec<_> = process.data.entries.keys().cloned().collect();
    for name in &names {
        let value = process.data.entries[name].0.clone();
        process.data.set(name, garbage(&value), 0);
    }
    names.len()
}

#[test]
fn garbage_under_every_name_is_counted_and_survived() {
    type Garbage = fn(&[u8]) -> Vec<u8>;
    let kinds: [(&str, Garbage); 8] = [
        ("empty", |_| Vec::new()),
        ("short", |_| vec![1]),
        ("text", |_| b"{\"written\":\"by another plugin\"}".to_vec()),
        ("ones", |value| vec![0xff; value.len()]),
        ("zeros", |value| vec![0; value.len()]),
        ("longer", |value| [value, value, &[7]].concat()),
        ("turned", |value| value.iter().rev().copied().collect()),
        ("large", |_| vec![0x5a; 16 << 10]),
    ];
    for (what, garbage) in kinds {
        let mut host = lived_in();
        assert_eq!(host.metric("stepgate_bad_pages_total"), 0, "{what}");
        assert_eq!(host.metric("stepgate_bad_values_total"), 0, "{what}");
        let count = spoil(&host, garbage);
        assert!(count > 250, "{what}: every page and every other value");
        let before = host.metric("stepgate_learned_total");
        // Decides, learns anew, and is none the worse on the next request and tick.
        let exchange = call(&mut host, &token("alice", 100), "200");
        assert_eq!(status(&exchange), 200, "{what}");
        assert!(host.metric("stepgate_bad_pages_total") > 0, "{what}: pages");
        assert_eq!(host.metric("stepgate_learned_total"), before + 1, "{what}");
        for later in 0..4 {
            tick(&mut host, 100 + later * 30);
        }
        assert!(
            host.metric("stepgate_bad_values_total") > 0,
            "{what}: other values"
        );
        // Learned and kept: the page is sound again.
        let learned = host.metric("stepgate_learned_total");
        for _ in 0..2 {
            assert_eq!(
                status(&call(&mut host, &token("alice", 190), "200")),
                200,
                "{what}"
            );
        }
        assert_eq!(host.metric("stepgate_learned_total"), learned + 1, "{what}");
        assert_eq!(get(&mut host, &[]).reply, None, "{what}");
        is_alive(&mut host);
    }
}

#[test]
fn garbage_does_not_keep_a_new_vm_or_a_new_policy_out() {
    // What holds for the life of the process is refused where it differs, not where it is garbage.
    for garbage in [
        &b""[..],
        b"x",
        &[0; 16],
        &[0; 24],
        &[0xff; 24],
        b"written by another plugin",
    ] {
        let host = lived_in();
        spoil(&host, |_| garbage.to_vec());
        let mut fresh = host.sibling();
        start(&mut fresh, &everything());
        is_alive(&mut fresh);
        fresh.set_time((NOW + 200) as f64);
        fresh.tick().unwrap();
        assert!(fresh.metric("stepgate_bad_values_total") > 0);
        // And what differs is refused again afterwards.
        let mut larger = everything();
        larger["baseline"]["memory_mib"] = json!(2);
        assert!(!fresh.start(&larger.to_string()).unwrap());
        assert_eq!(
            fresh.logged("baseline.memory_mib: 2 differs from 1").len(),
            1
        );
        is_alive(&mut fresh);
    }
}

#[test]
fn values_that_were_there_before_us_are_nobodys() {
    let mut host = vm();
    {
        let mut process = host.state().process.borrow_mut();
        for name in [
            "layout",
            "probe",
            &format!("population{VERSION}"),
            &format!("population{VERSION}-mark"),
            "i0",
            "s0",
            "a0",
            "r0",
            "p0",
            "v0",
        ] {
            process
                .data
                .set(format!("stepgate/stepgate/{name}"), "theirs", 0);
        }
    }
    start(&mut host, &everything());
    tick(&mut host, 20);
    is_alive(&mut host);
    tick(&mut host, 60);
    assert!(host.metric("stepgate_bad_values_total") > 0);
}
