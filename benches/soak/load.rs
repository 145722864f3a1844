//! Clients at work: each has a connection, sends in its turn, and counts what it got.
//! May use the traffic and the test kit's connections.
//! Must not decide what is good enough.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use stepgate_testkit::http::Connection;

use crate::stage::{MARK, Stage};
use crate::traffic::{KINDS, Traffic};

/// Connections at a time, each with one request under way.
pub(crate) const CLIENTS: usize = 16;

/// How fast all clients together are.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    Unpaced,
    PerSecond(f64),
}

/// What the clients saw.
#[derive(Default)]
pub(crate) struct Driven {
    /// Answers by kind and status.
    pub(crate) answers: [BTreeMap<u16, u64>; KINDS.len()],
    /// Requests that nobody waited for.
    pub(crate) aborted: u64,
    /// Logins at home that made the journeys of thieves.
    pub(crate) prepared: u64,
    /// Requests without an answer, with the first reason.
    pub(crate) lost: u64,
    pub(crate) why: Option<String>,
    /// Errors the proxy made up itself.
    pub(crate) ours: u64,
    /// Time to the answer by window, in µs.
    pub(crate) times: BTreeMap<u32, Vec<u32>>,
}

impl Driven {
    /// Answers, and requests that nobody waited for.
    pub(crate) fn sent(&self) -> u64 {
        self.answered() + self.aborted
    }

    pub(crate) fn answered(&self) -> u64 {
        self.answers.iter().flat_map(BTreeMap::values).sum::<u64>() + self.prepared
    }

    /// Answers other than the right ones.
    pub(crate) fn wrong(&self) -> u64 {
        let kinds = self.answers.iter().zip(KINDS);
        kinds
            .flat_map(|(answers, (_, _, _, right))| {
                answers
                    .iter()
                    .filter(move |(status, _)| !right.contains(status))
            })
            .map(|(_, count)| count)
            .sum()
    }

    /// Guesses that were let in by their headers and cut off by their body: each is two decisions.
    pub(crate) fn cut_off(&self) -> u64 {
        let of = |answers: &BTreeMap<u16, u64>| answers.get(&429).copied();
        self.answers.iter().filter_map(of).sum()
    }

    fn take(&mut self, other: Self) {
        for (all, some) in self.answers.iter_mut().zip(other.answers) {
            for (status, count) in some {
                *all.entry(status).or_default() += count;
            }
        }
        self.aborted += other.aborted;
        self.prepared += other.prepared;
        self.lost += other.lost;
        self.ours += other.ours;
        self.why = self.why.take().or(other.why);
        for (window, times) in other.times {
            self.times.entry(window).or_default().extend(times);
        }
    }
}

/// Lets the clients send for so long.
pub(crate) fn drive(stage: &Stage, pace: Pace, length: Duration, window: Duration) -> Driven {
    let all = Mutex::new(Driven::default());
    let begin = Instant::now();
    let seed = match pace {
        Pace::Unpaced => 1,
        Pace::PerSecond(_) => 1 << 32,
    };
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let all = &all;
            scope.spawn(move || {
                let traffic = Traffic::new(stage, client, seed);
                let driven = client_of(stage, traffic, client, pace, (begin, length, window));
                all.lock().unwrap().take(driven);
            });
        }
    });
    all.into_inner().unwrap()
}

fn client_of(
    stage: &Stage,
    mut traffic: Traffic<'_>,
    client: usize,
    pace: Pace,
    (begin, length, window): (Instant, Duration, Duration),
) -> Driven {
    let mut driven = Driven::default();
    let mut connection = None;
    let step = match pace {
        Pace::Unpaced => Duration::ZERO,
        Pace::PerSecond(rate) => Duration::from_secs_f64(CLIENTS as f64 / rate),
    };
    let mut due = begin + step.mul_f64(client as f64 / CLIENTS as f64);
    while begin.elapsed() < length {
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(wait);
        }
        due += step;
        // Whoever fell behind a second does not catch up: that would be another load.
        if due.elapsed() > Duration::from_secs(1) {
            due = Instant::now();
        }
        let index = traffic.kind();
        let (kind, _, _, right) = KINDS[index];
        if let Some(first) = traffic.before(kind)
            && exchange(stage, &mut connection, &first, &mut driven).is_some()
        {
            driven.prepared += 1;
        }
        let request = traffic.request(kind);
        if right.is_empty() {
            driven.aborted += u64::from(abort(stage, &mut connection, &request));
            continue;
        }
        let started = Instant::now();
        let Some(status) = exchange(stage, &mut connection, &request, &mut driven) else {
            continue;
        };
        let micros = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
        *driven.answers[index].entry(status).or_default() += 1;
        let at = (begin.elapsed().as_millis() / window.as_millis()) as u32;
        driven.times.entry(at).or_default().push(micros);
    }
    driven
}

/// Sends and waits for the answer. `None`: there was none.
fn exchange(
    stage: &Stage,
    connection: &mut Option<Connection>,
    request: &[u8],
    driven: &mut Driven,
) -> Option<u16> {
    let opened = match connection.take() {
        Some(open) => Ok(open),
        None => Connection::open(stage.address),
    };
    let answered = opened.and_then(|mut open| Ok((open.raw(request)?, open)));
    match answered {
        Ok((answer, open)) => {
            if answer.header("connection").as_deref() != Some("close") {
                *connection = Some(open);
            }
            let own = answer.status >= 500 && answer.header(MARK).is_none();
            driven.ours += u64::from(own);
            Some(answer.status)
        }
        Err(error) => {
            driven.lost += 1;
            driven.why.get_or_insert(error.to_string());
            None
        }
    }
}

/// Sends and leaves. Whether it could be sent.
fn abort(stage: &Stage, connection: &mut Option<Connection>, request: &[u8]) -> bool {
    let opened = match connection.take() {
        Some(open) => Ok(open),
        None => Connection::open(stage.address),
    };
    opened.and_then(|mut open| open.write(request)).is_ok()
}
