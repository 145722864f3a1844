//! Paths as tiers see them: templates, and every way an upstream may read what was sent.
//! May use: nothing.
//! Must not: allocate while a request waits, or hold one reading of an odd path for the only one.

/// Segments of a path that are told apart, and of a template at most.
pub(super) const DEEPEST: usize = 64;

/// Parts of a path that upstreams read differently: which of them one has, or which a reading leaves as they were sent.
type Oddities = u8;
/// `;`: servlet containers cut off what follows in the segment (RFC 3986 §3.3), others keep it.
const PARAMETERS: Oddities = 1;
/// A backslash, or a slash that is percent-encoded: a slash to some.
const SLASHES: Oddities = 2;
/// Empty segments: merged by some.
const EMPTIES: Oddities = 4;
/// `.` and `..`: resolved by some (RFC 3986 §5.2.4), served as they are by others.
const DOTS: Oddities = 8;
/// Escapes that mean something to who decodes twice, leniently or too early. They change no reading here.
const ESCAPES: Oddities = 16;
/// Those that make a difference to a reading.
const READ: Oddities = PARAMETERS | SLASHES | EMPTIES | DOTS;

/// `/users/{id}/orders`, `/admin/**`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathTemplate {
    pub(super) segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(String),
    One,
    Rest,
}

impl PathTemplate {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        let mut segments = Vec::new();
        let mut parts = rest.split('/').peekable();
        while let Some(part) = parts.next() {
            segments.push(match part {
                "**" if parts.peek().is_none() => Segment::Rest,
                "*" => Segment::One,
                name if name.starts_with('{') && name.ends_with('}') && name.len() > 2 => {
                    Segment::One
                }
                name if name.contains(['*', '{', '}', '?', '#', '%']) => return None,
                name => Segment::Literal(name.to_owned()),
            });
        }
        (segments.len() <= DEEPEST).then_some(Self { segments })
    }

    /// Matches segment by segment. Many upstreams route without looking at case; `exactly` is for what must be sent as it is
    /// written.
    pub(super) fn matches(&self, path: &Segments<'_>, exactly: bool) -> bool {
        let mut segments = self.segments.iter();
        let mut parts = path.iter();
        loop {
            match (segments.next(), parts.next()) {
                (Some(Segment::Rest), _) | (None, None) => return true,
                (Some(Segment::One), Some(_)) => {}
                (Some(Segment::Literal(name)), Some(part))
                    if part == name.as_bytes()
                        || (!exactly && unescaped_eq(name.as_bytes(), part)) => {}
                (Some(Segment::Literal(name)), None) if name.is_empty() => {}
                _ => return false,
            }
        }
    }
}

/// Bytes of a path that is read. Most servers take no request line of more than 8 KiB.
const LONGEST: usize = 8 * 1024;
/// The same where upstreams read it differently: each reading costs as much as the first.
const LONGEST_ODD: usize = 2 * 1024;

/// A path as a client sent it, without query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent<'a> {
    path: &'a [u8],
    odd: Oddities,
}

impl<'a> Sent<'a> {
    /// `None`: it is too long to be read in every way.
    pub(super) fn new(path: &'a [u8]) -> Option<Self> {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        if path.len() > LONGEST {
            return None;
        }
        let mut odd = bytes_that_are_odd(path);
        let long = path.len() > LONGEST_ODD;
        let mut rest = Some(path).filter(|_| odd == 0 || !long);
        while let Some(now) = rest {
            let (part, after) = split_segment(now, odd & SLASHES != 0);
            if part.is_empty() && after.is_some() {
                odd |= EMPTIES;
            } else if may_be_empty_or_dots(part) {
                let part = without_parameters(part);
                if part.is_empty() && after.is_some() {
                    odd |= EMPTIES;
                } else if is_dots(part) {
                    odd |= DOTS;
                }
            }
            rest = after;
        }
        (odd == 0 || !long).then_some(Self { path, odd })
    }

    /// Whether every upstream reads it alike.
    pub(super) const fn is_plain(&self) -> bool {
        self.odd == 0
    }

    /// How upstreams may read it: first with all that may be normalised normalised, then with each part of that left as it was
    /// sent. A plain path has one reading.
    pub(super) fn readings(self) -> impl Iterator<Item = Segments<'a>> {
        (0..=READ)
            .filter(move |left| left & !self.odd == 0)
            .map(move |left| Segments::read(self.path, self.odd & !left))
    }
}

/// The segments of a path as one kind of upstream would see them.
#[derive(Clone, Debug, Default)]
pub(super) struct Segments<'a> {
    kept: arrayvec::ArrayVec<&'a [u8], DEEPEST>,
    /// Those beyond: no template names them, but `..` takes them back first.
    deeper: usize,
}

impl<'a> Segments<'a> {
    /// Reads a path without its first slash. What it has and is `normal` is normalised.
    fn read(path: &'a [u8], normal: Oddities) -> Self {
        let normalises = |part: Oddities| normal & part != 0;
        let mut segments = Self::default();
        let mut rest = Some(path);
        while let Some(now) = rest {
            let (mut part, after) = split_segment(now, normalises(SLASHES));
            rest = after;
            if normalises(PARAMETERS) {
                part = without_parameters(part);
            }
            // A slash at the end makes no other route.
            let skipped = part.is_empty() && (after.is_none() || normalises(EMPTIES));
            if skipped {
                continue;
            }
            if normalises(DOTS) && may_be_empty_or_dots(part) && is_dots(part) {
                if !unescaped_eq(b".", part) {
                    segments.pop();
                }
            } else {
                segments.push(part);
            }
            // Where nothing takes them back, one that is too deep is as good as many.
            if segments.deeper > 0 && !normalises(DOTS) {
                break;
            }
        }
        segments
    }

    fn push(&mut self, part: &'a [u8]) {
        if self.kept.try_push(part).is_err() {
            self.deeper = self.deeper.saturating_add(1);
        }
    }

    fn pop(&mut self) {
        match self.deeper.checked_sub(1) {
            Some(fewer) => self.deeper = fewer,
            None => {
                let _parent = self.kept.pop();
            }
        }
    }

    /// What lies too deep to be told apart has no name.
    fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let nameless = std::iter::repeat_n(&b""[..], self.deeper);
        self.kept.iter().copied().chain(nameless)
    }
}

/// The oddities single bytes make, encoded or not.
fn bytes_that_are_odd(path: &[u8]) -> Oddities {
    let mut odd = 0;
    let may_be = |byte: &u8| matches!(byte, b';' | b'\\' | b'%');
    let found = path.iter().enumerate().filter(|(_, byte)| may_be(byte));
    for (at, byte) in found {
        odd |= match byte {
            b';' => PARAMETERS,
            b'\\' => SLASHES,
            b'%' => match path.get(at..).map(unescaped) {
                Some(Some((b'/' | b'\\', _))) => SLASHES,
                // Dots, parameters and escapes in disguise, controls, and the two bytes that only begin overlong UTF-8 (RFC 3629 §3).
                Some(Some((b'.' | b';' | b'%' | 0..=0x1f | 0x7f | 0xc0 | 0xc1, _)) | None)
                | None => ESCAPES,
                Some(Some(_)) => 0,
            },
            _ => 0,
        };
    }
    odd
}

/// Whether a segment begins as one that may be nothing, `.` or `..`, once it is read.
fn may_be_empty_or_dots(segment: &[u8]) -> bool {
    matches!(segment, [] | [b'.' | b'%' | b';', ..])
}

/// `.` or `..`.
fn is_dots(segment: &[u8]) -> bool {
    unescaped_eq(b".", segment) || unescaped_eq(b"..", segment)
}

fn without_parameters(segment: &[u8]) -> &[u8] {
    match segment.iter().position(|b| *b == b';') {
        Some(at) => segment.get(..at).unwrap_or(segment),
        None => segment,
    }
}

/// A segment and what follows the slash behind it; in `any` spelling of a slash, or in the plain one alone.
fn split_segment(path: &[u8], any: bool) -> (&[u8], Option<&[u8]>) {
    let mut from = 0;
    loop {
        let rest = path.get(from..).unwrap_or(&[]);
        let may_end = |b: &u8| *b == b'/' || (any && matches!(b, b'\\' | b'%'));
        let Some(next) = rest.iter().position(may_end) else {
            return (path, None);
        };
        let (at, rest) = (from + next, rest.get(next..).unwrap_or(&[]));
        let slash = match rest {
            [b'/' | b'\\', ..] => 1,
            [b'%', b'2', b'f' | b'F', ..] | [b'%', b'5', b'c' | b'C', ..] => 3,
            _ => {
                from = at + 1;
                continue;
            }
        };
        return (path.get(..at).unwrap_or(path), rest.get(slash..));
    }
}

/// Compares a literal with a percent-encoded segment without looking at case, and without allocating.
fn unescaped_eq(literal: &[u8], mut encoded: &[u8]) -> bool {
    for expected in literal {
        let Some((byte, rest)) = unescaped(encoded) else {
            return false;
        };
        if !byte.eq_ignore_ascii_case(expected) {
            return false;
        }
        encoded = rest;
    }
    encoded.is_empty()
}

/// The first byte that percent-encoded text stands for, and the text after it.
fn unescaped(encoded: &[u8]) -> Option<(u8, &[u8])> {
    match encoded {
        [b'%', high, low, rest @ ..] => Some((hex(*high)? << 4 | hex(*low)?, rest)),
        [b'%', ..] | [] => None,
        [byte, rest @ ..] => Some((*byte, rest)),
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
#[path = "paths_tests.rs"]
mod tests;
