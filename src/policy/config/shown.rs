//! What audit lines show of a request.
//! May use: serde.
//! Must not: show anything.

use serde::{Deserialize, Serialize};

/// How much of a path a log line shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PathDetail {
    /// 256 bytes of it, never its query.
    #[default]
    Full,
    /// Its first eight segments, with `*` for numbers, mail addresses and whatever else looks like an id or a token.
    Route,
    /// Nothing.
    None,
}

/// How much of an address a log line shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AddressDetail {
    /// /24 or /48.
    #[default]
    Prefix,
    /// All of it.
    Full,
    /// Nothing.
    None,
}
