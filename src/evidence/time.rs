//! When: unusual hours and long silences of people.
//! May use: signals, baseline.
//! Must not: judge machines by human hours.

use super::{Gathered, Known, Reason};
use crate::baseline::decay::DAY;
use crate::baseline::hours::Hour;
use crate::baseline::identity::IdentityRecord;
use crate::signals::features::Features;

/// Silences in days, and how much the return from them counts.
const SILENCES: [(u32, f64); 2] = [(90, 1.0), (30, 0.5)];

/// A return after a long silence, of people and machines.
pub(super) fn silence(record: &IdentityRecord, features: &Features, found: &mut Gathered<'_>) {
    let days = features.now.saturating_sub(record.last_event) / DAY;
    let counts = SILENCES
        .into_iter()
        .find(|(least, _)| days >= *least)
        .map_or(0.0, |(_, counts)| counts);
    found.add(Reason::DormantReturn, counts);
}

pub(super) fn person(
    record: &IdentityRecord,
    features: &Features,
    known: &Known<'_>,
    found: &mut Gathered<'_>,
) {
    let hour = Hour::of(features.now);
    let usual = known.population.hour_share(hour.hour);
    found.add(Reason::UnusualHour, record.hours.evidence(hour, usual));
}
