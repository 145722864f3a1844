//! What is done, seen together with from where and with what.

use super::*;
use crate::baseline::values::Sighting;
use crate::evidence::of_login;

fn record(history: u32) -> IdentityRecord {
    let mut record = IdentityRecord::new(NOW - 1000);
    let seen = |key| Sighting {
        key,
        ..Sighting::default()
    };
    for _ in 0..history {
        record.network.asn.learn(seen(1));
        record.network.country.learn(seen(1));
        record.network.prefix.learn(seen(1));
        record.network.address.learn(seen(1));
        record.client.browser.learn(seen(1));
        record.client.user_agent.learn(seen(1));
    }
    record.history = history;
    record.events = history as f32;
    record
}

fn login(record: &IdentityRecord, features: &Features, reason: Reason) -> f64 {
    let population = Population::default();
    let known = Known::of(&population).with_identity(Some(record));
    strongest(
        &of_login(features, &known, &Weights::default()).evidence,
        reason,
    )
}

#[test]
fn machines_off_their_purpose_and_in_human_hands() {
    let usual = Features {
        now: NOW,
        kind: Kind::Service,
        address: 1,
        prefix: 1,
        asn: 1,
        country: 1,
        user_agent: 1,
        browser: 1,
        script: true,
        ..Features::default()
    };
    let elsewhere = Features {
        asn: 9,
        prefix: 9,
        address: 9,
        ..usual
    };
    let by_hand = Features {
        browser: 7 << 16,
        user_agent: 9,
        script: false,
        ..usual
    };
    let record = record(60);
    assert_eq!(login(&record, &usual, Reason::OffPurpose), 0.0);
    assert_eq!(login(&record, &elsewhere, Reason::OffPurpose), 2.0);
    assert_eq!(login(&record, &usual, Reason::HumanUse), 0.0);
    assert_eq!(login(&record, &by_hand, Reason::HumanUse), 2.0);
    assert_eq!(
        login(&self::record(20), &elsewhere, Reason::OffPurpose),
        0.0
    );
}

#[test]
fn a_new_context_after_a_recovery_is_suspicious_for_an_hour() {
    let elsewhere = Features {
        now: NOW,
        asn: 9,
        country: 9,
        prefix: 9,
        address: 9,
        ..Features::default()
    };
    let mut record = record(20);
    assert_eq!(login(&record, &elsewhere, Reason::RecoveryAbuse), 0.0);
    record.recovered = NOW - 600;
    assert_eq!(login(&record, &elsewhere, Reason::RecoveryAbuse), 2.0);
    record.recovered = NOW - 4_000;
    assert_eq!(login(&record, &elsewhere, Reason::RecoveryAbuse), 0.0);
}

#[test]
fn the_owners_context_speaks_for_nobody_who_does_what_the_owner_never_did() {
    let mut world = World::new(Kind::Human);
    let record = record(40);
    let at_home = Features {
        address: 1,
        prefix: 1,
        asn: 1,
        country: 1,
        user_agent: 1,
        browser: 1,
        ..world.features
    };
    let context = |world: &World, features: &Features| {
        let watched = Watched {
            profile: Some(&world.profile),
            ongoing: Some(&world.ongoing),
        };
        let known = Known::of(&world.population)
            .with_identity(Some(&record))
            .with_behaviour(Some(watched));
        let found = of_login(features, &known, &Weights::default()).evidence;
        let own = |family| {
            found
                .iter()
                .any(|p| p.reason.family() == family && p.nats < 0.0)
        };
        [Family::Network, Family::Client].map(own)
    };
    assert_eq!(context(&world, &at_home), [true, true]);
    let granting = Features {
        class: Class::Privileged,
        ..at_home
    };
    assert_eq!(context(&world, &granting), [false, false]);
    // An administrator on a route in daily use.
    world.profile.privileged = world.profile.turns;
    assert_eq!(context(&world, &granting), [true, true]);
    // The same one on a privileged route never used before.
    world.features = Features {
        route: 40,
        ..granting
    };
    assert!(world.nats(Reason::NewPrivilege) > 1.0);
}
