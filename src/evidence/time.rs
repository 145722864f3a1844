//! When: unusual hours and long silences of people.
//! May use: signals, baseline.
//! Must not: judge machines by human hours.

use super::{Gathered, Known, Reason};
use crate::baseline::hours::Hour;
use crate::baseline::identity::IdentityRecord;
use crate::signals::features::Features;

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
