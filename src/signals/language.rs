//! The language a client asks for first.
//! May use: std.
//! Must not: interpret quality values: browsers list languages in order of preference.

use arrayvec::ArrayVec;

/// The longest tag that RFC 5646 (section 4.4.1) wants every reader to hold.
const LONGEST: usize = 35;

/// The first language range of Accept-Language (RFC 9110 section 12.5.4) in lower case; `None` for `*`, for what is too long and
/// for what is no range (RFC 4647 section 2.1).
pub(super) fn first(ranges: &[u8]) -> Option<ArrayVec<u8, LONGEST>> {
    let range = ranges
        .split(|byte| matches!(byte, b',' | b';'))
        .next()?
        .trim_ascii();
    let letters = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    if range.is_empty() || range.len() > LONGEST || !range.iter().all(letters) {
        return None;
    }
    Some(range.iter().map(u8::to_ascii_lowercase).collect())
}

#[cfg(test)]
mod tests {
    use super::first;

    #[test]
    fn the_first_range_counts_in_any_case_and_with_any_weight() {
        for same in ["de-AT", "de-at, en;q=0.7", " DE-AT ;q=1,en"] {
            assert_eq!(
                first(same.as_bytes()).unwrap().as_slice(),
                b"de-at",
                "{same}"
            );
        }
    }

    #[test]
    fn what_is_no_language_is_none() {
        let long = "a".repeat(36);
        for none in ["", "*", ", en", "d\u{e9}", "a b", &long] {
            assert!(first(none.as_bytes()).is_none(), "{none}");
        }
    }
}
