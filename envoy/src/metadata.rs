//! Protobuf structures as JSON: the claims that Envoy's `jwt_authn` filter verified, from the stream's dynamic metadata.
//! May use: serde_json.
//! Must not: recurse without bound, or take a claim from any other filter's metadata.
//!
//! The property `metadata` is the protobuf `envoy.config.core.v3.Metadata`. It is read whole: one host call instead of one
//! per claim, and it survives `null` claims, which the host cannot serialize as a map.

use serde_json::{Map, Number, Value};

const FILTER: &[u8] = b"envoy.filters.http.jwt_authn";
/// Deeper claims are left out.
const DEPTH: u8 = 12;

/// The verified claims under the first of `names` that is there, still encoded as `google.protobuf.Struct`.
pub(crate) fn verified_claims<'a>(metadata: &'a [u8], names: &[String]) -> Option<&'a [u8]> {
    let of_filter = entry(Message(metadata), 1, FILTER)?;
    names.iter().find_map(|name| {
        // Struct.fields is map<string, Value>; Value.struct_value is field 5.
        let value = entry(Message(of_filter), 1, name.as_bytes())?;
        Message(value).find_map(|field| match field {
            (5, Wire::Bytes(claims)) => Some(claims),
            _ => None,
        })
    })
}

/// A digest of claims that does not depend on their order, which the host chooses anew for every request.
pub(crate) fn digest(claims: &[u8], of_entry: impl Fn(&[u8]) -> u128) -> u128 {
    Message(claims).fold(0, |sum, field| match field {
        (1, Wire::Bytes(entry)) => sum.wrapping_add(of_entry(entry)),
        _ => sum,
    })
}

/// Claims as JSON.
pub(crate) fn json(claims: &[u8]) -> String {
    Value::Object(structure(claims, DEPTH)).to_string()
}

/// A whole `google.protobuf.Struct` as JSON; `None` if the bytes are anything else.
pub(crate) fn whole(bytes: &[u8]) -> Option<String> {
    let mut fields = Message(bytes);
    let entries = fields
        .by_ref()
        .all(|field| matches!(field, (1, Wire::Bytes(entry)) if key_value(entry).is_some()));
    (entries && fields.0.is_empty()).then(|| json(bytes))
}

/// The value of a map entry: entries are messages with key 1 and value 2.
fn entry<'a>(map: Message<'a>, field: u64, wanted: &[u8]) -> Option<&'a [u8]> {
    map.filter_map(|found| match found {
        (number, Wire::Bytes(entry)) if number == field => key_value(entry),
        _ => None,
    })
    .find(|(key, _)| *key == wanted)
    .map(|(_, value)| value)
}

fn key_value(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in Message(entry) {
        match field {
            (1, Wire::Bytes(bytes)) => key = bytes,
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    (!key.is_empty()).then_some((key, value))
}

fn structure(bytes: &[u8], depth: u8) -> Map<String, Value> {
    let entries = Message(bytes).filter_map(|field| match field {
        (1, Wire::Bytes(entry)) => key_value(entry),
        _ => None,
    });
    let mut members = Map::new();
    for (key, value) in entries {
        let key = String::from_utf8(key.to_vec()).ok();
        if let Some((key, value)) = key.zip(self::value(value, depth)) {
            members.insert(key, value);
        }
    }
    members
}

/// A `google.protobuf.Value`.
fn value(bytes: &[u8], depth: u8) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let value = match Message(bytes).next() {
        Some((2, Wire::Fixed64(bits))) => number(f64::from_bits(bits)),
        Some((3, Wire::Bytes(text))) => Value::String(String::from_utf8(text.to_vec()).ok()?),
        Some((4, Wire::Varint(flag))) => Value::Bool(flag != 0),
        Some((5, Wire::Bytes(fields))) => Value::Object(structure(fields, depth)),
        Some((6, Wire::Bytes(list))) => Value::Array(
            Message(list)
                .filter_map(|field| match field {
                    (1, Wire::Bytes(item)) => value(item, depth),
                    _ => None,
                })
                .collect(),
        ),
        _ => Value::Null,
    };
    Some(value)
}

/// The metadata knows only doubles; what was an integer is one again.
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.abs() <= EXACT && value % 1.0 == 0.0 {
        Value::Number(Number::from(value as i64))
    } else {
        Number::from_f64(value).map_or(Value::Null, Value::Number)
    }
}

/// One field's content.
enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
}

/// The fields of a protobuf message, in order; ends at the first that cannot be read.
#[derive(Clone, Copy)]
struct Message<'a>(&'a [u8]);

impl<'a> Message<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(head)
    }
}

impl<'a> Iterator for Message<'a> {
    type Item = (u64, Wire<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let tag = self.varint()?;
            let content = match tag & 7 {
                0 => Wire::Varint(self.varint()?),
                1 => Wire::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
                2 => {
                    let size = usize::try_from(self.varint()?).ok()?;
                    Wire::Bytes(self.take(size)?)
                }
                5 => {
                    self.take(4)?;
                    continue;
                }
                _ => return None,
            };
            return Some((tag >> 3, content));
        }
    }
}
