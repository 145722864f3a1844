//! Where a browser is sent that must authenticate again, and the address it brings back from there.
//! May use: policy, headers.
//! Must not: send anybody back to an origin the policy does not name, whatever the client sends.
//!
//! Open redirects: OWASP Unvalidated Redirects and Forwards; CWE-601.

use crate::decision::Refusal;
use crate::headers::{self, Reply};
use crate::policy::{Policy, StepUpPage, Tier};
use crate::signals::request::Field;

/// Longest path and query that is sent back to, in bytes.
const LONGEST: usize = 2048;

/// What a request says of being a page that a person looks at.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Navigation<'a> {
    /// Method.
    pub method: &'a [u8],
    /// `Sec-Fetch-Mode` (W3C Fetch Metadata).
    pub fetch_mode: Field<&'a [u8]>,
    /// Whether `Accept` names `text/html`.
    pub accepts_html: bool,
    /// Host and port that were asked for.
    pub authority: &'a [u8],
    /// Path and query.
    pub target: &'a [u8],
}

impl Navigation<'_> {
    /// Whether a person waits for a page: a script could do nothing with a redirect to another site.
    #[must_use]
    pub fn is_of_browser(&self) -> bool {
        let page = match self.fetch_mode {
            Field::Present(mode) => mode == b"navigate",
            Field::Absent => self.accepts_html,
            Field::Malformed => false,
        };
        page && matches!(self.method, b"GET" | b"HEAD")
    }
}

/// Answers a request that does not pass: a redirect for a browser that is to authenticate again, where the tier has a page,
/// else [`headers::reply`]. Also says whether the address asked for was replaced by the page's default.
#[must_use]
pub fn answer(
    refusal: Refusal,
    policy: &Policy,
    tier: &Tier,
    id: &str,
    asked: &Navigation<'_>,
) -> (Reply, bool) {
    match &tier.page {
        Some(page) if refusal == Refusal::Challenge && asked.is_of_browser() => {
            let (address, safe) = return_address(page, asked);
            let location = format!("{}{}", page.address, escaped(address.as_bytes()));
            (headers::redirect(location, id), !safe)
        }
        _ => (headers::reply(refusal, policy, tier, id), false),
    }
}

/// The address to come back to, and whether it is the one that was asked for.
fn return_address(page: &StepUpPage, asked: &Navigation<'_>) -> (String, bool) {
    let origin = page
        .origins
        .iter()
        .find(|origin| origin.is_of(asked.authority));
    match (origin, page.origins.first()) {
        (Some(origin), _) if is_safe(asked.target) => {
            // Safe is ASCII: nothing is lost.
            let target = String::from_utf8_lossy(asked.target);
            (format!("{}{target}", origin.text), true)
        }
        (Some(origin), _) | (None, Some(origin)) => {
            (format!("{}{}", origin.text, page.default), false)
        }
        // A page has an origin.
        (None, None) => (page.default.clone(), false),
    }
}

/// Whether nobody who reads the target, however often they unescape it, takes a part of its path for a host.
fn is_safe(target: &[u8]) -> bool {
    let ascii = target.iter().all(u8::is_ascii_graphic);
    if target.len() > LONGEST || !ascii || target.contains(&b'#') || target.contains(&b'\\') {
        return false;
    }
    let path = target.split(|b| *b == b'?').next().unwrap_or(target);
    let mut seen = path.to_vec();
    // `%252f` is `%2f` is `/`: what still changes after this many readings is nobody's honest address.
    for _ in 0..4 {
        let bad = |b: &u8| *b == b'\\' || b.is_ascii_control();
        if !seen.starts_with(b"/")
            || seen.windows(2).any(|two| two == b"//")
            || seen.iter().any(bad)
        {
            return false;
        }
        let read = unescaped(&seen);
        if read == seen {
            return true;
        }
        seen = read;
    }
    false
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut read = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, after @ ..] if *first == b'%' => {
                let digit = |b: u8| {
                    char::from(b)
                        .to_digit(16)
                        .and_then(|d| u8::try_from(d).ok())
                };
                digit(*high)
                    .zip(digit(*low))
                    .map(|(high, low)| (high << 4 | low, after))
            }
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, tail));
        read.push(byte);
        rest = after;
    }
    read
}

/// Everything but unreserved characters percent-encoded (RFC 3986 §2.3).
fn escaped(text: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    let mut escaped = String::with_capacity(text.len() * 2);
    for byte in text {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(*byte));
        } else {
            escaped.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    escaped
}
