//! The population as bytes: for shared data and snapshots.
//! May use: the byte codec and the parts beside it.
//! Must not: change what it carries.

use super::issuers::Issuers;
use super::networks::Networks;
use super::patterns::Patterns;
use super::routes::Routes;
use super::sketch::Sketch;
use super::{MOVES, Population, RECENT, RecentClient, Sessions};
use crate::baseline::bytes::{Reader, Writer};
use crate::baseline::tally::Tallies;
use crate::baseline::values::Version;

impl Population {
    /// Appends its bytes.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let mut out = Writer(bytes);
        let out = &mut out;
        for number in [
            self.events,
            self.sessions.begun,
            self.sessions.moved,
            self.sessions.upgrades,
            self.sessions.changes,
        ]
        .into_iter()
        .chain(self.attempts)
        {
            out.u64(number.to_bits());
        }
        out.u32(self.first);
        out.u32(self.updated);
        self.sketch.encode(out);
        self.networks.encode(out);
        out.u16(self.countries.len() as u16);
        for (code, count) in &self.countries {
            out.u32(*code);
            out.count(*count);
        }
        self.hours
            .iter()
            .chain(&self.relations)
            .for_each(|count| out.count(*count));
        out.u8(self.recent.len() as u8);
        out.u8(self.next as u8);
        for client in &self.recent {
            for field in [
                client.identity,
                client.user_agent,
                client.browser,
                client.os,
            ] {
                out.u32(field);
            }
            out.u16(client.version.browser);
            out.u16(client.version.os);
        }
        self.patterns.encode(out);
        self.sessions.moves.encode(out);
        self.issuers.encode(out);
        self.routes.encode(out);
    }

    /// Reads it back; `None` when the bytes are not a population.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Reader::new(bytes);
        let input = &mut input;
        let mut number = || {
            input
                .u64()
                .map(f64::from_bits)
                .filter(|number| number.is_finite() && *number >= 0.0)
        };
        let mut population = Self {
            events: number()?,
            sessions: Sessions {
                begun: number()?,
                moved: number()?,
                upgrades: number()?,
                changes: number()?,
                moves: Tallies::default(),
            },
            attempts: [number()?, number()?],
            ..Self::default()
        };
        population.first = input.u32()?;
        population.updated = input.u32()?;
        population.sketch = Sketch::decode(input)?;
        population.networks = Networks::decode(input)?;
        for _ in 0..input.u16()? {
            population
                .countries
                .try_push((input.u32()?, input.count()?))
                .ok()?;
        }
        for count in population.hours.iter_mut().chain(&mut population.relations) {
            *count = input.count()?;
        }
        let recent = input.u8()?;
        population.next = usize::from(input.u8()?) % RECENT;
        for _ in 0..recent {
            let client = RecentClient {
                identity: input.u32()?,
                user_agent: input.u32()?,
                browser: input.u32()?,
                os: input.u32()?,
                version: Version {
                    browser: input.u16()?,
                    os: input.u16()?,
                },
            };
            population.recent.try_push(client).ok()?;
        }
        population.patterns = Patterns::decode(input)?;
        population.sessions.moves = Tallies::decode(input, MOVES)?;
        population.issuers = Issuers::decode(input)?;
        population.routes = Routes::decode(input)?;
        input.is_empty().then_some(population)
    }
}
