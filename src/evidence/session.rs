//! Inside a session: has the network or the client moved, and is that a handover or a theft?
//! May use: signals, baseline.
//! Must not: repeat the novelty of the login.
//!
//! A request is compared with where and with what its session was used before. A move of network is priced by where moves
//! go: this identity's earlier moves, then everybody's moves, then the networks as such. Own.

use super::{Gathered, Known, Reason};
use crate::baseline::identity::IdentityRecord;
use crate::baseline::population::Population;
use crate::baseline::session::{Location, MAX_ALTERNATIONS, Session, SessionClient};
use crate::signals::features::Features;

/// Pseudo-sessions of the prior "one session in a hundred changes its client".
const PRIOR_SESSIONS: f64 = 100.0;
/// Of those, sessions that move: a service that has seen no move yet must not lock its roaming people out.
const PRIOR_MOVES: f64 = 10.0;

/// Where a request comes from, as a session sees it.
pub(crate) fn location(features: &Features) -> Location {
    Location {
        prefix: features.prefix,
        asn: features.asn,
    }
}

/// With what a request is made, as a session sees it.
pub(crate) fn client(features: &Features) -> SessionClient {
    SessionClient {
        exact: features.user_agent ^ features.tls.rotate_left(16),
        family: features.browser ^ features.os.rotate_left(8),
    }
}

pub(super) fn gather(
    record: &IdentityRecord,
    session: &Session,
    features: &Features,
    known: &Known<'_>,
    found: &mut Gathered<'_>,
) {
    let place = location(features);
    if session.is_new_place(place) {
        let nats = moved(record, known.population, place.asn).max(0.0);
        found.add(Reason::SessionMoved, nats);
    }
    let with = client(features);
    if with.exact != session.client.exact {
        let sessions = known.population.sessions();
        let changed = if with.family == session.client.family {
            sessions.upgrades
        } else {
            sessions.changes
        };
        let nats = libm::log((sessions.begun + PRIOR_SESSIONS) / (changed + 1.0)).max(0.0);
        found.add(Reason::SessionClient, nats);
    }
    let returns = session
        .alternations
        .saturating_add(u8::from(session.alternates(place, features.now)));
    found.add(
        Reason::SessionAlternation,
        f64::from(returns.min(MAX_ALTERNATIONS)),
    );
}

/// `ln p(this network | thief) - ln p(a session moves here | owner)`.
fn moved(record: &IdentityRecord, everybody: &Population, asn: u32) -> f64 {
    let sessions = everybody.sessions();
    let anybody = everybody.asn_share(asn);
    let spread = sessions.moves.distinct().max(1.0);
    let all = (sessions.moves.count(asn) + spread * anybody) / (sessions.moves.total() + spread);
    let own = record.moves.distinct().max(1.0);
    let here = (record.moves.count(asn) + own * all) / (record.moves.total() + own);
    let rate = (sessions.moved + PRIOR_MOVES) / (sessions.begun + PRIOR_SESSIONS);
    libm::log(anybody) - libm::log(rate.min(1.0) * here)
}
