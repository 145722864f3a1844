//! Holds API keys as their digests: the policy never knows a key.
//! May use SHA-256.
//! Must not compare in a time that depends on the key.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A longer key is nobody's.
const KEY_BYTES_MAX: usize = 1024;

/// The digest of an API key: its SHA-256.
#[must_use]
pub fn digest_api_key(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// The API keys a policy knows, by digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeys {
    digests: Vec<[u8; 32]>,
}

impl ApiKeys {
    /// The keys whose SHA-256 digests these are, 64 hexadecimal digits each (`printf %s KEY | sha256sum`).
    ///
    /// # Errors
    /// In words, with the place of the digest and never the value: it might be a key.
    pub fn from_hex<S: AsRef<str>>(digests: &[S]) -> Result<Self, String> {
        let mut keys = Self::default();
        for (index, hex) in digests.iter().enumerate() {
            let digest = read_hex(hex.as_ref()).ok_or_else(|| {
                format!("[{index}]: not a SHA-256 digest of 64 hexadecimal digits")
            })?;
            if keys.digests.contains(&digest) {
                return Err(format!("[{index}]: the digest occurs twice"));
            }
            keys.digests.push(digest);
        }
        Ok(keys)
    }

    /// The place of a presented key in the list, if it is one of them.
    #[must_use]
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return None;
        }
        let presented = digest_api_key(key);
        let mut found = None;
        for (place, digest) in self.digests.iter().enumerate() {
            if digest.ct_eq(&presented).into() {
                found = Some(place);
            }
        }
        found
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }
}

pub(super) fn read_hex(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::ApiKeys;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_key_is_found_by_its_digest() {
        let keys = ApiKeys::from_hex(&[EMPTY.to_owned(), ABC.to_uppercase()]).unwrap();
        assert_eq!(
            (keys.find(b"abc"), keys.find(b"abd"), keys.len()),
            (Some(1), None, 2)
        );
    }

    #[test]
    fn no_key_and_an_absurd_one_are_nobodys() {
        let keys = ApiKeys::from_hex(&[EMPTY]).unwrap();
        assert_eq!((keys.find(b""), keys.find(&[b'a'; 1025])), (None, None));
        assert!(ApiKeys::default().is_empty());
    }

    #[test]
    fn what_is_no_digest_is_refused_without_repeating_it() {
        for bad in [
            "",
            "abc",
            "my-secret-key",
            ABC.trim_start_matches('b'),
            &ABC.replacen('b', "+", 1),
            &format!("{ABC}0"),
        ] {
            let error = ApiKeys::from_hex(&[bad]).unwrap_err();
            assert_eq!(error, "[0]: not a SHA-256 digest of 64 hexadecimal digits");
        }
        assert_eq!(
            ApiKeys::from_hex(&[ABC, ABC]).unwrap_err(),
            "[1]: the digest occurs twice"
        );
    }
}
