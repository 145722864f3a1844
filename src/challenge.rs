//! Who can be challenged, what answers a challenge, and what the answer earns.
//! May use: baseline, policy, receipts, signals.
//! Must not: decide what follows from an answer.

use crate::baseline::decay::HOUR;
use crate::baseline::identity::IdentityRecord;
use crate::baseline::session::Session;
use crate::baseline::values::CONFIRMED;
use crate::evidence::session::client;
use crate::policy::{Policy, Tier};
use crate::receipt::{Grant, RENEWAL};
use crate::signals::features::Features;
use crate::signals::request::{DeviceReceipt, Signals};

/// An authentication within this time after a challenge answers it, in seconds; a later one is a login like others.
const ANSWERED_WITHIN: u32 = 3600;
/// How long what an answer confirmed may be on probation, in seconds.
const PROBATION: u32 = (CONFIRMED as u32 + 2) * HOUR;

/// How the request answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Answer {
    /// The authentication is strong and recent enough to have answered a challenge, whoever issued it.
    pub(crate) proven: bool,
    /// It is newer than every challenge known here.
    pub(crate) after_challenge: bool,
    /// It answers a challenge of this session or this client: the owner was asked, and it was the owner.
    pub(crate) solved: bool,
    /// It did so before, from here and with this client: what it confirmed is on probation, and its tokens are refreshed.
    pub(crate) confirmed: bool,
    /// A newer token stands in for an authentication: good for passing, no proof of anything.
    pub(crate) by_token: bool,
    strong: bool,
}

impl Answer {
    pub(crate) fn of(
        policy: &Policy,
        tier: &Tier,
        signals: &Signals<'_>,
        features: &Features,
        record: Option<&IdentityRecord>,
    ) -> Self {
        let recent = |time: u32| time != 0 && features.now.saturating_sub(time) <= tier.max_age;
        let strong = is_strong(policy, tier, signals);
        let proven = strong && recent(features.auth_time);
        let sessions = record.map_or(&[][..], |record| &record.sessions);
        let challenges = || sessions.iter().filter(|session| session.challenged != 0);
        let newest = challenges().map(|session| session.challenged).max();
        // Asked here, answered from here: another device's challenge is not solved by an ordinary login of the owner.
        let answers = |time: u32| {
            challenges().any(|session| {
                time > session.challenged
                    && time.saturating_sub(session.challenged) <= ANSWERED_WITHIN
                    && (session.id == features.session
                        || session.client.exact == client(features).exact)
            })
        };
        let here = record.is_some_and(|record| {
            record.network.prefix.knows(features.prefix)
                && record.client.user_agent.knows(features.user_agent)
        });
        let lately = features.now.saturating_sub(features.auth_time) <= PROBATION;
        let answered = strong && answers(features.auth_time);
        let token = policy.challenge.newer_token && features.auth_time == 0;
        Self {
            proven,
            after_challenge: newest.is_some_and(|challenged| features.auth_time > challenged),
            solved: proven && answered,
            confirmed: answered && here && lately,
            by_token: token && strong && recent(features.issued_at) && answers(features.issued_at),
            strong: token && strong,
        }
    }

    /// Whether it explains what is new.
    pub(crate) fn explains(&self) -> bool {
        self.proven || self.confirmed || self.by_token
    }

    /// Whether it explains what is suspicious: only what came after the challenge does.
    pub(crate) fn explains_suspicion(&self) -> bool {
        (self.proven && self.after_challenge) || self.by_token
    }

    /// Whether the challenge of this session was answered, if there was one.
    pub(crate) fn settles(&self, session: &Session, features: &Features) -> bool {
        features.auth_time > session.challenged
            || (self.strong && features.issued_at > session.challenged)
    }
}

/// The session whose challenges this request would add to: its own, or where tokens name none that of the same authentication
/// and client. A client that fetches a new token after each challenge would else be asked for ever.
pub(crate) fn asked<'a>(record: &'a IdentityRecord, features: &Features) -> Option<&'a Session> {
    let same = |session: &&Session| {
        session.unsolved > 0
            && session.auth_time == features.auth_time
            && session.client.exact == client(features).exact
    };
    let alike = || record.sessions.iter().find(same);
    let unnamed = features.sessionless && features.auth_time != 0;
    record
        .session(features.session)
        .or_else(|| unnamed.then(alike).flatten())
}

/// Whether the methods suffice: one of the tier's `acr_values`, or where it asks for none one of the policy's `amr`.
fn is_strong(policy: &Policy, tier: &Tier, signals: &Signals<'_>) -> bool {
    let session = &signals.session;
    match (&session.acr, &session.amr) {
        (Some(acr), _) if tier.acr_values.iter().any(|value| *value == **acr) => true,
        (_, Some(used)) if tier.acr_values.is_empty() => used
            .split(' ')
            .any(|method| policy.challenge.amr.iter().any(|known| known == method)),
        _ => false,
    }
}

/// Whether the client is one that cannot authenticate again.
pub(crate) fn is_impossible(policy: &Policy, signals: &Signals<'_>) -> bool {
    let subject = signals.standing.subject();
    signals.session.incapable
        || subject
            .is_some_and(|subject| policy.challenge.incapable.names_client(&subject.client_id))
}

/// A receipt for a challenge that was solved, and a new one for one in use that has aged. An ordinary strong login earns
/// none: a token stolen minutes after it would earn it too.
pub(crate) fn receipt(features: &Features, solved: bool, proven: bool) -> Option<Grant> {
    if !features.verified || features.kind.is_machine() {
        return None;
    }
    match features.receipt {
        DeviceReceipt::Held { issued, device } if proven => {
            let aged = features.now.saturating_sub(issued) >= RENEWAL;
            (solved || aged).then_some(Grant::Renewed(device))
        }
        _ => solved.then_some(Grant::New),
    }
}
