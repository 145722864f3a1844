//! The credential itself: is its key held, is it revoked, is it like its issuer's others, is it used as it was issued.
//! May use: signals, baseline, feeds, novelty.
//! Must not: verify a signature, or look at other families.

use super::novelty::{self, MIMICRY_COARSE};
use super::{Gathered, Known, Reason};
use crate::baseline::identity::IdentityRecord;
use crate::baseline::population::Shared;
use crate::signals::features::Features;
use crate::signals::request::Binding;

/// Events of an issuer before its lifetimes say anything.
const ENOUGH_LIFETIMES: f64 = 50.0;
/// Share below which a long lifetime is not one of the issuer's own: it may give some clients longer tokens.
const RARE: f64 = 0.01;
/// Events of an issuer before its shapes say anything.
const ENOUGH_SHAPES: f64 = 500.0;
/// Events of an identity before its habit of using more than a password says anything, and how firm the habit must be.
const ENOUGH_EVENTS: u32 = 10;
const HABIT: f64 = 0.8;

/// The rule a verified credential breaks. No authentication mends it: it needs another credential.
#[must_use]
pub(crate) fn rule(features: &Features, known: &Known<'_>) -> Option<Reason> {
    if !features.verified {
        return None;
    }
    let credential = &features.credential;
    match credential.binding {
        Binding::Unbound | Binding::Held => {}
        Binding::Broken => return Some(Reason::KeyBindingBroken),
        Binding::ProofMissing => return Some(Reason::DpopProofMissing),
        Binding::ProofInvalid => return Some(Reason::DpopProofInvalid),
        Binding::ProofReplayed => return Some(Reason::DpopReplayed),
    }
    known
        .feed
        .is_some_and(|feed| {
            feed.revocations
                .concerns(&credential.names, features.issued_at, features.now)
        })
        .then_some(Reason::Revoked)
}

/// Evidence of the token, whoever presents it.
pub(super) fn of_token(features: &Features, known: &Known<'_>, found: &mut Gathered<'_>) {
    let token = &features.credential;
    if let Some(issuer) = known.population.issuer(token.issuer) {
        // A token that never ends has lived so far.
        let lifetime = match token.lifetime {
            0 if features.issued_at != 0 => features.now.saturating_sub(features.issued_at),
            lifetime => lifetime,
        };
        if issuer.events() >= ENOUGH_LIFETIMES
            && f64::from(lifetime) > 2.0 * issuer.mean_lifetime()
            && issuer.share_of_longer(lifetime) < RARE
        {
            found.add(Reason::TokenLifetime, 1.0);
        }
        let shapes = issuer.shapes();
        if token.shape != 0 && shapes.total() >= ENOUGH_SHAPES && shapes.count(token.shape) <= 0.0 {
            // An issuer of many shapes will show another; one of a single shape hardly.
            let kinds = shapes.distinct().max(1.0);
            let surprise = libm::log((shapes.total() + kinds) / kinds);
            found.add(
                Reason::TokenShape,
                (surprise / libm::log(ENOUGH_SHAPES)).min(1.0),
            );
        }
    }
    let elsewhere = |issued: u32, used: u32| issued != 0 && used != 0 && issued != used;
    let strength = if elsewhere(token.issued_country, features.country) {
        1.5
    } else if elsewhere(token.issued_asn, features.asn) {
        0.5
    } else if token.issued_asn == 0 && elsewhere(token.issued_prefix, features.prefix) {
        // The address alone changes with every handover.
        0.3
    } else {
        0.0
    };
    found.add(Reason::IssuedElsewhere, strength);
}

/// Evidence of a login against the identity's own habits: the OAuth client, the grant, and how it authenticates.
pub(super) fn of_identity(
    record: &IdentityRecord,
    features: &Features,
    known: &Known<'_>,
    stretch: f64,
    found: &mut Gathered<'_>,
) {
    let events = f64::from(record.events);
    let share = f64::from(record.multi_factor) / events.max(1.0);
    if record.history >= ENOUGH_EVENTS && share > HABIT && !features.credential.multi_factor {
        found.add(Reason::AmrDowngrade, 1.0);
    }
    let grant = features.credential.grant;
    if grant != 0 && record.grant.count(grant) <= 0.0 {
        found.add(Reason::NewGrant, 1.0);
    }
    let clients = &record.oauth;
    if features.client_id != 0 && clients.distinct() > 0.0 {
        // Only events that named a client: logs may have begun to name them later.
        let identity = novelty::Identity {
            events: clients
                .entries()
                .iter()
                .filter(|client| client.is_established())
                .map(|client| f64::from(client.count))
                .sum(),
            stretch,
        };
        let share = known
            .population
            .share(Shared::OauthClient, features.client_id);
        let step = identity.step(clients, features.client_id, share, MIMICRY_COARSE);
        let factor = if features.kind.is_machine() { 2.0 } else { 1.0 };
        // A thief of a token shows the client it was issued to: a known one says nothing.
        found.add(
            Reason::NewOauthClient,
            factor * identity.chain(&[step]).max(0.0),
        );
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
