//! How names of members are spelled: escapes, character sets, and what upstreams take for the same name.
//! May use: std.
//! Must not: copy a value, or know what a name is for.

/// The byte order mark of UTF-8 (RFC 3629 §6), which some readers pass over.
pub(super) const MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// Character sets in which names of ASCII letters are written alike.
const LIKE_ASCII: [&str; 6] = [
    "utf-8",
    "utf8",
    "us-ascii",
    "ascii",
    "iso-8859-1",
    "windows-1252",
];

/// Whether a parameter of a content type leaves names as they are written: frameworks decode forms by `charset`, and in EBCDIC or
/// UTF-7 any name is spelled differently.
pub(super) fn is_like_ascii(parameter: &[u8]) -> bool {
    let mut parts = parameter.splitn(2, |b| *b == b'=');
    let name = parts.next().unwrap_or_default().trim_ascii();
    let value = parts.next().unwrap_or_default();
    let quoted = |b: &u8| matches!(b, b'"' | b'\'') || b.is_ascii_whitespace();
    let begins = value.iter().position(|b| !quoted(b)).unwrap_or_default();
    let ends = value.iter().rposition(|b| !quoted(b)).unwrap_or_default();
    let set = value.get(begins..=ends).unwrap_or_default();
    !name.eq_ignore_ascii_case(b"charset")
        || LIKE_ASCII
            .iter()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(set))
}

/// Whether a member is one of ours in any spelling an upstream may accept: some ignore case, some cut white space off, PHP ends a
/// name at a zero byte and makes `_` of dots, spaces and brackets that stay open; `name[]` and `name[0]` are lists, and a list of
/// one passes for its member in many places.
pub(super) fn is_same(key: impl Iterator<Item = u8> + Clone, name: &str) -> bool {
    let key = Letters(key).take_while(|byte| *byte != 0);
    let mut key = key.skip_while(u8::is_ascii_whitespace);
    let same = |k: u8, byte: u8| {
        k.eq_ignore_ascii_case(&byte) || (byte == b'_' && matches!(k, b'.' | b' ' | b'['))
    };
    let begins = name
        .bytes()
        .all(|byte| key.next().is_some_and(|k| same(k, byte)));
    let mut inside = false;
    begins
        && key.all(|byte| match byte {
            b'[' | b']' => {
                inside = !inside;
                inside == (byte == b'[')
            }
            b'0'..=b'9' => inside,
            other => other.is_ascii_whitespace(),
        })
}

/// Bytes of UTF-8 text with the letters that are ASCII ones in another case: who compares without case by Unicode (Go's JSON,
/// Java) takes `ſ` for `s`, the Kelvin sign for `k`, and `ı` and `İ` for `i`.
#[derive(Clone)]
struct Letters<I>(I);

impl<I: Iterator<Item = u8> + Clone> Iterator for Letters<I> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let byte = self.0.next()?;
        if byte.is_ascii() {
            return Some(byte);
        }
        let mut ahead = self.0.clone();
        let letter = match (byte, ahead.next()) {
            (0xc5, Some(0xbf)) => b's',
            (0xc4, Some(0xb0 | 0xb1)) => b'i',
            (0xe2, Some(0x84)) if ahead.next() == Some(0xaa) => b'k',
            _ => return Some(byte),
        };
        self.0 = ahead;
        Some(letter)
    }
}

/// Bytes of a form's name or value, decoded one by one (WHATWG URL §5.1): a library would decode the password as well.
#[derive(Clone, Copy)]
pub(super) struct Decoded<'a>(pub(super) &'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        match (byte, rest) {
            (b'+', _) => Some(b' '),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    self.0 = after;
                    Some(high << 4 | low)
                }
                _ => Some(b'%'),
            },
            _ => Some(*byte),
        }
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}
