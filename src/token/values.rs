//! Holds the shapes claim values come in: dates, lists of words, one or many.
//! May use `serde_json` on one member's text.
//! Must not know which claim it reads.

use std::borrow::Cow;

use super::members::{Members, Unreadable, text};

/// The last second of the year 9999: a later date is a mistake or an overflow.
const LATEST: i64 = 253_402_300_799;

/// A NumericDate in whole seconds: an integer or a fraction, from the epoch to the year 9999.
pub(super) fn date(members: &Members<'_>, name: &str) -> Result<Option<i64>, Unreadable> {
    let Some(number) = members.typed::<serde_json::Number>(name)? else {
        return Ok(None);
    };
    let seconds = match number.as_i64() {
        Some(seconds) => seconds,
        None => whole_seconds(number.as_f64().ok_or(Unreadable)?)?,
    };
    if (0..=LATEST).contains(&seconds) {
        Ok(Some(seconds))
    } else {
        Err(Unreadable)
    }
}

fn whole_seconds(value: f64) -> Result<i64, Unreadable> {
    // INVARIANT: a float between 0 and 1e12 fits an i64, so the cast only cuts the fraction.
    if value.is_finite() && (0.0..1e12).contains(&value) {
        Ok(value as i64)
    } else {
        Err(Unreadable)
    }
}

/// A string.
pub(super) fn owned_text(raw: &str) -> Result<String, Unreadable> {
    text(raw).map(Cow::into_owned)
}

/// A list of strings, or one string of words with spaces between.
pub(super) fn words(raw: &str) -> Result<Vec<String>, Unreadable> {
    if is_string(raw) {
        return Ok(text(raw)?
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect());
    }
    serde_json::from_str(raw).map_err(|_| Unreadable)
}

/// A list of strings, or one string that is one audience.
pub(super) fn audience(raw: &str) -> Result<Vec<String>, Unreadable> {
    if is_string(raw) {
        return Ok(vec![owned_text(raw)?]);
    }
    serde_json::from_str(raw).map_err(|_| Unreadable)
}

/// A string, or a number as its text.
pub(super) fn text_or_number(raw: &str) -> Result<String, Unreadable> {
    if is_string(raw) {
        return owned_text(raw);
    }
    let number: serde_json::Number = serde_json::from_str(raw).map_err(|_| Unreadable)?;
    Ok(number.to_string())
}

fn is_string(raw: &str) -> bool {
    raw.starts_with('"')
}
