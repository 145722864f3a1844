//! The header contract: what the upstream is told, and what the client is told.
//! May use: decision, evidence, policy.
//! Must not: tell the client a score or a reason.

use std::fmt::Write;

use serde::Serialize;

use crate::assess::Assessment;
use crate::decision::{Action, Refusal};
use crate::evidence::{Evidence, Nature};
use crate::policy::{Mode, Policy, Tier};

/// Every header of ours begins with this; inbound copies are removed.
pub const PREFIX: &str = "x-stepgate-";
/// What was done.
pub const DECISION: &str = "x-stepgate-decision";
/// What enforcing would have done.
pub const WOULD: &str = "x-stepgate-would";
/// `enforce` or `shadow`.
pub const MODE: &str = "x-stepgate-mode";
/// Probability in percent.
pub const SCORE: &str = "x-stepgate-score";
/// Reasons with their nats.
pub const REASONS: &str = "x-stepgate-reasons";
/// Id of the decision.
pub const ID: &str = "x-stepgate-id";
/// MAC over the others.
pub const SIGNATURE: &str = "x-stepgate-signature";

/// All of them.
pub const NAMES: [&str; 7] = [DECISION, WOULD, MODE, SCORE, REASONS, ID, SIGNATURE];

/// Whether an inbound header claims to be one of ours: any case, with dashes or with whatever else servers make the same variable of
/// (RFC 3875 §4.1.18; lighttpd and others take every character that is neither letter nor digit for `_`).
#[must_use]
pub fn is_ours(name: &[u8]) -> bool {
    name.len() >= PREFIX.len()
        && name
            .iter()
            .zip(PREFIX.bytes())
            .all(|(found, ours)| match ours {
                b'-' => !found.is_ascii_alphanumeric(),
                _ => found.to_ascii_lowercase() == ours,
            })
}

/// The word for a mode that acts.
#[must_use]
pub const fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Shadow => "shadow",
        Mode::Off => "off",
    }
}

/// Headers for the upstream, each value an RFC 9651 structured field.
#[must_use]
pub fn upstream(assessment: &Assessment, id: &str) -> Vec<(&'static str, String)> {
    let decision = &assessment.decision;
    let mut headers = vec![(DECISION, decision.action().as_str().to_owned())];
    if decision.differs() {
        headers.push((WOULD, decision.would.as_str().to_owned()));
    }
    headers.push((MODE, mode_word(decision.mode).to_owned()));
    headers.push((SCORE, percent(assessment.score.probability).to_string()));
    let reasons = reasons(&assessment.reasons);
    if !reasons.is_empty() {
        headers.push((REASONS, reasons));
    }
    headers.push((ID, id.to_owned()));
    headers
}

/// A probability as an integer from 0 to 100.
#[must_use]
pub fn percent(probability: f64) -> u8 {
    libm::round(probability * 100.0).clamp(0.0, 100.0) as u8
}

/// `impossible-travel;w=4.6, new-device;w=2.1`: what spoke against the owner, and notes.
#[must_use]
pub fn reasons(evidence: &[Evidence]) -> String {
    let mut list = String::new();
    for piece in evidence {
        let weightless = matches!(piece.reason.nature(), Nature::Note | Nature::Rule);
        if !weightless && piece.nats < 0.05 {
            continue;
        }
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(piece.reason.code());
        if !weightless {
            // Structured-field decimals have at most three fractional digits; one is plenty.
            let _infallible = write!(list, ";w={:.1}", piece.nats);
        }
    }
    list
}

/// What the client gets when a request does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// gRPC status for gRPC clients.
    pub grpc_status: u8,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// `application/problem+json` (RFC 9457).
    pub body: String,
}

/// A problem (RFC 9457 §3.1) with the members of ours.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    acr_values: Option<String>,
    decision: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u32>,
    status: u16,
    title: &'a str,
    #[serde(rename = "type")]
    kind: std::fmt::Arguments<'a>,
}

/// The reply to the client.
#[must_use]
pub fn reply(refusal: Refusal, policy: &Policy, tier: &Tier, id: &str) -> Reply {
    let (status, grpc_status, challenge, kind, title) = match refusal {
        Refusal::Challenge => (
            401,
            16,
            Some(insufficient(tier)),
            "step-up-required",
            "Stronger authentication required",
        ),
        Refusal::InvalidToken => (
            401,
            16,
            Some("Bearer error=\"invalid_token\"".to_owned()),
            "invalid-token",
            "The credential is not acceptable",
        ),
        Refusal::InvalidProof => (
            401,
            16,
            Some(
                "DPoP error=\"invalid_dpop_proof\", algs=\"ES256 ES384 EdDSA PS256 RS256\""
                    .to_owned(),
            ),
            "invalid-proof",
            "The proof of possession is not acceptable",
        ),
        Refusal::IdentityRequired => (
            401,
            16,
            Some("Bearer".to_owned()),
            "identity-required",
            "A credential is required",
        ),
        // gRPC's code for exhausted quotas, which clients take as a reason to wait.
        Refusal::TooMany { .. } => (
            429,
            8,
            None,
            "too-many-attempts",
            "Too many attempts failed",
        ),
        Refusal::Forbidden => (403, 7, None, "denied", "The request was denied"),
        Refusal::Restricted => (
            403,
            7,
            None,
            "restricted",
            "The request is not allowed for now",
        ),
    };
    let decision = match refusal {
        Refusal::Challenge => Action::StepUp,
        Refusal::Restricted | Refusal::TooMany { .. } => Action::Restrict,
        Refusal::InvalidToken
        | Refusal::InvalidProof
        | Refusal::IdentityRequired
        | Refusal::Forbidden => Action::Deny,
    };
    let challenges = refusal == Refusal::Challenge;
    let body = Problem {
        acr_values: (challenges && !tier.acr_values.is_empty()).then(|| tier.acr_values.join(" ")),
        decision: decision.as_str(),
        help: policy.challenge.help.as_deref(),
        id,
        max_age: challenges.then_some(tier.max_age),
        status,
        title,
        kind: format_args!("urn:stepgate:{kind}"),
    };
    let mut headers = vec![
        ("content-type", "application/problem+json".to_owned()),
        ("cache-control", "no-store".to_owned()),
        (DECISION, decision.as_str().to_owned()),
        (ID, id.to_owned()),
    ];
    if let Refusal::TooMany { retry_after } = refusal {
        headers.push(("retry-after", retry_after.to_string()));
    }
    if let Some(challenge) = challenge {
        headers.push(("www-authenticate", challenge));
    }
    Reply {
        status,
        grpc_status,
        headers,
        body: serde_json::to_string(&body).unwrap_or_default(),
    }
}

/// The redirect of a browser to a step-up page.
#[must_use]
pub fn redirect(location: String, id: &str) -> Reply {
    Reply {
        status: 302,
        grpc_status: 16,
        headers: vec![
            ("location", location),
            ("cache-control", "no-store".to_owned()),
            (DECISION, Action::StepUp.as_str().to_owned()),
            (ID, id.to_owned()),
        ],
        body: String::new(),
    }
}

/// The challenge of RFC 9470 §3. The policy has checked that values hold no quote and no control character.
fn insufficient(tier: &Tier) -> String {
    let mut challenge = String::from(
        "Bearer error=\"insufficient_user_authentication\", error_description=\"A stronger or more recent authentication is required\"",
    );
    if !tier.acr_values.is_empty() {
        let _infallible = write!(challenge, ", acr_values=\"{}\"", tier.acr_values.join(" "));
    }
    let _infallible = write!(challenge, ", max_age={}", tier.max_age);
    challenge
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Reason;

    #[test]
    fn spoofed_names_are_recognised_in_every_spelling() {
        for name in [
            "x-stepgate-decision",
            "X-Stepgate-Anything",
            "x_stepgate_score",
            "X-STEPGATE_id",
            "x-stepgate-",
            "x.stepgate.decision",
            "x~stepgate-id",
            "X-Stepgate!Score",
        ] {
            assert!(is_ours(name.as_bytes()), "{name}");
        }
        for name in [
            "x-stepgate",
            "x-step-gate-id",
            "stepgate-id",
            "xx-stepgate-id",
        ] {
            assert!(!is_ours(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn reasons_are_a_structured_list() {
        let piece = |reason, nats| Evidence { reason, nats };
        let list = [
            piece(Reason::ImpossibleTravel, 4.61),
            piece(Reason::NewDevice, 2.149),
            piece(Reason::YoungBaseline, 0.0),
            piece(Reason::NewAddress, -2.0),
        ];
        assert_eq!(
            reasons(&list),
            "impossible-travel;w=4.6, new-device;w=2.1, young-baseline"
        );
        assert_eq!(reasons(&[]), "");
    }
}
