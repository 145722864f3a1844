//! Walking the JSON of an event by hand, so that nothing is built but the event itself.
//! May use: std and serde. Must not: know what values a field takes.
//! A nested key is matched by its dotted path, put together in a small buffer on the stack.

use super::Event;
use super::fields::{Field, object};
use super::read::{Value, put};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use std::borrow::Cow;
use std::fmt;

/// Walks one JSON object; `parent` is its dotted path.
pub(super) struct Walk<'e, 'a> {
    event: &'e mut Event<'a>,
    parent: &'static str,
}

impl<'e, 'a> Walk<'e, 'a> {
    pub(super) fn new(event: &'e mut Event<'a>) -> Self {
        Self { event, parent: "" }
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(KeyUnder(self.parent))? {
            match key {
                Key::Field(field) => {
                    let value = map.next_value_seed(OneValue)?;
                    put(self.event, field, value).map_err(A::Error::custom)?;
                }
                Key::Object(parent) => map.next_value_seed(Below(Walk {
                    event: self.event,
                    parent,
                }))?,
                Key::Unknown => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

enum Key {
    Field(Field),
    Object(&'static str),
    Unknown,
}

struct KeyUnder(&'static str);

impl<'de> DeserializeSeed<'de> for KeyUnder {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyUnder {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Key, E> {
        let mut buffer = [0_u8; 64];
        let name = if self.0.is_empty() {
            Some(key)
        } else {
            joined(self.0, key, &mut buffer)
        };
        Ok(name.map_or(Key::Unknown, |name| match Field::of(name) {
            Some(field) => Key::Field(field),
            None => object(name).map_or(Key::Unknown, Key::Object),
        }))
    }
}

/// `parent.key`, or `None` if that is longer than any known name.
fn joined<'b>(parent: &str, key: &str, buffer: &'b mut [u8; 64]) -> Option<&'b str> {
    let length = parent.len() + 1 + key.len();
    let target = buffer.get_mut(..length)?;
    let bytes = parent.bytes().chain([b'.']).chain(key.bytes());
    for (to, from) in target.iter_mut().zip(bytes) {
        *to = from;
    }
    std::str::from_utf8(target).ok()
}

/// An object below; anything else in its place, such as a list, is as unknown as its key.
struct Below<'e, 'a>(Walk<'e, 'a>);

macro_rules! ignore {
    ($($visit:ident($type:ty))*) => {
        $(fn $visit<E: serde::de::Error>(self, _: $type) -> Result<(), E> { Ok(()) })*
    };
}

impl<'de> DeserializeSeed<'de> for Below<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Below<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    ignore! { visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64) visit_str(&str) }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.0.visit_map(map)
    }
}

struct OneValue;

impl<'de> DeserializeSeed<'de> for OneValue {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OneValue {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other(if value { "true" } else { "false" }))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::Whole(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(u64::try_from(value).map_or(Value::Number(value as f64), Value::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(Value::Number(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
        let (mut list, mut other) = (Vec::new(), false);
        while let Some(value) = seq.next_element_seed(OneValue)? {
            match value {
                Value::Text(text) => list.push(text),
                _ => other = true,
            }
        }
        Ok(if other {
            Value::Other("a list of more than texts")
        } else {
            Value::List(list)
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other("an object"))
    }
}
