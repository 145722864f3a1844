//! What is learned and kept: pages, conflicts, damage, several VMs, the population.
//! May use the helpers of this test; the place of a value in shared data.
//! Must not know the layout of a record.

use stepgate_testkit::host::{CAS_MISMATCH, Host};

use crate::{HOME, NOW, call, get, is_alive, policy, reasons, start, started, status, token};

fn sibling(of: &Host) -> Host {
    let mut host = of.sibling();
    host.set_property(&["source", "address"], HOME);
    start(&mut host, &policy(|_| {}));
    host
}

/// Changes every value of shared data whose name after the plugin's prefix begins with `kind`.
fn spoil(host: &Host, kind: &str, mut change: impl FnMut(&mut Vec<u8>)) {
    let prefix = format!("stepgate/stepgate/{kind}");
    for (name, (value, _)) in &mut host.state().process.borrow_mut().data.entries {
        if name.starts_with(prefix.as_bytes()) {
            change(value);
        }
    }
}

#[test]
fn an_event_is_learned_once_and_only_when_it_succeeded() {
    let mut host = started(&policy(|_| {}));
    let alice = token("alice", 0);
    for failed in ["401", "403", "500", "302", "303", "307", "404"] {
        call(&mut host, &alice, failed);
        assert_eq!(host.metric("stepgate_learned_total"), 0);
    }
    call(&mut host, &alice, "200");
    call(&mut host, &alice, "200");
    assert_eq!(host.metric("stepgate_learned_total"), 1);
    call(&mut host, &token("alice", 60), "200");
    assert_eq!(host.metric("stepgate_learned_total"), 2);
}

#[test]
fn a_reply_of_another_filter_is_no_success() {
    let mut host = started(&policy(|_| {}));
    host.set_property(&["response", "code_details"], "oauth_redirect");
    call(&mut host, &token("alice", 0), "200");
    assert_eq!(host.metric("stepgate_learned_total"), 0);
    host.set_property(&["response", "code_details"], "via_upstream");
    call(&mut host, &token("alice", 0), "200");
    assert_eq!(host.metric("stepgate_learned_total"), 1);
}

#[test]
fn a_token_is_verified_once() {
    let mut host = started(&policy(|_| {}));
    let alice = token("alice", 0);
    for _ in 0..5 {
        call(&mut host, &alice, "200");
    }
    assert_eq!(host.metric("stepgate_tokens_verified_total"), 1);
    assert_eq!(host.metric("stepgate_tokens_known_total"), 4);
}

#[test]
fn what_one_vm_learned_another_knows() {
    let mut one = started(&policy(|_| {}));
    let mut two = sibling(&one);
    let first = call(&mut one, &token("alice", 0), "200");
    assert_eq!(status(&first), 200);
    call(&mut two, &token("alice", 0), "200");
    assert_eq!(one.metric("stepgate_learned_total"), 1);
}

#[test]
fn a_conflict_loses_no_lesson() {
    let mut host = started(&policy(|_| {}));
    host.conflict(2);
    call(&mut host, &token("alice", 0), "200");
    assert_eq!(host.metric("stepgate_learned_total"), 1);
    assert_eq!(host.metric("stepgate_cas_retries_total"), 2);
    call(&mut host, &token("alice", 0), "200");
    assert_eq!(host.metric("stepgate_learned_total"), 1, "it was learned");
}

#[test]
fn three_conflicts_skip_the_lesson_and_never_the_decision() {
    let mut host = started(&policy(|_| {}));
    host.conflict(3);
    let exchange = call(&mut host, &token("alice", 0), "200");
    assert_eq!(status(&exchange), 200);
    assert_eq!(host.metric("stepgate_learned_total"), 0);
    assert_eq!(host.metric("stepgate_learning_skipped_total"), 1);
    call(&mut host, &token("alice", 0), "200");
    assert_eq!(host.metric("stepgate_learned_total"), 1);
}

#[test]
fn shared_data_that_is_full_skips_the_lesson_only() {
    let mut host = started(&policy(|_| {}));
    host.fix("proxy_set_shared_data", CAS_MISMATCH);
    assert_eq!(status(&call(&mut host, &token("alice", 0), "200")), 200);
    host.fix("proxy_set_shared_data", 10);
    assert_eq!(status(&call(&mut host, &token("bob", 0), "200")), 200);
    assert_eq!(host.metric("stepgate_learning_skipped_total"), 2);
}

#[test]
fn damaged_pages_read_as_empty_and_are_counted() {
    type Damage = fn(&mut Vec<u8>);
    let garbage: [Damage; 5] = [
        |page| page.clear(),
        |page| page.truncate(100),
        |page| page.fill(0xff),
        |page| *page = b"{\"written\":\"by another plugin\"}".to_vec(),
        |page| page[4] ^= 1,
    ];
    for damage in garbage {
        let mut host = started(&policy(|_| {}));
        call(&mut host, &token("alice", 0), "200");
        spoil(&host, "i", damage);
        let exchange = call(&mut host, &token("alice", 0), "200");
        assert_eq!(status(&exchange), 200);
        assert!(reasons(&exchange).contains("young-baseline"));
        assert_eq!(host.metric("stepgate_learned_total"), 2, "written anew");
        call(&mut host, &token("alice", 0), "200");
        assert_eq!(host.metric("stepgate_learned_total"), 2);
    }
}

#[test]
fn no_flipped_bit_in_a_page_stops_the_vm() {
    let mut host = started(&policy(|_| {}));
    for later in 0..3 {
        call(&mut host, &token("alice", later), "200");
    }
    let pages = host.state().process.borrow().data.entries.clone();
    for at in 0..400 {
        spoil(&host, "i", |page| page[at] ^= 1 << (at % 8));
        let exchange = call(&mut host, &token("alice", 0), "200");
        assert_eq!(status(&exchange), 200);
        host.state().process.borrow_mut().data.entries = pages.clone();
    }
    assert!(host.metric("stepgate_bad_pages_total") > 0);
    assert!(host.metric("stepgate_bad_records_total") > 0);
    is_alive(&mut host);
}

#[test]
fn a_page_of_a_newer_version_is_never_written() {
    let mut host = started(&policy(|_| {}));
    spoil(&host, "i", |page| page[2] = 200);
    let before = host.state().process.borrow().data.entries.clone();
    for later in 0..3 {
        assert_eq!(status(&call(&mut host, &token("alice", later), "200")), 200);
    }
    let after = host.state().process.borrow().data.entries.clone();
    assert_eq!(before, after);
    assert_eq!(host.metric("stepgate_learned_total"), 0);
    assert_eq!(host.metric("stepgate_learning_skipped_total"), 3);
}

#[test]
fn the_number_of_keys_does_not_grow_with_identities() {
    let mut host = started(&policy(|_| {}));
    let keys = |host: &Host| host.state().process.borrow().data.entries.len();
    call(&mut host, &token("alice", 0), "200");
    host.set_time((NOW + 30) as f64);
    host.tick().unwrap();
    let before = keys(&host);
    for number in 0..50 {
        call(&mut host, &token(&format!("user{number}"), 0), "200");
    }
    host.set_time((NOW + 60) as f64);
    host.tick().unwrap();
    assert_eq!(keys(&host), before);
}

#[test]
fn what_everybody_does_reaches_all_vms_on_ticks() {
    let mut one = started(&policy(|_| {}));
    let mut two = sibling(&one);
    let learn = |host: &mut Host, from: u32| {
        for number in from..from + 20 {
            call(host, &token(&format!("user{number}"), 0), "200");
        }
    };
    let tick = |host: &mut Host, seconds: u64| {
        host.set_time((NOW + seconds) as f64);
        host.tick().unwrap();
    };
    learn(&mut one, 0);
    learn(&mut two, 20);
    // Another VM flushes between this one's read and its write: both lots arrive.
    two.conflict(1);
    tick(&mut one, 20);
    tick(&mut two, 20);
    let mut three = sibling(&one);
    let mut alone = started(&policy(|_| {}));
    learn(&mut alone, 0);
    learn(&mut alone, 20);
    // A stranger is judged by everybody: alike in a VM that was told and in one that saw it all.
    let stranger = token("stranger", 0);
    let told = call(&mut three, &stranger, "200");
    let saw = call(&mut alone, &stranger, "200");
    assert_eq!(reasons(&told), reasons(&saw));
    assert_eq!(
        told.header("x-stepgate-score"),
        saw.header("x-stepgate-score")
    );
}

#[test]
fn a_damaged_population_is_nobodys() {
    let mut one = started(&policy(|_| {}));
    call(&mut one, &token("alice", 0), "200");
    one.set_time((NOW + 20) as f64);
    one.tick().unwrap();
    spoil(&one, "population", |value| value.reverse());
    let mut two = sibling(&one);
    is_alive(&mut two);
    two.set_time((NOW + 40) as f64);
    two.tick().unwrap();
    get(&mut two, &[]);
    is_alive(&mut two);
}
