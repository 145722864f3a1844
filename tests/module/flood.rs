//! A crowd of names, addresses and tokens that come once: what it takes from memory, from those who were there, and from speed.
//! May use the helpers of this test, and the engine's hash to find neighbours; claims that the proxy has verified, since signatures
//! cost an interpreter too much.
//! Must not compare times: instructions are counted, of the VM that met the crowd and of one that did not.

use serde_json::{Map, Value, json};
use stepgate::signals::keyed::{Domain, HashKey};
use stepgate_testkit::host::Host;

use crate::{MODULE, NOW, get, policy, reasons, start, status};

/// Identities with a history; a fourteenth of what the pages hold.
const ACTIVE: usize = 220;
/// Twice and a half of what the pages hold.
const CROWD: usize = 8_000;
const DAY: u64 = 86_400;

fn crowded() -> Value {
    policy(|policy| {
        policy["credentials"] = json!({});
        policy["tiers"] = json!([{ "name": "login", "paths": ["/login"], "class": "login" }]);
    })
}

fn metered() -> Host {
    let mut host = Host::metered(&MODULE).unwrap();
    host.set_time((NOW - 40 * DAY) as f64);
    start(&mut host, &crowded());
    host
}

fn address(n: usize) -> String {
    format!(
        "{}.{}.{}.9:1",
        20 + n % 170,
        n / 170 % 250,
        n / 42_500 % 250
    )
}

/// A request of somebody whose token the proxy has verified.
fn visit(host: &mut Host, who: &str, from: &str, at: u64) -> String {
    host.set_time(at as f64);
    host.set_property(&["source", "address"], from);
    let claims: Map<String, Value> = [
        ("iss", json!("https://issuer.test")),
        ("sub", json!(who)),
        ("auth_time", json!(at)),
        ("jti", json!(format!("{who}-{at}"))),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    host.set_property(&["metadata"], crate::played::metadata(&claims));
    let exchange = get(host, &[]);
    assert_eq!(status(&exchange), 200, "{who}: {}", reasons(&exchange));
    host.response(&[(":status", "200")]).unwrap();
    host.finish().unwrap();
    forget(host);
    reasons(&exchange)
}

/// A failed login with a name that nobody has seen.
fn guess(host: &mut Host, name: &str, from: &str, at: u64) {
    host.set_time(at as f64);
    host.set_property(&["source", "address"], from);
    host.state_mut().properties.remove(b"metadata".as_slice());
    let headers = [
        (":method", "POST"),
        (":path", "/login"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    host.open(&headers, false).unwrap();
    let exchange = host.body(format!("username={name}"), true).unwrap();
    if exchange.reply.is_none() {
        host.response(&[(":status", "401")]).unwrap();
    }
    host.finish().unwrap();
    forget(host);
}

/// The host keeps every stream and line it ever saw.
fn forget(host: &mut Host) {
    host.state_mut().streams.clear();
    host.state_mut().logs.clear();
}

/// A VM whose active identities have logged in every second day for forty days, from a network each.
fn settled() -> Host {
    let mut host = metered();
    for day in (2..40).rev().step_by(2) {
        for n in 0..ACTIVE {
            let at = NOW - day * DAY + n as u64 * 60;
            visit(&mut host, &format!("active-{n}"), &address(n), at);
        }
        host.tick().unwrap();
    }
    host
}

/// How many keys shared data has, and how many bytes.
fn shared(host: &Host) -> (usize, usize) {
    let process = host.state().process.borrow();
    let entries = &process.data.entries;
    (
        entries.len(),
        entries.values().map(|(value, _)| value.len()).sum(),
    )
}

/// The instructions of one round of the active ones at home, and how many are still known.
fn round(host: &mut Host, at: u64) -> (u64, usize) {
    host.spent();
    let known = |n: &usize| {
        let told = visit(host, &format!("active-{n}"), &address(*n), at + *n as u64);
        !told.contains("young-baseline")
    };
    let known = (0..ACTIVE).filter(known).count();
    (host.spent(), known)
}

/// The identity pages that these keys of shared data are.
fn identity_pages(host: &Host) -> u64 {
    let process = host.state().process.borrow();
    let keys = process.data.entries.keys();
    keys.filter(|key| key.starts_with(b"stepgate/stepgate/i"))
        .count() as u64
}

/// Names whose records live in the page of somebody else's.
fn neighbours(of: &str, pages: u64) -> impl Iterator<Item = String> {
    let key = HashKey::from_secret("a key for tests only");
    let page = move |name: &str| {
        let identity = format!("https://issuer.test|{name}");
        key.locate(Domain::Identity, &[identity.as_bytes()]).page % pages
    };
    let (of, home) = (of.to_owned(), page(of));
    (0..)
        .map(move |n| format!("{of}-neighbour-{n}"))
        .filter(move |name| page(name) == home)
}

#[test]
fn a_crowd_in_ones_own_page_makes_no_request_dearer_by_a_tenth() {
    // Few, and each of their pages filled more than once: what a crowd does to all pages, done to those that are looked at.
    const FEW: usize = 3;
    const CROWDED: usize = 60;
    let mut host = metered();
    let pages = identity_pages(&host);
    assert!(pages > 100, "{pages}");
    for day in (4..40).rev().step_by(4) {
        for n in 0..FEW {
            let at = NOW - day * DAY + n as u64 * 60;
            visit(&mut host, &format!("active-{n}"), &address(n), at);
        }
        host.tick().unwrap();
    }
    let round = |host: &mut Host, at: u64| {
        host.spent();
        for n in 0..FEW {
            let who = format!("active-{n}");
            let told = visit(host, &who, &address(n), at + n as u64);
            assert!(
                !told.contains("young-baseline"),
                "{who} is forgotten: {told}"
            );
        }
        host.spent()
    };
    let calm = round(&mut host, NOW);
    for n in 0..FEW {
        for (k, name) in neighbours(&format!("active-{n}"), pages)
            .take(CROWDED)
            .enumerate()
        {
            let at = NOW + 3600 + (n * CROWDED + k) as u64 * 10;
            visit(&mut host, &name, &address(FEW + n * CROWDED + k), at);
        }
        host.tick().unwrap();
    }
    let evicted = host.metric("stepgate_evictions_total");
    assert!(
        evicted > (FEW * CROWDED / 3) as u64,
        "{evicted} were evicted"
    );
    let busy = round(&mut host, NOW + 3600 + DAY);
    assert!(
        busy * 100 <= calm * 110,
        "{calm} instructions before the crowd, {busy} after it"
    );
}

#[test]
#[ignore = "an interpreter takes minutes for it: `make flood` runs it"]
fn a_crowd_takes_no_memory_no_record_and_no_time() {
    let mut host = settled();
    let (calm, known) = round(&mut host, NOW);
    assert_eq!(known, ACTIVE, "everybody is known before");
    let (keys, bytes) = shared(&host);
    let memory = host.memory();
    for n in 0..CROWD {
        let at = NOW + 3600 + n as u64 * 10;
        let from = address(ACTIVE + n);
        visit(&mut host, &format!("visitor-{n}"), &from, at);
        guess(&mut host, &format!("guess-{n}"), &from, at + 1);
        if n % 100 == 0 {
            host.tick().unwrap();
        }
    }
    let after = NOW + 3600 + CROWD as u64 * 10 + DAY;
    let (busy, known) = round(&mut host, after);
    assert!(
        known * 100 >= ACTIVE * 99,
        "{known} of {ACTIVE} are still known"
    );
    assert!(
        host.metric("stepgate_evictions_total") > CROWD as u64 / 2,
        "the crowd was more than fits"
    );
    let (keys_after, bytes_after) = shared(&host);
    assert_eq!(keys_after, keys, "no key is made for anybody");
    // Pages do not grow; what is learned of everybody is one value with a bound of its own.
    assert!(
        bytes_after < bytes + (1 << 20),
        "{bytes} bytes became {bytes_after}"
    );
    // What the VM keeps of its own (known tokens, windows) has a bound.
    assert!(
        host.memory() < memory + (4 << 20),
        "{memory} bytes became {}",
        host.memory()
    );
    assert!(
        busy * 100 <= calm * 110,
        "{calm} instructions before the crowd, {busy} after it"
    );
    assert!(host.dead().is_none());
}
