//! How a section of the policy is read: unknown and repeated keys are refused, missing ones take their default.
//! May use: serde.
//! Must not: know a key.
//!
//! Serde's own derive reads every struct as a sequence as well and holds each field twice; of thirty sections that was a
//! fifth of the module. For its size, too, a value is read by one function for each type and not once more in every section.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

/// Reads one key of a section and tells its place among those allowed.
pub(super) struct Key<'a> {
    /// The keys allowed.
    pub(super) fields: &'static [&'static str],
    /// A bit for each key that was read.
    pub(super) seen: &'a mut u64,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<usize, D::Error> {
        input.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<usize, E> {
        let fields = self.fields.iter().zip(0..);
        let (field, place) = fields
            .map(|(field, place)| (*field, place))
            .find(|(field, _)| *field == key)
            .ok_or_else(|| E::unknown_field(key, self.fields))?;
        let bit = 1_u64 << place;
        if *self.seen & bit != 0 {
            return Err(E::duplicate_field(field));
        }
        *self.seen |= bit;
        Ok(place)
    }
}

/// Reads the value of a key into its place.
#[inline(never)]
pub(super) fn read<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    map: &mut A,
    place: &mut T,
) -> Result<(), A::Error> {
    *place = map.next_value()?;
    Ok(())
}

/// Declares a section of the policy, which `stepgate schema` knows too.
macro_rules! section {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty $(= $default:expr)?,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        #[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields, default)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: section!(@default $($default)?),)* }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                #[allow(non_camel_case_types, reason = "named as the keys are")]
                enum Place { $($field),* }
                const FIELDS: &[&str] = &[$(stringify!($field)),*];
                const { assert!(FIELDS.len() <= 64, "a bit for each key") };
                struct Section;
                impl<'de> serde::de::Visitor<'de> for Section {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut section = $name::default();
                        let mut seen = 0;
                        while let Some(place) = map.next_key_seed($crate::policy::config::section::Key { fields: FIELDS, seen: &mut seen })? {
                            $(if place == Place::$field as usize {
                                $crate::policy::config::section::read(&mut map, &mut section.$field)?;
                            })*
                        }
                        Ok(section)
                    }
                }
                input.deserialize_map(Section)
            }
        }
    };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
}
