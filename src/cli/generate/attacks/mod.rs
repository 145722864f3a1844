//! Attacks on lives that were made up before: each looks like what it copies, but for what makes it an attack.
//! May use: people, machines, records.
//! Must not: change a life, or mark an attack by anything but its label.

mod flood;
mod insider;
mod stolen;
mod takeover;

use std::collections::BTreeMap;

use super::Kind;
use super::clients::Device;
use super::people::Society;
use super::record::{DAY, Record, Who};
use super::rng::Rng;

/// How many logins ago somebody was active lately.
const RECENT: usize = 3000;

/// What attackers can choose from.
struct Target<'a> {
    society: &'a Society,
    records: &'a [Record],
    /// Own logins in order of time, by place in `records`.
    logins: Vec<usize>,
    /// Own logins of each person, by place in `logins`.
    of_person: BTreeMap<u32, Vec<usize>>,
    days: f64,
    rng: Rng,
    sessions: u64,
}

/// Attacks of every type that fits, `rate` per thousand logins of people.
pub(super) fn on(society: &Society, records: &[Record], days: f64, rate: f64) -> Vec<Record> {
    let mut target = Target::new(society, records, days);
    if rate <= 0.0 || target.logins.is_empty() {
        return Vec::new();
    }
    let count = ((rate * target.logins.len() as f64 / 1000.0) as usize).max(1);
    let mut attacks = Vec::new();
    takeover::add(&mut target, count, &mut attacks);
    flood::add(&mut target, count, &mut attacks);
    if society.kind() != Kind::Consumer {
        stolen::add(&mut target, count, &mut attacks);
        insider::add(&mut target, count, &mut attacks);
    }
    attacks.retain(|attack| (0.0..days * DAY).contains(&attack.time));
    attacks
}

impl<'a> Target<'a> {
    fn new(society: &'a Society, records: &'a [Record], days: f64) -> Self {
        let mut logins = Vec::new();
        let mut of_person: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (index, record) in records.iter().enumerate() {
            if let (true, Who::Person(number)) = (record.is_own_login(), record.who) {
                of_person.entry(number).or_default().push(logins.len());
                logins.push(index);
            }
        }
        Self {
            society,
            records,
            logins,
            of_person,
            days,
            rng: Rng::new(society.seed(), 0x0bad),
            sessions: 0,
        }
    }

    /// The login at a place in `logins`.
    fn login(&self, place: usize) -> Option<&'a Record> {
        self.records.get(*self.logins.get(place)?)
    }

    fn any_login(&mut self) -> Option<(usize, &'a Record)> {
        let place = self.rng.below(self.logins.len());
        Some((place, self.login(place)?))
    }

    /// The logins of a person up to and including one.
    fn history(&self, login: &Record) -> Vec<&'a Record> {
        let Who::Person(number) = login.who else {
            return Vec::new();
        };
        let places = self.of_person.get(&number).map_or(&[][..], Vec::as_slice);
        places
            .iter()
            .filter_map(|place| self.login(*place))
            .take_while(|earlier| earlier.time <= login.time)
            .collect()
    }

    /// A login, drawn from all that have another of the same person before them.
    fn victim(&mut self) -> Option<(usize, &'a Record)> {
        (0..1000).find_map(|_| {
            let (place, login) = self.any_login()?;
            let Who::Person(number) = login.who else {
                return None;
            };
            let first = *self.of_person.get(&number)?.first()?;
            (first < place).then_some((place, login))
        })
    }

    /// A login of somebody who was active shortly before a time: whoever is attacked is as active as those who log in.
    fn recent(&mut self, time: f64) -> Option<&'a Record> {
        let records = self.records;
        let before = |index: &usize| records.get(*index).is_some_and(|login| login.time < time);
        let next = self.logins.partition_point(before);
        let back = 1 + self.rng.below(next.min(RECENT));
        self.login(next.checked_sub(back)?)
    }

    /// A session that nobody has.
    fn new_session(&mut self, who: Who) -> u64 {
        self.sessions += 1;
        match self.society.kind() {
            Kind::Consumer => 0,
            _ => who.stream() << 20 | (0x8_0000 + self.sessions % 0x8_0000),
        }
    }

    /// A time 2 to 72 hours after another, at the time of day of some login: attackers keep the hours of those they copy,
    /// or the hour alone would give them away.
    fn later(&mut self, after: f64) -> f64 {
        let clock = self.any_login().map_or(0.0, |(_, login)| login.time % DAY);
        let clock = clock + self.rng.between(-600.0, 600.0);
        let earliest = after + 7200.0;
        let mut time = libm::floor(earliest / DAY) * DAY + clock;
        if time < earliest {
            time += DAY;
        }
        time + DAY * self.rng.below(2) as f64
    }

    /// Some time of the whole, at the time of day of some login.
    fn some_time(&mut self) -> f64 {
        let day = self.rng.below(self.days as usize) as f64 * DAY;
        let clock = self.any_login().map_or(0.0, |(_, login)| login.time % DAY);
        day + clock
    }

    /// A device as others have it.
    fn device(&mut self, time: f64) -> super::clients::Client {
        let day = time / DAY;
        Device::bought(day, true, &mut self.rng).at(day, &mut self.rng)
    }
}
