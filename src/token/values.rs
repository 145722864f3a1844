//! Holds the shapes claim values come in: dates, lists of words, one or many.
//! May use `serde_json` on one member's text.
//! Must not know which claim it reads.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

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

/// A string or a list of them. Read as it comes: serde's `untagged` would first keep it as a value of any type.
enum Strings {
    One(String),
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct StringsVisitor;

        impl<'de> Visitor<'de> for StringsVisitor {
            type Value = Strings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Strings, E> {
                Ok(Strings::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Strings, A::Error> {
                let mut many = Vec::new();
                while let Some(one) = list.next_element()? {
                    many.push(one);
                }
                Ok(Strings::Many(many))
            }
        }

        input.deserialize_any(StringsVisitor)
    }
}

/// A list of strings, or one string of words with spaces between.
pub(super) struct Words(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Self(match Strings::deserialize(input)? {
            Strings::One(text) => text.split_ascii_whitespace().map(str::to_owned).collect(),
            Strings::Many(list) => list,
        }))
    }
}

/// A list of strings, or one string that is one audience.
pub(super) struct Audience(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Self(match Strings::deserialize(input)? {
            Strings::One(one) => vec![one],
            Strings::Many(many) => many,
        }))
    }
}

/// A string, or a number as its text.
pub(super) struct TextOrNumber(pub(super) String);

impl<'de> Deserialize<'de> for TextOrNumber {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl Visitor<'_> for TextVisitor {
            type Value = TextOrNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<TextOrNumber, E> {
                Ok(TextOrNumber(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<TextOrNumber, E> {
                Ok(TextOrNumber(number.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<TextOrNumber, E> {
                Ok(TextOrNumber(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<TextOrNumber, E> {
                let number = serde_json::Number::from_f64(number);
                let number = number.ok_or_else(|| E::custom("a number that is not finite"))?;
                Ok(TextOrNumber(number.to_string()))
            }
        }

        input.deserialize_any(TextVisitor)
    }
}
