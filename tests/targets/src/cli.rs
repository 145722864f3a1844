//! What the readers of the command line name of it: how they fail.
//! May use: std.
//! Must not: have a reader of its own.

/// Why reading stopped.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl Failure {
    pub(crate) fn new(text: impl std::fmt::Display) -> Self {
        Self(text.to_string())
    }
}
