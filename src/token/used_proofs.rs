//! Holds the memory of DPoP proofs that were used (RFC 9449 §11.1): a page of marks, as bytes that workers can share.
//! May use the marks of proofs; `now` is an argument.
//! Must not grow beyond its page, whoever sends proofs.

use super::dpop::Mark;

/// Bytes of a mark: hash and last second, little-endian.
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
        let word = |bytes: &[u8]| bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let mark = |bytes: &[u8]| {
            let (hash, until) = bytes.split_at_checked(8)?;
            Some(Mark {
                hash: word(hash)?,
                until: word(until)?.cast_signed(),
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
        let words = |mark: &Mark| [mark.hash, mark.until.cast_unsigned()];
        let words = self.0.iter().flat_map(words);
        words.flat_map(u64::to_le_bytes).collect()
    }

    /// Remembers a proof that holds at `now`; `false`: it was used before. Proofs whose time is over go; of a full page the one
    /// that ends first gives way.
    #[must_use]
    pub fn remember(&mut self, mark: Mark, now: i64) -> bool {
        self.0.retain(|used| used.until >= now);
        if self.0.iter().any(|used| used.hash == mark.hash) {
            return false;
        }
        if self.0.len() < CAPACITY {
            self.0.push(mark);
        } else if let Some(first) = self.0.iter_mut().min_by_key(|used| used.until) {
            *first = mark;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{CAPACITY, MARK, Mark, PROOF_PAGES, UsedProofs};
    use proptest::prelude::*;

    fn mark(hash: u64, until: i64) -> Mark {
        Mark { hash, until }
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
            assert!(page.remember(mark(n, 1_000 + n.cast_signed()), 0));
        }
        assert_eq!(page.bytes().len(), CAPACITY * MARK);
        assert!(!page.remember(mark(4_999, 0), 0), "the latest is known");
        assert!(page.remember(mark(0, 9_000), 0), "the first gave way");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_page(bytes in proptest::collection::vec(any::<u8>(), 0..9_000), hash in any::<u64>(), now in any::<i64>()) {
            let mut page = UsedProofs::read(&bytes);
            let mark = mark(hash, now);
            let fresh = page.remember(mark, now);
            prop_assert!(!fresh || !page.remember(mark, now));
            prop_assert!(page.bytes().len() <= CAPACITY * MARK);
            prop_assert!(mark.page() < PROOF_PAGES);
        }
    }
}
