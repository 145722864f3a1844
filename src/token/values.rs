//! Holds the shapes claim values come in: dates, lists of words, one or many.
//! May use `serde_json` on one member's text.
//! Must not know which claim it reads.

use serde::Deserialize;

use super::members::{Members, Unreadable};

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

/// A list of strings, or one string of words with spaces between.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Words {
    Text(String),
    List(Vec<String>),
}

impl Words {
    pub(super) fn into_list(self) -> Vec<String> {
        match self {
            Self::Text(text) => text.split_ascii_whitespace().map(str::to_owned).collect(),
            Self::List(list) => list,
        }
    }
}

/// A list of strings, or one string that is one audience.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    pub(super) fn into_list(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum TextOrNumber {
    Text(String),
    Number(serde_json::Number),
}

impl TextOrNumber {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}
