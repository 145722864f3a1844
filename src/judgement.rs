//! From evidence to a decision: exceptions, score, thresholds. What a live request and an audit line go through alike.
//! May use: evidence, score, policy, decision.
//! Must not: gather evidence, read a record, or learn.

use arrayvec::ArrayVec;

use crate::baseline::decay::DAY;
use crate::baseline::identity::{IdentityRecord, PLACES};
use crate::challenge;
use crate::decision::{self, Action, Decision, Refusal, Standing, orders};
use crate::evidence::{Evidence, EvidenceList, Reason};
use crate::feed::{Answerable, Order};
use crate::policy::{Asker, Denial, Excepted, Policy, Tier};
use crate::score::{Score, score, thousandths};
use crate::signals::features::Features;
use crate::signals::request::{self, Signals};

/// Countries an identity was in within a day, other than the one it asks from.
pub type Left = ArrayVec<[u8; 2], PLACES>;

/// What is judged besides the evidence.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The tier, as it holds for the identity's cohort.
    pub tier: &'a Tier,
    /// What the request says.
    pub signals: &'a Signals<'a>,
    /// The same, hashed: kind, whether it is verified, method and time are looked at.
    pub features: &'a Features,
    /// What is known of the baseline.
    pub standing: Standing,
    /// A recent and sufficient authentication stands behind the request.
    pub stepped_up: bool,
    /// What a feed orders for the identity.
    pub order: Option<Order>,
    /// Where the identity was.
    pub left: &'a [[u8; 2]],
}

impl<'a> Case<'a> {
    /// A request of which no baseline is known, or none is asked.
    #[must_use]
    pub const fn of_nobody(
        tier: &'a Tier,
        signals: &'a Signals<'a>,
        features: &'a Features,
    ) -> Self {
        Self {
            tier,
            signals,
            features,
            standing: Standing {
                young: true,
                unsolved: 0,
                incapable: false,
                contained: false,
                challenged: false,
            },
            stepped_up: false,
            order: None,
            left: &[],
        }
    }

    /// Who asks, for exceptions.
    #[must_use]
    pub fn asker(&self) -> Asker<'a> {
        Asker {
            signals: self.signals,
            now: self.features.now,
            tier: &self.tier.name,
            left: self.left,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What to do.
    pub decision: Decision,
    /// How sure the evidence is that counted.
    pub score: Score,
    /// The log-odds without any exception: an exception opens a door and makes nothing normal.
    pub unexcepted: f64,
    /// The evidence that counted, with what exceptions and denylists have to say.
    pub evidence: EvidenceList,
    /// What exceptions took off.
    pub excepted: Excepted,
}

/// What a decision stands on besides its reasons: with these it can be made again under another policy.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Grounds {
    /// Challenges of the session that were not solved.
    pub unsolved: u8,
    /// A recent and sufficient authentication stood behind the request.
    pub stepped_up: bool,
    /// Where the identity was within a day.
    pub left: Left,
    /// Exceptions that held, and what they took off.
    pub excepted: Excepted,
    /// Who ordered otherwise for the identity.
    pub ordered: Option<Answerable>,
    /// An attempt that named nobody came from a source that burst and is not shared.
    pub hot: bool,
    /// The pin that was broken.
    pub pin: Option<u16>,
}

/// Judges evidence.
#[must_use]
pub fn judge(policy: &Policy, case: &Case<'_>, evidence: &EvidenceList) -> Judgement {
    let (features, tier) = (case.features, case.tier);
    let mut counted = as_told(evidence);
    let mut standing = case.standing;
    standing.incapable |= challenge::is_impossible(policy, case.signals);
    let mut excepted = Excepted::default();
    let unexcepted = score(&counted, policy.prior);
    let mut found = unexcepted;
    if !policy.exceptions.is_empty() {
        let asker = case.asker();
        excepted = policy.exceptions.damp(&asker, &mut counted);
        found = score(&counted, policy.prior);
        let denial = policy.exceptions.denial(&asker);
        let challenge = denial.filter(|denial| denial.challenges && !case.stepped_up);
        if let Some(Denial { exception, .. }) = challenge {
            standing.challenged = true;
            note(&mut counted, Reason::DenylistChallenge);
            excepted.by.push(exception);
        }
    }
    let scored = decision::decide(features, features.safe, &counted, found, standing, tier);
    let answers = (case.stepped_up, standing.incapable);
    let decision = orders::under(case.order, scored, answers, features, tier);
    if !excepted.damped.is_empty() {
        note(&mut counted, Reason::Excepted);
    }
    Judgement {
        decision,
        score: found,
        unexcepted: unexcepted.logit,
        evidence: counted,
        excepted,
    }
}

/// Evidence in thousandths of a nat, as the audit line tells it: what was told decides again as it did, on whichever side of a
/// threshold it came to lie.
fn as_told(evidence: &EvidenceList) -> EvidenceList {
    let mut told = evidence.clone();
    for piece in &mut told {
        piece.nats = thousandths(piece.nats);
    }
    told
}

/// What bars an attempt to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Bar {
    /// Too many failures: seconds after which it may be tried again.
    pub retry_after: Option<u32>,
    /// The name that is tried cannot be read.
    pub unreadable: bool,
    /// A list names the network, and the score is one that denies.
    pub listed: bool,
}

impl Bar {
    fn refusal(self, tier: &Tier) -> Option<Refusal> {
        let login = tier.login.as_ref();
        match self.retry_after {
            None if self.listed => Some(Refusal::Forbidden),
            Some(_) if login.is_some_and(|login| !login.too_many) => Some(Refusal::Restricted),
            Some(retry_after) => Some(Refusal::TooMany { retry_after }),
            None => (self.unreadable && login.is_some_and(|login| login.refuse_unreadable))
                .then_some(Refusal::Restricted),
        }
    }
}

/// Judges an attempt that names nobody: nobody can be challenged, so that what is barred at its score is refused.
#[must_use]
pub fn judge_nobody(
    policy: &Policy,
    case: &Case<'_>,
    evidence: &EvidenceList,
    bar: impl FnOnce(Score) -> Bar,
) -> Judgement {
    let mut counted = as_told(evidence);
    let unexcepted = score(&counted, policy.prior);
    let excepted = policy.exceptions.damp(&case.asker(), &mut counted);
    let found = score(&counted, policy.prior);
    let mut decision = Decision::allow(case.tier);
    if let Some(refusal) = bar(found).refusal(case.tier) {
        decision.would = Action::Restrict;
        decision.refusal = Some(refusal);
    }
    if !excepted.damped.is_empty() {
        note(&mut counted, Reason::Excepted);
    }
    Judgement {
        decision,
        score: found,
        unexcepted: unexcepted.logit,
        evidence: counted,
        excepted,
    }
}

/// What the denylist refuses before any score, and by which entry. Who shows no credential and is to be challenged is asked for
/// one.
#[must_use]
pub fn denied(policy: &Policy, case: &Case<'_>) -> Option<(Decision, u16)> {
    let denial = policy.exceptions.denial(&case.asker())?;
    let refusal = match (denial.challenges, &case.signals.standing) {
        (false, _) => Refusal::Forbidden,
        (true, request::Standing::Anonymous) => Refusal::IdentityRequired,
        (true, _) => return None,
    };
    Some((decision::refuse(refusal, case.tier), denial.exception))
}

/// What a pin refuses before any score, and which one.
#[must_use]
pub fn unpinned(policy: &Policy, case: &Case<'_>) -> Option<(Decision, u16)> {
    let pin = policy.pins.broken(&case.asker())?;
    Some((decision::refuse(Refusal::Forbidden, case.tier), pin))
}

/// Countries of an identity's last places that are within a day and not this one.
#[must_use]
pub fn left(record: Option<&IdentityRecord>, features: &Features) -> Left {
    let places = record.into_iter().flat_map(|record| &record.places);
    let mut left = Left::new();
    for place in places {
        let lately = features.now.saturating_sub(place.seen) <= DAY;
        let code = place.country.to_be_bytes();
        if lately && u32::from(place.country) != features.country && place.country != 0 {
            let _there_are_no_more = left.try_push(code);
        }
    }
    left
}

/// Reasons in the order they are told: by what they weigh, then by their place in the table.
pub(crate) fn strongest_first(reasons: &mut [Evidence]) {
    reasons.sort_by(|a, b| b.nats.total_cmp(&a.nats).then(a.reason.cmp(&b.reason)));
}

/// Adds a reason that weighs nothing.
pub(crate) fn note(reasons: &mut EvidenceList, reason: Reason) {
    let _no_room_is_no_harm = reasons.try_push(Evidence { reason, nats: 0.0 });
}
