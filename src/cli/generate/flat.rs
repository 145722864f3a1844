//! The flat likelihood ratio of published evaluations (Freeman et al. 2016, without its prior): a yardstick for events.
//! May use: records.
//! Must not: be taken for the engine's score.

use std::collections::HashMap;

use super::record::{Record, Who};
use super::world::World;

const FEATURES: usize = 7;

/// The seven features compared, as numbers: address, provider, country, user agent, browser, system, device.
pub(super) type Features = [u64; FEATURES];

/// Counts of everybody and of each person.
#[derive(Debug, Default)]
pub(super) struct Flat {
    everybody: [HashMap<u64, f64>; FEATURES],
    total: f64,
    people: HashMap<Who, Own>,
}

#[derive(Debug, Default)]
struct Own {
    events: f64,
    counts: [HashMap<u64, f64>; FEATURES],
}

/// What was known of one login before it was learned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scored {
    /// Sum of `ln p - ln((c + p) / (n + 1))` over all features: higher is stranger.
    pub(super) score: f64,
    pub(super) history: usize,
    pub(super) new_provider: bool,
    pub(super) new_agent: bool,
}

pub(super) fn features(record: &Record, world: &World) -> Features {
    let place = world.place(record.origin);
    let client = &record.client;
    [
        u64::from(record.origin.address),
        u64::from(place.number),
        u64::from(place.country),
        client.agent(),
        client.browser_number(),
        client.system_number(),
        client.device_number(),
    ]
}

impl Flat {
    pub(super) fn score(&self, who: Who, features: &Features) -> Scored {
        let own = self.people.get(&who);
        let events = own.map_or(0.0, |own| own.events);
        let known = |feature: usize, value: &u64| {
            own.and_then(|own| own.counts.get(feature)?.get(value))
                .copied()
                .unwrap_or(0.0)
        };
        let mut score = 0.0;
        for (feature, (value, everybody)) in features.iter().zip(&self.everybody).enumerate() {
            let seen = everybody.get(value).copied().unwrap_or(0.0);
            let share = (seen + 1.0) / (self.total + everybody.len() as f64 + 1.0);
            let own = (known(feature, value) + share) / (events + 1.0);
            score += libm::log(share) - libm::log(own);
        }
        let [_, provider, _, agent, ..] = features;
        Scored {
            score,
            history: events as usize,
            new_provider: known(1, provider) == 0.0,
            new_agent: known(3, agent) == 0.0,
        }
    }

    pub(super) fn learn(&mut self, who: Who, features: &Features) {
        let own = self.people.entry(who).or_default();
        own.events += 1.0;
        self.total += 1.0;
        for ((value, everybody), counts) in features
            .iter()
            .zip(&mut self.everybody)
            .zip(&mut own.counts)
        {
            *everybody.entry(*value).or_default() += 1.0;
            *counts.entry(*value).or_default() += 1.0;
        }
    }
}
