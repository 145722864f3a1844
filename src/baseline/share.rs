//! How the pages are divided among the kinds of records.
//! May use: the kinds of pages.
//! Must not: depend on what is stored: the division holds for the life of a process.

use super::page::PageKind;

impl PageKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Routes, Self::Source, Self::Account];

    /// How many of `pages` hold records of this kind, at least one: sources and profiles an eighth each, accounts a
    /// sixteenth, identities the rest.
    #[must_use]
    pub const fn share(self, pages: u64) -> u64 {
        let (eighth, sixteenth) = if pages < 16 {
            (1, 1)
        } else {
            (pages / 8, pages / 16)
        };
        let share = match self {
            Self::Routes | Self::Source => eighth,
            Self::Account => sixteenth,
            Self::Identity => pages.saturating_sub(2 * eighth + sixteenth),
        };
        if share == 0 { 1 } else { share }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_pages_and_no_page_is_counted_twice() {
        for pages in [1, 4, 15, 16, 17, 256, 16_384, 1 << 20] {
            let shares = PageKind::ALL.map(|kind| kind.share(pages));
            assert!(shares.iter().all(|share| *share >= 1));
            assert!(pages < 4 || shares.iter().sum::<u64>() == pages, "{pages}");
        }
    }
}
