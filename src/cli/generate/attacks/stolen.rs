//! Stolen credentials: a session used by somebody else while its owner uses it, and a machine's key out in the open.
//! May use: the target.
//! Must not: log in.

use super::super::clients::Client;
use super::super::machines::Machine;
use super::super::record::{DAY, Record, Who};
use super::super::routes::{Call, Role, Template};
use super::super::sessions::ROLES;
use super::super::world::Sort;
use super::Target;

/// Share of thieves who copy the owner's user agent, and of those who ask from a home in the owner's country.
const SAME_CLIENT: f64 = 0.6;
const RESIDENTIAL: f64 = 0.5;
/// The same of those who have a key: from the cloud it is used in, with the client it is used with.
const SAME_CLOUD: f64 = 0.4;
const SAME_TOOL: f64 = 0.5;

pub(super) fn add(target: &mut Target<'_>, count: usize, attacks: &mut Vec<Record>) {
    for _ in 0..count {
        session(target, attacks);
    }
    let keys: Vec<usize> = (0..target.records.len())
        .filter(|index| {
            let record = target.records.get(*index);
            record.is_some_and(|record| matches!(record.who, Who::Key(_)))
        })
        .collect();
    for _ in 0..(count / 10).max(3) {
        let mut any = || target.records.get(target.rng.choose(&keys, usize::MAX));
        let (Some(used), Some(other)) = (any(), any()) else {
            return;
        };
        // At an hour at which keys are used, or the hour alone would give it away.
        let midnight = libm::floor(used.time / DAY) * DAY;
        key(target, used, midnight + other.time % DAY, attacks);
    }
}

/// A session used from elsewhere one minute to three hours after it began.
fn session(target: &mut Target<'_>, attacks: &mut Vec<Record>) {
    let Some((_, login)) = target.victim() else {
        return;
    };
    let world = &target.society.world;
    let mut time = login.time + target.rng.between(60.0, 10_800.0);
    let rng = &mut target.rng;
    let (country, sort) = if rng.chance(RESIDENTIAL) {
        (world.place(login.origin).country, Sort::Fixed)
    } else {
        (world.anywhere(rng), Sort::Hosting)
    };
    let city = world.city(country, rng);
    let origin = world.network(country, city, sort, rng).at(time / DAY, rng);
    let same = rng.chance(SAME_CLIENT);
    let client = if same {
        login.client
    } else {
        target.device(time)
    };
    let rng = &mut target.rng;
    let role = rng.below(ROLES as usize) as u64;
    let mut role = Role::new(role, target.society.seed(), rng);
    for _ in 0..rng.whole(1, 6) {
        attacks.push(Record {
            time,
            origin,
            client,
            call: Some(role.call(rng)),
            attack: Some("token_replay"),
            ..login.clone()
        });
        time += rng.lognormal(2.0, 1.0);
    }
}

/// A key tried out on a day of its use: what is there, list by list.
fn key(target: &mut Target<'_>, used: &Record, mut time: f64, attacks: &mut Vec<Record>) {
    let machine = Machine::new(target.society, used.who);
    let world = &target.society.world;
    let rng = &mut target.rng;
    let mut network = if rng.chance(SAME_CLOUD) {
        machine.network()
    } else {
        let country = world.anywhere(rng);
        world.network(country, 0, Sort::Hosting, rng)
    };
    let client = if rng.chance(SAME_TOOL) {
        rng.choose(&machine.clients, Client::default())
    } else {
        Client::tool(rng)
    };
    let origin = network.at(time / DAY, rng);
    let calls = rng.whole(3, 25);
    for template in Template::lists().cycle().skip(rng.below(24)).take(calls) {
        let call = Call::of(template, 0, rng);
        let forbidden = rng.chance(0.5);
        attacks.push(Record {
            time,
            success: !forbidden,
            origin,
            client,
            call: Some(if forbidden { call.forbidden() } else { call }),
            attack: Some("apikey_leaked"),
            ..used.clone()
        });
        time += rng.exponential(120.0);
    }
}
