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
    let mut hasher = SipHasher13::new_with_key(b"stepgate shapes!");
    if let Some(header) = header {
        for name in ["alg", "typ"] {
            hasher.write(header.get(name).unwrap_or_default().as_bytes());
            hasher.write_u8(0);
        }
        write_names(header, &mut hasher);
    }
    hasher.write_u8(1);
    if let Some(claims) = claims {
        write_names(claims, &mut hasher);
    }
    hasher.finish().max(1)
}

fn write_names(members: &Members<'_>, hasher: &mut SipHasher13) {
    for name in members.names() {
        hasher.write(name.as_bytes());
        hasher.write_u8(0);
    }
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
