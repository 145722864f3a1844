//! Holds the strict reading of one JSON object: its members as raw text, duplicates noticed.
//! May use `serde_json`, whose raw values cost no memory beyond the names and keep its recursion limit.
//! Must not interpret a member.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::sorted::sorted;

/// More members than most tokens have.
const USUAL: usize = 16;

/// The members of one JSON object, unread, in the order of their names.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    members: Vec<(Cow<'a, str>, &'a str)>,
    duplicate: bool,
}

impl<'a> Members<'a> {
    /// Reads an object; `None` if the text is anything else.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    // One after the other: few names have the same length, and few are looked for before a signature holds.
    fn find(&self, name: &str) -> Option<&'a str> {
        let mut members = self.members.iter();
        members.find(|(key, _)| key == name).map(|(_, raw)| *raw)
    }

    /// Whether a name occurs twice, escapes resolved.
    pub(super) fn has_duplicate(&self) -> bool {
        self.duplicate
    }

    /// The text of a member; a `null` is an absent member.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.find(name).filter(|raw| *raw != "null")
    }

    /// The text of a member by its name; where none has the whole name, by a path of names with dots between
    /// (`realm_access.roles`).
    pub(super) fn at(&self, name: &str) -> Option<&'a str> {
        if let Some(raw) = self.get(name) {
            return Some(raw);
        }
        let (first, rest) = name.split_once('.')?;
        let mut steps = rest.split('.');
        let last = steps.next_back()?;
        let mut inner = Self::read(self.get(first)?)?;
        for step in steps {
            inner = Self::read(inner.get(step)?)?;
        }
        inner.get(last)
    }

    /// All names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| &**name)
    }

    /// Whether the member is there at all, `null` included.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// A member that is a string: absent, unreadable (`Err`) or read.
    pub(super) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, Unreadable> {
        self.get(name).map(text).transpose()
    }

    /// A member of a given type: absent, unreadable (`Err`) or read.
    pub(super) fn typed<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Unreadable> {
        self.get(name)
            .map(|raw| serde_json::from_str(raw).map_err(|_| Unreadable))
            .transpose()
    }
}

/// The text of a string. One without an escape is what stands between its quotes: a raw value was checked when it was read.
pub(super) fn text(raw: &str) -> Result<Cow<'_, str>, Unreadable> {
    let between = raw
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match between {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        Some(_) => serde_json::from_str(raw)
            .map(Cow::Owned)
            .map_err(|_| Unreadable),
        None => Err(Unreadable),
    }
}

/// A member is there and is not of the type it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(USUAL);
                while let Some((Name(name), value)) = map.next_entry::<_, &'de RawValue>()? {
                    members.push((name, value.get()));
                }
                let members = sorted(members);
                let mut pairs = members.iter().zip(members.iter().skip(1));
                let duplicate = pairs.any(|(a, b)| a.0 == b.0);
                Ok(Members { members, duplicate })
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// A name, borrowed unless it holds an escape.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::{Members, Unreadable};

    #[test]
    fn only_an_object_is_read() {
        for text in [
            "",
            "null",
            "[]",
            "\"a\"",
            "1",
            "{",
            "{} {}",
            "{\"a\"}",
            "{\"a\":\"\\ud800\"}x",
        ] {
            assert!(Members::read(text).is_none(), "{text}");
        }
        assert!(Members::read(" {} ").is_some());
    }

    #[test]
    fn duplicates_are_noticed_through_escapes() {
        let read = |text| Members::read(text).map(|m| m.has_duplicate());
        assert_eq!(read(r#"{"alg":1,"typ":2}"#), Some(false));
        assert_eq!(read(r#"{"alg":1,"alg":1}"#), Some(true));
        assert_eq!(read(r#"{"alg":1,"\u0061lg":1}"#), Some(true));
    }

    #[test]
    fn types_are_checked_and_null_is_absent() {
        let members = Members::read(r#"{"a":"x","n":null,"i":3}"#).unwrap();
        assert_eq!(members.text("a"), Ok(Some("x".into())));
        assert_eq!(members.text("i"), Err(Unreadable));
        assert_eq!(members.text("n"), Ok(None));
        assert_eq!(members.typed::<u8>("i"), Ok(Some(3)));
        assert_eq!(members.typed::<u8>("a"), Err(Unreadable));
        assert!(members.contains("n"));
        assert!(members.get("z").is_none());
    }

    #[test]
    fn text_is_what_serde_reads() {
        for raw in [
            r#""""#,
            r#""a b""#,
            r#""\u0061\n\"""#,
            r#""\\""#,
            r#""\ud83d\ude00""#,
            r#""\ud800""#,
            "\"\u{e9}\"",
            "1",
            "true",
            "[]",
            r#"["a"]"#,
            r#"{"a":"b"}"#,
        ] {
            let json = format!(r#"{{"a":{raw}}}"#);
            // What is no string of Unicode is not read at all.
            let Some(members) = Members::read(&json) else {
                assert!(serde_json::from_str::<String>(raw).is_err(), "{raw}");
                continue;
            };
            let by_serde = serde_json::from_str::<String>(raw).map_err(|_| Unreadable);
            assert_eq!(
                members.text("a"),
                by_serde.map(|text| Some(text.into())),
                "{raw}"
            );
        }
    }

    #[test]
    fn deep_nesting_is_no_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        if let Some(members) = Members::read(&deep) {
            assert_eq!(members.typed::<serde_json::Value>("a"), Err(Unreadable));
        }
    }
}
