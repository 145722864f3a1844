//! Machines: services that call every hour, runners that build, keys of programs.
//! May use: the world, clients, routes, records.
//! Must not: know of attacks.

use super::clients::Client;
use super::people::Society;
use super::record::{DAY, Record, Who};
use super::rng::Rng;
use super::routes::Role;
use super::world::{Network, Sort};

/// Addresses the runners of one cloud share.
const CLOUD: u32 = 20_000;
const HOUR: f64 = 3600.0;

/// A machine with its habits.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) who: Who,
    pub(super) clients: [Client; 2],
    networks: [Network; 2],
    role: Role,
    rng: Rng,
}

impl Machine {
    /// A machine by its name: always the same one.
    pub(super) fn new(society: &Society, who: Who) -> Self {
        let mut rng = Rng::new(society.seed(), who.stream());
        let rng = &mut rng;
        let world = &society.world;
        let country = if rng.chance(0.5) {
            0
        } else {
            world.foreign(rng)
        };
        let mut network = || world.network(country, 0, Sort::Hosting, rng);
        let networks = match who {
            Who::Service(_) => [network().constant(), network().constant()],
            _ => {
                let cloud = network().shared_by(CLOUD);
                [cloud, cloud]
            }
        };
        Self {
            who,
            networks,
            clients: [Client::tool(rng), Client::tool(rng)],
            role: Role::new(1 + 6 * (who.stream() % 3), society.seed(), rng),
            rng: rng.clone(),
        }
    }

    /// An address of the machine's own networks.
    pub(super) fn network(&self) -> Network {
        let [network, _] = self.networks;
        network
    }

    /// Everything it does, in order of time.
    pub(super) fn life(mut self, days: f64) -> Vec<Record> {
        let mut records = Vec::new();
        for day in 0..days.ceil() as u32 {
            let begin = f64::from(day) * DAY;
            match self.who {
                Who::Service(_) => {
                    for hour in 0..24 {
                        let time = begin + f64::from(hour) * HOUR + self.rng.between(0.0, 120.0);
                        self.call(time, &mut records);
                    }
                }
                Who::Key(_) => self.bursts(begin + 8.0 * HOUR, 10.0 * HOUR, &mut records),
                _ => self.bursts(begin, DAY - HOUR, &mut records),
            }
        }
        records.retain(|record| record.time < days * DAY);
        records.sort_by(|a, b| a.time.total_cmp(&b.time));
        records
    }

    /// One to eight bursts of one to thirty calls within a time.
    fn bursts(&mut self, begin: f64, length: f64, records: &mut Vec<Record>) {
        for _ in 0..self.rng.whole(1, 8) {
            let mut time = begin + self.rng.between(0.0, length);
            for _ in 0..self.rng.whole(1, 30) {
                self.call(time, records);
                time += self.rng.exponential(4.0);
            }
        }
    }

    fn call(&mut self, time: f64, records: &mut Vec<Record>) {
        let rng = &mut self.rng;
        let [first, second] = &mut self.networks;
        let network = if rng.chance(0.8) { first } else { second };
        records.push(Record {
            time,
            who: self.who,
            success: true,
            origin: network.at(time / DAY, rng),
            client: rng.choose(&self.clients, Client::default()),
            session: 0,
            call: Some(self.role.call(rng)),
            persona: Some(match self.who {
                Who::Service(_) => "service",
                Who::Key(_) => "api-key",
                _ => "ci-runner",
            }),
            attack: None,
        });
    }
}
