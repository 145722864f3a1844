//! JSON as `google.protobuf.Struct`: what Envoy hands over, written anew from its definition.
//! May use serde_json.
//! Must not share code with the reader it is to check.

use serde_json::{Map, Value};

/// Deeper values are left out by the reader.
pub(crate) const DEPTH: usize = 12;

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(field: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(field << 3 | 2);
    varint(content.len() as u64, out);
    out.extend(content);
}

/// The fields of a struct.
pub(crate) fn object(object: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, member) in object {
        out.extend(entry(key, &value(member)));
    }
    out
}

/// An entry of a map that is the first field of its message, as the fields of a struct are.
pub(crate) fn entry(key: &str, value: &[u8]) -> Vec<u8> {
    let (mut entry, mut out) = (Vec::new(), Vec::new());
    bytes(1, key.as_bytes(), &mut entry);
    bytes(2, value, &mut entry);
    bytes(1, &entry, &mut out);
    out
}

fn value(of: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match of {
        Value::Null => out.extend([1 << 3, 0]),
        Value::Number(number) => {
            out.push(2 << 3 | 1);
            out.extend(number.as_f64().unwrap_or_default().to_le_bytes());
        }
        Value::String(text) => bytes(3, text.as_bytes(), &mut out),
        Value::Bool(flag) => out.extend([4 << 3, u8::from(*flag)]),
        Value::Object(fields) => bytes(5, &object(fields), &mut out),
        Value::Array(items) => {
            let mut list = Vec::new();
            for item in items {
                bytes(1, &value(item), &mut list);
            }
            bytes(6, &list, &mut out);
        }
    }
    out
}

/// What a struct can hold of an object: numbers are doubles, and keys have a name.
pub(crate) fn plain(object: Map<String, Value>) -> Map<String, Value> {
    object
        .into_iter()
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| (key, plain_value(value)))
        .collect()
}

fn plain_value(value: Value) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Object(object) => Value::Object(plain(object)),
        Value::Array(items) => Value::Array(items.into_iter().map(plain_value).collect()),
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            if number.abs() <= EXACT && number.fract() == 0.0 {
                Value::from(number as i64)
            } else {
                Value::from(number)
            }
        }
        other => other,
    }
}

/// How deep the values lie.
pub(crate) fn depth(value: &Value) -> usize {
    match value {
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
