//! The token family: rules that no authentication mends, and habits of issuers and identities.
//! May use: lessons to make a population, records by hand.
//! Must not: verify a token.

use super::*;
use crate::baseline::population::{
    CredentialLesson, EventLesson, Lesson, Population, RecentClient,
};
use crate::baseline::revocation::Revocations;
use crate::baseline::values::Sighting;
use crate::evidence::Weights;
use crate::feed::Feed;
use crate::signals::credential::CredentialFeatures;
use crate::signals::request::Kind;

const NOW: u32 = 1_700_000_000;

fn event(credential: CredentialLesson) -> Lesson {
    Lesson::Event(Box::new(EventLesson {
        now: NOW,
        values: [(Shared::OauthClient, 1); 8],
        shown: [(Shared::Language, 0); 3],
        asn: 1,
        country: 1,
        arrival: false,
        client: RecentClient::default(),
        pattern: None,
        relations: [0; 5],
        human: true,
        credential,
    }))
}

/// An issuer of `events` tokens of five minutes in two shapes.
fn issuer(events: u32) -> Population {
    let mut everybody = Population::default();
    for number in 0..events {
        everybody.learn(&event(CredentialLesson {
            issuer: 9,
            shape: 1 + number % 2,
            lifetime: 300,
        }));
    }
    everybody
}

fn shown(credential: CredentialFeatures) -> Features {
    Features {
        now: NOW,
        verified: true,
        issued_at: NOW - 1000,
        credential: CredentialFeatures {
            issuer: 9,
            lifetime: 300,
            shape: 1,
            ..credential
        },
        country: 1,
        asn: 2,
        prefix: 3,
        client_id: 7,
        ..Features::default()
    }
}

fn nats(
    features: &Features,
    everybody: &Population,
    record: Option<&IdentityRecord>,
) -> Vec<(Reason, f64)> {
    let weights = Weights::default();
    let known = Known::of(everybody);
    let mut found = Gathered::new(&weights);
    of_token(features, &known, &mut found);
    if let Some(record) = record {
        of_identity(record, features, &known, 1.0, &mut found);
    }
    let pieces = found.list.iter();
    pieces
        .map(|piece| (piece.reason, (piece.nats * 1000.0).round() / 1000.0))
        .collect()
}

#[test]
fn a_broken_binding_is_a_rule_where_somebody_verified_the_token() {
    let everybody = Population::default();
    for (binding, expected) in [
        (Binding::Unbound, None),
        (Binding::Held, None),
        (Binding::Broken, Some(Reason::KeyBindingBroken)),
        (Binding::ProofMissing, Some(Reason::DpopProofMissing)),
        (Binding::ProofInvalid, Some(Reason::DpopProofInvalid)),
        (Binding::ProofReplayed, Some(Reason::DpopReplayed)),
    ] {
        let features = shown(CredentialFeatures {
            binding,
            ..CredentialFeatures::default()
        });
        assert_eq!(rule(&features, &Known::of(&everybody)), expected);
        let unverified = Features {
            verified: false,
            ..features
        };
        assert_eq!(rule(&unverified, &Known::of(&everybody)), None);
    }
}

#[test]
fn what_is_revoked_is_refused_until_it_is_issued_again() {
    let everybody = Population::default();
    let mut features = shown(CredentialFeatures::default());
    features.credential.names.session = 77;
    let mut revoked = Revocations::default();
    revoked.revoke_before(77, NOW - 10, NOW + 10, NOW);
    let feed = Feed {
        revocations: revoked,
        ..Feed::default()
    };
    let known = Known::of(&everybody).with_feed(&feed);
    assert_eq!(rule(&features, &known), Some(Reason::Revoked));
    features.issued_at = NOW - 10;
    assert_eq!(rule(&features, &known), None);
}

#[test]
fn a_token_that_lives_longer_than_any_of_its_issuer_stands_out() {
    let long = |lifetime| {
        let mut features = shown(CredentialFeatures::default());
        features.credential.lifetime = lifetime;
        features
    };
    assert_eq!(nats(&long(599), &issuer(60), None), []);
    assert_eq!(nats(&long(601), &issuer(49), None), []);
    assert_eq!(
        nats(&long(601), &issuer(60), None),
        [(Reason::TokenLifetime, 1.5)]
    );
    // Without `exp` it has lived a thousand seconds so far.
    assert_eq!(
        nats(&long(0), &issuer(60), None),
        [(Reason::TokenLifetime, 1.5)]
    );
}

#[test]
fn a_long_token_that_the_issuer_gives_to_some_does_not() {
    let mut everybody = issuer(60);
    everybody.learn(&event(CredentialLesson {
        issuer: 9,
        shape: 1,
        lifetime: 86_400,
    }));
    let mut features = shown(CredentialFeatures::default());
    features.credential.lifetime = 86_400;
    assert_eq!(nats(&features, &everybody, None), []);
}

#[test]
fn a_shape_is_new_only_to_an_issuer_that_is_known_well() {
    let mut features = shown(CredentialFeatures::default());
    features.credential.shape = 3;
    assert_eq!(nats(&features, &issuer(499), None), []);
    // ln(251) / ln(500) of 1.5: the issuer has two shapes.
    assert_eq!(
        nats(&features, &issuer(500), None),
        [(Reason::TokenShape, 1.334)]
    );
    features.credential.shape = 2;
    assert_eq!(nats(&features, &issuer(500), None), []);
    features.credential.issuer = 8;
    features.credential.shape = 3;
    assert_eq!(nats(&features, &issuer(500), None), []);
}

#[test]
fn a_token_used_elsewhere_than_issued_says_so_by_the_coarsest_difference() {
    let everybody = Population::default();
    for (issued_country, issued_asn, issued_prefix, expected) in [
        (0, 0, 0, None),
        (1, 2, 3, None),
        (5, 2, 3, Some(1.5)),
        (1, 5, 3, Some(0.5)),
        (1, 2, 5, None),
        (0, 0, 5, Some(0.3)),
    ] {
        let features = shown(CredentialFeatures {
            issued_country,
            issued_asn,
            issued_prefix,
            ..CredentialFeatures::default()
        });
        let expected: Vec<_> = expected
            .map(|nats| (Reason::IssuedElsewhere, nats))
            .into_iter()
            .collect();
        assert_eq!(nats(&features, &everybody, None), expected);
    }
}

fn record(events: u32, multi_factor: f32) -> IdentityRecord {
    let mut record = IdentityRecord::new(NOW);
    record.history = events;
    record.events = events as f32;
    record.multi_factor = multi_factor;
    for _ in 0..events {
        record.oauth.learn(Sighting {
            key: 7,
            ..Sighting::default()
        });
    }
    record
}

#[test]
fn losing_the_second_factor_is_a_downgrade_of_a_firm_habit_only() {
    let everybody = Population::default();
    let mut features = shown(CredentialFeatures::default());
    assert_eq!(
        nats(&features, &everybody, Some(&record(10, 9.0))),
        [(Reason::AmrDowngrade, 1.5)]
    );
    assert_eq!(nats(&features, &everybody, Some(&record(10, 8.0))), []);
    assert_eq!(nats(&features, &everybody, Some(&record(9, 9.0))), []);
    features.credential.multi_factor = true;
    assert_eq!(nats(&features, &everybody, Some(&record(10, 9.0))), []);
}

#[test]
fn a_new_oauth_client_counts_twice_for_machines_and_a_known_one_never_speaks_for_the_owner() {
    let everybody = Population::default();
    let mut features = shown(CredentialFeatures::default());
    assert_eq!(nats(&features, &everybody, Some(&record(20, 0.0))), []);
    features.client_id = 8;
    // Half of ln 21, then ln 21.
    assert_eq!(
        nats(&features, &everybody, Some(&record(20, 0.0))),
        [(Reason::NewOauthClient, 1.522)]
    );
    features.kind = Kind::Service;
    assert_eq!(
        nats(&features, &everybody, Some(&record(20, 0.0))),
        [(Reason::NewOauthClient, 3.045)]
    );
    let mut unnamed = record(0, 0.0);
    unnamed.events = 50.0;
    assert_eq!(nats(&features, &everybody, Some(&unnamed)), []);
}

#[test]
fn the_first_risky_grant_of_an_identity_is_new_and_its_second_is_not() {
    let everybody = Population::default();
    let mut record = IdentityRecord::new(NOW - 86_400);
    record.history = 5;
    record.events = 5.0;
    let with = |grant| {
        shown(CredentialFeatures {
            grant,
            ..CredentialFeatures::default()
        })
    };
    let new = |record: &IdentityRecord, grant| {
        let found = nats(&with(grant), &everybody, Some(record));
        found.contains(&(Reason::NewGrant, 1.0))
    };
    assert_eq!(
        [0, 1, 2].map(|grant| new(&record, grant)),
        [false, true, true]
    );
    record.grant.learn(Sighting {
        key: 1,
        ..Sighting::default()
    });
    assert_eq!(
        [0, 1, 2].map(|grant| new(&record, grant)),
        [false, false, true]
    );
    // One that was phished stays new.
    record.grant.learn(Sighting {
        key: 2,
        surprising: true,
        ..Sighting::default()
    });
    assert!(new(&record, 2));
}
