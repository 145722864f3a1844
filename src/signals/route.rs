//! The route of a request: its path with everything that looks like an id taken out, or the command an event line names.
//! May use: std, arrayvec.
//! Must not: allocate, fail, or keep a query.

use arrayvec::ArrayVec;

/// Segments of a path that make a route.
const SEGMENTS: usize = 8;
/// Bytes of a route; what is longer is cut.
const BYTES: usize = 256;

/// A route's name, as it is hashed.
pub(super) type Name = ArrayVec<u8, BYTES>;

/// The name of a route: `GET /orders/*`, or the action an event line names; empty where neither is known.
pub(super) fn name(action: &[u8], method: &[u8], path: &[u8]) -> Name {
    let mut name = Name::new();
    if is_command(action) {
        push(&mut name, action);
        return name;
    }
    if path.is_empty() {
        return name;
    }
    push(&mut name, method);
    push(&mut name, b" ");
    for segment in segments(path).take(SEGMENTS) {
        push(&mut name, b"/");
        push(&mut name, if is_id(segment) { b"*" } else { segment });
    }
    name
}

/// A path with everything that looks like an id taken out.
pub(crate) fn pattern(path: &[u8]) -> String {
    let name = name(b"", b"", path);
    let pattern = String::from_utf8_lossy(&name);
    match pattern.trim_start() {
        "" => "/".to_owned(),
        pattern => pattern.to_owned(),
    }
}

/// Whether an action names what was done, and not only that something was asked.
pub(super) fn is_command(action: &[u8]) -> bool {
    !matches!(action, b"" | b"login" | b"request" | b"recovery")
}

fn push(name: &mut Name, bytes: &[u8]) {
    let room = name.remaining_capacity().min(bytes.len());
    // The room was measured.
    let _fits = name.try_extend_from_slice(bytes.get(..room).unwrap_or(bytes));
}

/// Segments without empty ones, query, fragment and parameters.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = path.iter().position(|b| matches!(b, b'?' | b'#'));
    path.get(..end.unwrap_or(path.len()))
        .unwrap_or(path)
        .split(|b| *b == b'/')
        .map(|segment| segment.split(|b| *b == b';').next().unwrap_or(segment))
        .filter(|segment| !segment.is_empty())
}

/// Numbers, UUIDs, long hexadecimal and base64 words, mail addresses, and words that are mostly digits.
fn is_id(segment: &[u8]) -> bool {
    let length = segment.len();
    let (mut digits, mut hexadecimal, mut word, mut mail) = (0, true, true, false);
    for byte in segment {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'a'..=b'f' | b'A'..=b'F' | b'-' => {}
            b'g'..=b'z' | b'G'..=b'Z' | b'_' | b'=' => hexadecimal = false,
            _ => {
                (hexadecimal, word) = (false, false);
                mail |= *byte == b'@';
            }
        }
    }
    digits == length
        || (digits >= 3 && digits * 2 >= length)
        || (hexadecimal && length >= 8 && digits >= 1)
        || (word && length >= 20 && digits >= 2)
        || length > 64
        || mail
        || segment.starts_with(b"%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str) -> String {
        String::from_utf8(name(b"", b"GET", path.as_bytes()).to_vec()).unwrap()
    }

    #[test]
    fn ids_are_taken_out_and_words_stay() {
        assert_eq!(named("/api/v2/orders/81723?x=1"), "GET /api/v2/orders/*");
        assert_eq!(
            named("/u/0b9d7a52-6a5c-4d5b-8f0e-2a3b4c5d6e7f/mail"),
            "GET /u/*/mail"
        );
        assert_eq!(named("/objects/deadbeef01"), "GET /objects/*");
        assert_eq!(named("/t/dGhpcyBpcyBhIHRva2Vu12345/x"), "GET /t/*/x");
        assert_eq!(named("/users/a@example.org"), "GET /users/*");
        assert_eq!(named("/oauth2/token"), "GET /oauth2/token");
        assert_eq!(
            named("//reports/;v=1/daily-summary"),
            "GET /reports/daily-summary"
        );
        assert_eq!(named(""), "");
        assert_eq!(named("/"), "GET ");
    }

    #[test]
    fn a_pattern_holds_no_token_and_no_name() {
        let reset = "/reset/9f86d081884c7d659a2feaa0c55ad015/a@example.org";
        assert_eq!(pattern(reset.as_bytes()), "/reset/*/*");
        assert_eq!(pattern(b"/"), "/");
    }

    #[test]
    fn a_command_is_its_own_route() {
        assert_eq!(name(b"sendmail", b"", b"").as_slice(), b"sendmail");
        assert!(name(b"login", b"", b"").is_empty());
        assert_eq!(name(b"request", b"PUT", b"/a").as_slice(), b"PUT /a");
    }

    #[test]
    fn length_and_depth_are_bounded() {
        let long = "/abc".repeat(200);
        assert_eq!(named(&long), format!("GET {}", "/abc".repeat(8)));
        let wide = format!("/{}", "x-".repeat(30)).repeat(8);
        assert_eq!(named(&wide).len(), BYTES);
    }
}
