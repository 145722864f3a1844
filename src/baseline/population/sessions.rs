//! How often everybody's sessions begin, move and change their client.
//! May use: tallies.
//! Must not: know a session.

use crate::baseline::tally::Tallies;

/// What everybody's sessions do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sessions {
    /// Sessions begun.
    pub begun: f64,
    /// Moves of network inside sessions.
    pub moved: f64,
    /// Changes of version only.
    pub upgrades: f64,
    /// Other changes of client.
    pub changes: f64,
    /// Providers moved to, where allowed.
    pub moves: Tallies,
}

impl Sessions {
    pub(super) fn decay(&mut self, factor: f64) {
        for count in [
            &mut self.begun,
            &mut self.moved,
            &mut self.upgrades,
            &mut self.changes,
        ] {
            *count *= factor;
        }
        self.moves.decay(factor);
    }
}
