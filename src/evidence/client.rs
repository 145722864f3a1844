//! With what: novelty of user agent, browser, operating system, device class and language; scripts, and clients that are
//! not what they say.
//! May use: signals, baseline, novelty.
//! Must not: look at other families.

use super::network;
use super::novelty::{Identity, MIMICRY_COARSE, MIMICRY_FINE, Step, matched};
use super::{Evidence, EvidenceList, Family, Gathered, Known, Nature, Reason, Weights};
use crate::baseline::identity::IdentityRecord;
use crate::baseline::population::patterns::{CLIENT, Groups, Patterns, PerPattern, pattern};
use crate::baseline::population::{PatternLesson, Population, Shared};
use crate::baseline::values::{Relation, Version, relation};
use crate::signals::features::Features;
use crate::signals::request::DeviceReceipt;

/// Events of a browser with a TLS fingerprint before one it was never seen with contradicts it.
const HANDSHAKES: f64 = 200.0;
/// Most that a language can say: people borrow computers and change settings.
const LANGUAGE: f64 = 0.7;

fn steps(
    record: &IdentityRecord,
    features: &Features,
    everybody: &Population,
    identity: &Identity,
) -> [Step; 4] {
    let own = &record.client;
    let f = features;
    [
        identity.step(
            &own.device,
            f.device,
            everybody.share(Shared::Device, f.device),
            MIMICRY_COARSE,
        ),
        identity.step(
            &own.os,
            f.os,
            everybody.share(Shared::Os, f.os),
            MIMICRY_COARSE,
        ),
        identity.step(
            &own.browser,
            f.browser,
            everybody.share(Shared::Browser, f.browser),
            MIMICRY_COARSE,
        ),
        identity.step(
            &own.user_agent,
            f.user_agent,
            everybody.share(Shared::UserAgent, f.user_agent),
            MIMICRY_FINE,
        ),
    ]
}

/// Evidence of a person's login: the client chain, corrected for how new networks and new clients go together in this
/// population. Returns what the population may learn of it.
pub(super) fn person(
    record: &IdentityRecord,
    features: &Features,
    known: &Known<'_>,
    identity: &Identity,
    from: &network::Found,
    found: &mut Gathered<'_>,
) -> PatternLesson {
    let steps = steps(record, features, known.population, identity);
    let level = matched(&steps);
    let (shown, expected) = with_versions(
        record,
        features,
        known.population,
        level,
        identity.expectation(&steps),
    );
    let gap = f64::from(features.now.saturating_sub(record.last_event));
    let habit = (record.network.asn.distinct() - 1.0 + record.client.browser.distinct() - 1.0)
        / (f64::from(record.events) + 1.0);
    let groups = Groups::new(record.history, gap, habit);
    let joint = Patterns::joint(&from.expected, &expected);
    let factors = known.population.patterns().factors(groups, &joint);
    let shown = pattern(from.level, shown);
    let together = -libm::log(factors.get(shown).copied().unwrap_or(1.0));
    let nats = identity.chain(&steps) + together;
    found.add(
        if level <= 1 {
            Reason::NewClient
        } else {
            Reason::NewDevice
        },
        nats,
    );
    if features.script && nats > 0.0 {
        found.add(Reason::ScriptClient, 1.0);
    }
    PatternLesson {
        groups,
        joint,
        shown,
        fresh: fresh(from, &factors, shown),
    }
}

/// A person's browser with a TLS handshake that this browser was never seen with, whoever used it.
pub(super) fn handshake(features: &Features, known: &Known<'_>, found: &mut Gathered<'_>) {
    if features.handshake == 0 || features.kind.is_machine() {
        return;
    }
    let everybody = known.population;
    let browser = everybody.count(Shared::Measured, features.browser);
    let together = everybody.count(Shared::Handshake, features.handshake);
    if browser >= HANDSHAKES && together < 0.5 {
        found.add(Reason::TlsMismatch, 1.0);
    }
}

/// Novelty of a person's language.
pub(super) fn language(
    record: &IdentityRecord,
    features: &Features,
    known: &Known<'_>,
    stretch: f64,
    found: &mut Gathered<'_>,
) {
    let own = &record.language;
    if features.language == 0 || own.entries().is_empty() {
        return;
    }
    let identity = Identity {
        events: own
            .entries()
            .iter()
            .filter(|value| value.is_established())
            .map(|value| f64::from(value.count))
            .sum(),
        stretch,
    };
    let share = known.population.share(Shared::Language, features.language);
    let step = identity.step(own, features.language, share, MIMICRY_COARSE);
    let nats = identity.chain(&[step]).clamp(0.0, LANGUAGE);
    found.add(Reason::NewLanguage, nats);
}

/// Whether the address was fresh although the provider is known, and how likely that was.
fn fresh(from: &network::Found, factors: &PerPattern, shown: usize) -> Option<(bool, f64)> {
    let [address, prefix, asn, ..] = from.expected;
    let likely = (prefix + asn) / (address + prefix + asn);
    let at = pattern(from.level.max(2), shown % CLIENT);
    let factor = factors.get(at).copied().unwrap_or(1.0);
    (from.level <= 2).then_some((from.level > 0, (likely * factor).min(1.0)))
}

/// Whether a person's device is proven by a receipt; `None` where none was shown. One from before a recovery of the account may
/// be that of whoever it was recovered from. What a proven device explains is that its client is new here; suspicion stays,
/// since whoever steals a session may have stolen the receipt with it.
pub(crate) fn device(
    features: &Features,
    record: Option<&IdentityRecord>,
    weights: &Weights,
    reasons: &mut EvidenceList,
) -> Option<bool> {
    let recovered = record.map_or(0, |record| record.recovered);
    let issued = match features.receipt {
        DeviceReceipt::Absent => return None,
        DeviceReceipt::Refused => return Some(false),
        DeviceReceipt::Held { issued, .. } => issued,
    };
    if !features.verified || features.kind.is_machine() || issued <= recovered {
        return Some(false);
    }
    let reason = Reason::DeviceProven;
    let nats = -weights.of(reason);
    for piece in reasons.iter_mut() {
        if piece.reason.family() == Family::Client && piece.reason.nature() == Nature::Novelty {
            piece.nats = piece.nats.min(nats);
        }
    }
    let _no_room_is_no_harm = reasons.try_push(Evidence { reason, nats });
    Some(true)
}

/// Evidence of a machine's event; see `network::machine` for why it never speaks for the owner.
pub(super) fn machine(
    record: &IdentityRecord,
    features: &Features,
    known: &Known<'_>,
    identity: &Identity,
    found: &mut Gathered<'_>,
) {
    let [_, _, browser, user_agent] = steps(record, features, known.population, identity);
    let nats = identity.chain(&[browser, user_agent]).max(0.0);
    let known_browser = record.client.browser.count(features.browser) > 0.0;
    found.add(
        if known_browser {
            Reason::NewClient
        } else {
            Reason::NewDevice
        },
        nats,
    );
}

/// Splits "browser known" by version and "system known" by its version.
fn with_versions(
    record: &IdentityRecord,
    features: &Features,
    everybody: &Population,
    level: usize,
    plain: [f64; 5],
) -> (usize, [f64; CLIENT]) {
    let [user_agent, browser, os, device, none] = plain;
    let [newer, same, older] = everybody.browser_relations();
    let [current, behind] = everybody.os_relations();
    let expected = [
        user_agent,
        browser * newer,
        browser * same,
        browser * older,
        os * current,
        os * behind,
        device,
        none,
    ];
    let shown = match level {
        0 => 0,
        1 => match record.client.browser.established(features.browser) {
            Some(value) => match relation(value.version, features.version) {
                Relation::Newer => 1,
                Relation::Same => 2,
                Relation::Older => 3,
            },
            None => 1,
        },
        2 => match record.client.os.established(features.os) {
            Some(value) => {
                let os = Version {
                    browser: 0,
                    ..value.version
                };
                4 + usize::from(relation(os, features.version) == Relation::Older)
            }
            None => 4,
        },
        3 => 6,
        _ => 7,
    };
    (shown, expected)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
