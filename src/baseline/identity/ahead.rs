//! A record that was written while the clock was wrong: what lies ahead of the clock is set back to it, or forgotten.
//! May use: the record, and how far ahead a clock may be.
//! Must not: give back counts, or open what was closed: nobody knows for how long the clock was wrong.

use super::IdentityRecord;
use crate::baseline::decay::{hour, is_ahead};

impl IdentityRecord {
    /// Whether something in it happened after `now`, by more than clocks differ. Times that an issuer wrote do not count: they
    /// are of its clock.
    #[must_use]
    pub fn is_ahead(&self, now: u32) -> bool {
        let of_record = [self.created, self.updated, self.last_event, self.recovered];
        let of_sessions = self
            .sessions
            .iter()
            .flat_map(|session| [session.seen, session.left, session.challenged]);
        let of_places = self.places.iter().map(|place| place.seen);
        of_record
            .into_iter()
            .chain(of_sessions)
            .chain(of_places)
            .chain(self.contained.latest())
            .any(|time| is_ahead(time, now))
    }

    /// Brings a record to `now` in either direction: what lies ahead is set back, else counts decay and probations end.
    pub fn bring_to(&mut self, now: u32) {
        if self.is_ahead(now) {
            self.set_back(now);
        }
        self.decay_to(now);
    }

    /// The record brought to `now`; copied into `room` only where that changes it. A record is more than two thousand bytes: it
    /// is brought there where it lies.
    #[must_use]
    pub fn as_of<'a>(&'a self, now: u32, room: &'a mut Option<Self>) -> &'a Self {
        if self.is_of(now) {
            return self;
        }
        let record = room.insert(self.clone());
        record.bring_to(now);
        record
    }

    /// Whether bringing it to `now` would change nothing.
    #[must_use]
    pub fn is_of(&self, now: u32) -> bool {
        now <= self.updated && !self.is_ahead(now)
    }

    fn set_back(&mut self, now: u32) {
        for time in [
            &mut self.created,
            &mut self.updated,
            &mut self.last_event,
            &mut self.recovered,
        ] {
            *time = now.min(*time);
        }
        for session in &mut self.sessions {
            for time in [
                &mut session.seen,
                &mut session.left,
                &mut session.challenged,
            ] {
                *time = now.min(*time);
            }
        }
        self.contained.set_back(now);
        // A journey begins when somebody left, and that is not known here.
        self.places.retain(|place| !is_ahead(place.seen, now));
        self.set_back_values(hour(now));
        self.hours.set_back(now);
        self.lately.fade(now);
    }
}

#[cfg(test)]
#[path = "ahead_tests.rs"]
mod tests;
