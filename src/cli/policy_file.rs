//! Policies in files: JSON or YAML, by themselves or in the configuration that brings them to the filter.
//! May use: input, the policy, and where `check` finds policies.
//! Must not: accept what the filter would refuse.

use std::path::Path;

use stepgate::policy::{Policy, PolicyError};

use super::{Failure, check, input};

/// Reads and checks the policy in a file; without a file the default policy.
pub(crate) fn read(path: Option<&Path>) -> Result<Policy, Failure> {
    let Some(path) = path else {
        return Policy::parse("{}").map_err(Failure::new);
    };
    let text = input::text(path)?;
    let policy = match check::held(&text) {
        None => parse(&text).map_err(|error| error.to_string()),
        Some(held) => held.and_then(|value| of_value(&value).map_err(|error| error.to_string())),
    };
    policy.map_err(|error| Failure::new(format!("{}: {error}", input::name(path))))
}

/// The same as it was written.
pub(crate) fn written(path: &Path) -> Result<serde_json::Value, Failure> {
    let text = input::text(path)?;
    // What is no JSON is YAML.
    let value =
        check::held(&text).unwrap_or_else(|| serde_json::from_str(&text).or_else(|_| yaml(&text)));
    value.map_err(|error| Failure::new(format!("{}: {error}", input::name(path))))
}

/// A policy in JSON or, where the text does not begin as an object, in YAML.
pub(crate) fn parse(text: &str) -> Result<Policy, PolicyError> {
    if text.trim_start().starts_with('{') || text.trim().is_empty() {
        return Policy::parse(text);
    }
    let value = yaml(text).map_err(|message| PolicyError {
        path: String::new(),
        message,
    })?;
    of_value(&value)
}

/// A policy that was read as part of something else. Errors name paths, not columns of a text nobody wrote.
pub(crate) fn of_value(value: &serde_json::Value) -> Result<Policy, PolicyError> {
    Policy::parse(&value.to_string()).map_err(|error| PolicyError {
        path: error.path,
        message: match error.message.rsplit_once(" at line 1 column ") {
            Some((message, column)) if column.bytes().all(|b| b.is_ascii_digit()) => {
                message.to_owned()
            }
            _ => error.message,
        },
    })
}

/// One YAML document as the JSON it stands for.
pub(crate) fn yaml(text: &str) -> Result<serde_json::Value, String> {
    serde_norway::from_str(text).map_err(|error| format!("neither JSON nor YAML: {error}"))
}
