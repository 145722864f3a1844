//! The device receipt: a cookie that proves that the device solved a challenge of this identity.
//! May use: signals, hmac (which compares in constant time), sha2, base64. Keys, time and randomness are arguments.
//! Must not: prove anything of another identity, or be made with the public key.
//!
//! `1.<issued>.<device>.<mac>`: seconds since 1970, 12 bytes that name the device, and HMAC-SHA-256 (RFC 2104) over both and
//! the identity. It names nobody: the identity is in the MAC only. The key is derived from the hash key for this use alone.

use arrayvec::ArrayVec;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::signals::keyed::HashKey;
use crate::signals::request::{DEVICE_BYTES, DeviceReceipt, Field};

/// How long a receipt is good for, in seconds: 30 days.
pub const LIFETIME: u32 = 30 * 86_400;
/// Age from which a receipt in use is renewed, in seconds: a day.
pub const RENEWAL: u32 = 86_400;
/// How far the clocks of two replicas may be apart, in seconds.
const SKEW: u32 = 300;
/// Longest receipt, in bytes.
const LONGEST: usize = 96;
/// What the derived key is for.
const PURPOSE: &[u8] = b"stepgate device receipt 1";

/// A receipt to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// To a device that has none.
    New,
    /// To this device once more.
    Renewed([u8; DEVICE_BYTES]),
}

/// Makes and reads receipts.
#[derive(Clone)]
pub struct Receipts {
    cookie: String,
    /// That of the hash key, then that of the key before it.
    keys: ArrayVec<Hmac<Sha256>, 2>,
}

impl std::fmt::Debug for Receipts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Receipts({})", self.cookie)
    }
}

/// HMAC-SHA-256 as a key derivation (RFC 5869 §2.3 with one block): the hash key itself never makes a MAC.
fn derived(key: &HashKey) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.secret()).ok()?;
    mac.update(PURPOSE);
    Hmac::new_from_slice(&mac.finalize().into_bytes()).ok()
}

impl Receipts {
    /// Receipts in `cookie` made with `key`; those made with `previous` are read as well. `None` with the public key.
    #[must_use]
    pub fn new(cookie: &str, key: &HashKey, previous: Option<&HashKey>) -> Option<Self> {
        if *key == HashKey::PUBLIC {
            return None;
        }
        let previous = previous.filter(|previous| **previous != HashKey::PUBLIC);
        let keys = [Some(key), previous].into_iter().flatten();
        Some(Self {
            cookie: cookie.to_owned(),
            keys: keys.filter_map(derived).collect(),
        })
    }

    /// The `Set-Cookie` value for `grant`; `fresh` names the device where it is new.
    #[must_use]
    pub fn set_cookie(
        &self,
        grant: Grant,
        identity: &str,
        fresh: [u8; DEVICE_BYTES],
        now: u32,
    ) -> Option<String> {
        let device = match grant {
            Grant::New => fresh,
            Grant::Renewed(device) => device,
        };
        let mac = mac(self.keys.first()?, identity, now, &device).finalize();
        Some(format!(
            "{}=1.{now}.{}.{}; Max-Age={LIFETIME}; Path=/; Secure; HttpOnly; SameSite=Lax",
            self.cookie,
            URL_SAFE_NO_PAD.encode(device),
            URL_SAFE_NO_PAD.encode(mac.into_bytes()),
        ))
    }

    /// What a cookie proves of `identity` at `now`.
    #[must_use]
    pub fn read(&self, cookie: Field<&[u8]>, identity: &str, now: u32) -> DeviceReceipt {
        match cookie {
            Field::Absent => DeviceReceipt::Absent,
            Field::Malformed => DeviceReceipt::Refused,
            Field::Present(value) => self
                .verified(value, identity, now)
                .unwrap_or(DeviceReceipt::Refused),
        }
    }

    fn verified(&self, value: &[u8], identity: &str, now: u32) -> Option<DeviceReceipt> {
        let text = std::str::from_utf8(value.get(..value.len().min(LONGEST + 1))?).ok()?;
        let mut parts = text.split('.');
        let (version, issued) = (parts.next()?, parts.next()?);
        let (device, shown) = (parts.next()?, parts.next()?);
        if version != "1" || parts.next().is_some() || text.len() > LONGEST {
            return None;
        }
        let issued: u32 = issued.parse().ok()?;
        let device: [u8; DEVICE_BYTES] = URL_SAFE_NO_PAD.decode(device).ok()?.try_into().ok()?;
        let shown = URL_SAFE_NO_PAD.decode(shown).ok()?;
        let of_us = self.keys.iter().fold(false, |found, key| {
            found
                | mac(key, identity, issued, &device)
                    .verify_slice(&shown)
                    .is_ok()
        });
        let timely = issued <= now.saturating_add(SKEW) && now.saturating_sub(issued) < LIFETIME;
        (of_us && timely).then_some(DeviceReceipt::Held { issued, device })
    }
}

/// Of lengths that are fixed but for the identity, which comes last: no two inputs are the same bytes.
fn mac(
    key: &Hmac<Sha256>,
    identity: &str,
    issued: u32,
    device: &[u8; DEVICE_BYTES],
) -> Hmac<Sha256> {
    let mut mac = key.clone();
    mac.update(&issued.to_le_bytes());
    mac.update(device);
    mac.update(identity.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u32 = 1_772_618_400;
    const DEVICE: [u8; DEVICE_BYTES] = *b"a device 012";

    fn receipts(key: &str, previous: Option<&str>) -> Receipts {
        let previous = previous.map(HashKey::from_secret);
        Receipts::new("__Host-r", &HashKey::from_secret(key), previous.as_ref()).unwrap()
    }

    fn issued(receipts: &Receipts, identity: &str, now: u32) -> String {
        let set = receipts
            .set_cookie(Grant::New, identity, DEVICE, now)
            .unwrap();
        let (pair, attributes) = set.split_once(';').unwrap();
        assert_eq!(
            attributes,
            " Max-Age=2592000; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        pair.strip_prefix("__Host-r=").unwrap().to_owned()
    }

    fn read(receipts: &Receipts, value: &str, identity: &str, now: u32) -> DeviceReceipt {
        receipts.read(Field::Present(value.as_bytes()), identity, now)
    }

    #[test]
    fn a_receipt_proves_the_device_of_its_identity_for_thirty_days() {
        let receipts = receipts("one", None);
        let value = issued(&receipts, "idp|alice", NOW);
        let held = DeviceReceipt::Held {
            issued: NOW,
            device: DEVICE,
        };
        assert_eq!(read(&receipts, &value, "idp|alice", NOW), held);
        assert_eq!(read(&receipts, &value, "idp|alice", NOW - SKEW), held);
        assert_eq!(
            read(&receipts, &value, "idp|alice", NOW + LIFETIME - 1),
            held
        );
        for (identity, now) in [
            ("idp|bob", NOW),
            ("idp|alic", NOW),
            ("idp|alice", NOW + LIFETIME),
            ("idp|alice", NOW - SKEW - 1),
        ] {
            let found = read(&receipts, &value, identity, now);
            assert_eq!(found, DeviceReceipt::Refused, "{identity} {now}");
        }
        assert_eq!(
            receipts.read(Field::Absent, "idp|alice", NOW),
            DeviceReceipt::Absent
        );
    }

    #[test]
    fn another_key_reads_it_only_as_the_previous_one() {
        let old = issued(&receipts("one", None), "idp|alice", NOW);
        let refused = read(&receipts("two", None), &old, "idp|alice", NOW);
        assert_eq!(refused, DeviceReceipt::Refused);
        let rotated = receipts("two", Some("one"));
        assert!(matches!(
            read(&rotated, &old, "idp|alice", NOW),
            DeviceReceipt::Held { .. }
        ));
        // What is made is made with the new one.
        let new = issued(&rotated, "idp|alice", NOW);
        assert!(matches!(
            read(&receipts("two", None), &new, "idp|alice", NOW),
            DeviceReceipt::Held { .. }
        ));
        assert!(Receipts::new("__Host-r", &HashKey::PUBLIC, None).is_none());
        let public = issued_with_public("idp|alice");
        let beside = Receipts::new(
            "__Host-r",
            &HashKey::from_secret("two"),
            Some(&HashKey::PUBLIC),
        );
        assert_eq!(
            read(&beside.unwrap(), &public, "idp|alice", NOW),
            DeviceReceipt::Refused
        );
    }

    /// What anybody could make, knowing the public key.
    fn issued_with_public(identity: &str) -> String {
        let key = derived(&HashKey::PUBLIC).unwrap();
        let forged = Receipts {
            cookie: "__Host-r".into(),
            keys: std::iter::once(key).collect(),
        };
        issued(&forged, identity, NOW)
    }

    #[test]
    fn a_renewed_receipt_names_the_same_device() {
        let receipts = receipts("one", None);
        let later = receipts.set_cookie(Grant::Renewed(DEVICE), "i", [0; DEVICE_BYTES], NOW + 5);
        let later = later.unwrap();
        let value = later.split(['=', ';']).nth(1).unwrap();
        let held = DeviceReceipt::Held {
            issued: NOW + 5,
            device: DEVICE,
        };
        assert_eq!(read(&receipts, value, "i", NOW + 5), held);
    }

    proptest! {
        #[test]
        fn no_other_text_proves_anything(at in 0usize..80, to in proptest::char::range(' ', '~'), text in "[ -~]{0,200}") {
            let receipts = receipts("one", None);
            let value = issued(&receipts, "idp|alice", NOW);
            let at = at % value.len();
            let change = |(n, was)| if n == at { to } else { was };
            let changed: String = value.chars().enumerate().map(change).collect();
            if changed != value {
                prop_assert_eq!(read(&receipts, &changed, "idp|alice", NOW), DeviceReceipt::Refused);
            }
            prop_assert_eq!(read(&receipts, &text, "idp|alice", NOW), DeviceReceipt::Refused);
        }

        #[test]
        fn any_bytes_are_only_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let found = receipts("one", None).read(Field::Present(&bytes), "i", NOW);
            prop_assert_eq!(found, DeviceReceipt::Refused);
        }
    }
}
