//! Holds tokens: the shape of a JWT, the keys that sign it, the claims it makes, API keys, the cache of tokens already known.
//! May use `jsonwebtoken` for cryptography, `serde_json` for JSON, RustCrypto's format crates for keys; keys and `now` are arguments.
//! Must not read a clock, draw randomness, fetch anything or believe a byte of a token before its signature.

mod api_key;
mod cache;
mod claims;
mod confirmation;
mod der;
mod dpop;
mod issuer;
mod jwks;
mod key;
mod key_set;
mod members;
mod rejection;
mod shape;
mod software;
mod subject;
mod target;
mod used_proofs;
mod values;
mod verify;

pub use api_key::{ApiKeys, digest_api_key};
pub use cache::{TokenCache, digest};
pub use claims::{Claims, Confirmation};
pub use confirmation::{Evidence, binding, matches_certificate};
pub use der::{ecdsa_signature_der, public_key_der};
pub use dpop::{BadProof, Expected, LONGEST_PROOF, Mark, Proof, same_target};
pub use issuer::{Issuer, IssuerRules};
pub use jsonwebtoken::Algorithm;
pub use key::{Key, KeyKind, algorithm};
pub use key_set::{KeySet, Origin, SkippedKey};
pub use rejection::Rejection;
pub use shape::shape;
pub use software::{SOFTWARE, VerifierFactory, verifying};
pub use subject::{IssuedFromClaims, certificate_subject, issued_from, session, subject};
pub use used_proofs::UsedProofs;
pub use verify::{Verified, unverified_payload, verify};
