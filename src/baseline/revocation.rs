//! What is revoked: from when on credentials of a subject, a session or a client hold again, and single tokens.
//! May use: the names of a credential.
//! Must not: read a clock, fetch anything, or grow past its bound.

use std::collections::BTreeMap;

use crate::signals::credential::Names;
use crate::sorted::sorted;

/// Most revocations kept at a time.
pub const MOST: usize = 65_536;

/// What one revocation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// Credentials issued before are revoked.
    not_before: u32,
    /// When every credential it could concern has ended by itself.
    until: u32,
}

/// Revocations by the keyed hash of what they name. Hashes of different kinds of names do not meet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations(BTreeMap<u64, Entry>);

impl Revocations {
    /// Revokes what was issued before `not_before` to whatever `name` is: one of [`Names`]. Kept `until` then. Returns whether
    /// there was room; what has ended at `now` makes some.
    pub fn revoke_before(&mut self, name: u64, not_before: u32, until: u32, now: u32) -> bool {
        if name == 0 {
            return false;
        }
        if self.0.len() >= MOST && !self.0.contains_key(&name) {
            self.0.retain(|_, entry| entry.until >= now);
            if self.0.len() >= MOST {
                return false;
            }
        }
        self.add(name, Entry { not_before, until });
        true
    }

    /// Revokes one token for good.
    pub fn revoke_token(&mut self, token: u64, until: u32, now: u32) -> bool {
        self.revoke_before(token, u32::MAX, until, now)
    }

    fn add(&mut self, name: u64, new: Entry) {
        self.0
            .entry(name)
            .and_modify(|known| {
                known.not_before = known.not_before.max(new.not_before);
                known.until = known.until.max(new.until);
            })
            .or_insert(new);
    }

    /// Whether a credential of these names, issued then (0: nobody knows), is revoked at `now`.
    #[must_use]
    pub fn concerns(&self, names: &Names, issued_at: u32, now: u32) -> bool {
        [names.subject, names.session, names.client, names.token]
            .iter()
            .filter_map(|name| self.0.get(name))
            .any(|entry| entry.until >= now && issued_at < entry.not_before)
    }

    /// Adds what another source knows. Of more than fit, those that end last stay; returns how many do not.
    pub fn merge(&mut self, other: &Self) -> usize {
        for (name, entry) in &other.0 {
            self.add(*name, *entry);
        }
        let excess = self.0.len().saturating_sub(MOST);
        if excess > 0 {
            let ends = self.0.iter().map(|(name, entry)| (entry.until, *name));
            for (_, name) in sorted(ends).iter().take(excess) {
                self.0.remove(name);
            }
        }
        excess
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::keyed::HashKey;

    fn names() -> Names {
        Names::of("i", b"i|alice", b"sid", b"web", b"jti", &HashKey::PUBLIC)
    }

    #[test]
    fn what_was_issued_before_is_revoked_and_what_came_after_holds() {
        for name in [names().subject, names().session, names().client] {
            let mut revoked = Revocations::default();
            assert!(revoked.revoke_before(name, 1000, 5000, 0));
            assert!(revoked.concerns(&names(), 999, 2000));
            assert!(revoked.concerns(&names(), 0, 2000));
            assert!(!revoked.concerns(&names(), 1000, 2000));
            assert!(!revoked.concerns(&names(), 999, 5001));
            assert!(!revoked.concerns(&Names::default(), 999, 2000));
        }
    }

    #[test]
    fn a_token_is_revoked_whenever_it_was_issued() {
        let mut revoked = Revocations::default();
        assert!(revoked.revoke_token(names().token, 5000, 0));
        assert!(revoked.concerns(&names(), 4000, 4500));
        let other = Names::of("i", b"i|alice", b"sid", b"web", b"other", &HashKey::PUBLIC);
        assert!(!revoked.concerns(&other, 4000, 4500));
    }

    #[test]
    fn names_of_different_kinds_do_not_meet() {
        let same = Names::of("i", b"x", b"x", b"x", b"x", &HashKey::PUBLIC);
        let mut revoked = Revocations::default();
        revoked.revoke_before(same.subject, 1000, 5000, 0);
        let session = Names { subject: 0, ..same };
        assert!(!revoked.concerns(&session, 0, 2000));
    }

    #[test]
    fn it_is_bounded_and_merges() {
        let mut revoked = Revocations::default();
        for name in 1..=MOST as u64 {
            assert!(revoked.revoke_before(name, 10, 100, 50));
        }
        assert!(!revoked.revoke_before(u64::MAX, 10, 100, 50));
        assert!(revoked.revoke_before(u64::MAX, 10, 300, 200));
        assert_eq!(revoked.len(), 1);
        let (mut a, mut b) = (Revocations::default(), Revocations::default());
        a.revoke_before(1, 10, 100, 0);
        b.revoke_before(1, 20, 50, 0);
        b.revoke_before(2, 5, 50, 0);
        let mut left = a.clone();
        assert_eq!(left.merge(&b), 0);
        assert_eq!(b.merge(&a), 0);
        assert_eq!(left, b);
        assert_eq!(left.len(), 2);
    }
}
