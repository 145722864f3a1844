//! The decision: what the score and the rules mean for this request in this tier.
//! May use: evidence, score, policy.
//! Must not: read records, format headers, or depend on who carries it out.

use crate::evidence::{Evidence, EvidenceList, Nature};
use crate::policy::{Mode, Tier};
use crate::score::Score;
use crate::signals::features::{Class, Features};

/// What is done with a request, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Action {
    /// Passes.
    #[default]
    Allow,
    /// The client is asked for a stronger authentication.
    StepUp,
    /// Safe methods pass on ordinary routes, everything else is refused.
    Restrict,
    /// Refused.
    Deny,
}

impl Action {
    /// The word of the header contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::StepUp => "step-up",
            Self::Restrict => "restrict",
            Self::Deny => "deny",
        }
    }
}

/// What the client is told when a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// 401 with `error="insufficient_user_authentication"` (RFC 9470).
    Challenge,
    /// 401 with `error="invalid_token"` (RFC 6750).
    InvalidToken,
    /// 401 with `error="invalid_dpop_proof"` (RFC 9449).
    InvalidProof,
    /// 401 without an error: a credential is needed (RFC 6750 §3.1).
    IdentityRequired,
    /// 403: refused.
    Forbidden,
    /// 403: who cannot be challenged may do less than it asked for.
    Restricted,
    /// 429 (RFC 6585 §4): too many attempts failed.
    TooMany {
        /// Seconds until another one is worth while.
        retry_after: u32,
    },
}

/// The outcome of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What enforcing does or would do.
    pub would: Action,
    /// How the client is refused when enforcing; absent where the request passes.
    pub refusal: Option<Refusal>,
    /// Whether it is carried out.
    pub mode: Mode,
}

impl Decision {
    /// Passes without a word.
    #[must_use]
    pub const fn allow(tier: &Tier) -> Self {
        Self {
            would: Action::Allow,
            refusal: None,
            mode: tier.mode,
        }
    }

    /// What is done.
    #[must_use]
    pub fn action(&self) -> Action {
        match self.mode {
            Mode::Enforce => self.would,
            Mode::Shadow | Mode::Off => Action::Allow,
        }
    }

    /// How the client is refused, if it is.
    #[must_use]
    pub fn refused(&self) -> Option<Refusal> {
        self.refusal.filter(|_| self.mode == Mode::Enforce)
    }

    /// Whether the upstream must be told that enforcing would have done something else.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.action() != self.would
    }
}

/// What the decision needs to know of the identity's baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Standing {
    /// Too little is known to deny.
    pub young: bool,
    /// Challenges of this session that were not solved.
    pub unsolved: u8,
    /// The client cannot authenticate again.
    pub incapable: bool,
    /// A denylist asks for a challenge that was not solved.
    pub challenged: bool,
}

/// Challenges after which a session is refused until a newer authentication.
pub const MAX_UNSOLVED: u8 = 3;

/// Novelty or suspicion below this says nothing by itself, in nats.
const SAYS_SOMETHING: f64 = 1.0;

/// Decides on a request whose identity is known (verified or not).
#[must_use]
pub fn decide(
    features: &Features,
    safe_method: bool,
    evidence: &EvidenceList,
    score: Score,
    standing: Standing,
    tier: &Tier,
) -> Decision {
    let outcome = |would, refusal| Decision {
        would,
        refusal,
        mode: tier.mode,
    };
    if standing.unsolved >= MAX_UNSOLVED {
        return outcome(Action::Deny, Some(Refusal::Forbidden));
    }
    let wants_denial = score.logit.min(score.beyond_network) >= tier.deny
        && features.verified
        && !standing.young
        && evidence.iter().any(is_suspicion);
    if wants_denial {
        return outcome(Action::Deny, Some(Refusal::Forbidden));
    }
    if standing.challenged || (score.logit >= tier.step_up && corroborated(evidence)) {
        let capable = tier.step_up_capable && !standing.incapable && !features.kind.is_machine();
        if capable {
            return outcome(Action::StepUp, Some(Refusal::Challenge));
        }
        let passes = safe_method && tier.class == Class::Ordinary;
        return outcome(Action::Restrict, (!passes).then_some(Refusal::Restricted));
    }
    outcome(Action::Allow, None)
}

/// A refusal that no score leads to.
#[must_use]
pub fn refuse(refusal: Refusal, tier: &Tier) -> Decision {
    Decision {
        would: Action::Deny,
        refusal: Some(refusal),
        mode: tier.mode,
    }
}

fn is_suspicion(piece: &Evidence) -> bool {
    piece.reason.nature() == Nature::Suspicion && piece.nats >= SAYS_SOMETHING
}

/// At least one nat from each of two families, or one reason that is more than novelty.
fn corroborated(evidence: &[Evidence]) -> bool {
    let mut families = evidence
        .iter()
        .filter(|piece| piece.nats >= SAYS_SOMETHING)
        .map(|piece| piece.reason.family());
    let first = families.next();
    let more_than_novelty = |piece: &Evidence| {
        let deviation = piece.reason.nature() == Nature::Deviation;
        is_suspicion(piece) || (deviation && piece.nats >= SAYS_SOMETHING)
    };
    evidence.iter().any(more_than_novelty)
        || first.is_some_and(|first| families.any(|family| family != first))
}

/// Takes off what a recent and sufficient authentication explains: novelty always; suspicion of the session and of
/// velocity only when the authentication is newer than a challenge.
pub fn discount(evidence: &mut EvidenceList, after_challenge: bool) {
    for piece in evidence.iter_mut() {
        let explained = match piece.reason.nature() {
            Nature::Novelty => true,
            Nature::Deviation | Nature::Suspicion => after_challenge,
            Nature::Rule | Nature::Note => false,
        };
        if explained {
            piece.nats = piece.nats.min(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Reason;
    use crate::policy::Policy;
    use crate::signals::request::Kind;

    fn decided(reason: Reason, kind: Kind) -> Action {
        let mut evidence = EvidenceList::new();
        evidence.push(Evidence { reason, nats: 20.0 });
        let features = Features {
            kind,
            verified: true,
            ..Features::default()
        };
        let score = Score {
            logit: 15.0,
            probability: 1.0,
            beyond_network: 15.0,
        };
        let policy = Policy::parse("{}").unwrap();
        let tier = &policy.default_tier;
        decide(&features, true, &evidence, score, Standing::default(), tier).would
    }

    #[test]
    fn novelty_alone_does_nothing_deviation_challenges_suspicion_denies() {
        assert_eq!(decided(Reason::NewRoute, Kind::Service), Action::Allow);
        assert_eq!(decided(Reason::VolumeSpike, Kind::ApiKey), Action::Allow);
        assert_eq!(
            decided(Reason::UnusualBehaviour, Kind::Human),
            Action::StepUp
        );
        assert_eq!(
            decided(Reason::UnusualBehaviour, Kind::Service),
            Action::Restrict
        );
        assert_eq!(decided(Reason::OffPurpose, Kind::Service), Action::Restrict);
        assert_eq!(decided(Reason::Enumeration, Kind::Service), Action::Deny);
    }
}
