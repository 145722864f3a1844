//! Logins: whether one may be tried at all, by its network and by the name it tries.
//! May use: every room before.
//! Must not: hold failures elsewhere against the places an account logs in from, or count anything.

use super::{Assessment, Attempt, Lesson, add_external};
use crate::baseline::source::SourceKind;
use crate::decision::{Action, orders};
use crate::evidence::{self, Evidence, Known, Reason};
use crate::judgement::{self, Bar, Case, Grounds, note, strongest_first};
use crate::policy::{Login, Policy, Tier};
use crate::score::Score;
use crate::signals::features::Features;
use crate::signals::request::Signals;

/// Longest `retry-after`, in seconds: who comes back earlier is told again.
const LONGEST_WAIT: u32 = 3600;

/// Names that fail for one that succeeds, beyond which it is not typing errors.
const FAILING: f64 = 3.0;

/// Whether a request to this tier tries a credential: any method that changes something, and any that comes with a name.
#[must_use]
pub fn is_attempt(tier: &Tier, features: &Features) -> bool {
    let named = features.tried.is_some() || features.unreadable_name || features.awaits_name;
    tier.login.is_some() && (named || !features.safe)
}

/// A login of which only its source and the name it tries are known: they alone can speak against it. It is refused where they
/// do, as nobody can be challenged here; a source that many owners share is not, since none of them could show who they are.
#[must_use]
pub fn of_attempt(
    policy: &Policy,
    tier: &Tier,
    signals: &Signals<'_>,
    features: &Features,
    known: &Known<'_>,
) -> Assessment {
    let mut reasons = evidence::of_attempt(features, known, &policy.weights);
    add_external(policy, tier, signals, features, known, &mut reasons);
    let listed = reasons
        .iter()
        .any(|piece| piece.reason == Reason::ListedNetwork);
    let attempt = Attempt::of(true, &reasons, features, known);
    let mut limit = Limit::default();
    let case = Case::of_nobody(tier, signals, features);
    let judged = judgement::judge_nobody(policy, &case, &reasons, |score| {
        limit = Limit::of(tier, features, known, score);
        let wait = |until: u32| until.saturating_sub(features.now).clamp(1, LONGEST_WAIT);
        Bar {
            retry_after: limit.until.map(wait),
            unreadable: features.unreadable_name,
            listed: listed && score.logit >= tier.deny,
        }
    });
    let mut reasons = judged.evidence;
    if features.unreadable_name {
        note(&mut reasons, Reason::UnreadableLogin);
    }
    if let Some(reason) = limit.reason {
        note(&mut reasons, reason);
    }
    note(&mut reasons, Reason::Anonymous);
    strongest_first(&mut reasons);
    Assessment {
        decision: judged.decision,
        score: judged.score,
        reasons,
        history: 0,
        lesson: Lesson::Nothing,
        conduct: None,
        receipt: None,
        owner: None,
        attempt,
        grounds: Grounds {
            excepted: judged.excepted,
            hot: limit.hot,
            ..Grounds::default()
        },
    }
}

/// Decides again on a request whose name is known by now: in the tier as it holds for it, as [`super::assess`] does.
#[must_use]
pub fn reconsider(
    policy: &Policy,
    tier: &Tier,
    signals: &Signals<'_>,
    features: &Features,
    known: &Known<'_>,
    assessment: Assessment,
) -> Assessment {
    if !is_attempt(tier, features) {
        // Something was read with a body that names nobody.
        return Assessment {
            attempt: Attempt::default(),
            ..assessment
        };
    }
    let tier = &*orders::watched(tier.of_cohort(features.cohort), known.feed);
    limit(policy, tier, signals, features, known, assessment)
}

/// The same for a request that comes with a credential of its own, which says nothing about the one it tries.
#[must_use]
pub(super) fn limit(
    policy: &Policy,
    tier: &Tier,
    signals: &Signals<'_>,
    features: &Features,
    known: &Known<'_>,
    assessment: Assessment,
) -> Assessment {
    if !is_attempt(tier, features) {
        return assessment;
    }
    let nobody = Features {
        identity: None,
        verified: false,
        ..*features
    };
    let tried = of_attempt(policy, tier, signals, &nobody, &known.with_identity(None));
    if tried.decision.refusal.is_some() && assessment.decision.would < Action::Restrict {
        // It was not anonymous: the rest of what speaks against the attempt stays.
        let identified = features.identity.is_some();
        let mut refused = Assessment {
            history: assessment.history,
            conduct: assessment.conduct,
            ..tried
        };
        let besides = |piece: &mut Evidence| !identified || piece.reason != Reason::Anonymous;
        refused.reasons.retain(besides);
        return refused;
    }
    let mut limited = Assessment {
        attempt: tried.attempt,
        ..assessment
    };
    for piece in tried
        .reasons
        .iter()
        .filter(|piece| is_of_login(piece.reason))
    {
        note(&mut limited.reasons, piece.reason);
    }
    limited
}

const fn is_of_login(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::TooManyFailures | Reason::OwnPlace | Reason::UnreadableLogin
    )
}

/// Until when a login is refused, and why.
#[derive(Default)]
struct Limit {
    until: Option<u32>,
    reason: Option<Reason>,
    /// The network burst and the place is not the name's own: at another threshold that alone might bar it.
    hot: bool,
}

impl Limit {
    fn of(tier: &Tier, features: &Features, known: &Known<'_>, score: Score) -> Self {
        if features.awaits_name {
            // A neighbour must not keep those out who have logged in from here: the body says whether it is one of them.
            return Self::default();
        }
        let login = tier.login.as_ref();
        let hot = hot(features, known);
        let names = login.and_then(|login| spraying(login, features, known));
        let name = login.zip(known.account).map(|(login, account)| {
            let elsewhere = account.barred_elsewhere_until(features.now, login.failures);
            let until = account.barred_until(features, login.failures);
            (account.is_own(features), until, elsewhere)
        });
        let alike = login.zip(known.alike);
        let alike =
            alike.and_then(|(login, account)| account.barred_until(features, login.failures));
        match name {
            Some((true, None, elsewhere)) => Self {
                reason: hot
                    .filter(|_| score.logit >= tier.step_up)
                    .max(names)
                    .max(elsewhere)
                    .map(|_| Reason::OwnPlace),
                ..Self::default()
            },
            Some((true, until, _)) => Self {
                until,
                reason: Some(Reason::TooManyFailures),
                hot: false,
            },
            strange => {
                let name = strange.and_then(|(_, until, _)| until);
                let counted = names.max(name).max(alike);
                Self {
                    until: counted.max(hot.filter(|_| score.logit >= tier.step_up)),
                    hot: hot.is_some(),
                    // What made the network hot has reasons of its own.
                    reason: counted.map(|_| Reason::TooManyFailures),
                }
            }
        }
    }
}

/// A network that burst.
fn hot(features: &Features, known: &Known<'_>) -> Option<u32> {
    let now = features.now;
    let source = known.source(SourceKind::Prefix)?;
    source.hot_until(now).filter(|_| !source.is_shared(now))
}

/// A network where many names fail and few succeed, however slowly. Names are compared with names: an attacker can log in to
/// accounts of its own as often as it likes. Shared networks are no exception, since those who live there are.
fn spraying(login: &Login, features: &Features, known: &Known<'_>) -> Option<u32> {
    let now = features.now;
    let source = known.source(SourceKind::Prefix)?;
    let usual = FAILING * (1.0 + source.owners(now));
    source.names_below(now, login.names.max(usual))
}
