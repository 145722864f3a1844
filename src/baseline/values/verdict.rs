//! What a verdict does to a value on probation.
//! May use: the table of values.
//! Must not: touch an established value: it was learned from more than the decision that was judged.

use super::Values;

impl<const N: usize> Values<N> {
    /// Takes back a value on probation.
    pub fn forget(&mut self, key: u32) {
        self.entries
            .retain(|value| value.key != key || value.is_established());
    }

    /// Ends the probation of a value.
    pub fn confirm(&mut self, key: u32) {
        if let Some(value) = self.entries.iter_mut().find(|value| value.key == key) {
            value.establish();
        }
    }
}
