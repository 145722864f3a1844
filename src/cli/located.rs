//! Maps by locator.
//! May use: std's map.
//! Must not: be ordered by anything a result could depend on.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use stepgate::signals::keyed::Locator;

/// Values by locator.
pub(crate) type Located<T> = HashMap<Locator, T, BuildHasherDefault<AsItIs>>;

/// A locator is a keyed hash already: nobody chooses its bits, and hashing them again would only take time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, half: u64) {
        self.0 = self.0.rotate_left(32) ^ half;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
}
