//! Holds the reasons why a token is not an identity, and their words.
//! May use std.
//! Must not carry bytes of the token: these words reach logs and headers.

use std::fmt;

/// Why a token is not an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// Not three parts of base64url around two JSON objects.
    Garbage,
    /// Longer than the issuer's limit.
    Oversized,
    /// Five parts: an encrypted token, which nothing here can read.
    Encrypted,
    /// The header says `alg: none`, in any case.
    AlgNone,
    /// The header names an algorithm that is unknown or not pinned for the issuer.
    AlgNotAllowed,
    /// The algorithm contradicts the key: an HMAC against public keys, or a key of another type.
    AlgMismatch,
    /// The header has `crit` or `b64`: extensions that must be understood, and none is.
    CriticalHeader,
    /// A member occurs twice in the header or in the claims.
    DuplicateMember,
    /// The `iss` claim names no configured issuer.
    UnknownIssuer,
    /// The issuer has no keys (yet).
    NoKeys {
        /// The issuer's place in the list given to `verify`.
        issuer: usize,
    },
    /// No key of the issuer answers to the token's `kid` and type.
    UnknownKey {
        /// The issuer's place in the list given to `verify`.
        issuer: usize,
    },
    /// No candidate key made this signature.
    BadSignature,
    /// `exp` has passed, leeway included.
    Expired {
        /// The token's `exp`, seconds since the epoch.
        exp: i64,
    },
    /// `nbf` is still to come, leeway included.
    NotYetValid {
        /// The token's `nbf`, seconds since the epoch.
        nbf: i64,
    },
    /// `iat` is still to come, leeway included.
    IssuedInFuture {
        /// The token's `iat`, seconds since the epoch.
        iat: i64,
    },
    /// None of the token's audiences is one of ours.
    WrongAudience,
    /// The header's `typ` is not one the issuer uses for access tokens.
    WrongType,
    /// A claim the issuer must send is absent.
    MissingClaim {
        /// The claim's name, as configured.
        claim: String,
    },
    /// A claim that decides has a type or a value that cannot be read.
    MalformedClaim {
        /// The claim's name.
        claim: &'static str,
    },
}

impl Rejection {
    /// The reason's code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.words().0
    }

    /// The reason in words, for a log line or documentation.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.words().1
    }

    /// Every code with its words: what documentation is generated from.
    #[must_use]
    pub fn all() -> Vec<(&'static str, &'static str)> {
        [
            Self::Garbage,
            Self::Oversized,
            Self::Encrypted,
            Self::AlgNone,
            Self::AlgNotAllowed,
            Self::AlgMismatch,
            Self::CriticalHeader,
            Self::DuplicateMember,
            Self::UnknownIssuer,
            Self::NoKeys { issuer: 0 },
            Self::UnknownKey { issuer: 0 },
            Self::BadSignature,
            Self::Expired { exp: 0 },
            Self::NotYetValid { nbf: 0 },
            Self::IssuedInFuture { iat: 0 },
            Self::WrongAudience,
            Self::WrongType,
            Self::MissingClaim {
                claim: String::new(),
            },
            Self::MalformedClaim { claim: "" },
        ]
        .iter()
        .map(Self::words)
        .collect()
    }

    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Garbage => ("token-garbage", "the token is not a JSON Web Token"),
            Self::Oversized => ("token-oversized", "the token is longer than allowed"),
            Self::Encrypted => ("token-encrypted", "the token is encrypted, not signed"),
            Self::AlgNone => ("token-alg-none", "the token says it needs no signature"),
            Self::AlgNotAllowed => (
                "token-alg-not-allowed",
                "the issuer does not sign with this algorithm",
            ),
            Self::AlgMismatch => (
                "token-alg-mismatch",
                "the algorithm contradicts the type of the key",
            ),
            Self::CriticalHeader => (
                "token-critical-header",
                "the token demands an extension that is not understood",
            ),
            Self::DuplicateMember => (
                "token-duplicate-member",
                "the token says the same thing twice",
            ),
            Self::UnknownIssuer => ("token-unknown-issuer", "the issuer is not configured"),
            Self::NoKeys { .. } => ("token-no-keys", "the issuer's keys are not known yet"),
            Self::UnknownKey { .. } => ("token-unknown-key", "the issuer has no such key"),
            Self::BadSignature => ("token-bad-signature", "the signature is not the issuer's"),
            Self::Expired { .. } => ("token-expired", "the token has expired"),
            Self::NotYetValid { .. } => ("token-not-yet-valid", "the token is not valid yet"),
            Self::IssuedInFuture { .. } => (
                "token-issued-in-future",
                "the token was issued in the future",
            ),
            Self::WrongAudience => (
                "token-wrong-audience",
                "the token is meant for someone else",
            ),
            Self::WrongType => ("token-wrong-type", "the token is of another kind"),
            Self::MissingClaim { .. } => ("token-missing-claim", "a required claim is absent"),
            Self::MalformedClaim { .. } => ("token-malformed-claim", "a claim cannot be read"),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description())?;
        match self {
            Self::Expired { exp } => write!(f, ": `exp` {exp}"),
            Self::NotYetValid { nbf } => write!(f, ": `nbf` {nbf}"),
            Self::IssuedInFuture { iat } => write!(f, ": `iat` {iat}"),
            Self::MissingClaim { claim } => write!(f, ": `{claim}`"),
            Self::MalformedClaim { claim } => write!(f, ": `{claim}`"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use super::Rejection;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_and_kebab_case() {
        let all = Rejection::all();
        let codes: BTreeSet<_> = all.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.len(), all.len());
        for code in codes {
            assert!(code.starts_with("token-"), "{code}");
            assert!(
                code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{code}"
            );
        }
    }

    #[test]
    fn facts_are_in_the_display() {
        let missing = Rejection::MissingClaim {
            claim: "sub".to_owned(),
        };
        assert_eq!(missing.to_string(), "a required claim is absent: `sub`");
        assert_eq!(
            Rejection::Expired { exp: 7 }.to_string(),
            "the token has expired: `exp` 7"
        );
    }
}
