//! Floods: many passwords for many names, fast from a few addresses or slow from many.
//! May use: the target.
//! Must not: succeed more often than such lists do.

use super::super::clients::Client;
use super::super::record::{DAY, Record, Who};
use super::super::world::{Network, Sort};
use super::Target;

/// Share of names that no account has.
const UNKNOWN: f64 = 0.5;
/// Share of all attempts that succeed.
const SUCCESS: f64 = 0.012;
/// Attempts of one run.
const ATTEMPTS: (usize, usize) = (40, 400);
/// Addresses of one run.
const ADDRESSES: (usize, usize) = (3, 40);
const WEEK: f64 = 7.0;

pub(super) fn add(target: &mut Target<'_>, count: usize, attacks: &mut Vec<Record>) {
    for _ in 0..(count / 50).max(1) {
        run(target, "stuffing", (0.2, 3.0), attacks);
        run(target, "spray", (30.0, 300.0), attacks);
    }
    low_and_slow(target, count, attacks);
}

/// One list played through, with gaps between its attempts in seconds.
fn run(
    target: &mut Target<'_>,
    label: &'static str,
    (least, most): (f64, f64),
    attacks: &mut Vec<Record>,
) {
    let mut time = target.some_time();
    let one_client = target.device(time);
    let (least_addresses, most_addresses) = ADDRESSES;
    let mut networks: Vec<Network> = (0..target.rng.whole(least_addresses, most_addresses))
        .map(|_| network(target))
        .collect();
    let (least_attempts, most_attempts) = ATTEMPTS;
    for _ in 0..target.rng.whole(least_attempts, most_attempts) {
        time += target.rng.between(least, most);
        // Who has hours to wait keeps those of people.
        while label == "spray" && !target.rng.chance(busy(time)) {
            time += most;
        }
        let client = if label == "spray" {
            one_client
        } else {
            target.device(time)
        };
        let place = target.rng.below(networks.len());
        if let Some(network) = networks.get_mut(place) {
            attacks.push(attempt(target, label, time, network, client));
        }
    }
}

/// How many people log in at an hour, as a share of those at the busiest.
fn busy(time: f64) -> f64 {
    let off = (time % DAY / 3600.0 - 13.0) / 5.0;
    libm::exp(-off * off / 2.0)
}

/// At most three attempts a week from one address, for weeks.
fn low_and_slow(target: &mut Target<'_>, count: usize, attacks: &mut Vec<Record>) {
    let weeks = (target.days / WEEK).max(1.0) as usize;
    for _ in 0..(count / 4).max(3) {
        let mut network = network(target);
        let client = {
            let time = target.some_time();
            target.device(time)
        };
        let first = target.rng.below(weeks);
        for week in first..weeks.min(first + target.rng.whole(1, 4)) {
            for _ in 0..target.rng.whole(1, 3) {
                let day = (week as f64 * WEEK) + target.rng.below(7) as f64;
                let time = day * DAY + target.some_time() % DAY;
                attacks.push(attempt(target, "low_and_slow", time, &mut network, client));
            }
        }
    }
}

/// An address for good: of a server or of somebody's home.
fn network(target: &mut Target<'_>) -> Network {
    let world = &target.society.world;
    let rng = &mut target.rng;
    let country = world.anywhere(rng);
    let city = world.city(country, rng);
    let sort = if rng.chance(0.5) {
        Sort::Hosting
    } else {
        Sort::Fixed
    };
    world.network(country, city, sort, rng).constant()
}

fn attempt(
    target: &mut Target<'_>,
    label: &'static str,
    time: f64,
    network: &mut Network,
    client: Client,
) -> Record {
    let known = target.recent(time).map(|login| login.who);
    let rng = &mut target.rng;
    let who = known
        .filter(|_| !rng.chance(UNKNOWN))
        .unwrap_or_else(|| Who::Nobody(rng.word() as u32));
    let success = matches!(who, Who::Person(_)) && rng.chance(SUCCESS / (1.0 - UNKNOWN));
    let origin = network.at(time / DAY, rng);
    Record {
        time,
        who,
        success,
        origin,
        client,
        session: if success { target.new_session(who) } else { 0 },
        call: None,
        persona: None,
        attack: Some(label),
    }
}
