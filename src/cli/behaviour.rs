//! Profiles and open windows of a command: all of them, where the filter keeps pages and the most recent windows.
//! May use: the engine's baseline.
//! Must not: judge.

use stepgate::baseline::ongoing::Ongoing;
use stepgate::baseline::page::PageKind;
use stepgate::baseline::population::Population;
use stepgate::baseline::profile::{Closed, Profile};
use stepgate::baseline::snapshot::{SnapshotRecord, SnapshotWriter};
use stepgate::evidence::Watched;
use stepgate::observe::lesson_of_window;
use stepgate::signals::keyed::Locator;

use super::located::Located;

/// What followed identities do.
#[derive(Debug, Default)]
pub(crate) struct Behaviour {
    profiles: Located<Profile>,
    ongoing: Located<Ongoing>,
}

impl Behaviour {
    /// Takes over profiles of a snapshot.
    pub(crate) fn load<'a>(&mut self, records: impl Iterator<Item = SnapshotRecord<'a>>) {
        for found in records.filter(|found| found.kind == PageKind::Routes) {
            if let Some(profile) = Profile::decode(found.bytes) {
                self.profiles.insert(found.locator, profile);
            }
        }
    }

    /// What is known of an identity.
    pub(crate) fn of(&self, locator: Locator) -> Watched<'_> {
        Watched {
            profile: self.profiles.get(&locator),
            ongoing: self.ongoing.get(&locator),
        }
    }

    /// What is going on with an identity.
    pub(crate) fn ongoing(&mut self, locator: Locator) -> &mut Ongoing {
        self.ongoing.entry(locator).or_default()
    }

    /// Closes a window that was left alone, as the filter does on a tick.
    pub(crate) fn wake(&mut self, locator: Locator, now: u32, population: &mut Population) {
        let idle = self
            .ongoing
            .get_mut(&locator)
            .filter(|ongoing| ongoing.is_idle(now));
        if let Some(idle) = idle {
            let closed = idle.close();
            self.learn(locator, &closed, population);
        }
    }

    /// Learns a window that closed.
    pub(crate) fn learn(&mut self, locator: Locator, closed: &Closed, population: &mut Population) {
        self.profiles.entry(locator).or_default().learn(closed);
        if let Some(lesson) = lesson_of_window(closed) {
            population.learn(&lesson);
        }
    }

    /// Closes every window, in an order that does not depend on the map's.
    pub(crate) fn close(&mut self, population: &mut Population) {
        let mut open: Vec<_> = std::mem::take(&mut self.ongoing).into_iter().collect();
        open.sort_unstable_by_key(|(locator, _)| *locator);
        for (locator, mut ongoing) in open {
            self.learn(locator, &ongoing.close(), population);
        }
    }

    /// Gives every profile to a snapshot. Returns how many were too long.
    pub(crate) fn write(self, snapshot: &mut SnapshotWriter) -> u64 {
        let mut too_long = 0;
        for (locator, profile) in self.profiles {
            let fits = snapshot.record(PageKind::Routes, locator, |out| profile.encode(out));
            too_long += u64::from(!fits);
        }
        too_long
    }
}
