//! The claims that `jwt_authn` leaves in the stream's metadata, and policies that come as a struct.
//! May use the adapter's reader, the writer beside it.
//! Must not look at what a claim means.

use serde_json::Value;

use crate::{metadata, structs};

pub(crate) fn run(data: &[u8]) {
    let (mode, data) = crate::split(data);
    if mode & 1 == 0 {
        read(data);
        return;
    }
    let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let object = structs::plain(object);
    let claims = structs::object(&object);
    if structs::depth(&Value::Object(object.clone())) <= structs::DEPTH {
        // As text: a number of many digits is not the same to the last bit when it is read again.
        assert_eq!(
            metadata::json(&claims),
            Value::Object(object.clone()).to_string(),
            "what was written is read"
        );
        assert_eq!(metadata::whole(&claims), Some(metadata::json(&claims)));
    }
    // The same in another order has the same digest.
    let mut entries: Vec<_> = object
        .iter()
        .map(|(key, value)| structs::object(&[(key.clone(), value.clone())].into_iter().collect()))
        .collect();
    entries.reverse();
    let sum = |bytes: &[u8]| metadata::digest(bytes, hashed);
    assert_eq!(sum(&claims), sum(&entries.concat()));
    // As the filter leaves it: filter_metadata, then the fields of a struct.
    let fields = [("payload".to_owned(), Value::Object(object))];
    let payload = structs::object(&fields.into_iter().collect());
    let whole = structs::entry("envoy.filters.http.jwt_authn", &payload);
    assert_eq!(
        metadata::verified_claims(&whole, &names()),
        Some(&claims[..])
    );
    let other = structs::entry("envoy.filters.http.ext_authz", &payload);
    assert_eq!(metadata::verified_claims(&other, &names()), None);
    read(&claims);
}

fn names() -> [String; 2] {
    ["payload", "other"].map(str::to_owned)
}

fn hashed(bytes: &[u8]) -> u128 {
    bytes.iter().fold(7, |sum: u128, byte| {
        sum.wrapping_mul(131) ^ u128::from(*byte)
    })
}

fn read(data: &[u8]) {
    if let Some(claims) = metadata::verified_claims(data, &names()) {
        assert!(claims.len() < data.len());
        let _digest = metadata::digest(claims, hashed);
        json(claims);
    }
    json(data);
    if let Some(whole) = metadata::whole(data) {
        assert_eq!(whole, metadata::json(data));
    }
}

fn json(claims: &[u8]) {
    let text = metadata::json(claims);
    // Six bytes for one that is escaped, five for an empty item.
    assert!(text.len() <= 8 * claims.len() + 8, "{}", text.len());
    let value: Value = serde_json::from_str(&text).unwrap();
    assert!(value.is_object());
    assert!(structs::depth(&value) <= structs::DEPTH + 1);
}
