//! Insiders: the owner's own network, client and session, and what the owner has no business with.
//! May use: the target.
//! Must not: leave the owner's context.

use std::collections::BTreeSet;

use super::super::record::{DAY, Record};
use super::super::routes::{Call, Role, Template};
use super::Target;

/// Share of abuse outside the usual hours.
const OFF_HOURS: f64 = 0.6;
const HOUR: f64 = 3600.0;

pub(super) fn add(target: &mut Target<'_>, count: usize, attacks: &mut Vec<Record>) {
    for _ in 0..(count / 20).max(2) {
        exfiltration(target, attacks);
        abuse(target, attacks);
    }
}

/// One object more every 6 to 20 minutes for 8 to 72 hours, one after the other.
fn exfiltration(target: &mut Target<'_>, attacks: &mut Vec<Record>) {
    let Some((_, login)) = target.victim() else {
        return;
    };
    let used = templates(target, login);
    let rng = &mut target.rng;
    let outlet = Role::outlet(used.iter().copied());
    let end = login.time + rng.between(8.0, 72.0) * HOUR;
    let mut time = login.time + rng.between(360.0, 1200.0);
    let mut object = 10_000 + rng.below(900_000) as u32;
    while time < end {
        attacks.push(Record {
            time,
            call: Some(Call::of(outlet, object, rng)),
            attack: Some("slow_exfil"),
            ..login.clone()
        });
        object += 1;
        time += rng.between(360.0, 1200.0);
    }
}

/// Five to thirty acts of administration the owner never did before.
fn abuse(target: &mut Target<'_>, attacks: &mut Vec<Record>) {
    let Some((_, login)) = target.victim() else {
        return;
    };
    let used = templates(target, login);
    let new: Vec<Template> = Template::admin()
        .filter(|template| !used.contains(template))
        .collect();
    let hours: BTreeSet<usize> = target
        .history(login)
        .iter()
        .map(|record| hour(record.time))
        .collect();
    let usual = |time: f64| (0..3).any(|off| hours.contains(&((hour(time) + 23 + off) % 24)));
    let off_hours = target.rng.chance(OFF_HOURS);
    let Some(mut time) = (0..500).find_map(|_| {
        let time = login.time + target.rng.between(2.0, 72.0) * HOUR;
        (usual(time) != off_hours).then_some(time)
    }) else {
        return;
    };
    let begin = Record {
        time,
        session: target.new_session(login.who),
        attack: Some("privileged_abuse"),
        ..login.clone()
    };
    let rng = &mut target.rng;
    attacks.push(begin.clone());
    for _ in 0..rng.whole(5, 30) {
        time += rng.lognormal(2.5, 1.0);
        let object = 10_000 + rng.below(900_000) as u32;
        let call = Call::of(rng.choose(&new, Template(0)), object, rng);
        let forbidden = rng.chance(0.2);
        attacks.push(Record {
            time,
            success: !forbidden,
            call: Some(if forbidden { call.forbidden() } else { call }),
            ..begin.clone()
        });
    }
}

/// What the owner of a login ever called.
fn templates(target: &Target<'_>, login: &Record) -> BTreeSet<Template> {
    let own = target
        .records
        .iter()
        .filter(|record| record.who == login.who);
    own.filter_map(|record| record.call.map(|call| call.template))
        .collect()
}

fn hour(time: f64) -> usize {
    (time % DAY / HOUR) as usize
}
