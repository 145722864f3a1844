//! Holds the proof of possession: whether whoever sends a bound token also holds the key it is bound to.
//! May use DPoP proofs, SHA-256 digests, comparisons in constant time.
//! Must not believe a token's `cnf` before the token is verified: the caller sees to that.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use super::claims::Confirmation;
use super::dpop::{BadProof, Expected, Mark, Proof};
use crate::signals::request::{Binding, Field};

/// What a request shows to prove that it holds a token's key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// SHA-256 of the client certificate as the host gives it: 64 hexadecimal digits; empty: no certificate.
    pub certificate: &'a [u8],
    /// The `dpop` header.
    pub proof: Field<&'a [u8]>,
    /// Whether the token came under the scheme `DPoP`.
    pub dpop_scheme: bool,
    /// What the proof must be for.
    pub expected: Expected<'a>,
}

/// Whether the request holds the keys that `cnf` names. Every key named must be held. `is_first` remembers a proof that holds, by
/// its mark, which is hashed with `key`, and says whether it is used for the first time.
#[must_use]
pub fn binding(
    cnf: Option<&Confirmation>,
    shown: &Evidence<'_>,
    key: &[u8; 16],
    is_first: impl FnOnce(Mark) -> bool,
) -> Binding {
    let certificate = cnf.and_then(|cnf| cnf.x5t_s256.as_deref());
    let thumbprint = cnf.and_then(|cnf| cnf.jkt.as_deref());
    if certificate.is_some_and(|x5t| !matches_certificate(x5t, shown.certificate)) {
        return Binding::Broken;
    }
    // RFC 9449 §7.1 and §7.2: the scheme DPoP is for tokens bound to a DPoP key, and those come under no other.
    if thumbprint.is_some() != shown.dpop_scheme {
        return Binding::Broken;
    }
    let Some(thumbprint) = thumbprint else {
        return if certificate.is_some() {
            Binding::Held
        } else {
            Binding::Unbound
        };
    };
    let proof = match shown.proof {
        Field::Absent => return Binding::ProofMissing,
        Field::Malformed => return Binding::ProofInvalid,
        Field::Present(proof) => proof,
    };
    match Proof::verify(proof, &shown.expected) {
        Err(BadProof) => Binding::ProofInvalid,
        Ok(proof) if !same_digest(thumbprint, &proof.thumbprint) => Binding::Broken,
        Ok(proof) if !is_first(proof.mark(key)) => Binding::ProofReplayed,
        Ok(_) => Binding::Held,
    }
}

/// Whether `x5t#S256` (base64url) is the SHA-256 of the client certificate given in hexadecimal digits (RFC 8705 §3.1).
#[must_use]
pub fn matches_certificate(x5t_s256: &str, certificate: &[u8]) -> bool {
    std::str::from_utf8(certificate)
        .ok()
        .and_then(super::api_key::read_hex)
        .is_some_and(|digest| same_digest(x5t_s256, &digest))
}

fn same_digest(encoded: &str, digest: &[u8; 32]) -> bool {
    // Some issuers pad, against RFC 7515 §2.
    URL_SAFE_NO_PAD
        .decode(encoded.trim_end_matches('='))
        .is_ok_and(|claimed| claimed.ct_eq(digest).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(x5t: &str) -> String {
        let bytes = URL_SAFE_NO_PAD.decode(x5t).unwrap();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn shown(certificate: &[u8], dpop_scheme: bool) -> Evidence<'_> {
        Evidence {
            certificate,
            dpop_scheme,
            ..Evidence::default()
        }
    }

    fn held(x5t: Option<&str>, jkt: Option<&str>, shown: &Evidence<'_>) -> Binding {
        let cnf = Confirmation {
            x5t_s256: x5t.map(str::to_owned),
            jkt: jkt.map(str::to_owned),
        };
        binding(Some(&cnf), shown, &[0; 16], |_| true)
    }

    #[test]
    fn a_certificate_is_the_one_the_token_is_bound_to_or_it_is_not() {
        let x5t = URL_SAFE_NO_PAD.encode([7; 32]);
        let right = hex(&x5t);
        let wrong = "00".repeat(32);
        assert_eq!(
            held(Some(&x5t), None, &shown(right.as_bytes(), false)),
            Binding::Held
        );
        let upper = right.to_uppercase();
        assert!(matches_certificate(&x5t, upper.as_bytes()));
        assert!(matches_certificate(&format!("{x5t}="), right.as_bytes()));
        for certificate in [
            wrong.as_bytes(),
            b"",
            b"zz",
            &right.as_bytes()[..62],
            &[0xff; 64],
        ] {
            assert_eq!(
                held(Some(&x5t), None, &shown(certificate, false)),
                Binding::Broken
            );
        }
    }

    #[test]
    fn the_scheme_must_fit_the_token() {
        assert_eq!(held(None, None, &shown(b"", false)), Binding::Unbound);
        assert_eq!(held(None, None, &shown(b"", true)), Binding::Broken);
        assert_eq!(held(None, Some("k"), &shown(b"", false)), Binding::Broken);
        assert_eq!(
            held(None, Some("k"), &shown(b"", true)),
            Binding::ProofMissing
        );
        let twice = Evidence {
            proof: Field::Malformed,
            ..shown(b"", true)
        };
        assert_eq!(held(None, Some("k"), &twice), Binding::ProofInvalid);
    }
}
