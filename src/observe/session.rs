//! Sessions as they begin, move, are challenged and are closed.
//! May use: every room before.
//! Must not: decide, or make a record of somebody who was only denied.

use super::{Observation, brought, remember_place, remember_use};
use crate::baseline::identity::{IdentityRecord, MOVES};
use crate::baseline::population;
use crate::baseline::session::Session;
use crate::challenge::asked;
use crate::evidence::session::{client, location};
use crate::signals::features::Features;

/// Challenges of a session within this time are one, in seconds: longer than a page takes to send its requests and their
/// retries, shorter than a person takes to authenticate.
const AT_ONCE: u32 = 10;

/// A session as its first request shows it.
pub(super) fn begin(features: &Features) -> Session {
    let place = location(features);
    Session {
        id: features.session,
        seen: features.now,
        auth_time: features.auth_time,
        first: place,
        latest: place,
        before: place,
        left: features.now,
        client: client(features),
        challenged: 0,
        unsolved: 0,
        alternations: 0,
    }
}

/// A request inside a session that was allowed: the session moves along, and the move is counted.
pub(super) fn advance(
    features: &Features,
    shared: bool,
    record: Option<&IdentityRecord>,
    current: &mut Option<Box<IdentityRecord>>,
    seen: &mut Observation,
) {
    let Some(record) = record else { return };
    let Some(session) = record.session(features.session) else {
        return;
    };
    let (place, with) = (location(features), client(features));
    let mut moved = *session;
    if !moved.advance(place, with, features.now) {
        return;
    }
    let mut record = brought(record, features, current);
    if session.is_new_place(place) {
        record.moves.add(place.asn, 1.0, MOVES);
        seen.teach(population::Lesson::Move {
            asn: place.asn,
            allowed: true,
            now: features.now,
        });
    }
    if session.client.exact != with.exact {
        let upgrade = session.client.family == with.family;
        seen.teach(population::Lesson::ClientChange(upgrade));
    }
    remember_place(features, shared, &mut record);
    remember_use(features, &mut record);
    record.remember_session(moved);
    seen.record = Some(record);
}

/// A denial alone creates no record: a stranger is never denied on a score.
pub(super) fn contain(features: &Features, record: &IdentityRecord) -> IdentityRecord {
    let mut record = record.clone();
    record.contained.close(features.session, features.now);
    record
}

/// A challenge of a verified identity is remembered even if nothing else is known of it: whoever is ordered to step up on the
/// first visit would else be asked for ever. Nothing where the session was just asked.
pub(super) fn challenge(
    features: &Features,
    record: Option<&IdentityRecord>,
) -> Option<IdentityRecord> {
    let new = || features.verified.then(|| IdentityRecord::new(features.now));
    let mut record = record.cloned().or_else(new)?;
    let asked = asked(&record, features).copied();
    let mut session = asked.unwrap_or_else(|| begin(features));
    if features.auth_time > session.challenged {
        session.unsolved = 0;
    }
    if !asks_anew(&session, features) {
        return None;
    }
    session.unsolved = session.unsolved.saturating_add(1);
    session.challenged = features.now;
    session.seen = session.seen.max(features.now);
    // Where tokens name no session it goes on under the newest.
    record.sessions.retain(|known| known.id != session.id);
    session.id = features.session;
    record.remember_session(session);
    Some(record)
}

/// Whether a challenge is another one. A page sends many requests at once, and its user saw one question. A token issued since
/// is the exception: the client went to its provider and came back without an answer, as it does in a circle of redirects.
fn asks_anew(session: &Session, features: &Features) -> bool {
    session.unsolved == 0
        || features.now.saturating_sub(session.challenged) >= AT_ONCE
        || features.issued_at > session.challenged
}
