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
    let names = match features.identity {
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
