//! The digest of a policy: what tells two policies apart in audit lines and in metrics.
//! May use: serde, keyed hashes.
//! Must not: depend on how a policy was written down, or leave a key out.
//!
//! Written as bytes that no other policy has: every value is its kind, then itself, a text with its length. JSON would do, but
//! its escapes and separators, once for every type of the policy, are a twentieth of the module.

use std::fmt;

use serde::Serialize;
use serde::ser::{self, Serializer};

use super::config::PolicyConfig;
use crate::signals::keyed::{Domain, HashKey};

/// The digest: the same for the same values, whether a default was written or left out.
pub(super) fn of(config: &PolicyConfig) -> u64 {
    HashKey::PUBLIC.hash64(Domain::Checksum, &bytes_of(config))
}

fn bytes_of(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Bytes(Vec::new());
    // INVARIANT: nothing below returns an error, and the types of the policy make none of their own.
    let _written: fmt::Result = value.serialize(&mut bytes);
    bytes.0
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn put(&mut self, kind: u8, value: &[u8]) {
        self.0.push(kind);
        self.0.extend_from_slice(value);
    }

    fn open(&mut self, kind: u8) -> Result<&mut Self, fmt::Error> {
        self.0.push(kind);
        Ok(self)
    }

    fn close(&mut self) -> fmt::Result {
        self.0.push(b'.');
        Ok(())
    }

    fn text(&mut self, kind: u8, text: &[u8]) {
        self.put(kind, &(text.len() as u64).to_le_bytes());
        self.0.extend_from_slice(text);
    }

    fn named<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> fmt::Result {
        self.text(b'k', name.as_bytes());
        value.serialize(self)
    }
}

macro_rules! numbers {
    ($($method:ident $type:ty as $wide:ty: $kind:literal;)*) => {
        $(fn $method(self, value: $type) -> fmt::Result {
            self.put($kind, &<$wide>::from(value).to_le_bytes());
            Ok(())
        })*
    };
}

impl<'a> Serializer for &'a mut Bytes {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = &'a mut Bytes;
    type SerializeTuple = &'a mut Bytes;
    type SerializeTupleStruct = &'a mut Bytes;
    type SerializeTupleVariant = &'a mut Bytes;
    type SerializeMap = &'a mut Bytes;
    type SerializeStruct = &'a mut Bytes;
    type SerializeStructVariant = &'a mut Bytes;

    numbers! {
        serialize_bool bool as u8: b'b';
        serialize_i8 i8 as i64: b'i';
        serialize_i16 i16 as i64: b'i';
        serialize_i32 i32 as i64: b'i';
        serialize_i64 i64 as i64: b'i';
        serialize_u8 u8 as u64: b'u';
        serialize_u16 u16 as u64: b'u';
        serialize_u32 u32 as u64: b'u';
        serialize_u64 u64 as u64: b'u';
        serialize_f32 f32 as f64: b'f';
        serialize_f64 f64 as f64: b'f';
        serialize_char char as u32: b'c';
    }

    fn serialize_str(self, text: &str) -> fmt::Result {
        self.text(b's', text.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> fmt::Result {
        self.text(b'y', bytes);
        Ok(())
    }

    fn serialize_none(self) -> fmt::Result {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> fmt::Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> fmt::Result {
        self.put(b'n', &[]);
        Ok(())
    }

    fn serialize_unit_struct(self, name: &'static str) -> fmt::Result {
        self.serialize_str(name)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> fmt::Result {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> fmt::Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> fmt::Result {
        self.named(variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        self.open(b'[')
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, fmt::Error> {
        self.open(b'[')
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        self.open(b'[')
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self, fmt::Error> {
        self.text(b'k', variant.as_bytes());
        self.open(b'[')
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, fmt::Error> {
        self.open(b'{')
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, fmt::Error> {
        self.open(b'{')
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self, fmt::Error> {
        self.text(b'k', variant.as_bytes());
        self.open(b'{')
    }
}

macro_rules! lists {
    ($($trait:ident $method:ident,)*) => {
        $(impl ser::$trait for &mut Bytes {
            type Ok = ();
            type Error = fmt::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> fmt::Result {
                value.serialize(&mut **self)
            }

            fn end(self) -> fmt::Result {
                self.close()
            }
        })*
    };
}

lists! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

impl ser::SerializeMap for &mut Bytes {
    type Ok = ();
    type Error = fmt::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> fmt::Result {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> fmt::Result {
        value.serialize(&mut **self)
    }

    fn end(self) -> fmt::Result {
        self.close()
    }
}

macro_rules! structs {
    ($($trait:ident,)*) => {
        $(impl ser::$trait for &mut Bytes {
            type Ok = ();
            type Error = fmt::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> fmt::Result {
                self.named(key, value)
            }

            fn end(self) -> fmt::Result {
                self.close()
            }
        })*
    };
}

structs! { SerializeStruct, SerializeStructVariant, }

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{PolicyConfig, bytes_of, of};

    fn digest(policy: &serde_json::Value) -> u64 {
        of(&serde_json::from_value::<PolicyConfig>(policy.clone()).unwrap())
    }

    #[test]
    fn a_default_written_out_changes_nothing() {
        let whole = serde_json::to_value(PolicyConfig::default()).unwrap();
        assert_eq!(digest(&whole), digest(&json!({})));
    }

    #[test]
    fn every_change_of_a_value_changes_the_digest() {
        let policies = [
            json!({}),
            json!({"mode": "enforce"}),
            json!({"mode": "off"}),
            json!({"canary_permille": 5}),
            json!({"containment": false}),
            json!({"score": {"prior": 0.02}}),
            json!({"score": {"weights": {"new-client": 1.0}}}),
            json!({"score": {"weights": {"new-device": 1.0}}}),
            json!({"challenge": {"amr": ["ab", "c"]}}),
            json!({"challenge": {"amr": ["a", "bc"]}}),
            json!({"tiers": [{"name": "a"}]}),
            json!({"tiers": [{"name": "a", "paths": ["b"]}]}),
            json!({"tiers": [{"name": "a"}, {"name": "b"}]}),
            json!({"credentials": {"issuers": [{"issuer": "i", "keys": {"keys": [1, -1, 1.5, null, true]}}]}}),
            json!({"credentials": {"issuers": [{"issuer": "i", "keys": {"keys": [1, -1, 1.5, null]}}]}}),
        ];
        let mut digests: Vec<u64> = policies.iter().map(digest).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), policies.len());
    }

    #[test]
    fn what_stands_apart_is_written_apart() {
        let written = [
            bytes_of(&json!(["a", "b"])),
            bytes_of(&json!([["a"], "b"])),
            bytes_of(&json!({"a": "b"})),
            bytes_of(&("a", "b", 1_u8)),
            bytes_of(&Some("a")),
            bytes_of(&None::<u8>),
            bytes_of(&'a'),
        ];
        for (index, one) in written.iter().enumerate() {
            assert!(!one.is_empty());
            assert!(written.iter().skip(index + 1).all(|other| other != one));
        }
    }
}
