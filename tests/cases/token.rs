//! Tokens of the cases: signed with an Ed25519 key everybody can know, or spoiled as the case says.
//! May use Ed25519, which makes the same signature every time and on every target.
//! Must not judge a token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Map, Value, json};

use super::seconds;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn signer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The issuer's key set.
pub(crate) fn keys() -> Value {
    let x = b64(signer(1).verifying_key());
    json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": x }] })
}

/// The token a case describes, for the `n`th request, at a time.
pub(crate) fn mint(written: &Value, n: usize, at: i64) -> String {
    let written = written.as_object().expect("a token is an object");
    let mut header = json!({ "alg": "EdDSA", "kid": "k1", "typ": "at+jwt" });
    let mut claims = Map::new();
    for (name, value) in [
        ("iss", json!("https://idp.test")),
        ("aud", json!("api")),
        ("iat", json!("0s")),
        ("exp", json!("10m")),
        ("auth_time", json!("0s")),
        ("jti", json!(format!("j{n}-{at}"))),
    ] {
        claims.insert(name.to_owned(), value);
    }
    let mut forge = "";
    for (name, value) in written {
        match (name.as_str(), value) {
            ("@header", Value::Object(fields)) => {
                for (name, value) in fields {
                    header[name] = value.clone();
                }
            }
            ("@forge", Value::String(how)) => forge = how,
            (_, Value::Null) => {
                claims.remove(name);
            }
            (_, Value::String(text)) => {
                claims.insert(name.clone(), text.replace("{n}", &n.to_string()).into());
            }
            _ => {
                claims.insert(name.clone(), value.clone());
            }
        }
    }
    for name in ["iat", "exp", "nbf", "auth_time"] {
        if let Some(Value::String(text)) = claims.get(name)
            && text.ends_with(['s', 'm', 'h', 'd'])
        {
            let time = at + seconds(text);
            claims.insert(name.to_owned(), time.into());
        }
    }
    sign(header, &Value::Object(claims), forge)
}

fn sign(mut header: Value, claims: &Value, forge: &str) -> String {
    let seed = if forge == "stranger" { 2 } else { 1 };
    match forge {
        "none" => header["alg"] = json!("none"),
        "hmac" => header["alg"] = json!("HS256"),
        _ => {}
    }
    let mut claims = claims.to_string();
    if forge == "twice" {
        claims = claims.replacen('{', r#"{"sub":"somebody","#, 1);
    }
    let input = format!("{}.{}", b64(header.to_string()), b64(claims));
    let mut signature = signer(seed).sign(input.as_bytes()).to_bytes();
    match forge {
        "none" => return format!("{input}."),
        "encrypted" => return format!("{}.e.e.e.e", b64(header.to_string())),
        "signature" => signature[0] ^= 1,
        "hmac" | "stranger" | "twice" | "" => {}
        other => panic!("`@forge` is `{other}`"),
    }
    format!("{input}.{}", b64(signature))
}
