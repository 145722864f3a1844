//! Others at the same source: failures of a network, a provider, a client, and an identity in many hands at once.
//! May use: signals, baseline.
//! Must not: hold against an owner what others do behind the same address, or let a failed try pass for an owner's.

use super::{Family, Gathered, Known, Reason};
use crate::baseline::identity::IdentityRecord;
use crate::baseline::source::{BURST, Source, SourceKind};
use crate::signals::features::Features;

/// Names in a burst that make it stuffing.
const STUFFING: f64 = 15.0;
/// Names that fail, and failures per name at most, that make a spray.
const SPRAY: f64 = 5.0;
const SPRAY_TRIES: f64 = 8.0;
/// How many times more failures than usual are out of proportion.
const PROPORTION: f64 = 3.0;
/// Failures of one identity from one network that a success does not excuse.
const FAILURES: f64 = 4.0;
/// Networks that fail on one identity, and failures, within the hour.
const DISTRIBUTED: f64 = 5.0;
const DISTRIBUTED_TRIES: f64 = 10.0;

/// Whether these reasons come from a source: then it learns no owner from the attempt.
pub(crate) const fn is_of_source(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::BruteForce
            | Reason::CredentialStuffing
            | Reason::PasswordSpray
            | Reason::DistributedAttack
            | Reason::SuccessAfterFailures
    )
}

/// Evidence of the sources a request comes from and of what happened to its identity within the hour.
pub(super) fn gather(features: &Features, known: &Known<'_>, found: &mut Gathered<'_>) {
    let record = known.identity;
    let owner = features.verified
        && record.is_some_and(|record| {
            record.network.prefix.count(features.prefix) > 0.0
                && record.client.browser.count(features.browser) > 0.0
        });
    let (tried, distributed) = record.map_or((0.0, 0.0), |record| tried(record, features));
    let mut distributed = distributed;
    let mut brute_force = tried;
    if !owner {
        let now = features.now;
        let usual = known.population.failure_share();
        if let Some(source) = known.source(SourceKind::Prefix) {
            if source.is_hot(now) && source.names(now) >= STUFFING {
                found.add(Reason::CredentialStuffing, burst(source, now));
            } else if source.is_hot(now) {
                brute_force = brute_force.max(burst(source, now));
            }
            if is_disproportionate(source, now, usual) {
                found.add(Reason::PasswordSpray, spray(source, now));
            }
        }
        for kind in [SourceKind::Network, SourceKind::Client] {
            if let Some(source) = known.source(kind) {
                distributed = f64::max(distributed, wide(source, now, usual));
            }
        }
        if let Some(source) = known.source(SourceKind::Device)
            && !known.is_shared(now)
        {
            found.add(Reason::ManyIdentities, identities(source, features));
        }
    }
    found.add(Reason::BruteForce, brute_force);
    found.add(Reason::DistributedAttack, distributed);
    if !owner && known.is_hot(features.now) {
        // What an attack comes from speaks for nobody, nor does anything that was only claimed.
        found.void(|family| !features.verified || family == Family::Network);
    }
    if let Some(record) = record.filter(|_| features.verified) {
        if !owner && record.lately.tries(features.prefix, features.now) >= FAILURES {
            found.add(Reason::SuccessAfterFailures, tried + 1.5);
        }
        if !features.kind.is_machine() && !known.is_shared(features.now) {
            found.add(Reason::AccountSharing, sharing(record, features));
        }
    }
}

/// The value of the first threshold that `x` reaches; thresholds fall.
fn step(x: f64, ladder: &[(f64, f64)]) -> f64 {
    ladder
        .iter()
        .find(|(from, _)| x >= *from)
        .map_or(0.0, |(_, value)| *value)
}

/// Failures far beyond what the successes explain.
fn is_disproportionate(source: &Source, now: u32, usual: f64) -> bool {
    let usual = usual.clamp(0.01, 0.9);
    let expected = 1.0 + usual / (1.0 - usual) * source.succeeded(now);
    source.failed(now) >= PROPORTION * expected
}

fn burst(source: &Source, now: u32) -> f64 {
    let failures = f64::from(source.burst(now).max(BURST));
    libm::log(100.0 * failures / f64::from(BURST))
}

fn spray(source: &Source, now: u32) -> f64 {
    let names = source.names(now);
    if names >= SPRAY && source.failed(now) <= SPRAY_TRIES * names {
        2.0 + libm::log(names / SPRAY)
    } else {
        0.0
    }
}

/// Many people share a provider or a client: only what is out of proportion counts, and it does not outlast the burst.
fn wide(source: &Source, now: u32, usual: f64) -> f64 {
    if !is_disproportionate(source, now, usual) {
        return 0.0;
    }
    let burst = if source.burst(now) >= BURST {
        burst(source, now)
    } else {
        0.0
    };
    burst.max(spray(source, now))
}

fn identities(source: &Source, features: &Features) -> f64 {
    let now = features.now;
    let names = match features.tried.or(features.identity) {
        Some(locator) => source.names_with(locator.tag as u32, now),
        None => source.names(now),
    };
    step(names, &[(19.5, 2.5), (4.5, 1.0)])
}

/// Failures of this identity: from here, and from many networks, which only speaks against one it does not know.
fn tried(record: &IdentityRecord, features: &Features) -> (f64, f64) {
    let (lately, now) = (&record.lately, features.now);
    let tries = lately.tries(features.prefix, now);
    let nats = step(tries, &[(20.0, 2.0), (8.0, 1.0), (FAILURES, 0.5)]);
    let strange = record.network.prefix.count(features.prefix) <= 0.0;
    let distributed = strange
        && lately.failing(now) >= DISTRIBUTED - 0.5
        && lately.failed(now) >= DISTRIBUTED_TRIES;
    (nats, f64::from(u8::from(distributed)))
}

fn sharing(record: &IdentityRecord, features: &Features) -> f64 {
    let (lately, now) = (&record.lately, features.now);
    let networks = lately.networks(features.prefix, now);
    let nats = step(networks, &[(9.5, 2.0), (6.5, 1.5), (4.5, 0.8), (3.5, 0.4)]);
    let device = super::session::client(features).exact;
    let devices = step(lately.devices(device, now), &[(4.5, 0.8)]);
    nats.max(devices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::population::Population;
    use crate::baseline::source::{Ended, SourceKey, SourceLesson};
    use crate::baseline::values::Sighting;
    use crate::evidence::{EvidenceList, Weights};
    use crate::signals::keyed::Locator;

    const NOW: u32 = 1_000_000;

    fn features(name: u64) -> Features {
        Features {
            now: NOW,
            identity: Some(Locator { page: 0, tag: name }),
            verified: true,
            address: 1,
            prefix: 2,
            asn: 3,
            user_agent: 4,
            browser: 5,
            ..Features::default()
        }
    }

    fn owner() -> IdentityRecord {
        let mut record = IdentityRecord::new(NOW);
        let seen = |key| Sighting {
            key,
            ..Sighting::default()
        };
        record.network.prefix.learn(seen(2));
        record.client.browser.learn(seen(5));
        record
    }

    /// Sources of these attempts: name, seconds before now, whether it failed.
    fn sources(attempts: &[(u32, u32, bool)]) -> Vec<(SourceKey, Source)> {
        let mut sources: Vec<_> = SourceKey::of(&features(1))
            .map(|key| (key, Source::default()))
            .collect();
        for (name, before, failed) in attempts {
            let ended = if *failed {
                Ended::Failed
            } else {
                Ended::Succeeded { ordinary: true }
            };
            let lesson = SourceLesson {
                name: name.wrapping_mul(2_246_822_519),
                now: NOW - before,
                ended,
            };
            for (key, source) in &mut sources {
                source.learn(key.kind, &lesson);
            }
        }
        sources
    }

    fn evidence(
        features: &Features,
        record: Option<&IdentityRecord>,
        sources: &[(SourceKey, Source)],
    ) -> EvidenceList {
        let population = Population::default();
        let known = Known::of(&population)
            .with_identity(record)
            .with_sources(sources);
        let weights = Weights::default();
        let mut found = Gathered::new(&weights);
        gather(features, &known, &mut found);
        found.list
    }

    fn nats(list: &EvidenceList, reason: Reason) -> f64 {
        let found = list.iter().find(|piece| piece.reason == reason);
        found.map_or(0.0, |piece| piece.nats)
    }

    #[test]
    fn a_burst_speaks_against_everybody_but_an_owner_who_is_verified() {
        let few: Vec<_> = (0..25).map(|i| (i % 3 + 1, 60, true)).collect();
        let many: Vec<_> = (0..100).map(|i| (i + 1, 60, true)).collect();
        let (few, many) = (sources(&few), sources(&many));
        assert!(nats(&evidence(&features(9), None, &few), Reason::BruteForce) >= 4.6);
        let stuffing = nats(
            &evidence(&features(9), None, &many),
            Reason::CredentialStuffing,
        );
        assert!((stuffing - libm::log(400.0)).abs() < 1e-9);
        let record = owner();
        assert!(evidence(&features(9), Some(&record), &many).is_empty());
        let unverified = Features {
            verified: false,
            ..features(9)
        };
        let against = evidence(&unverified, Some(&record), &many);
        assert!(nats(&against, Reason::CredentialStuffing) >= 4.6);
    }

    #[test]
    fn a_spray_is_a_few_failures_of_each_of_many_names() {
        let spray: Vec<_> = (0..12).map(|i| (i + 1, i * 100, true)).collect();
        let found = evidence(&features(99), None, &sources(&spray));
        assert!(nats(&found, Reason::PasswordSpray) >= 2.0);
        assert!(nats(&found, Reason::DistributedAttack) >= 2.0);
        assert_eq!(nats(&found, Reason::BruteForce), 0.0);
        // A busy office fails as often, in proportion.
        let office: Vec<_> = (0..240)
            .map(|i| (i + 1, 1700 - i * 7, i % 12 == 0))
            .collect();
        assert!(evidence(&features(99), None, &sources(&office)).is_empty());
    }

    #[test]
    fn one_device_with_many_identities_unless_the_network_is_shared() {
        let used = |names: u32, before| (0..names).map(move |i| (i + 1, before, false));
        let five: Vec<_> = used(5, 60).collect();
        let found = evidence(&features(99), None, &sources(&five));
        assert_eq!(nats(&found, Reason::ManyIdentities), 1.0);
        let office: Vec<_> = used(30, 60).collect();
        assert!(evidence(&features(99), None, &sources(&office)).is_empty());
    }

    #[test]
    fn failures_before_a_success_and_too_many_places_at_once() {
        let mut record = IdentityRecord::new(NOW);
        for _ in 0..8 {
            record.lately.fail(2, NOW);
        }
        let found = evidence(&features(9), Some(&record), &[]);
        assert_eq!(nats(&found, Reason::SuccessAfterFailures), 2.5);
        assert_eq!(nats(&found, Reason::BruteForce), 1.0);
        let mut record = owner();
        for place in 10..20 {
            record.lately.used(place, 1, NOW);
        }
        let found = evidence(&features(9), Some(&record), &[]);
        assert!(nats(&found, Reason::AccountSharing) >= 1.5);
        assert!(evidence(&features(9), Some(&owner()), &[]).is_empty());
    }

    #[test]
    fn an_attack_on_one_identity_from_many_networks_speaks_against_a_new_one() {
        let mut record = owner();
        for i in 0..14 {
            record.lately.fail(100 + i % 7, NOW);
        }
        assert!(evidence(&features(9), Some(&record), &[]).is_empty());
        let elsewhere = Features {
            prefix: 77,
            ..features(9)
        };
        let found = evidence(&elsewhere, Some(&record), &[]);
        assert_eq!(nats(&found, Reason::DistributedAttack), 1.0);
    }
}
