//! Where a request carries credentials: headers under a scheme, cookies, parameters; every spelling some upstream accepts.
//! May use: the places of the policy.
//! Must not: copy a value, or judge a credential.

use stepgate::policy::TokenPlace;
use stepgate::signals::request::Field;

/// Values longer than this are not signals.
pub(crate) const LONGEST: usize = 16 * 1024;

/// Of a JWT's header `{"alg":"…"}`, the shortest there is, in base64url.
const SHORTEST_HEADER: usize = 15;

/// A value that may stand once only: a second one makes it malformed.
pub(crate) fn single<'a>(slot: &mut Field<&'a [u8]>, value: &'a [u8]) {
    *slot = match slot {
        Field::Absent if value.len() <= LONGEST => Field::Present(value),
        _ => Field::Malformed,
    };
}

/// What was found in one place a token may be in.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place<'a> {
    token: Field<&'a [u8]>,
    other_scheme: bool,
}

/// Under which scheme a header value stands; of several readings the greatest holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scheme {
    /// It is not looked at for one.
    None,
    /// One that the place is not for.
    Other,
    /// The one of the place.
    Listed,
}

impl<'a> Place<'a> {
    pub(crate) fn look(&mut self, place: &TokenPlace, value: &'a [u8]) -> Scheme {
        match place {
            TokenPlace::Header { scheme, .. } => {
                if let Some(token) = after_scheme(value, scheme) {
                    single(&mut self.token, token);
                    Scheme::Listed
                } else {
                    self.other_scheme = true;
                    Scheme::Other
                }
            }
            TokenPlace::Cookie(name) => {
                for token in cookies(value, name.as_bytes()) {
                    single(&mut self.token, token);
                }
                Scheme::None
            }
        }
    }

    /// Another scheme alone is somebody else's credential; beside a token of ours it is an attempt to be read differently by two
    /// readers.
    pub(crate) fn token(self) -> Field<&'a [u8]> {
        match self.token {
            Field::Present(_) if self.other_scheme => Field::Malformed,
            token => token,
        }
    }
}

/// Whether tokens come there under the scheme `DPoP` (RFC 9449 §7.1).
pub(crate) fn is_dpop(place: &TokenPlace) -> bool {
    matches!(place, TokenPlace::Header { scheme, .. } if scheme.eq_ignore_ascii_case("dpop"))
}

/// The token after its scheme, which is compared without case (RFC 9110 §11.4). Any white space may follow: an upstream that is
/// less strict than the RFC must not see a token that was not looked at here.
fn after_scheme<'a>(value: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    if scheme.is_empty() {
        return Some(value.trim_ascii());
    }
    let (head, rest) = value.split_at_checked(scheme.len())?;
    let apart = rest.first().is_some_and(u8::is_ascii_whitespace);
    (apart && head.eq_ignore_ascii_case(scheme.as_bytes())).then(|| rest.trim_ascii())
}

/// Whether something in a value looks like a JWT (RFC 7519 §3): three parts of base64url or more, the first of them beginning
/// as a JSON object does. An upstream may take it for one whatever stands before it.
pub(crate) fn holds_jwt(value: &[u8]) -> bool {
    value
        .split(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')))
        .any(|run| {
            let header = run.split(|b| *b == b'.').next().unwrap_or(run);
            (run.starts_with(b"ey") || run.starts_with(b"ew"))
                && header.len() >= SHORTEST_HEADER
                && run.iter().filter(|b| **b == b'.').count() >= 2
        })
}

/// Whether two header names are one variable where they become variables of an environment, which knows no hyphen
/// (RFC 3875 §4.1.18): some servers do so with everything that is neither letter nor digit.
pub(crate) fn same_variable(one: &[u8], other: &[u8]) -> bool {
    let hyphen = |b: &u8| if b.is_ascii_alphanumeric() { *b } else { b'-' };
    one.iter().map(hyphen).eq(other.iter().map(hyphen))
}

/// Cookies of one header that are told apart. Browsers keep 180 for a domain; servers read 200 (Tomcat) to 3,000 (Go).
const COOKIES: usize = 1000;

/// Values of a cookie by name in one Cookie header (RFC 6265 §5.4). Servers trim names and values, and some unescape names. In a
/// header of too many any may be one, and the next as well.
pub(crate) fn cookies<'a, 'w>(
    header: &'a [u8],
    wanted: &'w [u8],
) -> impl Iterator<Item = &'a [u8]> + use<'a, 'w> {
    let crowded = header.split(|b| *b == b';').nth(COOKIES).is_some();
    let (any, read) = if crowded { (2, &[][..]) } else { (0, header) };
    let named = read.split(|b| *b == b';').filter_map(move |pair| {
        let (name, value) = name_and_value(pair)?;
        unescapes_to(name.trim_ascii(), wanted, u8::eq).then(|| value.trim_ascii())
    });
    [header; 2].into_iter().take(any).chain(named)
}

/// Values of a parameter by name. Some servers also separate by `;`, and many look names up without case.
pub(crate) fn query_values<'a, 'w>(
    query: &'a [u8],
    wanted: &'w [u8],
) -> impl Iterator<Item = &'a [u8]> + use<'a, 'w> {
    query
        .split(|b| matches!(b, b'&' | b';'))
        .filter_map(move |pair| {
            let (name, value) = name_and_value(pair)?;
            unescapes_to(name, wanted, u8::eq_ignore_ascii_case).then_some(value)
        })
}

fn name_and_value(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = pair.iter().position(|b| *b == b'=')?;
    let (name, rest) = pair.split_at_checked(at)?;
    Some((name, rest.get(1..)?))
}

/// Whether percent-encoded text stands for another. PHP makes `_` of dots, spaces and brackets in names of cookies and parameters.
fn unescapes_to(mut encoded: &[u8], plain: &[u8], same: impl Fn(&u8, &u8) -> bool) -> bool {
    for expected in plain {
        let Some((byte, rest)) =
            unescaped(encoded).or_else(|| encoded.split_first().map(|(byte, rest)| (*byte, rest)))
        else {
            return false;
        };
        let mangled = *expected == b'_' && matches!(byte, b'.' | b' ' | b'+' | b'[');
        if !mangled && !same(&byte, expected) {
            return false;
        }
        encoded = rest;
    }
    encoded.is_empty()
}

/// The byte that an escape at the beginning stands for, and what follows.
fn unescaped(encoded: &[u8]) -> Option<(u8, &[u8])> {
    match encoded {
        [b'%', high, low, rest @ ..] => Some((hex(*high)? << 4 | hex(*low)?, rest)),
        _ => None,
    }
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}
