//! What is going on with followed identities, in this VM: a bounded number of open windows.
//! May use: the engine's baseline.
//! Must not: call the host, or lose what a window teaches: who is pushed out is handed back.

use std::collections::BTreeMap;

use stepgate::baseline::ongoing::Ongoing;
use stepgate::baseline::profile::Closed;
use stepgate::signals::keyed::Locator;

/// Identities followed at once: at most 700 KiB.
const MOST: usize = 1_024;
/// Windows closed on one tick.
const PER_TICK: usize = 16;

/// Open windows by identity.
#[derive(Debug, Default)]
pub(crate) struct Windows(BTreeMap<Locator, Ongoing>);

/// An identity and what it taught.
pub(crate) type Taught = (Locator, Closed);

impl Windows {
    /// What is going on with an identity.
    pub(crate) fn get(&self, locator: Locator) -> Option<&Ongoing> {
        self.0.get(&locator)
    }

    /// The same to change it, made if nothing was; with what the identity pushed out for it taught.
    pub(crate) fn open(&mut self, locator: Locator) -> (&mut Ongoing, Option<Taught>) {
        let full = self.0.len() >= MOST && !self.0.contains_key(&locator);
        let oldest = full.then(|| self.oldest()).flatten();
        let pushed_out = oldest.and_then(|oldest| self.remove(oldest));
        (self.0.entry(locator).or_default(), pushed_out)
    }

    fn oldest(&self) -> Option<Locator> {
        let least = self.0.iter().min_by_key(|(_, ongoing)| ongoing.seen());
        least.map(|(locator, _)| *locator)
    }

    fn remove(&mut self, locator: Locator) -> Option<Taught> {
        let mut ongoing = self.0.remove(&locator)?;
        Some((locator, ongoing.close()))
    }

    /// Closes one window if it was left alone.
    pub(crate) fn wake(&mut self, locator: Locator, now: u32) -> Option<Taught> {
        let ongoing = self.0.get_mut(&locator)?;
        ongoing.is_idle(now).then(|| (locator, ongoing.close()))
    }

    /// Closes some windows that were left alone, and forgets them.
    pub(crate) fn sweep(&mut self, now: u32) -> Vec<Taught> {
        let idle = self.0.iter().filter(|(_, ongoing)| ongoing.is_idle(now));
        let idle: Vec<_> = idle.map(|(locator, _)| *locator).take(PER_TICK).collect();
        idle.into_iter()
            .filter_map(|locator| self.remove(locator))
            .collect()
    }
}
