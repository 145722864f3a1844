//! Holds the reading of JWK and JWKS: from the policy, or from an issuer that may have been taken over.
//! May use the strict object reader and `base64`.
//! Must not keep private or encryption keys, nor a secret that came over the network.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;

use super::der::PublicKey;
use super::key::{Key, algorithm};
use super::key_set::{KEYS_MAX, KeySet, Origin, SkippedKey};
use super::members::{Members, Unreadable};

/// The largest set that is read.
const JWKS_BYTES_MAX: usize = 64 * 1024;

/// What became of one JWK.
enum Outcome {
    Key(Key),
    /// Not for us: another purpose, another algorithm.
    Skip(String),
    /// For us, and bad.
    Bad(String),
}

impl KeySet {
    /// A JWKS (`{"keys": […]}`) or a single JWK, at most 64 KiB and 64 keys. Keys for encryption or with unknown types are skipped and
    /// counted. Bad ones (weak, private, unreadable) are an error inline and are skipped from a remote, whose secrets are never believed.
    ///
    /// # Errors
    /// In words, with the place of the key: not a JWKS, too large, a bad key, no usable key at all.
    pub fn from_jwks(bytes: &[u8], origin: Origin) -> Result<Self, String> {
        if bytes.len() > JWKS_BYTES_MAX {
            return Err(format!(
                "a JWKS of {} bytes: at most {JWKS_BYTES_MAX} are read",
                bytes.len()
            ));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "a JWKS that is not UTF-8")?;
        let jwks = Members::read(text)
            .filter(|members| !members.has_duplicate())
            .ok_or("not a JWKS: no JSON object")?;
        let texts: Vec<&str> = match jwks.get("keys") {
            Some(keys) => {
                let keys: Vec<&RawValue> =
                    serde_json::from_str(keys).map_err(|_| "not a JWKS: `keys` is no array")?;
                keys.into_iter().map(RawValue::get).collect()
            }
            None if jwks.contains("kty") => vec![text],
            None => return Err("not a JWKS: it has neither `keys` nor `kty`".to_owned()),
        };
        if texts.len() > KEYS_MAX {
            return Err(format!(
                "a JWKS of {} keys: at most {KEYS_MAX} are accepted",
                texts.len()
            ));
        }
        let mut set = Self::default();
        for (index, text) in texts.into_iter().enumerate() {
            match read_jwk(text, origin) {
                Outcome::Key(key) => set.keys.push(key),
                Outcome::Bad(why) if origin == Origin::Inline => {
                    return Err(format!("keys[{index}]: {why}"));
                }
                Outcome::Bad(why) | Outcome::Skip(why) => {
                    set.skipped.push(SkippedKey { index, why })
                }
            }
        }
        match set.skipped.first() {
            Some(SkippedKey { index, why, .. }) if set.keys.is_empty() => {
                Err(format!("a JWKS without a usable key; keys[{index}]: {why}"))
            }
            None if set.keys.is_empty() => Err("a JWKS without keys".to_owned()),
            _ => Ok(set),
        }
    }
}

fn read_jwk(text: &str, origin: Origin) -> Outcome {
    let Some(jwk) = Members::read(text) else {
        return Outcome::Bad("not a JSON object".to_owned());
    };
    if jwk.has_duplicate() {
        return Outcome::Bad("a member occurs twice".to_owned());
    }
    match purpose(&jwk) {
        Ok(None) => {}
        Ok(Some(why)) => return Outcome::Skip(why),
        Err(Unreadable) => {
            return Outcome::Bad("`use`, `key_ops`, `alg` or `kid` of a wrong type".to_owned());
        }
    }
    let key = match jwk.text("kty") {
        Ok(Some(kty)) => match (&*kty, origin) {
            ("oct", Origin::Remote) => Err("a secret in a published JWKS".to_owned()),
            ("oct", Origin::Inline) => part(&jwk, "k").and_then(|secret| Key::secret(&secret)),
            ("RSA" | "EC" | "OKP", _) if jwk.contains("d") => {
                Err("a private key: give the public one".to_owned())
            }
            ("RSA", _) => rsa(&jwk).and_then(|key| Key::public(&key)),
            ("EC", _) => match ec(&jwk) {
                Ok(Some(key)) => Key::public(&key),
                Ok(None) => return Outcome::Skip("a curve other than P-256 and P-384".to_owned()),
                Err(why) => Err(why),
            },
            ("OKP", _) => match jwk.text("crv") {
                Ok(Some(crv)) if crv == "Ed25519" => {
                    part(&jwk, "x").and_then(|x| Key::public(&PublicKey::Ed25519(x)))
                }
                _ => return Outcome::Skip("an OKP curve other than Ed25519".to_owned()),
            },
            _ => return Outcome::Skip("an unknown `kty`".to_owned()),
        },
        _ => Err("no `kty`".to_owned()),
    };
    match key {
        Ok(mut key) => {
            // Both were readable above.
            key.kid = jwk.text("kid").unwrap_or_default().map(Cow::into_owned);
            key.alg = jwk
                .text("alg")
                .unwrap_or_default()
                .and_then(|name| algorithm(&name));
            match key.alg {
                Some(alg) if !key.fits(alg) => {
                    Outcome::Bad(format!("`alg` {alg:?} contradicts the key"))
                }
                _ => Outcome::Key(key),
            }
        }
        Err(why) => Outcome::Bad(why),
    }
}

/// Why the key is not for verifying signatures, if it is not.
fn purpose(jwk: &Members<'_>) -> Result<Option<String>, Unreadable> {
    jwk.text("kid")?;
    if jwk.text("use")?.is_some_and(|purpose| purpose != "sig") {
        return Ok(Some("not for signatures (`use`)".to_owned()));
    }
    if jwk
        .typed::<Vec<String>>("key_ops")?
        .is_some_and(|ops| !ops.iter().any(|op| op == "verify"))
    {
        return Ok(Some("not for verifying (`key_ops`)".to_owned()));
    }
    let unknown = jwk
        .text("alg")?
        .is_some_and(|name| algorithm(&name).is_none());
    Ok(unknown.then(|| "an `alg` that is not verified here".to_owned()))
}

fn rsa(jwk: &Members<'_>) -> Result<PublicKey, String> {
    Ok(PublicKey::Rsa(part(jwk, "n")?, part(jwk, "e")?))
}

fn ec(jwk: &Members<'_>) -> Result<Option<PublicKey>, String> {
    let length = match jwk.text("crv") {
        Ok(Some(crv)) if crv == "P-256" => 32,
        Ok(Some(crv)) if crv == "P-384" => 48,
        _ => return Ok(None),
    };
    let (x, y) = (part(jwk, "x")?, part(jwk, "y")?);
    if x.len() != length || y.len() != length {
        return Err(format!("`x` or `y` is not of {length} bytes"));
    }
    Ok(Some(PublicKey::Ec(
        [&[4], x.as_slice(), y.as_slice()].concat(),
    )))
}

fn part(jwk: &Members<'_>, name: &str) -> Result<Vec<u8>, String> {
    let text = jwk
        .text(name)
        .ok()
        .flatten()
        .ok_or_else(|| format!("no `{name}`"))?;
    URL_SAFE_NO_PAD
        .decode(&*text)
        .map_err(|_| format!("`{name}` is not base64url"))
}

#[cfg(test)]
mod tests {
    use super::{KeySet, Origin};
    use crate::token::KeyKind;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn read(json: &str, origin: Origin) -> Result<KeySet, String> {
        KeySet::from_jwks(json.as_bytes(), origin)
    }

    fn okp(more: &str) -> String {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"{more}}}"#)
    }

    #[test]
    fn a_single_jwk_and_a_set_are_the_same_thing() {
        let one = read(
            &okp(r#","kid":"a","use":"sig","key_ops":["verify"],"alg":"EdDSA""#),
            Origin::Inline,
        )
        .unwrap();
        let set = read(&format!(r#"{{"keys":[{}]}}"#, okp("")), Origin::Remote).unwrap();
        assert_eq!(one.keys()[0].kind(), KeyKind::Ed25519);
        assert_eq!(
            (one.keys()[0].kid(), set.keys()[0].kid()),
            (Some("a"), None)
        );
    }

    #[test]
    fn keys_for_other_purposes_are_skipped_and_counted() {
        let others = [
            okp(r#","use":"enc""#),
            okp(r#","key_ops":["encrypt"]"#),
            okp(r#","alg":"ECDH-ES""#),
            r#"{"kty":"XYZ"}"#.to_owned(),
            r#"{"kty":"EC","crv":"secp256k1","x":"","y":""}"#.to_owned(),
            r#"{"kty":"OKP","crv":"X25519","x":""}"#.to_owned(),
        ];
        for origin in [Origin::Inline, Origin::Remote] {
            let set = read(
                &format!(r#"{{"keys":[{},{}]}}"#, others.join(","), okp("")),
                origin,
            )
            .unwrap();
            assert_eq!((set.keys().len(), set.skipped().len()), (1, others.len()));
        }
    }

    #[test]
    fn bad_keys_are_an_error_inline_and_skipped_from_a_remote() {
        let weak = format!(
            r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#,
            "_".repeat(170) + "w"
        );
        let bad = [
            (
                weak.as_str(),
                "an RSA key of 1024 bits: 2048 to 4096 are accepted",
            ),
            (&okp(r#","d":"AAAA""#), "a private key: give the public one"),
            (
                &okp(r#","kid":7"#),
                "`use`, `key_ops`, `alg` or `kid` of a wrong type",
            ),
            (&okp(r#","kid":"a","kid":"b""#), "a member occurs twice"),
            (&okp(r#","alg":"RS256""#), "`alg` RS256 contradicts the key"),
            (
                r#"{"kty":"RSA","n":"AA==","e":"AQAB"}"#,
                "`n` is not base64url",
            ),
            (
                r#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"#,
                "`x` or `y` is not of 32 bytes",
            ),
            (
                r#"{"kty":"oct","k":"AAAA"}"#,
                "a secret of 3 bytes: at least 32 are needed",
            ),
            (r#"[]"#, "not a JSON object"),
            (r#"{}"#, "no `kty`"),
        ];
        for (key, why) in bad {
            let set = format!(r#"{{"keys":[{},{key}]}}"#, okp(""));
            assert_eq!(
                read(&set, Origin::Inline).unwrap_err(),
                format!("keys[1]: {why}")
            );
            let remote = read(&set, Origin::Remote).unwrap();
            assert_eq!((remote.keys().len(), remote.skipped()[0].index), (1, 1));
        }
    }

    #[test]
    fn a_secret_is_only_believed_inline() {
        let secret = r#"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
        assert_eq!(
            read(secret, Origin::Inline).unwrap().keys()[0].kind(),
            KeyKind::Secret { bytes: 32 }
        );
        let error = read(secret, Origin::Remote).unwrap_err();
        assert_eq!(
            error,
            "a JWKS without a usable key; keys[0]: a secret in a published JWKS"
        );
    }

    #[test]
    fn what_is_no_jwks_is_refused_in_words() {
        for (text, why) in [
            ("", "not a JWKS: no JSON object"),
            ("[]", "not a JWKS: no JSON object"),
            ("{}", "not a JWKS: it has neither `keys` nor `kty`"),
            (r#"{"keys":{}}"#, "not a JWKS: `keys` is no array"),
            (r#"{"keys":[]}"#, "a JWKS without keys"),
        ] {
            assert_eq!(read(text, Origin::Remote).unwrap_err(), why);
        }
        assert!(KeySet::from_jwks(&[0xff], Origin::Remote).is_err());
        assert!(
            KeySet::from_jwks(&[b' '; 65 * 1024], Origin::Remote)
                .unwrap_err()
                .contains("66560 bytes")
        );
        let many = format!(r#"{{"keys":[{}]}}"#, vec![okp(""); 65].join(","));
        assert!(read(&many, Origin::Remote).unwrap_err().contains("65 keys"));
    }
}
