//! Repetitions in the audit log: at most one line per identity and set of reasons in a window, and how many were held back.
//! May use: the record of a decision; time is an argument.
//! Must not: grow with what strangers send, or lose a count: what leaves the table is said.

use serde_json::json;

use super::Record;
use crate::signals::keyed::{Domain, HashKey};
use crate::sorted::sorted;

/// Windows that are open at the same time: 48 KiB. A new one takes the place of another, which is then closed early.
const PLACES: usize = 1024;

/// What was held back of one kind of line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppressed {
    /// Id of the decision whose line was written.
    pub id: String,
    /// Lines like it that were not.
    pub count: u32,
    /// When its line was written, in seconds since 1970.
    pub since: u32,
    /// When the last one was held back.
    pub until: u32,
}

impl Suppressed {
    /// One line of JSON that says so, found by the id of the line it belongs to.
    #[must_use]
    pub fn line(&self) -> String {
        json!({
            "@timestamp": self.until,
            "event.kind": "event",
            "event.category": "authentication",
            "event.id": self.id,
            "event.start": self.since,
            "event.end": self.until,
            "stepgate.suppressed": self.count,
        })
        .to_string()
    }
}

#[derive(Clone, Debug)]
struct Window {
    key: u64,
    held: Suppressed,
}

/// The windows that are open.
#[derive(Debug)]
pub struct Repeats {
    seconds: u32,
    places: Vec<Option<Window>>,
}

impl Repeats {
    /// None where every line is to be written: `audit.repeat_seconds` is 0.
    #[must_use]
    pub fn new(seconds: u32) -> Option<Self> {
        (seconds > 0).then(|| Self {
            seconds,
            places: vec![None; PLACES],
        })
    }

    /// Whether a line of this kind is to be written now, and what was held back before it and has to be said first.
    pub fn admit(&mut self, key: u64, id: &str, now: u32) -> (bool, Option<Suppressed>) {
        let seconds = self.seconds;
        let index = (key % PLACES as u64) as usize;
        let Some(place) = self.places.get_mut(index) else {
            return (true, None);
        };
        if let Some(window) = place
            && window.key == key
            && is_open(window, seconds, now)
        {
            window.held.count = window.held.count.saturating_add(1);
            window.held.until = now;
            return (false, None);
        }
        let held = Suppressed {
            id: id.to_owned(),
            count: 0,
            since: now,
            until: now,
        };
        let before = place.replace(Window { key, held });
        (true, before.and_then(said))
    }

    /// Closes the windows whose time is over, and says what each held back.
    pub fn sweep(&mut self, now: u32) -> Vec<Suppressed> {
        let seconds = self.seconds;
        let over = |window: &mut Window| !is_open(window, seconds, now);
        let closed = self
            .places
            .iter_mut()
            .filter_map(|place| place.take_if(over));
        closed.filter_map(said).collect()
    }
}

/// A clock that was set back closes a window: it would stay open for as long as the clock was wrong.
fn is_open(window: &Window, seconds: u32, now: u32) -> bool {
    (window.held.since..window.held.since.saturating_add(seconds)).contains(&now)
}

fn said(window: Window) -> Option<Suppressed> {
    (window.held.count > 0).then_some(window.held)
}

/// What makes two lines alike: who asks, or from where or at which name where nobody is known; the tier, what is done, and the
/// reasons, whatever they weigh.
#[must_use]
pub fn kind_of_line(record: &Record<'_>, key: &HashKey) -> u64 {
    let features = record.features;
    let who = match (features.identity, features.tried) {
        (Some(locator), _) | (None, Some(locator)) => locator.tag,
        (None, None) => u64::from(features.prefix),
    };
    let mut bytes = who.to_le_bytes().to_vec();
    bytes.extend_from_slice(record.tier.name.as_bytes());
    let decision = &record.assessment.decision;
    bytes.extend([0, decision.would as u8, decision.mode as u8]);
    let reasons = record.assessment.reasons.iter();
    bytes.extend(sorted(reasons.map(|piece| piece.reason as u8)));
    key.hash64(Domain::Decision, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_window_and_a_count_of_the_rest() {
        let mut repeats = Repeats::new(60).unwrap();
        assert_eq!(repeats.admit(7, "d1", 1000), (true, None));
        for second in 1001..1060 {
            assert_eq!(repeats.admit(7, "d2", second), (false, None));
        }
        assert_eq!(repeats.admit(8, "d3", 1030), (true, None), "another kind");
        let (written, before) = repeats.admit(7, "d4", 1060);
        let before = before.unwrap();
        assert!(written);
        assert_eq!((&*before.id, before.count), ("d1", 59));
        assert_eq!((before.since, before.until), (1000, 1059));
        let line: serde_json::Value = serde_json::from_str(&before.line()).unwrap();
        assert_eq!(line["event.id"], "d1");
        assert_eq!(line["stepgate.suppressed"], 59);
        assert!(Repeats::new(0).is_none());
    }

    #[test]
    fn what_was_held_back_is_said_when_the_window_ends_even_if_nothing_follows() {
        let mut repeats = Repeats::new(60).unwrap();
        repeats.admit(1, "d1", 1000);
        repeats.admit(1, "d2", 1001);
        repeats.admit(2, "d3", 1001);
        assert_eq!(repeats.sweep(1059), []);
        let said = repeats.sweep(1061);
        assert_eq!(
            said.len(),
            1,
            "a window that held nothing back says nothing"
        );
        assert_eq!((&*said[0].id, said[0].count), ("d1", 1));
        assert_eq!(repeats.sweep(1062), []);
    }

    #[test]
    fn a_crowd_takes_no_more_memory_and_loses_no_count() {
        let mut repeats = Repeats::new(3600).unwrap();
        let (mut lines, mut said) = (0, 0);
        let keys: u64 = 3 * PLACES as u64;
        for round in 0..3 {
            for key in 0..keys {
                for _ in 0..2 {
                    let (written, before) = repeats.admit(key, "d", 1000 + round);
                    lines += u32::from(written);
                    said += before.map_or(0, |held| held.count);
                }
            }
        }
        assert_eq!(repeats.places.len(), PLACES);
        said += repeats
            .sweep(9000)
            .iter()
            .map(|held| held.count)
            .sum::<u32>();
        assert_eq!(u64::from(lines + said), 3 * 2 * keys);
    }

    #[test]
    fn a_clock_that_was_set_back_silences_nobody() {
        let mut repeats = Repeats::new(60).unwrap();
        repeats.admit(1, "d1", 1_000_000);
        assert!(repeats.admit(1, "d2", 1000).0);
    }
}
