//! Holds the tokens already verified, by digest, so that a known one costs no signature.
//! May use SipHash under a given key.
//! Must not read a clock or grow.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

/// Places a token can be kept in; a set is searched whole.
const WAYS: usize = 4;
/// The least and the most a cache holds.
const CAPACITY_RANGE: std::ops::RangeInclusive<usize> = 1024..=1_048_576;

/// The digest of a token under a secret key: what a cache or a record may keep of it.
#[must_use]
pub fn digest(token: &[u8], key: &[u8; 16]) -> u128 {
    let mut hasher = SipHasher24::new_with_key(key);
    hasher.write(token);
    hasher.finish128().as_u128()
}

/// A fixed number of verified tokens: sets of four, the one unused for longest gives way.
#[derive(Clone, Debug)]
pub struct TokenCache<T> {
    // INVARIANT: WAYS entries per set, and the number of sets is a power of two; neither changes.
    entries: Vec<Option<Entry<T>>>,
    sets: usize,
    uses: u64,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    digest: u128,
    generation: u64,
    valid_until: i64,
    used: u64,
    value: T,
}

impl<T> TokenCache<T> {
    /// A cache of at least `capacity` tokens, rounded up to a power of two between 1,024 and 1,048,576.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity
            .clamp(*CAPACITY_RANGE.start(), *CAPACITY_RANGE.end())
            .next_power_of_two();
        Self {
            entries: std::iter::repeat_with(|| None).take(capacity).collect(),
            sets: capacity / WAYS,
            uses: 0,
        }
    }

    /// How many tokens it can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.entries.len()
    }

    /// What was kept for a token, if it still holds at `now` and was verified under this `generation` of keys and policy.
    pub fn get(&mut self, digest: u128, generation: u64, now: i64) -> Option<&T> {
        self.uses += 1;
        let uses = self.uses;
        let entry = self
            .set(digest)
            .iter_mut()
            .flatten()
            .find(|entry| entry.digest == digest)?;
        if entry.generation != generation || entry.valid_until < now {
            return None;
        }
        entry.used = uses;
        Some(&entry.value)
    }

    /// Keeps what a token says until `valid_until`, in the place of itself, of none, of a dead one or of the one unused for longest.
    pub fn insert(&mut self, digest: u128, generation: u64, valid_until: i64, now: i64, value: T) {
        if valid_until < now {
            return;
        }
        self.uses += 1;
        let used = self.uses;
        let rank = |place: &Option<Entry<T>>| match place {
            Some(entry) if entry.digest == digest => (0, 0),
            None => (1, 0),
            Some(entry) if entry.generation != generation || entry.valid_until < now => {
                (2, entry.used)
            }
            Some(entry) => (3, entry.used),
        };
        if let Some(place) = self.set(digest).iter_mut().min_by_key(|place| rank(place)) {
            *place = Some(Entry {
                digest,
                generation,
                valid_until,
                used,
                value,
            });
        }
    }

    /// Forgets every token.
    pub fn clear(&mut self) {
        self.entries.iter_mut().for_each(|entry| *entry = None);
    }

    fn set(&mut self, digest: u128) -> &mut [Option<Entry<T>>] {
        // INVARIANT: masked by sets - 1, so the cut fits.
        let start = (digest as usize & self.sets.saturating_sub(1)) * WAYS;
        self.entries
            .get_mut(start..start + WAYS)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{TokenCache, WAYS, digest};

    #[test]
    fn a_digest_depends_on_every_byte_and_on_the_key() {
        let token = b"a.b.c";
        assert_eq!(digest(token, &[1; 16]), digest(token, &[1; 16]));
        assert_ne!(digest(token, &[1; 16]), digest(token, &[2; 16]));
        assert_ne!(digest(token, &[1; 16]), digest(b"a.b.d", &[1; 16]));
        // The reference vector of SipHash-2-4-128 for no input under 00 01 … 0f.
        let key = std::array::from_fn(|index| index as u8);
        let expected = [
            0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55,
            0x02, 0x93,
        ];
        assert_eq!(digest(b"", &key).to_le_bytes(), expected);
    }

    #[test]
    fn a_token_is_known_until_it_ends_and_in_its_generation() {
        let mut cache = TokenCache::new(0);
        cache.insert(7, 1, 100, 50, "claims");
        assert_eq!(cache.get(7, 1, 100), Some(&"claims"));
        assert_eq!(cache.get(7, 1, 101), None);
        assert_eq!(cache.get(7, 2, 50), None);
        assert_eq!(cache.get(8, 1, 50), None);
        cache.insert(9, 1, 10, 50, "over");
        assert_eq!(cache.get(9, 1, 0), None);
        cache.clear();
        assert_eq!(cache.get(7, 1, 50), None);
    }

    #[test]
    fn capacity_is_bounded_and_fixed() {
        assert_eq!(TokenCache::<()>::new(0).capacity(), 1024);
        assert_eq!(TokenCache::<()>::new(1025).capacity(), 2048);
        assert_eq!(TokenCache::<()>::new(usize::MAX).capacity(), 1_048_576);
        let mut cache = TokenCache::new(1024);
        for digest in 0..100_000 {
            cache.insert(digest, 1, 100, 50, digest);
        }
        assert_eq!(
            (cache.capacity(), cache.entries.iter().flatten().count()),
            (1024, 1024)
        );
    }

    #[test]
    fn the_used_and_the_living_stay() {
        let mut cache = TokenCache::new(1024);
        let same_set = |n: u128| n << 64;
        for n in 0..WAYS as u128 {
            cache.insert(same_set(n), 1, 100, 50, n);
        }
        assert_eq!(cache.get(same_set(0), 1, 50), Some(&0));
        cache.insert(same_set(4), 1, 100, 50, 4);
        assert_eq!(cache.get(same_set(0), 1, 50), Some(&0));
        assert_eq!(cache.get(same_set(1), 1, 50), None);
        // At 200 all are dead but the newcomer.
        cache.insert(same_set(5), 1, 300, 200, 5);
        cache.insert(same_set(6), 1, 300, 200, 6);
        assert_eq!(cache.get(same_set(5), 1, 200), Some(&5));
        assert_eq!(cache.get(same_set(6), 1, 200), Some(&6));
        cache.insert(same_set(5), 1, 300, 200, 55);
        assert_eq!(cache.get(same_set(5), 1, 200), Some(&55));
    }
}
