//! The whole line from signals to a decision: one pure function.
//! May use: every room before.
//! Must not: read a clock, a page or a header; change what it was given.

mod lesson;
pub mod login;

use arrayvec::ArrayVec;

use lesson::lesson;
pub use lesson::{Lesson, Novel};

use crate::baseline::identity::IdentityRecord;
use crate::baseline::session::Session;
use crate::baseline::source::SourceKey;
use crate::challenge::{self, Answer};
use crate::decision::{self, Action, Decision, Refusal, orders};
use crate::evidence::session::{client, location};
use crate::evidence::source::is_of_source;
use crate::evidence::{self, Conduct, EvidenceList, Fence, Known, Reason};
use crate::feed::{Feed, Order};
use crate::judgement::{self, Case, Grounds, judge, note, strongest_first};
use crate::policy::{Policy, Tier};
use crate::receipt::Grant;
use crate::score::{Score, score};
use crate::signals::features::Features;
use crate::signals::request::{Signals, Standing};

/// Evidence above which an unproven event is surprising: what it shows for the first time starts on probation. In nats.
const SURPRISE: f64 = 3.0;

/// What one request was found to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// What to do.
    pub decision: Decision,
    /// How sure the evidence is.
    pub score: Score,
    /// Every reason, strongest first.
    pub reasons: EvidenceList,
    /// Authentication events that were known before this one.
    pub history: u32,
    /// What may be learned once the outcome is known.
    pub lesson: Lesson,
    /// What following the identity needs to know; absent where it is not followed.
    pub conduct: Option<Conduct>,
    /// The device receipt to give with the response.
    pub receipt: Option<Grant>,
    /// Whether the owner asks, where that is known from outside: a challenge was solved.
    pub owner: Option<bool>,
    /// What its sources may learn then.
    pub attempt: Attempt,
    /// What the decision stands on besides its reasons, for the audit line.
    pub grounds: Grounds,
}

/// What the sources of a request may learn from its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Attempt {
    /// The outcome tells whether a credential was good: a login, or a credential that nobody verified before.
    pub of_credential: bool,
    /// Nothing at the source spoke against it.
    pub ordinary: bool,
    /// Many identities share its network.
    pub shared: bool,
}

impl Attempt {
    pub(crate) fn of(
        tries: bool,
        reasons: &EvidenceList,
        features: &Features,
        known: &Known<'_>,
    ) -> Self {
        Self {
            of_credential: tries,
            ordinary: !reasons
                .iter()
                .any(|piece| is_of_source(piece.reason) && piece.nats > 0.0),
            shared: known.is_shared(features.now),
        }
    }
}

/// Records of sources a request may want.
pub const SOURCES: usize = 4;

/// Which source records to read before [`assess`]: those of an attempt, of a new authentication event and of a context
/// that is new to the session or the identity; none for everything else.
#[must_use]
pub fn wants_sources(
    tier: &Tier,
    signals: &Signals<'_>,
    features: &Features,
    record: Option<&IdentityRecord>,
) -> ArrayVec<SourceKey, SOURCES> {
    let elsewhere = record.is_some_and(|record| match record.session(features.session) {
        Some(session) => session.latest != location(features) || session.client != client(features),
        None => record.network.prefix.established(features.prefix).is_none(),
    });
    let wanted = match &signals.standing {
        Standing::Rejected(_) => false,
        Standing::Anonymous => tries_credential(tier, signals, features),
        Standing::Unverified(_) | Standing::Verified(_) => {
            elsewhere
                || features.login
                || is_event(features, record)
                || login::is_attempt(tier, features)
        }
    };
    let keys = SourceKey::of(features).filter(|_| wanted);
    keys.take(SOURCES).collect()
}

/// Whether the upstream's answer will say if a credential is good. Of a verified one it is known.
fn tries_credential(tier: &Tier, signals: &Signals<'_>, features: &Features) -> bool {
    match &signals.standing {
        Standing::Anonymous => features.login || login::is_attempt(tier, features),
        Standing::Unverified(_) => true,
        Standing::Verified(_) | Standing::Rejected(_) => false,
    }
}

/// Whether a method changes nothing (RFC 9110 §9.2.1); event files without one count as reading.
#[must_use]
pub fn is_safe(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"")
}

/// Decides on one request.
#[must_use]
pub fn assess(
    policy: &Policy,
    tier: &Tier,
    signals: &Signals<'_>,
    features: &Features,
    known: &Known<'_>,
) -> Assessment {
    at_once(policy, tier, signals, features, known.feed)
        .unwrap_or_else(|| weigh(policy, tier, signals, features, known))
}

/// What needs no baseline: a path that cannot be read, a fence that refuses, a credential that does not hold, a request of nobody
/// that tries none. `None`: it is to be [weighed](weigh).
#[must_use]
pub fn at_once(
    policy: &Policy,
    tier: &Tier,
    signals: &Signals<'_>,
    features: &Features,
    feed: Option<&Feed>,
) -> Option<Assessment> {
    let tier = &*orders::watched(tier.of_cohort(features.cohort), feed);
    let broken = |fence: &Fence| fence.denies && fence.is_broken(signals);
    let forbidden = match &tier.fence {
        _ if !policy.can_place(signals.request.path) => Some(Reason::UnreadablePath),
        Some(fence) if broken(fence) => Some(Reason::CountryForbidden),
        _ => None,
    };
    if let Some(reason) = forbidden {
        let refused = decision::refuse(Refusal::Forbidden, tier);
        return Some(without_identity(policy, refused, reason));
    }
    match &signals.standing {
        Standing::Rejected(code) => {
            let reason = Reason::from_code(code).unwrap_or(Reason::TokenGarbage);
            let refused = decision::refuse(Refusal::InvalidToken, tier);
            Some(without_identity(policy, refused, reason))
        }
        Standing::Anonymous if tier.require_identity => {
            let refused = decision::refuse(Refusal::IdentityRequired, tier);
            Some(without_identity(policy, refused, Reason::IdentityRequired))
        }
        Standing::Anonymous => denylisted(policy, tier, signals, features).or_else(|| {
            let tries = tries_credential(tier, signals, features);
            (!tries).then(|| without_identity(policy, Decision::allow(tier), Reason::Anonymous))
        }),
        Standing::Unverified(_) | Standing::Verified(_) => None,
    }
}

/// Decides on a request that is not decided [at once](at_once).
#[must_use]
pub fn weigh(
    policy: &Policy,
    tier: &Tier,
    signals: &Signals<'_>,
    features: &Features,
    known: &Known<'_>,
) -> Assessment {
    let tier = &*orders::watched(tier.of_cohort(features.cohort), known.feed);
    if let Standing::Anonymous = signals.standing {
        return login::of_attempt(policy, tier, signals, features, known);
    }
    // Before any score: no authentication makes up for a key that is not held or a credential that was revoked.
    if let Some(reason) = evidence::token::rule(features, known) {
        let decision = decision::refuse(refusal_of(reason), tier);
        return without_identity(policy, decision, reason);
    }
    if let Some(refused) = denylisted(policy, tier, signals, features) {
        return refused;
    }
    if let Some((decision, pin)) =
        judgement::unpinned(policy, &Case::of_nobody(tier, signals, features))
    {
        let mut assessment = without_identity(policy, decision, Reason::PinnedContext);
        assessment.grounds.pin = Some(pin);
        return assessment;
    }
    let mut room = None;
    let record = known
        .identity
        .map(|record| record.as_of(features.now, &mut room));
    let known = known.with_identity(record);
    let is_event = is_event(features, record);
    let session = record.and_then(|record| record.session(features.session));
    let asked = record.and_then(|record| challenge::asked(record, features));
    // A challenged session is no better than a login until it has answered: asking again must not make it known.
    let answer = Answer::of(policy, tier, signals, features, record);
    let answered = |session: &&Session| session.unsolved == 0 || answer.settles(session, features);
    let found = match session.filter(|_| !is_event).filter(answered) {
        Some(session) => evidence::of_request(session, features, &known, &policy.weights),
        None => evidence::of_login(features, &known, &policy.weights),
    };
    let mut reasons = found.evidence;
    add_external(policy, tier, signals, features, &known, &mut reasons);
    let mut standing = decision::Standing {
        young: record.is_none_or(|record| record.is_young(features.now)),
        unsolved: asked.map_or(0, |session| session.unsolved),
        contained: policy.containment
            && record
                .is_some_and(|record| record.contained.holds(features.session, features.auth_time)),
        ..decision::Standing::default()
    };
    if answer.explains() {
        decision::discount(&mut reasons, answer.explains_suspicion());
    }
    if asked.is_some_and(|session| answer.settles(session, features)) {
        standing.unsolved = 0;
    }
    let device = evidence::device(features, record, &policy.weights, &mut reasons);
    let left = judgement::left(record, features);
    let ordered = orders::order_for(features, known.feed);
    let order = ordered.map(|(order, _)| order);
    let case = Case {
        tier,
        signals,
        features,
        standing,
        order,
        stepped_up: answer.explains(),
        left: &left,
    };
    let judged = judge(policy, &case, &reasons);
    let decision = judged.decision;
    let contains = policy.containment && order.is_none() && standing.is_open();
    let moves = session.is_some_and(|session| {
        let (place, with) = (location(features), client(features));
        session.clone().advance(place, with, features.now)
    });
    let lesson = lesson(features, tier, &decision, is_event, moves, contains, || {
        Novel {
            surprising: answer.by_token
                || (!answer.proven
                    && record.is_some_and(|record| record.history > 0)
                    && judged.unexcepted - policy.prior > SURPRISE),
            confirmed: answer.solved,
            network: found.new_network,
            pattern: found.pattern.map(Box::new),
        }
    });
    let tries = tries_credential(tier, signals, features);
    let attempt = Attempt::of(tries, &reasons, features, &known);
    let mut reasons = judged.evidence;
    let allowed = decision.would == Action::Allow;
    let solved = answer.solved && is_event && allowed;
    let marked = tier
        .notify
        .is_some_and(|notify| judged.score.logit >= notify);
    for (holds, reason) in [
        (answer.proven || answer.confirmed, Reason::SteppedUp),
        (answer.by_token, Reason::NewerToken),
        (solved, Reason::ChallengeSolved),
        (device == Some(false), Reason::ReceiptRefused),
        (marked && allowed, Reason::Notify),
        (
            standing.unsolved >= decision::MAX_UNSOLVED,
            Reason::Unsolved,
        ),
        (standing.contained, Reason::SessionContained),
        (order == Some(Order::Allow), Reason::OrderedAllow),
        (order == Some(Order::StepUp), Reason::OrderedStepUp),
        (order == Some(Order::Deny), Reason::OrderedDeny),
        (!features.verified, Reason::Unverified),
        (standing.young, Reason::YoungBaseline),
    ] {
        if holds {
            note(&mut reasons, reason);
        }
    }
    strongest_first(&mut reasons);
    let assessment = Assessment {
        decision,
        score: judged.score,
        reasons,
        history: record.map_or(0, |record| record.history),
        lesson,
        conduct: found.conduct,
        receipt: challenge::receipt(features, solved, allowed && device == Some(true)),
        owner: (answer.proven && answer.after_challenge).then_some(true),
        attempt,
        grounds: Grounds {
            unsolved: standing.unsolved,
            stepped_up: answer.explains(),
            left,
            excepted: judged.excepted,
            ordered: ordered.map(|(_, by)| by.clone()),
            hot: false,
            pin: None,
        },
    };
    login::limit(policy, tier, signals, features, &known, assessment)
}

/// Adds what others know: lists, fences, scores from elsewhere.
fn add_external(
    policy: &Policy,
    tier: &Tier,
    signals: &Signals<'_>,
    features: &Features,
    known: &Known<'_>,
    reasons: &mut EvidenceList,
) {
    let others = evidence::external::gather(
        &policy.external,
        known.feed,
        tier.fence.as_ref(),
        signals,
        features,
        &policy.weights,
    );
    for piece in others {
        let _no_room_is_no_harm = reasons.try_push(piece);
    }
}

/// How the client learns that its credential broke a rule: what it must bring is another token, or another proof.
fn refusal_of(reason: Reason) -> Refusal {
    match reason {
        Reason::DpopProofMissing | Reason::DpopProofInvalid | Reason::DpopReplayed => {
            Refusal::InvalidProof
        }
        _ => Refusal::InvalidToken,
    }
}

/// What the denylist refuses, whatever the score.
fn denylisted(
    policy: &Policy,
    tier: &Tier,
    signals: &Signals<'_>,
    features: &Features,
) -> Option<Assessment> {
    let case = Case::of_nobody(tier, signals, features);
    let (decision, exception) = judgement::denied(policy, &case)?;
    let mut assessment = without_identity(policy, decision, Reason::Denylisted);
    assessment.grounds.excepted.by.push(exception);
    Some(assessment)
}

/// A decision that needs no baseline.
fn without_identity(policy: &Policy, decision: Decision, reason: Reason) -> Assessment {
    let mut reasons = EvidenceList::new();
    note(&mut reasons, reason);
    Assessment {
        decision,
        score: score(&[], policy.prior),
        reasons,
        history: 0,
        lesson: Lesson::Nothing,
        conduct: None,
        receipt: None,
        owner: None,
        attempt: Attempt::default(),
        grounds: Grounds::default(),
    }
}

/// Whether the request starts an authentication event that was not learned before. Inside a session that is known only a
/// newer `auth_time` starts another.
pub(crate) fn is_event(features: &Features, record: Option<&IdentityRecord>) -> bool {
    let Some(record) = record else {
        return features.event != 0;
    };
    let in_session = record
        .session(features.session)
        .is_some_and(|session| features.auth_time <= session.auth_time && !features.login);
    features.event != 0 && !in_session && !record.knows_event(features.event)
}
