//! The world people log in from: countries with their cities, and networks with addresses that change as providers' do.
//! May use: random numbers.
//! Must not: name a real network: numbers are for private use (RFC 6996), addresses reserved (RFC 1112 §4).

use std::net::Ipv4Addr;

use super::rng::Rng;

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Sort {
    /// Homes, offices and hotels.
    #[default]
    Fixed,
    /// Carriers, who give another address for every login.
    Mobile,
    /// Servers.
    Hosting,
}

/// An autonomous system.
#[derive(Clone, Copy, Debug, Default)]
struct Provider {
    country: u8,
    sort: Sort,
    /// Share of the country's people.
    share: f64,
}

struct Country {
    code: &'static str,
    /// Share of the people who do not live in the home country.
    share: f64,
    /// Degrees north and east.
    cities: &'static [(f64, f64)],
}

#[rustfmt::skip]
const COUNTRIES: [Country; 13] = [
    Country { code: "NO", share: 0.0, cities: &[(59.91, 10.75), (60.39, 5.32), (63.43, 10.4), (58.97, 5.73), (69.65, 18.96)] },
    Country { code: "PL", share: 0.17, cities: &[(52.23, 21.01), (50.06, 19.94)] },
    Country { code: "SE", share: 0.14, cities: &[(59.33, 18.07), (57.71, 11.97)] },
    Country { code: "US", share: 0.13, cities: &[(40.71, -74.01), (41.88, -87.63), (34.05, -118.24), (47.61, -122.33)] },
    Country { code: "BR", share: 0.09, cities: &[(-23.55, -46.63), (-22.91, -43.17)] },
    Country { code: "DK", share: 0.09, cities: &[(55.68, 12.57), (56.16, 10.2)] },
    Country { code: "GB", share: 0.08, cities: &[(51.51, -0.13), (53.48, -2.24)] },
    Country { code: "DE", share: 0.08, cities: &[(52.52, 13.4), (48.14, 11.58), (50.11, 8.68)] },
    Country { code: "ES", share: 0.06, cities: &[(40.42, -3.7), (41.39, 2.17)] },
    Country { code: "UA", share: 0.05, cities: &[(50.45, 30.52), (49.84, 24.03)] },
    Country { code: "RU", share: 0.04, cities: &[(55.76, 37.62), (59.93, 30.34)] },
    Country { code: "NL", share: 0.04, cities: &[(52.37, 4.9), (51.92, 4.48)] },
    Country { code: "FR", share: 0.03, cities: &[(48.86, 2.35), (43.3, 5.37)] },
];

/// Shares of the largest providers of the home country, fitted to how often two logins share one; the rest share what is
/// left.
const HOME_SHARES: [f64; 5] = [0.57, 0.14, 0.1, 0.05, 0.05];
const HOME_PROVIDERS: usize = 40;
const PROVIDERS: usize = 25;
/// Ranks of the carriers.
const CARRIERS: [usize; 2] = [1, 3];
const FIRST_NUMBER: u32 = 4_200_000_000;
/// Addresses of one provider, beginning at 240.0.0.0.
const BLOCK: u32 = 1 << 19;
/// Addresses around one person, and of one carrier's gateway.
const POOL: u32 = 1 << 12;
const GATEWAY: u32 = 1 << 15;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Origin {
    pub(super) address: u32,
    provider: u16,
    city: u8,
}

/// A network somebody uses, and the address it gives at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Network {
    provider: u16,
    city: u8,
    base: u32,
    size: u32,
    /// Mean days of a lease; 0: another address every time; infinite: never another.
    lease: f64,
    address: u32,
    until: f64,
}

/// All networks.
#[derive(Debug)]
pub(super) struct World {
    providers: Vec<Provider>,
    /// Share of people in the home country.
    home: f64,
}

impl World {
    /// A world in which this share of people lives in the home country.
    pub(super) fn new(home: f64) -> Self {
        let mut providers = Vec::new();
        for country in 0..COUNTRIES.len() as u8 {
            let count = if country == 0 {
                HOME_PROVIDERS
            } else {
                PROVIDERS
            };
            let rest = (1.0 - HOME_SHARES.iter().sum::<f64>())
                / (HOME_PROVIDERS - HOME_SHARES.len()) as f64;
            providers.extend((0..count).map(|rank| Provider {
                country,
                sort: match rank {
                    rank if CARRIERS.contains(&rank) => Sort::Mobile,
                    rank if rank >= count - count / 5 => Sort::Hosting,
                    _ => Sort::Fixed,
                },
                share: match country {
                    0 => HOME_SHARES.get(rank).copied().unwrap_or(rest),
                    _ => libm::pow(rank as f64 + 1.0, -1.2),
                },
            }));
        }
        Self { providers, home }
    }

    /// A country somebody lives in.
    pub(super) fn country(&self, rng: &mut Rng) -> u8 {
        if rng.chance(self.home) {
            0
        } else {
            self.foreign(rng)
        }
    }

    /// A country other than the home country, as its people are many.
    pub(super) fn foreign(&self, rng: &mut Rng) -> u8 {
        rng.weighted(COUNTRIES.iter().map(|country| country.share)) as u8
    }

    /// Any country, each as likely.
    pub(super) fn anywhere(&self, rng: &mut Rng) -> u8 {
        rng.below(COUNTRIES.len()) as u8
    }

    pub(super) fn city(&self, country: u8, rng: &mut Rng) -> u8 {
        let cities = COUNTRIES
            .get(usize::from(country))
            .map_or(1, |country| country.cities.len());
        rng.below(cities) as u8
    }

    /// A network of this sort in a city, from a provider as large as its share.
    pub(super) fn network(&self, country: u8, city: u8, sort: Sort, rng: &mut Rng) -> Network {
        let weight = |provider: &Provider| {
            let fits = provider.country == country && provider.sort == sort;
            if fits { provider.share } else { 0.0 }
        };
        let provider = rng.weighted(self.providers.iter().map(weight)) as u16;
        Self::of_provider(provider, city, sort, rng)
    }

    /// A network of a provider that hardly anybody uses.
    pub(super) fn rare(&self, country: u8, rng: &mut Rng) -> Network {
        let last = self
            .providers
            .iter()
            .rposition(|provider| provider.country == country && provider.sort == Sort::Fixed)
            .unwrap_or(0);
        let provider = last.saturating_sub(rng.below(5)) as u16;
        Self::of_provider(provider, 0, Sort::Fixed, rng)
    }

    fn of_provider(provider: u16, city: u8, sort: Sort, rng: &mut Rng) -> Network {
        let size = if sort == Sort::Mobile { GATEWAY } else { POOL };
        let block = u32::from(Ipv4Addr::new(240, 0, 0, 0)) + u32::from(provider) * BLOCK;
        Network {
            provider,
            city,
            base: block + rng.below((BLOCK / size) as usize) as u32 * size,
            size,
            lease: match sort {
                Sort::Mobile => 0.0,
                Sort::Hosting => f64::INFINITY,
                Sort::Fixed if rng.chance(STATIC) => f64::INFINITY,
                Sort::Fixed => LEASE,
            },
            address: 0,
            until: f64::NEG_INFINITY,
        }
    }

    /// The number of the provider, the country and where it is.
    pub(super) fn place(&self, origin: Origin) -> Place {
        let country = self
            .providers
            .get(usize::from(origin.provider))
            .map_or(0, |provider| provider.country);
        let (code, cities) = COUNTRIES
            .get(usize::from(country))
            .map_or(("", &[][..]), |found| (found.code, found.cities));
        let (lat, lon) = cities
            .get(usize::from(origin.city))
            .copied()
            .unwrap_or_default();
        Place {
            number: FIRST_NUMBER + u32::from(origin.provider),
            country,
            code,
            lat,
            lon,
        }
    }
}

/// Share of people whose address never changes.
const STATIC: f64 = 0.75;
/// Mean days of the others' leases.
const LEASE: f64 = 30.0;

/// What a geographic database would say of an origin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) number: u32,
    pub(super) country: u8,
    pub(super) code: &'static str,
    pub(super) lat: f64,
    pub(super) lon: f64,
}

impl Network {
    /// The address the network gives at a time in days.
    pub(super) fn at(&mut self, day: f64, rng: &mut Rng) -> Origin {
        if day >= self.until {
            self.address = self.base + rng.below(self.size as usize) as u32;
            self.until = if self.lease.is_finite() {
                day + rng.exponential(self.lease)
            } else {
                f64::INFINITY
            };
        }
        Origin {
            address: self.address,
            provider: self.provider,
            city: self.city,
        }
    }

    /// The same network as a pool of so many addresses, another one every time.
    pub(super) fn shared_by(mut self, addresses: u32) -> Self {
        self.size = addresses;
        self.lease = 0.0;
        self
    }

    /// The same network with one address for ever.
    pub(super) fn constant(mut self) -> Self {
        self.lease = f64::INFINITY;
        self
    }
}

impl Origin {
    /// The same network with another address in its /24.
    pub(super) fn neighbour(mut self, rng: &mut Rng) -> Self {
        let last = self.address & 0xff;
        self.address = self.address - last + (last + 1 + rng.below(255) as u32) % 256;
        self
    }

    pub(super) fn same_provider(self, other: Self) -> bool {
        self.provider == other.provider
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_keep_to_their_blocks_and_countries() {
        let world = World::new(0.72);
        let mut rng = Rng::new(1, 1);
        for country in 0..COUNTRIES.len() as u8 {
            for sort in [Sort::Fixed, Sort::Mobile, Sort::Hosting] {
                let city = world.city(country, &mut rng);
                let mut network = world.network(country, city, sort, &mut rng);
                let (a, b) = (network.at(0.0, &mut rng), network.at(0.0, &mut rng));
                assert_eq!(a.address >> 15, b.address >> 15);
                assert_eq!(sort == Sort::Mobile, a.address != b.address);
                assert_eq!(world.place(a).country, country);
                assert!(a.address >= 0xf000_0000);
            }
        }
        let origin = Origin {
            address: 0xf000_00ff,
            ..Origin::default()
        };
        let neighbour = origin.neighbour(&mut rng);
        assert_eq!(neighbour.address >> 8, origin.address >> 8);
        assert_ne!(neighbour, origin);
    }
}
