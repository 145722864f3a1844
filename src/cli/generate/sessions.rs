//! When people log in, how often they fail first, and what they call in a session.
//! May use: people, routes, records.
//! Must not: know of attacks.

use super::Kind;
use super::people::{Person, Persona, Society};
use super::record::{DAY, Record, Who};
use super::rng::Rng;
use super::routes::Role;

/// Share of people with one login a year, and with a few.
const ONCE: f64 = 0.397;
const FEW: f64 = 0.518;
const YEAR: f64 = 365.0;
/// Share of the active whose logins lie around one month, and how closely, in days.
const CLUSTERED: f64 = 0.5;
const CLUSTER: f64 = 25.0;
/// How long the dormant are away between two weeks of use, in days.
const AWAY: f64 = 120.0;
/// Failures before a success: geometric.
const FAILURE: f64 = 0.22;
const WORKFORCE_FAILURE: f64 = 0.06;
const WEEKEND: f64 = 0.15;
/// Logarithms of the median number of calls in a session and of the gaps between them in seconds, with their deviations.
const CALLS: [f64; 2] = [1.0, 0.8];
const API_CALLS: [f64; 2] = [2.2, 0.9];
const GAP: [f64; 2] = [4.8, 1.3];
const API_GAP: [f64; 2] = [0.095, 1.3];
/// Share of sessions that move to the carrier.
const HANDOVER: f64 = 0.15;
pub(super) const ROLES: u64 = 12;

/// Habits of a day.
struct Hours {
    peak: f64,
    spread: f64,
}

impl Hours {
    fn new(rng: &mut Rng) -> Self {
        Self {
            peak: rng.normal(13.0, 3.5),
            spread: rng.between(2.0, 5.0),
        }
    }

    /// A time on a day, in days.
    fn on(&self, day: f64, rng: &mut Rng) -> f64 {
        let hour = rng.normal(self.peak, self.spread).rem_euclid(24.0);
        libm::floor(day) + hour / 24.0
    }
}

/// Everything a person does, in order of time.
pub(super) fn life(society: &Society, number: u32, days: f64) -> Vec<Record> {
    let mut person = society.person(number);
    let hours = Hours::new(&mut person.rng);
    let consumer = society.kind() == Kind::Consumer;
    let mut times = if consumer {
        year(&person.persona, &hours, days, &mut person.rng)
    } else {
        working_days(&person.persona, &hours, days, &mut person.rng)
    };
    times.retain(|time| (0.0..days).contains(time));
    times.sort_by(f64::total_cmp);
    let who = Who::Person(number);
    let mut role = Role::new(u64::from(number) % ROLES, society.seed(), &mut person.rng);
    let mut records = Vec::new();
    for (index, day) in times.into_iter().enumerate() {
        let (origin, client) = person.login(&society.world, day);
        let login = Record {
            time: day * DAY,
            who,
            success: true,
            origin,
            client,
            session: if consumer {
                0
            } else {
                who.stream() << 20 | (index as u64 + 1)
            },
            call: None,
            persona: Some(person.persona.as_str()),
            attack: None,
        };
        failures(&login, consumer, &mut person.rng, &mut records);
        records.push(login.clone());
        if !consumer {
            session(society.kind(), &login, &mut person, &mut role, &mut records);
        }
    }
    records
}

/// A consumer's logins: one, a few or many a year.
fn year(persona: &Persona, hours: &Hours, days: f64, rng: &mut Rng) -> Vec<f64> {
    let mut times = Vec::new();
    let mut begin = 0.0;
    while begin < days {
        let x = rng.unit();
        let (count, active) = match x {
            x if x < ONCE => (1, false),
            x if x < ONCE + FEW => (2 + rng.exponential(1.9).min(7.0) as usize, false),
            _ => (10 + rng.exponential(9.5) as usize, true),
        };
        let center = (active && rng.chance(CLUSTERED)).then(|| rng.between(0.0, YEAR));
        let phase = rng.between(0.0, AWAY);
        for _ in 0..count {
            let day = match center {
                _ if *persona == Persona::Dormant => {
                    phase + AWAY * rng.below(3) as f64 + rng.between(0.0, 7.0)
                }
                Some(center) => rng.normal(center, CLUSTER),
                None => rng.between(0.0, YEAR),
            };
            times.push(begin + hours.on(day, rng));
        }
        begin += YEAR;
    }
    times
}

/// An employee's logins: some every working day, few on others.
fn working_days(persona: &Persona, hours: &Hours, days: f64, rng: &mut Rng) -> Vec<f64> {
    let rate = rng.lognormal(0.6, 0.6);
    let phase = rng.between(0.0, AWAY / 2.0);
    let mut times = Vec::new();
    for day in 0..days.ceil() as u32 {
        let day = f64::from(day);
        let asleep = *persona == Persona::Dormant && (day + phase) % (AWAY / 2.0) >= 5.0;
        let weekend = day % 7.0 >= 5.0;
        let rate = if weekend { rate * WEEKEND } else { rate };
        if !asleep {
            times.extend((0..rng.poisson(rate)).map(|_| hours.on(day, rng)));
        }
    }
    times
}

/// The tries that failed before a login.
fn failures(login: &Record, consumer: bool, rng: &mut Rng, records: &mut Vec<Record>) {
    let rate = if consumer { FAILURE } else { WORKFORCE_FAILURE };
    let mut earlier = Vec::new();
    let mut time = login.time;
    while rng.chance(rate) {
        time -= rng.between(4.0, 60.0);
        earlier.push(Record {
            time,
            success: false,
            session: 0,
            ..login.clone()
        });
    }
    earlier.retain(|record| record.time >= 0.0);
    records.extend(earlier.into_iter().rev());
}

/// What is called after a login.
fn session(
    kind: Kind,
    login: &Record,
    person: &mut Person,
    role: &mut Role,
    records: &mut Vec<Record>,
) {
    let ([log_count, count_spread], [log_gap, gap_spread]) = match kind {
        Kind::Api => (API_CALLS, API_GAP),
        Kind::Workforce | Kind::Consumer => (CALLS, GAP),
    };
    let count = person.rng.lognormal(log_count, count_spread) as usize;
    let moves = person
        .rng
        .chance(HANDOVER)
        .then(|| person.rng.below(count.max(1)));
    let (mut time, mut origin) = (login.time, login.origin);
    for index in 0..count {
        time += person.rng.lognormal(log_gap, gap_spread);
        if moves == Some(index) {
            origin = person.handover(time / DAY);
        }
        records.push(Record {
            time,
            origin,
            call: Some(role.call(&mut person.rng)),
            ..login.clone()
        });
    }
}
