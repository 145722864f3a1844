//! Keyed hashing: every identifier of a person or a client becomes a number here and nowhere else.
//! May use: siphasher, arrayvec. Keys are arguments.
//! Must not: keep a name, an address or a user agent in clear.

use std::hash::Hasher;

use arrayvec::ArrayVec;
use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher13x128};

/// What a hash is of. Two kinds of the same bytes never collide on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Domain {
    /// Issuer and subject, API key or certificate.
    Identity = 1,
    /// Peer group.
    Group,
    /// Full client address.
    Address,
    /// /24 or /48.
    Prefix,
    /// /20 or /40.
    Block,
    /// The user agent string.
    UserAgent,
    /// Family of the user agent.
    Browser,
    /// Operating system.
    Os,
    /// Device class or receipt.
    Device,
    /// TLS fingerprint (JA3 or JA4) or the digest of a client certificate.
    Tls,
    /// Accept-Language.
    Language,
    /// Session.
    Session,
    /// Token digest or id.
    Token,
    /// Route template or command.
    Route,
    /// Scope of a token.
    Scope,
    /// OAuth client.
    Client,
    /// Checksum of a record or a page.
    Checksum,
    /// City.
    City,
    /// Decision id.
    Decision,
    /// Canary cohort.
    Cohort,
    /// Claim shape of an issuer: JOSE header and claim names.
    Shape,
    /// Issuer of a token.
    Issuer,
    /// Name that a login tries.
    Name,
}

/// The address of an identity in the baseline: which page, and which record in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Locator {
    /// Selects the page.
    pub page: u64,
    /// Names the record inside the page.
    pub tag: u64,
}

/// The hash key of a deployment (`STEPGATE_KEY`): the same for the filter and for `train`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey([u8; 16]);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(..)")
    }
}

impl HashKey {
    /// The key used when none is configured. It is public: hashes made with it can be reversed by guessing.
    pub const PUBLIC: Self = Self(*b"stepgate public!");

    /// Derives the key from a secret text of any length.
    #[must_use]
    pub fn from_secret(secret: &str) -> Self {
        let mut hasher = SipHasher13x128::new_with_key(&Self::PUBLIC.0);
        hasher.write(secret.as_bytes());
        Self(hasher.finish128().as_bytes())
    }

    /// The key itself, for hashes of other widths.
    #[must_use]
    pub const fn secret(&self) -> [u8; 16] {
        self.0
    }

    /// 64 bits of the keyed hash of `bytes`.
    #[must_use]
    pub fn hash64(&self, domain: Domain, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        write_whole(&mut hasher, &[&[domain as u8], bytes]);
        hasher.finish()
    }

    /// 32 bits of the keyed hash of `bytes`, never 0 (0 means absent in records).
    #[must_use]
    pub fn hash32(&self, domain: Domain, bytes: &[u8]) -> u32 {
        ((self.hash64(domain, bytes) >> 32) as u32).max(1)
    }

    /// Which of a thousand parts these bytes belong to: independent of where the baseline keeps them.
    #[must_use]
    pub fn cohort(&self, bytes: &[u8]) -> u16 {
        (self.hash64(Domain::Cohort, bytes) % 1000) as u16
    }

    /// Where the identity named by these parts lives. The parts are length-delimited.
    #[must_use]
    pub fn locate(&self, domain: Domain, parts: &[&[u8]]) -> Locator {
        let mut hasher = SipHasher13x128::new_with_key(&self.0);
        let length = |part: &[u8]| (part.len() as u64).to_le_bytes();
        match parts {
            [part] => write_whole(&mut hasher, &[&[domain as u8], &length(part), part]),
            [first, second] => write_whole(
                &mut hasher,
                &[
                    &[domain as u8],
                    &length(first),
                    first,
                    &length(second),
                    second,
                ],
            ),
            parts => {
                hasher.write_u8(domain as u8);
                for part in parts {
                    hasher.write(&length(part));
                    hasher.write(part);
                }
            }
        }
        let hash = hasher.finish128();
        Locator {
            page: hash.h1,
            tag: hash.h2,
        }
    }
}

/// Short parts that are written as one: SipHash takes words of eight bytes, and what does not end with a word costs as much
/// again as the words.
const SHORT: usize = 96;

/// Writes the parts one after the other. The hash is the same as of each written alone.
fn write_whole(hasher: &mut impl Hasher, parts: &[&[u8]]) {
    let mut whole = ArrayVec::<u8, SHORT>::new();
    if parts
        .iter()
        .all(|part| whole.try_extend_from_slice(part).is_ok())
    {
        return hasher.write(&whole);
    }
    for part in parts {
        hasher.write(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_and_keys_separate() {
        let (a, b) = (HashKey::from_secret("a"), HashKey::from_secret("b"));
        assert_ne!(
            a.hash64(Domain::Address, b"x"),
            a.hash64(Domain::Prefix, b"x")
        );
        assert_ne!(
            a.hash64(Domain::Address, b"x"),
            b.hash64(Domain::Address, b"x")
        );
        assert_ne!(
            a.locate(Domain::Identity, &[b"ab", b"c"]),
            a.locate(Domain::Identity, &[b"a", b"bc"])
        );
    }

    #[test]
    fn short_and_long_parts_are_written_alike() {
        let key = HashKey::from_secret("a");
        for length in [0, 1, 7, 8, 31, SHORT - 9, SHORT - 1, SHORT, 200] {
            let bytes = vec![b'x'; length];
            let mut apart = SipHasher13::new_with_key(&key.0);
            apart.write_u8(Domain::Route as u8);
            apart.write(&bytes);
            assert_eq!(key.hash64(Domain::Route, &bytes), apart.finish());
            let mut apart = SipHasher13x128::new_with_key(&key.0);
            apart.write_u8(Domain::Name as u8);
            apart.write(&(length as u64).to_le_bytes());
            apart.write(&bytes);
            let place = key.locate(Domain::Name, &[&bytes]);
            let hash = apart.finish128();
            assert_eq!((place.page, place.tag), (hash.h1, hash.h2));
        }
    }

    #[test]
    fn the_definition_is_stable_across_targets() {
        assert_eq!(
            HashKey::PUBLIC.hash64(Domain::Identity, b"stepgate"),
            HashKey::PUBLIC.hash64(Domain::Identity, b"stepgate")
        );
    }
}
