//! The cases: read from JSON, made into requests with real tokens at real times.
//! May use the engine's parsers and serde; files are compiled in, so that wasm in Node reads the same ones.
//! Must not decide anything: a level plays the requests and says what came of them.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "support of tests, each of which uses a part: a panic is a failure with a message"
)]

pub(crate) mod engine;
pub(crate) mod expect;
pub(crate) mod numbers;
pub(crate) mod token;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

pub(crate) use expect::{Expect, Outcome};

/// Every file of cases.
const FILES: [(&str, &str); 14] = [
    ("behaviour", include_str!("behaviour.json")),
    ("client", include_str!("client.json")),
    ("containment", include_str!("containment.json")),
    ("contract", include_str!("contract.json")),
    ("credentials", include_str!("credentials.json")),
    ("exceptions", include_str!("exceptions.json")),
    ("machines", include_str!("machines.json")),
    ("network", include_str!("network.json")),
    ("places", include_str!("places.json")),
    ("sessions", include_str!("sessions.json")),
    ("step-up", include_str!("step-up.json")),
    ("tiers", include_str!("tiers.json")),
    ("time", include_str!("time.json")),
    ("travel", include_str!("travel.json")),
];

type Words = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct World {
    clock: String,
    policy: Value,
    places: BTreeMap<String, Words>,
    clients: BTreeMap<String, Words>,
    town: Vec<Step>,
    habits: BTreeMap<String, Vec<Step>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Learned {
    Habit(String),
    Step(Box<Step>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    policy: Value,
    clock: Option<String>,
    #[serde(default)]
    town: bool,
    #[serde(default)]
    history: Vec<Learned>,
    requests: Vec<Step>,
    needs: Option<String>,
}

/// One value, or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMore<T> {
    /// A list.
    More(Vec<T>),
    /// One.
    One(T),
}

impl<T> OneOrMore<T> {
    /// Each of them.
    pub(crate) fn all(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(all) => all,
        }
    }

    fn nth(&self, n: usize) -> &T {
        &self.all()[n % self.all().len()]
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    token: Option<OneOrMore<Value>>,
    from: Option<OneOrMore<String>>,
    with: Option<OneOrMore<String>>,
    #[serde(default = "get")]
    method: String,
    #[serde(default = "host")]
    host: String,
    #[serde(default = "path")]
    path: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    properties: Words,
    #[serde(default = "ok")]
    status: u16,
    last: Option<String>,
    every: Option<String>,
    #[serde(default = "once")]
    times: usize,
    people: Option<usize>,
    after: Option<String>,
    #[serde(default)]
    expect: Expect,
}

fn get() -> String {
    "GET".into()
}

fn host() -> String {
    "api.test".into()
}

fn path() -> String {
    "/orders".into()
}

const fn ok() -> u16 {
    200
}

const fn once() -> usize {
    1
}

/// A request as it goes on the wire, with what the proxy knows of it.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    /// When, in seconds since 1970.
    pub(crate) at: i64,
    /// Method.
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Headers in order, `host` among them.
    pub(crate) headers: Vec<(String, String)>,
    /// The client's address.
    pub(crate) address: Option<String>,
    /// Properties of the host by dotted name.
    pub(crate) properties: Words,
    /// What the upstream answers.
    pub(crate) status: u16,
    /// What is expected.
    pub(crate) expect: Expect,
}

/// A case, ready to play.
pub(crate) struct Case {
    /// File and name.
    pub(crate) name: String,
    /// The policy in JSON.
    pub(crate) policy: String,
    /// Whether the adapter is part of what is tested.
    pub(crate) needs_adapter: bool,
    /// What is learned first, in order of time.
    pub(crate) history: Vec<Wire>,
    /// What is tested.
    pub(crate) requests: Vec<Wire>,
    live: bool,
}

impl Case {
    /// Whether the case holds whatever time it is: without history, and all at once.
    pub(crate) fn is_live(&self) -> bool {
        self.live
    }
}

/// All cases; those of the live ones happen at `now`, if it is given.
pub(crate) fn all(now: Option<i64>) -> Vec<Case> {
    let world: World = serde_json::from_str(include_str!("world.json")).expect("world.json");
    let mut cases = Vec::new();
    for (file, text) in FILES {
        let written: Vec<Written> =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{file}.json: {error}"));
        cases.extend(written.iter().map(|case| read(case, file, &world, now)));
    }
    cases
}

fn read(case: &Written, file: &str, world: &World, now: Option<i64>) -> Case {
    let name = format!("{file}: {}", case.name);
    let live = case.history.is_empty()
        && !case.town
        && case.clock.is_none()
        && case
            .requests
            .iter()
            .all(|step| step.after.is_none() && step.properties.is_empty());
    let clock = match now {
        Some(now) if live => now,
        _ => time(case.clock.as_ref().unwrap_or(&world.clock)),
    };
    let mut policy = world.policy.clone();
    merge(&mut policy, &case.policy);
    fill_in(&mut policy);
    let town = if case.town { &world.town[..] } else { &[] };
    let mut history = Vec::new();
    let learned = case.history.iter().flat_map(|learned| match learned {
        Learned::Habit(who) => &world.habits[who][..],
        Learned::Step(step) => std::slice::from_ref(&**step),
    });
    for step in town.iter().chain(learned) {
        let last = step.last.as_deref().map_or(0, seconds);
        let every = step.every.as_deref().map_or(0, seconds);
        for n in 0..step.times {
            let before = (step.times - 1 - n) as i64 * every;
            history.push(wire(step, n, clock + last - before, world));
        }
    }
    history.sort_by_key(|wire| wire.at);
    let mut at = clock;
    let requests = case.requests.iter().enumerate().map(|(n, step)| {
        at += step.after.as_deref().map_or(0, seconds);
        wire(step, 1000 + n, at, world)
    });
    Case {
        policy: policy.to_string(),
        needs_adapter: match case.needs.as_deref() {
            None => false,
            Some("adapter") => true,
            Some(other) => panic!("{name}: needs `{other}`"),
        },
        requests: requests.collect(),
        history,
        live,
        name,
    }
}

fn wire(step: &Step, n: usize, at: i64, world: &World) -> Wire {
    let n = step.people.map_or(n, |people| n % people);
    let named = |kind: &str, words: &BTreeMap<String, Words>, name: Option<&OneOrMore<String>>| {
        let name = name.map(|names| names.nth(n));
        name.map(|name| {
            let found = words.get(name);
            found
                .unwrap_or_else(|| panic!("no {kind} `{name}`"))
                .clone()
        })
        .unwrap_or_default()
    };
    let mut place = named("place", &world.places, step.from.as_ref());
    let address = place.remove("address");
    let mut headers = vec![("host".to_owned(), step.host.clone())];
    headers.extend(place);
    headers.extend(named("client", &world.clients, step.with.as_ref()));
    for token in step.token.iter().flat_map(OneOrMore::all) {
        let token = token::mint(token, n, at);
        headers.push(("authorization".to_owned(), format!("Bearer {token}")));
    }
    headers.extend(step.headers.iter().cloned());
    Wire {
        at,
        method: step.method.clone(),
        target: step.path.clone(),
        headers,
        address,
        properties: step.properties.clone(),
        status: step.status,
        expect: step.expect.clone(),
    }
}

fn time(text: &str) -> i64 {
    let time = stepgate::signals::ecs::parse_time(text);
    time.unwrap_or_else(|| panic!("`{text}` is no time")) as i64
}

/// `-2h`, `90m`, `0s`.
pub(crate) fn seconds(text: &str) -> i64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => panic!("`{text}` is no duration"),
    };
    let number: i64 = number.parse().unwrap_or_else(|_| panic!("`{text}`"));
    number * unit
}

/// JSON merge patch (RFC 7396).
fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (_, Value::Null) => {}
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

fn fill_in(policy: &mut Value) {
    match policy {
        Value::String(text) if text == "@keys" => *policy = token::keys(),
        Value::Array(items) => items.iter_mut().for_each(fill_in),
        Value::Object(members) => members.values_mut().for_each(fill_in),
        _ => {}
    }
}
