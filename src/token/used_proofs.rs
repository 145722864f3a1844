//! Holds the memory of DPoP proofs that were used (RFC 9449 §11.1): a page of marks, as bytes that workers can share.
//! May use the marks of proofs; `now` is an argument.
//! Must not grow beyond its page, whoever sends proofs.

use super::dpop::Mark;
use crate::sorted::sorted;

/// Bytes of a mark: hash, key and last second, little-endian.
const MARK: usize = 16;
/// Marks a page holds: with its checksum it stays below 4 KiB.
const CAPACITY: usize = 255;

/// How many pages there are: 512 KiB when all are full, and 100 proofs a second while none is forgotten too early.
const PROOF_PAGES: u64 = 128;

/// The proofs of one page that were used within their time, so that none is good twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsedProofs(Vec<Mark>);

impl Mark {
    /// The page it belongs to.
    #[must_use]
    pub const fn page(&self) -> u64 {
        self.hash % PROOF_PAGES
    }
}

impl UsedProofs {
    /// Reads a page. What is no whole mark, or beyond the end of a page, is left out.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mark = |bytes: &[u8]| {
            let (hash, rest) = bytes.split_first_chunk()?;
            let (key, until) = rest.split_first_chunk()?;
            Some(Mark {
                hash: u64::from_le_bytes(*hash),
                key: u32::from_le_bytes(*key),
                until: u32::from_le_bytes(*until.first_chunk()?),
            })
        };
        Self(
            bytes
                .chunks_exact(MARK)
                .take(CAPACITY)
                .filter_map(mark)
                .collect(),
        )
    }

    /// The page as bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let words = |mark: &Mark| [mark.hash, u64::from(mark.until) << 32 | u64::from(mark.key)];
        let words = self.0.iter().flat_map(words);
        words.flat_map(u64::to_le_bytes).collect()
    }

    /// Remembers a proof that holds at `now`; `false`: it was used before. Proofs whose time is over go; of a full page the
    /// key with the most gives up the one that ends first, so that nobody makes it forget the proofs of others.
    #[must_use]
    pub fn remember(&mut self, mark: Mark, now: i64) -> bool {
        self.0.retain(|used| i64::from(used.until) >= now);
        if self.0.iter().any(|used| used.hash == mark.hash) {
            return false;
        }
        if self.0.len() < CAPACITY {
            self.0.push(mark);
            return true;
        }
        let most = self.most_used(mark.key);
        let of_most = self.0.iter_mut().filter(|used| used.key == most);
        if let Some(first) = of_most.min_by_key(|used| used.until) {
            *first = mark;
        }
        true
    }

    /// The key with most marks, `coming` first among equals.
    fn most_used(&self, coming: u32) -> u32 {
        let keys = sorted(self.0.iter().map(|used| used.key));
        let runs = keys.chunk_by(|a, b| a == b);
        let longest = runs.max_by_key(|run| (run.len(), run.first() == Some(&coming)));
        longest.and_then(<[u32]>::first).copied().unwrap_or(coming)
    }
}

#[cfg(test)]
mod tests {
    use super::{CAPACITY, MARK, Mark, PROOF_PAGES, UsedProofs};
    use proptest::prelude::*;

    fn mark(hash: u64, until: u32) -> Mark {
        Mark {
            hash,
            key: 1,
            until,
        }
    }

    #[test]
    fn a_proof_is_good_once_while_it_holds_whoever_reads_the_page() {
        let mut page = UsedProofs::default();
        assert!(page.remember(mark(7, 100), 0));
        assert!(!page.remember(mark(7, 100), 100));
        let mut elsewhere = UsedProofs::read(&page.bytes());
        assert_eq!(elsewhere, page);
        assert!(!elsewhere.remember(mark(7, 100), 50));
        assert!(elsewhere.remember(mark(8, 100), 50));
        assert!(page.remember(mark(7, 300), 101), "another, long after");
    }

    #[test]
    fn a_page_stays_a_page_and_forgets_what_ends_first() {
        let mut page = UsedProofs::default();
        for n in 0..5_000 {
            assert!(page.remember(mark(u64::from(n), 1_000 + n), 0));
        }
        assert_eq!(page.bytes().len(), CAPACITY * MARK);
        assert!(!page.remember(mark(4_999, 0), 0), "the latest is known");
        assert!(page.remember(mark(0, 9_000), 0), "the first gave way");
    }

    #[test]
    fn nobody_makes_a_page_forget_the_proofs_of_others() {
        let mut page = UsedProofs::default();
        let of = |key: u32, n: u32, until| Mark {
            hash: u64::from(key) << 32 | u64::from(n),
            key,
            until,
        };
        // Twenty clients with three proofs each, which end before all that follow.
        let victims = || (100..120).flat_map(|key| (0..3).map(move |n| of(key, n, 300)));
        for proof in victims() {
            assert!(page.remember(proof, 0));
        }
        // One that dates its proofs ahead, then thirty together.
        for n in 0..40_000 {
            assert!(page.remember(of(1, n, 360), 0));
        }
        for n in 0..40_000 {
            assert!(page.remember(of(2 + n % 30, 50_000 + n, 360), 0));
        }
        for proof in victims() {
            assert!(!page.remember(proof, 300), "{proof:?} is good again");
        }
        assert_eq!(UsedProofs::read(&page.bytes()), page);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_page(bytes in proptest::collection::vec(any::<u8>(), 0..9_000), hash in any::<u64>(), now in any::<u32>()) {
            let mut page = UsedProofs::read(&bytes);
            let mark = mark(hash, now);
            let fresh = page.remember(mark, i64::from(now));
            prop_assert!(!fresh || !page.remember(mark, i64::from(now)));
            prop_assert!(page.bytes().len() <= CAPACITY * MARK);
            prop_assert!(mark.page() < PROOF_PAGES);
        }
    }
}
