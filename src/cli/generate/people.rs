//! People: where they live and work, what they own, and from where and with what they log in on a day.
//! May use: the world, clients, random numbers.
//! Must not: know when somebody logs in, or of attacks.

use super::Kind;
use super::clients::{Client, Device};
use super::rng::Rng;
use super::world::{Network, Origin, Sort, World};

/// How somebody lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persona {
    Home,
    Commuter,
    Mobile,
    Traveller,
    Vpn,
    Dormant,
    Office,
}

impl Persona {
    const ALL: [Self; 7] = [
        Self::Home,
        Self::Commuter,
        Self::Mobile,
        Self::Traveller,
        Self::Vpn,
        Self::Dormant,
        Self::Office,
    ];
    /// Per cent of consumers and of a workforce.
    const CONSUMERS: [f64; 7] = [58.0, 16.0, 13.0, 3.0, 3.0, 7.0, 0.0];
    const WORKFORCE: [f64; 7] = [16.0, 22.0, 9.0, 6.0, 10.0, 3.0, 34.0];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Commuter => "commuter",
            Self::Mobile => "mobile",
            Self::Traveller => "traveller",
            Self::Vpn => "vpn",
            Self::Dormant => "dormant",
            Self::Office => "office",
        }
    }
}

// Shares below that no source gives are fitted, so that the figures of `--accept` lie in their bands.

/// Share of people in the home country.
const HOME: f64 = 0.74;
const WORKFORCE_HOME: f64 = 0.88;
/// Devices somebody owns: one to four.
const DEVICES: [f64; 4] = [0.45, 0.35, 0.15, 0.05];
/// How a device's use falls with its rank.
const DEVICE_USE: f64 = 1.3;
/// How often a device is replaced, per login.
const REPLACED: f64 = 0.02;
/// How often somebody is on another network of the country.
const ROAM: f64 = 0.05;
/// Share of those who often use other devices elsewhere, and how often they and others do.
const CHURNERS: f64 = 0.25;
const WORKFORCE_CHURNERS: f64 = 0.06;
const CHURN: [f64; 2] = [0.24, 0.03];
const WORKFORCE_CHURN: [f64; 2] = [0.05, 0.002];
/// How often such a place is in the country.
const CHURN_AT_HOME: f64 = 0.97;
/// How often an exit of somebody's VPN is in the country.
const EXIT_AT_HOME: f64 = 0.8;
/// People of one office.
const OFFICE: usize = 70;

/// Everybody's world: the networks and the offices.
#[derive(Debug)]
pub(super) struct Society {
    pub(super) world: World,
    offices: Vec<Network>,
    kind: Kind,
    seed: u64,
}

impl Society {
    pub(super) fn new(kind: Kind, people: u32, seed: u64) -> Self {
        let world = World::new(match kind {
            Kind::Consumer => HOME,
            Kind::Workforce | Kind::Api => WORKFORCE_HOME,
        });
        let mut rng = Rng::new(seed, 0x0ff1ce);
        let offices = (0..=people as usize / OFFICE)
            .map(|_| {
                let city = world.city(0, &mut rng);
                world.network(0, city, Sort::Fixed, &mut rng).constant()
            })
            .collect();
        Self {
            world,
            offices,
            kind,
            seed,
        }
    }

    /// A person by number: always the same one.
    pub(super) fn person(&self, number: u32) -> Person {
        Person::new(self, number)
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) const fn seed(&self) -> u64 {
        self.seed
    }
}

/// One person.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) persona: Persona,
    /// Draws everything about this person.
    pub(super) rng: Rng,
    country: u8,
    city: u8,
    home: Network,
    work: Network,
    carrier: Network,
    exits: [Network; 3],
    devices: Vec<Device>,
    churn: f64,
    trip: Trip,
}

#[derive(Debug)]
struct Trip {
    from: f64,
    until: f64,
    hotel: Network,
}

impl Person {
    fn new(society: &Society, number: u32) -> Self {
        let mut rng = Rng::new(society.seed, super::record::Who::Person(number).stream());
        let rng = &mut rng;
        let world = &society.world;
        let consumer = society.kind == Kind::Consumer;
        let shares = if consumer {
            Persona::CONSUMERS
        } else {
            Persona::WORKFORCE
        };
        let persona = rng.weighted(shares.into_iter());
        let persona = Persona::ALL.get(persona).copied().unwrap_or(Persona::Home);
        let ended = -rng.between(0.0, 50.0);
        let country = if persona == Persona::Office {
            0
        } else {
            world.country(rng)
        };
        let city = world.city(country, rng);
        let office = society
            .offices
            .get(number as usize % society.offices.len().max(1))
            .copied();
        let work = match office {
            Some(office) if !consumer && (country == 0) => office,
            _ => world.network(country, city, Sort::Fixed, rng).constant(),
        };
        let [often, seldom] = if consumer { CHURN } else { WORKFORCE_CHURN };
        let churners = if consumer {
            CHURNERS
        } else {
            WORKFORCE_CHURNERS
        };
        let exits = std::array::from_fn(|_| {
            let abroad = if rng.chance(EXIT_AT_HOME) {
                country
            } else {
                world.foreign(rng)
            };
            world.network(abroad, 0, Sort::Hosting, rng).shared_by(64)
        });
        let count = 1 + rng.weighted(DEVICES.into_iter());
        Self {
            persona,
            country,
            city,
            home: world.network(country, city, Sort::Fixed, rng),
            work,
            carrier: world.network(country, city, Sort::Mobile, rng),
            exits,
            devices: (0..count).map(|_| Device::bought(0.0, true, rng)).collect(),
            churn: if rng.chance(churners) { often } else { seldom },
            trip: Trip {
                from: ended,
                until: ended,
                hotel: Network::default(),
            },
            rng: rng.clone(),
        }
    }

    /// From where and with what the person logs in at a time in days.
    pub(super) fn login(&mut self, world: &World, day: f64) -> (Origin, Client) {
        let rng = &mut self.rng;
        if rng.chance(self.churn) {
            let country = if rng.chance(CHURN_AT_HOME) {
                self.country
            } else {
                world.foreign(rng)
            };
            let city = if country == self.country {
                self.city
            } else {
                world.city(country, rng)
            };
            let sort = if rng.chance(0.3) {
                Sort::Mobile
            } else {
                Sort::Fixed
            };
            let mut network = world.network(country, city, sort, rng);
            let own = self.devices.first().copied().unwrap_or_default();
            let device = own.bought_like(day, true, rng);
            return (network.at(day, rng), device.at(day, rng));
        }
        if rng.chance(ROAM) {
            let mut network = world.network(self.country, self.city, Sort::Fixed, rng);
            let origin = network.at(day, rng);
            return (origin, self.client(day, false));
        }
        let (origin, elsewhere) = self.usual(world, day);
        (origin, self.client(day, elsewhere))
    }

    /// The carrier's address, to which a phone changes between two requests.
    pub(super) fn handover(&mut self, day: f64) -> Origin {
        self.carrier.at(day, &mut self.rng)
    }

    /// The network the persona is in at a time, and whether it is not the first one.
    fn usual(&mut self, world: &World, day: f64) -> (Origin, bool) {
        let rng = &mut self.rng;
        let hour = 24.0 * (day - libm::floor(day));
        let weekday = (libm::floor(day) as i64).rem_euclid(7) < 5;
        let (network, elsewhere) = match self.persona {
            Persona::Home | Persona::Dormant => (&mut self.home, false),
            Persona::Commuter if weekday && (8.0..17.0).contains(&hour) && rng.chance(0.8) => {
                (&mut self.work, true)
            }
            Persona::Commuter if rng.chance(0.35) => (&mut self.carrier, true),
            Persona::Commuter => (&mut self.home, false),
            Persona::Mobile if rng.chance(0.8) => (&mut self.carrier, false),
            Persona::Mobile => (&mut self.home, true),
            Persona::Traveller => {
                self.trip.advance(world, day, rng);
                if self.trip.holds(day) {
                    (&mut self.trip.hotel, true)
                } else {
                    (&mut self.home, false)
                }
            }
            Persona::Vpn if rng.chance(0.6) => {
                let exit = rng.below(3);
                let [first, second, third] = &mut self.exits;
                (
                    match exit {
                        0 => first,
                        1 => second,
                        _ => third,
                    },
                    false,
                )
            }
            Persona::Vpn => (&mut self.home, false),
            Persona::Office if weekday && (8.0..18.0).contains(&hour) => (&mut self.work, false),
            Persona::Office => (&mut self.home, true),
        };
        (network.at(day, rng), elsewhere)
    }

    /// What one of the devices sends; the second goes with the second network.
    fn client(&mut self, day: f64, elsewhere: bool) -> Client {
        let rng = &mut self.rng;
        let index = if elsewhere && self.devices.len() > 1 && rng.chance(0.7) {
            1
        } else {
            rng.zipf(self.devices.len(), DEVICE_USE)
        };
        let Some(device) = self.devices.get_mut(index) else {
            return Client::default();
        };
        if rng.chance(REPLACED) {
            *device = device.bought_like(day, false, rng);
        }
        device.at(day, rng)
    }
}

impl Trip {
    fn holds(&self, day: f64) -> bool {
        (self.from..self.until).contains(&day)
    }

    /// Plans trips until one has not begun or holds.
    fn advance(&mut self, world: &World, day: f64, rng: &mut Rng) {
        while self.until <= day {
            self.from = self.until + rng.between(20.0, 60.0);
            self.until = self.from + rng.between(2.0, 9.0);
            let country = world.foreign(rng);
            let city = world.city(country, rng);
            self.hotel = world.network(country, city, Sort::Fixed, rng);
        }
    }
}
