//! The hash key of a command: from its argument, the environment or the policy, in that order.
//! May use: the environment.
//! Must not: print it.

use clap::Args;
use stepgate::policy::Policy;
use stepgate::signals::keyed::HashKey;

use super::say;

/// Where the hash key comes from.
#[derive(Debug, Args)]
pub(crate) struct KeyArgument {
    /// Secret from which all hashes are made, the same as the filter's. Default: the environment variable
    /// STEPGATE_KEY, then the policy's `hash_key`
    #[arg(long, value_name = "SECRET")]
    key: Option<String>,
}

impl KeyArgument {
    /// The key that was given, if one was.
    fn given(&self, policy: &Policy) -> Option<HashKey> {
        self.key
            .clone()
            .or_else(from_environment)
            .map(|secret| HashKey::from_secret(&secret))
            .or(policy.hash_key)
    }

    /// The key, or the public constant: fine where nothing made with it outlives the command.
    pub(crate) fn or_public_quietly(&self, policy: &Policy) -> HashKey {
        self.given(policy).unwrap_or(HashKey::PUBLIC)
    }

    /// The key, or the public constant with a warning.
    pub(crate) fn or_public(&self, policy: &Policy) -> HashKey {
        self.given(policy).unwrap_or_else(|| {
            say(
                "warning: no hash key: neither --key, STEPGATE_KEY nor hash_key is set; hashed with a public constant",
            );
            HashKey::PUBLIC
        })
    }
}

/// The secret in the environment, unless it is empty.
pub(crate) fn from_environment() -> Option<String> {
    std::env::var("STEPGATE_KEY")
        .ok()
        .filter(|secret| !secret.is_empty())
}
