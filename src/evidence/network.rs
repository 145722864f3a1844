//! From where: novelty of address, prefix, provider and country, how providers change addresses, cities,
//! hosting providers and anonymisers.
//! May use: signals, baseline, novelty.
//! Must not: look at other families.

use super::novelty::{Identity, MIMICRY_COARSE, MIMICRY_FINE, Step, matched};
use super::{Gathered, Known, Reason};
use crate::baseline::identity::IdentityRecord;
use crate::baseline::population::{Population, Shared};
use crate::baseline::values::Values;
use crate::signals::features::Features;
use crate::signals::request::Anonymiser;

/// Below this many nats an anonymiser is the identity's habit.
const HABITUAL: f64 = 0.0;
/// Most that a city can say: databases move addresses between cities that their users never left.
const CITY: f64 = 0.5;

/// What the network chain found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// The finest level that matched: address, prefix, provider, country, none.
    pub(super) level: usize,
    /// How likely each level was.
    pub(super) expected: [f64; 5],
}

fn steps(
    record: &IdentityRecord,
    features: &Features,
    everybody: &Population,
    identity: &Identity,
) -> [Step; 4] {
    let own = &record.network;
    let f = features;
    [
        identity.step(
            &own.country,
            f.country,
            everybody.country_share(f.country),
            MIMICRY_COARSE,
        ),
        identity.step(&own.asn, f.asn, everybody.asn_share(f.asn), MIMICRY_COARSE),
        identity.step(
            &own.prefix,
            f.prefix,
            everybody.share(Shared::Prefix, f.prefix),
            MIMICRY_FINE,
        ),
        identity.step(
            &own.address,
            f.address,
            everybody.share(Shared::Address, f.address),
            MIMICRY_FINE,
        ),
    ]
}

/// Evidence of a person's login.
pub(super) fn person(
    record: &IdentityRecord,
    features: &Features,
    known: &Known<'_>,
    identity: &Identity,
    found: &mut Gathered<'_>,
) -> Found {
    let steps = steps(record, features, known.population, identity);
    let level = matched(&steps);
    // A known provider that keeps handing out fresh addresses explains a fresh one.
    let churn = if (1..=2).contains(&level) {
        known.population.churn(features.asn)
    } else {
        0.0
    };
    let nats = identity.chain(&steps) + churn;
    found.add(reason(record, features, level), nats);
    if nats > HABITUAL {
        found.add(Reason::Anonymiser, anonymiser(features));
        // What speaks for the owner must not be hidden by less: only a network that is strange may be stranger still.
        if level >= 2 {
            let city = unseen(&record.city, features.city, identity.stretch).min(CITY);
            found.add(Reason::NewCity, city);
            let bit = unseen(&record.hosting, features.hosting, identity.stretch);
            found.add(Reason::HostingSwitch, bit);
        }
    }
    Found {
        level,
        expected: identity.expectation(&steps),
    }
}

/// Evidence of a machine's event: one more level, the block a pool lies in. A familiar client does not make a strange
/// network less strange, so the evidence never speaks for the owner: it is what a stolen key usually comes with.
pub(super) fn machine(
    record: &IdentityRecord,
    features: &Features,
    known: &Known<'_>,
    identity: &Identity,
    found: &mut Gathered<'_>,
) -> usize {
    let [country, asn, prefix, address] = steps(record, features, known.population, identity);
    let block = identity.step(
        &record.network.block,
        features.block,
        known.population.share(Shared::Block, features.block),
        MIMICRY_FINE,
    );
    let level = matched(&[country, asn, prefix, address]);
    let nats = identity.chain(&[country, asn, block, prefix, address]);
    found.add(reason(record, features, level), nats.max(0.0));
    if level >= 2 {
        // A machine stays where it was deployed.
        let bit = unseen(&record.hosting, features.hosting, identity.stretch);
        found.add(Reason::HostingSwitch, 2.0 * bit);
    }
    level
}

/// Evidence of an identity nobody knows yet: how rare its provider is among everybody.
pub(super) fn stranger(features: &Features, known: &Known<'_>, found: &mut Gathered<'_>) {
    if features.asn != 0 && known.population.events() > 0.0 {
        found.add(Reason::RareNetwork, known.population.rarity(features.asn));
    }
}

/// What it says that a table of values has never seen this one: its escape probability after Witten and Bell, counted over the
/// events that had a value, since the signal may be younger than the record. Values on probation count as never seen.
fn unseen<const N: usize>(known: &Values<N>, key: u32, stretch: f64) -> f64 {
    let events: f64 = known
        .entries()
        .iter()
        .filter(|value| value.is_established())
        .map(|value| f64::from(value.count))
        .sum();
    if key == 0 || events <= 0.0 || known.count(key) > 0.0 {
        return 0.0;
    }
    let distinct = known.distinct().max(1.0) * stretch;
    libm::log((events + distinct) / distinct)
}

fn reason(record: &IdentityRecord, features: &Features, level: usize) -> Reason {
    let own = &record.network;
    if own.country.count(features.country) <= 0.0 {
        Reason::NewCountry
    } else if own.asn.count(features.asn) <= 0.0 {
        Reason::NewAsn
    } else if level >= 2 {
        Reason::NewNetwork
    } else {
        Reason::NewAddress
    }
}

fn anonymiser(features: &Features) -> f64 {
    let flags = features.anonymiser;
    if flags.has(Anonymiser::TOR) {
        3.0
    } else if flags.has(Anonymiser::PROXY) {
        2.0
    } else if flags.has(Anonymiser::HOSTING) {
        1.5
    } else if flags.has(Anonymiser::VPN | Anonymiser::UNKNOWN) {
        1.0
    } else {
        0.0
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
