//! Holds the shape of a token: which header members and claims it has, whatever they say.
//! May use the strict object reader and SipHash under a fixed key.
//! Must not depend on a value that differs between two honest tokens of one issuer: no key id, no claim's value.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::members::Members;

/// A hash of the algorithm, the type and all names of a header and a payload. An issuer's own tokens come in a few shapes; a
/// token made elsewhere, with a stolen key or a tool, often has another. `header` is empty where only the claims are known.
#[must_use]
pub fn shape(header: &str, payload: &str) -> u64 {
    of_members(
        Members::read(header).as_ref(),
        Members::read(payload).as_ref(),
    )
}

/// The same of a header and a payload that were read.
pub(super) fn of_members(header: Option<&Members<'_>>, claims: Option<&Members<'_>>) -> u64 {
    // Written as one: SipHash takes words of eight bytes, and each end costs as much again.
    let mut whole = Vec::with_capacity(256);
    if let Some(header) = header {
        for name in ["alg", "typ"] {
            write(header.get(name).unwrap_or_default(), &mut whole);
        }
        header.names().for_each(|name| write(name, &mut whole));
    }
    whole.push(1);
    if let Some(claims) = claims {
        claims.names().for_each(|name| write(name, &mut whole));
    }
    let mut hasher = SipHasher13::new_with_key(b"stepgate shapes!");
    hasher.write(&whole);
    hasher.finish().max(1)
}

fn write(name: &str, whole: &mut Vec<u8>) {
    whole.extend_from_slice(name.as_bytes());
    whole.push(0);
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn names_make_the_shape_and_values_do_not() {
        let usual = shape(
            r#"{"alg":"ES256","kid":"a"}"#,
            r#"{"iss":"i","sub":"s","iat":1}"#,
        );
        let later = shape(
            r#"{"kid":"b","alg":"ES256"}"#,
            r#"{"iat":2,"iss":"i","sub":"t"}"#,
        );
        assert_eq!(usual, later);
        for (header, payload) in [
            (
                r#"{"alg":"RS256","kid":"a"}"#,
                r#"{"iss":"i","sub":"s","iat":1}"#,
            ),
            (r#"{"alg":"ES256"}"#, r#"{"iss":"i","sub":"s","iat":1}"#),
            (
                r#"{"alg":"ES256","kid":"a"}"#,
                r#"{"iss":"i","sub":"s","iat":1,"x":1}"#,
            ),
            ("", r#"{"iss":"i","sub":"s","iat":1}"#),
            ("no json", "nor here"),
        ] {
            assert_ne!(shape(header, payload), usual, "{header} {payload}");
        }
    }
}
