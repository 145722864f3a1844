//! The name a login tries, as a number: where its record lives, and what is not known of it yet.
//! May use: features and keyed hashes.
//! Must not: keep a name, or read a body.

use super::features::Features;
use super::keyed::{Domain, HashKey};
use super::login::alike;
use super::request::Field;

impl Features {
    /// The same, before the body is here that may hold the name.
    #[must_use]
    pub const fn awaiting_name(mut self) -> Self {
        self.awaits_name = true;
        self
    }

    /// The same, where a success proves nothing.
    #[must_use]
    pub const fn asking_only(mut self) -> Self {
        self.asks_only = true;
        self
    }

    /// The same, trying to log in under a name.
    #[must_use]
    pub fn trying(mut self, name: &Field<String>, key: &HashKey) -> Self {
        self.awaits_name = false;
        self.unreadable_name = *name == Field::Malformed;
        let locate = |name: &str| key.locate(Domain::Name, &[name.as_bytes()]);
        (self.tried, self.alike) = match name {
            Field::Present(name) => (Some(locate(name)), alike(name).as_deref().map(locate)),
            Field::Absent | Field::Malformed => (None, None),
        };
        self
    }
}
