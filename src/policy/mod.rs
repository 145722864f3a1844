//! The policy: thresholds, tiers and names, checked as a whole before any request sees it.
//! May use: signals, token, evidence, score.
//! Must not: read files, or be half valid.

mod audit;
mod canary;
mod challenge;
mod compile;
pub mod config;
mod cover;
mod credentials;
mod digest;
mod exceptions;
mod external;
mod feeds;
mod login;
mod names;
mod page;
mod paths;
mod pins;
mod step_up;
mod term;
mod tiers;

use std::fmt;

pub use challenge::{Challenge, Incapable};
pub use compile::Policy;
pub use config::{AddressDetail, Mode, PolicyConfig, Watch};
pub use credentials::{Credentials, TokenPlace};
pub use exceptions::{Asker, Denial, Excepted, Exceptions};
pub use login::Login;
pub use names::SignalNames;
pub use page::StepUpPage;
pub use pins::Pins;
pub use tiers::{Route, Tier};

/// Why a policy was refused: where, and what is allowed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Path of the offending key, such as `tiers[0].step_up`.
    pub path: String,
    /// The value found and what is allowed.
    pub message: String,
}

impl PolicyError {
    // Cold, so that the hundreds of places that refuse something share it.
    #[cold]
    #[inline(never)]
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl std::error::Error for PolicyError {}

impl Policy {
    /// Reads and checks a policy in JSON. An empty text is the default policy.
    ///
    /// # Errors
    /// The first thing that is wrong, with its path and what is allowed.
    pub fn parse(json: &str) -> Result<Self, PolicyError> {
        let json = if json.trim().is_empty() { "{}" } else { json };
        let config: PolicyConfig = serde_json::from_slice(json.as_bytes()).map_err(|error| {
            let path = crate::place::path_at(json, error.line(), error.column());
            PolicyError::new(path, error.to_string())
        })?;
        Self::compile(config)
    }
}
