//! Names that directories and databases take for one: what they have in common, so that failures at one count for all.
//! May use: std.
//! Must not: be taken for the name, or say that two names are one account: it only ever counts what failed.
//!
//! Directories prepare strings before they compare them (RFC 4518: compatibility forms, nothing of soft hyphens and other characters
//! without a width), databases collate them without accents (UTS #10). One account has as many names there as there are accents,
//! and as there are places for a character that counts for nothing.
//!
//! Crates that normalise bring the tables of all of Unicode into the module, and pass nothing over; what they would find beyond this
//! changes a count, never who somebody is.

/// The letters of U+00C0 to U+024F without what is above, below and through them; `.`: none of ASCII.
const LATIN: &str = "aaaaaaaceeeeiiiidnooooo.ouuuuytsaaaaaaaceeeeiiiidnooooo.ouuuuytyaaaaaaccccccccddddeeeeeeeeeegggggggg\
     hhhhiiiiiiiiiiiijjkkkllllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzsb.......\
     ..........f....i..l....ooo.............uu....zz.............dddlllnnnaaiioouuuuuuuuuu.aaaa....ggkkoo\
     oo..jdddgg..nnaa....aaaaeeeeiiiioooorrrruuuusstt..hh......aaeeooooooooyy...............b............";
/// Those of U+1E00 to U+1EFF.
const MORE_LATIN: &str = "aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmmmmmmnnnnnnnnoooooooopppprrrrrrrrssss\
     ssssssttttttttuuuuuuuuuuvvvvwwwwwwwwwwxxxxyyzzzzzzhtwyas..s.aaaaaaaaaaaaaaaaaaaaaaaaeeeeeeeeeeeeeeee\
     iiiioooooooooooooooooooooooouuuuuuuuuuuuuuyyyyyyyy......";

/// What names like this one have in common; absent where that is the name itself. The name is lower case already, or case matters.
///
/// Numbers that are written with signs in between, as of telephones, are their digits.
#[must_use]
pub fn alike(name: &str) -> Option<String> {
    let plain = name.bytes().all(|b| b.is_ascii_graphic() || b == b' ') && !name.contains("  ");
    let numeric =
        !name.chars().any(char::is_alphabetic) && name.chars().any(|c| c.is_ascii_digit());
    if plain && !numeric {
        return None;
    }
    let common: String = if numeric {
        let digits = name.chars().filter(char::is_ascii_digit);
        digits.skip_while(|digit| *digit == '0').collect()
    } else {
        let mut words = name
            .split_whitespace()
            .map(|word| word.chars().filter_map(common));
        let first = words.next().into_iter().flatten();
        first
            .chain(words.flat_map(|word| std::iter::once(' ').chain(word)))
            .collect()
    };
    (common != name && !common.is_empty()).then_some(common)
}

/// A character as it is compared; absent: it is passed over.
fn common(c: char) -> Option<char> {
    let code = c as u32;
    let of = |table: &str, first: u32| {
        let at = usize::try_from(code.wrapping_sub(first)).ok()?;
        table.as_bytes().get(at).copied().filter(|b| *b != b'.')
    };
    let letter = |nth: u32| char::from(b'a' + (nth % 26) as u8);
    if c.is_control() || is_passed_over(code) {
        return None;
    }
    Some(match code {
        0xc0..=0x24f => of(LATIN, 0xc0).map_or(c, char::from),
        0x1e00..=0x1eff => of(MORE_LATIN, 0x1e00).map_or(c, char::from),
        // Parenthesised, circled, mathematical, of full width, and the signs for kelvin and ångström.
        0x249c..=0x24b5 => letter(code - 0x249c),
        0x24b6..=0x24e9 => letter(code - 0x24b6),
        0x1d400..=0x1d6a3 => letter(code - 0x1d400),
        0x1d7ce..=0x1d7ff => char::from(b'0' + ((code - 0x1d7ce) % 10) as u8),
        0xff01..=0xff5e => char::from_u32(code - 0xfee0)
            .unwrap_or(c)
            .to_ascii_lowercase(),
        0x212a => 'k',
        0x212b => 'a',
        _ => c,
    })
}

/// Marks that combine with a letter, and characters that are shown as nothing (Default_Ignorable_Code_Point).
const fn is_passed_over(code: u32) -> bool {
    matches!(code,
        0xad | 0x0300..=0x036f | 0x0483..=0x0489 | 0x061c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
        | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0x20d0..=0x20ff
        | 0x3164 | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f | 0xfeff | 0xffa0 | 0xfff0..=0xfff8 | 0xe0000..=0xe0fff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_have_in_common_what_it_is() {
        for other in [
            "ali\u{200b}ce@x.org",
            "\u{e1}l\u{12b}c\u{1eb9}@x.org",
            "a\u{301}lice@x.org",
            "\u{ff41}\u{ff2c}ice\u{ff20}x.org",
            "\u{1d4d0}\u{24db}\u{24d8}ce@x.org",
            "alice@x\u{ad}.org\u{e0041}",
            "al\u{0}ice@x.org",
        ] {
            assert_eq!(alike(other).as_deref(), Some("alice@x.org"), "{other}");
        }
        assert_eq!(
            alike("client \u{2003} w\u{eb}b").as_deref(),
            Some("client web")
        );
        for number in ["+49 151 23-45", "0049(151)2345", "49.151.2345"] {
            assert_eq!(alike(number).as_deref(), Some("491512345"), "{number}");
        }
    }

    #[test]
    fn what_is_written_plainly_is_what_it_has_in_common() {
        for name in [
            "alice@x.org",
            "a",
            "client web",
            "ALICE",
            "491512345",
            "--",
            "\u{200b}",
            "\u{438}\u{432}\u{430}\u{43d}",
        ] {
            assert_eq!(alike(name), None, "{name}");
        }
        assert_eq!(LATIN.len(), 0x250 - 0xc0);
        assert_eq!(MORE_LATIN.len(), 0x100);
    }
}
