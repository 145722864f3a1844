//! Cities and hosting providers, against what an identity usually shows.
//! May use: records by hand.
//! Must not: look at other families.

use crate::baseline::identity::IdentityRecord;
use crate::baseline::population::Population;
use crate::baseline::values::Sighting;
use crate::evidence::{Known, Reason, Weights, of_login};
use crate::signals::features::Features;
use crate::signals::request::Kind;

const NOW: u32 = 1_700_000_000;

/// Twenty events from one network, with the city and the hosting bit given.
fn record(city: u32, hosting: u32) -> IdentityRecord {
    let mut record = IdentityRecord::new(NOW - 30 * 86_400);
    let seen = |key| Sighting {
        key,
        ..Sighting::default()
    };
    for _ in 0..20 {
        let network = &mut record.network;
        network.address.learn(seen(1));
        network.prefix.learn(seen(1));
        network.block.learn(seen(1));
        network.asn.learn(seen(1));
        network.country.learn(seen(1));
        record.client.user_agent.learn(seen(1));
        record.client.browser.learn(seen(1));
        if city != 0 {
            record.city.learn(seen(city));
        }
        if hosting != 0 {
            record.hosting.learn(seen(hosting));
        }
    }
    record.history = 20;
    record.events = 20.0;
    record.last_event = NOW - 3_600;
    record
}

/// A login from another network of a provider that is new too.
fn elsewhere(kind: Kind, city: u32, hosting: u32) -> Features {
    Features {
        now: NOW,
        kind,
        verified: true,
        address: 9,
        prefix: 9,
        block: 9,
        asn: 9,
        country: 1,
        user_agent: 1,
        browser: 1,
        city,
        hosting,
        ..Features::default()
    }
}

fn nats(record: &IdentityRecord, features: &Features, reason: Reason) -> f64 {
    let population = Population::default();
    let known = Known::of(&population).with_identity(Some(record));
    let found = of_login(features, &known, &Weights::default());
    let mut pieces = found.evidence.iter();
    pieces
        .find(|piece| piece.reason == reason)
        .map_or(0.0, |piece| piece.nats)
}

#[test]
fn a_new_city_says_half_a_nat_at_most_and_nothing_where_the_network_is_known() {
    let city =
        |record: &IdentityRecord, features: &Features| nats(record, features, Reason::NewCity);
    let person = |city| elsewhere(Kind::Human, city, 0);
    assert_eq!(city(&record(5, 0), &person(6)), 0.5);
    assert_eq!(city(&record(5, 0), &person(5)), 0.0);
    // Neither a signal that is new nor one that is missing says anything.
    assert_eq!(city(&record(0, 0), &person(6)), 0.0);
    assert_eq!(city(&record(5, 0), &person(0)), 0.0);
    // A database that moves an address says nothing of who uses it.
    let at_home = Features {
        address: 1,
        prefix: 1,
        asn: 1,
        ..person(6)
    };
    assert_eq!(city(&record(5, 0), &at_home), 0.0);
    assert_eq!(city(&record(5, 0), &elsewhere(Kind::Service, 6, 0)), 0.0);
}

#[test]
fn a_city_on_probation_is_still_new() {
    let mut record = record(5, 0);
    record.city.learn(Sighting {
        key: 6,
        surprising: true,
        ..Sighting::default()
    });
    let nats = nats(&record, &elsewhere(Kind::Human, 6, 0), Reason::NewCity);
    assert_eq!(nats, 0.5);
}

#[test]
fn a_switch_between_hosting_and_eyeballs_counts_both_ways_and_twice_for_machines() {
    let switch = |kind, usual, shown| {
        let features = elsewhere(kind, 0, shown);
        nats(&record(0, usual), &features, Reason::HostingSwitch)
    };
    // Twenty events of one kind: ln((20 + 1) / 1), and a little absence.
    let human = switch(Kind::Human, 1, 2);
    assert!((human - libm::log(21.0)).abs() < 0.01, "{human}");
    assert_eq!(switch(Kind::Human, 2, 1), human);
    assert_eq!(switch(Kind::Service, 2, 1), 2.0 * human);
    assert_eq!(switch(Kind::ApiKey, 1, 2), 2.0 * human);
    for (usual, shown) in [(1, 1), (2, 2), (0, 2), (2, 0)] {
        assert_eq!(switch(Kind::Service, usual, shown), 0.0, "{usual} {shown}");
    }
}
