//! Takeovers: somebody else logs in with what the owner knows, from ever closer to where the owner is.
//! May use: the target.
//! Must not: differ from the login it copies in device class or hour.

use super::super::clients::Client;
use super::super::people::Society;
use super::super::record::{DAY, Record, Who};
use super::super::world::Origin;
use super::Target;

/// How far back an attacker's own login may lie that is copied.
const DONORS: usize = 3000;
/// Bursts of a campaign, and shares of those from one country and on accounts never used before.
const BURSTS: usize = 24;
const ONE_COUNTRY: f64 = 0.56;
const UNUSED: f64 = 0.35;

#[derive(Clone, Copy)]
enum Closeness {
    /// From anywhere with anything.
    Naive,
    /// From the owner's country.
    Country,
    /// From the owner's provider with the owner's client.
    Provider,
    /// From an address next to the owner's.
    Address,
}

pub(super) fn add(target: &mut Target<'_>, count: usize, attacks: &mut Vec<Record>) {
    for (label, closeness) in [
        ("naive", Closeness::Naive),
        ("vpn_same_country", Closeness::Country),
        ("targeted", Closeness::Provider),
        ("very_targeted", Closeness::Address),
    ] {
        for _ in 0..count {
            if let Some(attack) = one(target, label, closeness) {
                attacks.push(attack);
            }
        }
    }
    for _ in 0..count / 4 {
        if let Some(attack) = unused(target) {
            attacks.push(attack);
        }
    }
    campaign(target, (count / 4).clamp(1, BURSTS), attacks);
}

/// One takeover of an account with at least two logins.
fn one(target: &mut Target<'_>, label: &'static str, closeness: Closeness) -> Option<Record> {
    let (place, login) = target.victim()?;
    let history = target.history(login);
    let (origin, client) = match closeness {
        Closeness::Naive => donor(target, place, login, |_| true)?,
        Closeness::Country => {
            let country = commonest(&history, |record| country_of(target.society, record.origin))?;
            let society = target.society;
            donor(target, place, login, |other| {
                country_of(society, other.origin) == country
            })?
        }
        Closeness::Provider => {
            let usual = history
                .iter()
                .max_by_key(|record| {
                    let same = |other: &&&Record| other.origin.same_provider(record.origin);
                    history.iter().filter(same).count()
                })
                .map(|record| record.origin)?;
            let (origin, _) = donor(target, place, login, |other| {
                other.origin.same_provider(usual)
            })?;
            (origin, login.client)
        }
        Closeness::Address => (login.origin.neighbour(&mut target.rng), login.client),
    };
    Some(Record {
        time: target.later(login.time),
        session: target.new_session(login.who),
        origin,
        client,
        attack: Some(label),
        ..login.clone()
    })
}

fn country_of(society: &Society, origin: Origin) -> u8 {
    society.world.place(origin).country
}

/// The value most of the records have.
fn commonest(history: &[&Record], value: impl Fn(&Record) -> u8) -> Option<u8> {
    let count = |wanted: u8| {
        history
            .iter()
            .filter(|record| value(record) == wanted)
            .count()
    };
    history
        .iter()
        .map(|record| value(record))
        .max_by_key(|found| count(*found))
}

/// From where and with what somebody else logged in lately.
fn donor(
    target: &mut Target<'_>,
    place: usize,
    victim: &Record,
    fits: impl Fn(&Record) -> bool,
) -> Option<(Origin, Client)> {
    let first = place.saturating_sub(DONORS);
    (0..2000).find_map(|_| {
        let place = first + target.rng.below(DONORS.min(target.logins.len()));
        let other = target.login(place)?;
        (other.who != victim.who && fits(other)).then_some((other.origin, other.client))
    })
}

/// A takeover of an account that was opened and not used yet.
fn unused(target: &mut Target<'_>) -> Option<Record> {
    let time = target.some_time();
    let owner = account(target, time, false)?;
    let (_, other) = target.any_login()?;
    Some(Record {
        time,
        session: target.new_session(owner.who),
        origin: other.origin,
        client: other.client,
        attack: Some("ato_no_history"),
        ..owner.clone()
    })
}

/// Bursts of takeovers from providers that hardly anybody uses.
fn campaign(target: &mut Target<'_>, bursts: usize, attacks: &mut Vec<Record>) {
    let main = target.society.world.foreign(&mut target.rng);
    for _ in 0..bursts {
        let country = if target.rng.chance(ONE_COUNTRY) {
            main
        } else {
            target.society.world.anywhere(&mut target.rng)
        };
        let mut network = target
            .society
            .world
            .rare(country, &mut target.rng)
            .shared_by(256);
        let begin = target.some_time();
        for _ in 0..target.rng.whole(2, 8) {
            let time = begin + target.rng.between(0.0, 1800.0);
            let used = !target.rng.chance(UNUSED);
            let Some(owner) = account(target, time, used) else {
                continue;
            };
            attacks.push(Record {
                time,
                session: target.new_session(owner.who),
                origin: network.at(time / DAY, &mut target.rng),
                client: target.device(time),
                attack: Some("ato_campaign"),
                ..owner.clone()
            });
        }
    }
}

/// An account that was used at least twice before a time, or not at all.
fn account<'a>(target: &mut Target<'a>, time: f64, used: bool) -> Option<&'a Record> {
    (0..1000).find_map(|_| {
        let login = if used {
            target.recent(time)?
        } else {
            target.any_login()?.1
        };
        let Who::Person(number) = login.who else {
            return None;
        };
        let earlier = target
            .of_person
            .get(&number)?
            .iter()
            .filter_map(|place| target.login(*place))
            .take_while(|earlier| earlier.time < time)
            .count();
        let fits = if used { earlier >= 2 } else { earlier == 0 };
        fits.then_some(login)
    })
}
