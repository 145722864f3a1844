//! When: unusual hours and long silences.
//! May use: signals, baseline.
//! Must not: judge machines by human hours.

use super::{Gathered, Known, Reason};
use crate::baseline::hours::bin;
use crate::baseline::population::Level;
use crate::signals::features::Features;

/// Pseudo-counts of the population in an identity's histogram.
const PRIOR: f64 = 8.0;
/// Fewer events than this say nothing about hours.
const ENOUGH: u32 = 20;
const CAP: f64 = 1.5;
const DAY: u32 = 86_400;

pub(super) fn gather(features: &Features, known: &Known<'_>, found: &mut Gathered<'_>) {
    let Some(record) = known.identity else { return };
    if features.kind.is_machine() {
        return;
    }
    if record.history >= ENOUGH {
        let hour = bin(features.now);
        let share = (known.population.count(Level::Hour, hour as u32 + 1) + 1.0)
            / (known.population.events() + 48.0);
        let own = (record.hours.smoothed(hour) + PRIOR * share) / (record.hours.total() + PRIOR);
        let ratio = libm::log(share) - libm::log(own);
        found.add(Reason::UnusualHour, ratio.clamp(0.0, CAP));
    }
    let silence = features.now.saturating_sub(record.last_event);
    if record.history > 0 {
        found.add(
            Reason::DormantReturn,
            if silence > 90 * DAY {
                1.0
            } else if silence > 30 * DAY {
                0.5
            } else {
                0.0
            },
        );
    }
}
