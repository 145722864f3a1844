//! Holds the target of a request as DPoP compares it: scheme, authority and path in their normal form.
//! May use std.
//! Must not: resolve a name, or look at query and fragment.

/// Longer targets are nobody's.
const LONGEST: usize = 8192;

/// The normal form of an absolute URI without query and fragment (RFC 3986 §6.2.2, §6.2.3); `None` unless it is one of http.
pub(super) fn read(uri: &[u8]) -> Option<Vec<u8>> {
    if uri.len() > LONGEST {
        return None;
    }
    let colon = uri.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = uri.split_at_checked(colon)?;
    let rest = rest.strip_prefix(b"://")?;
    let scheme = scheme.to_ascii_lowercase();
    let port: &[u8] = match scheme.as_slice() {
        b"https" => b":443",
        b"http" => b":80",
        _ => return None,
    };
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let authority = authority.to_ascii_lowercase();
    let authority = authority
        .strip_suffix(port)
        .or_else(|| authority.strip_suffix(b":"))
        .unwrap_or(&authority);
    // User information has no place in a target.
    if authority.is_empty() || authority.contains(&b'@') {
        return None;
    }
    let mut normal = [scheme.as_slice(), b"://", authority].concat();
    normal.extend(normal_path(path));
    Some(normal)
}

/// The same of a request: where clients reach it, and its path.
pub(super) fn of(origin: &str, path: &[u8]) -> Option<Vec<u8>> {
    if path.len() > LONGEST {
        return None;
    }
    read(&[origin.as_bytes(), path].concat())
}

/// A path without dot segments, with needless escapes undone and the others in upper case.
fn normal_path(path: &[u8]) -> Vec<u8> {
    let path = path.split(|byte| matches!(byte, b'?' | b'#')).next();
    let path = unescaped(path.unwrap_or_default());
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut parts = path
        .strip_prefix(b"/")
        .unwrap_or(&path)
        .split(|byte| *byte == b'/')
        .peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            b"." => {}
            b".." => {
                segments.pop();
            }
            part => {
                segments.push(part);
                continue;
            }
        }
        if last {
            // RFC 3986 §5.2.4: a dot segment at the end leaves its slash.
            segments.push(b"");
        }
    }
    let mut normal = Vec::with_capacity(path.len() + 1);
    for segment in segments {
        normal.push(b'/');
        normal.extend_from_slice(segment);
    }
    if normal.is_empty() {
        normal.push(b'/');
    }
    normal
}

fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let escape = match (byte, after) {
            (b'%', [high, low, ..]) => std::str::from_utf8(&[*high, *low])
                .ok()
                .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        match escape {
            Some(code) => {
                rest = after.get(2..).unwrap_or_default();
                if code.is_ascii_alphanumeric() || matches!(code, b'-' | b'.' | b'_' | b'~') {
                    plain.push(code);
                } else {
                    plain.extend_from_slice(format!("%{code:02X}").as_bytes());
                }
            }
            None => plain.push(*byte),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{of, read};

    #[test]
    fn spellings_of_one_target_are_one() {
        let normal = b"https://api.example.com/a/b%2Fc~".to_vec();
        for spelling in [
            "https://api.example.com/a/b%2fc~",
            "HTTPS://API.example.com:443/a/b%2Fc%7e?x=1#y",
            "https://api.example.com:/x/../a/./b%2fc%7E",
        ] {
            assert_eq!(
                read(spelling.as_bytes()),
                Some(normal.clone()),
                "{spelling}"
            );
        }
        assert_eq!(of("https://api.example.com", b"/a/b%2fc~?q"), Some(normal));
        let root = Some(b"http://h/".to_vec());
        for spelling in [
            "http://h",
            "http://h:80/",
            "http://h?x",
            "http://h/..",
            "http://h/a/..",
        ] {
            assert_eq!(read(spelling.as_bytes()), root, "{spelling}");
        }
        assert_eq!(read(b"http://[::1]:80/"), Some(b"http://[::1]/".to_vec()));
    }

    #[test]
    fn other_targets_are_others() {
        let here = read(b"https://h/a").unwrap();
        for other in [
            "http://h/a",
            "https://h:8443/a",
            "https://h/A",
            "https://h/a/",
            "https://h//a",
            "https://i/a",
        ] {
            assert_ne!(read(other.as_bytes()), Some(here.clone()), "{other}");
        }
        for none in [
            "",
            "/a",
            "h/a",
            "ftp://h/a",
            "https:///a",
            "https://u@h/a",
            "https:h",
        ] {
            assert_eq!(read(none.as_bytes()), None, "{none}");
        }
    }
}
