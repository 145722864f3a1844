//! The whole line from signals to a decision, and from an outcome to what is learned: two pure functions.
//! May use: every room before.
//! Must not: read a clock, a page or a header.

use crate::baseline::identity::{IdentityRecord, Place, Session};
use crate::baseline::population::{Level, Population};
use crate::decision::{self, Action, Decision, Refusal};
use crate::evidence::{self, Evidence, EvidenceList, Known, Reason};
use crate::policy::{Mode, Policy, Tier};
use crate::score::{Score, score};
use crate::signals::features::Features;
use crate::signals::request::{Signals, Standing};

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
    /// What may be learned if the request succeeds.
    pub lesson: Lesson,
}

/// What the baseline may learn from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Lesson {
    /// Nothing: not verified, not allowed, or nothing new.
    #[default]
    Nothing,
    /// A new authentication event, once the upstream has accepted it.
    Event,
    /// A challenge was issued to this session.
    Challenge,
}

/// Decides on one request.
#[must_use]
pub fn assess(
    policy: &Policy,
    tier: &Tier,
    signals: &Signals<'_>,
    features: &Features,
    record: Option<&IdentityRecord>,
    population: &Population,
) -> Assessment {
    let mut reasons = EvidenceList::new();
    let early = |decision, reasons: EvidenceList| Assessment {
        decision,
        score: Score {
            logit: policy.prior,
            probability: 0.0,
        },
        reasons,
        history: 0,
        lesson: Lesson::Nothing,
    };
    match &signals.standing {
        Standing::Rejected(code) => {
            note(
                &mut reasons,
                Reason::from_code(code).unwrap_or(Reason::InvalidToken),
            );
            return early(decision::refuse(Refusal::InvalidToken, tier), reasons);
        }
        Standing::Anonymous if tier.require_identity => {
            note(&mut reasons, Reason::IdentityRequired);
            return early(decision::refuse(Refusal::IdentityRequired, tier), reasons);
        }
        Standing::Anonymous => {
            note(&mut reasons, Reason::Anonymous);
            return early(
                Decision {
                    would: Action::Allow,
                    refusal: None,
                    mode: tier.mode,
                },
                reasons,
            );
        }
        Standing::Unverified(_) | Standing::Verified(_) => {}
    }
    let decayed = record.map(|record| {
        let mut record = record.clone();
        record.decay_to(features.now);
        record
    });
    let known = Known {
        identity: decayed.as_ref(),
        population,
    };
    reasons = evidence::gather(features, &known, &policy.weights);
    let session = record.and_then(|record| record.session(features.session));
    let mut standing = decision::Standing {
        young: record.is_none_or(|record| record.is_young(features.now)),
        unsolved: session.map_or(0, |session| session.unsolved),
    };
    if stepped_up(tier, &policy.challenge.amr, signals, features) {
        let challenged = record
            .into_iter()
            .flat_map(|record| &record.sessions)
            .map(|session| session.challenged)
            .max()
            .unwrap_or(0);
        let after_challenge = challenged != 0 && features.auth_time > challenged;
        decision::discount(&mut reasons, after_challenge);
    }
    if session.is_some_and(|session| features.auth_time > session.challenged) {
        standing.unsolved = 0;
    }
    let score = score(&reasons, policy.prior);
    let safe = matches!(signals.request.method, b"GET" | b"HEAD" | b"OPTIONS" | b"");
    let decision = decision::decide(features, safe, &reasons, score, standing, tier);
    if standing.unsolved >= decision::MAX_UNSOLVED {
        note(&mut reasons, Reason::Unsolved);
    }
    if !features.verified {
        note(&mut reasons, Reason::Unverified);
    }
    if standing.young {
        note(&mut reasons, Reason::YoungBaseline);
    }
    reasons.sort_by(|a, b| b.nats.total_cmp(&a.nats).then(a.reason.cmp(&b.reason)));
    let lesson = match decision.would {
        _ if !features.verified || tier.mode == Mode::Off => Lesson::Nothing,
        Action::Allow if record.is_none_or(|record| teaches(features, record)) => Lesson::Event,
        Action::StepUp => Lesson::Challenge,
        Action::Allow | Action::Restrict | Action::Deny => Lesson::Nothing,
    };
    Assessment {
        decision,
        score,
        reasons,
        history: record.map_or(0, |record| record.history),
        lesson,
    }
}

fn note(reasons: &mut EvidenceList, reason: Reason) {
    let _full = reasons.try_push(Evidence { reason, nats: 0.0 });
}

/// Whether the authentication behind the request is strong and recent enough to have answered a challenge.
fn stepped_up(tier: &Tier, amr: &[String], signals: &Signals<'_>, features: &Features) -> bool {
    let session = &signals.session;
    let strong_acr = session
        .acr
        .as_deref()
        .is_some_and(|acr| tier.acr_values.iter().any(|value| value == acr));
    let strong_amr = tier.acr_values.is_empty()
        && session.amr.as_deref().is_some_and(|used| {
            used.split(' ')
                .any(|method| amr.iter().any(|known| known == method))
        });
    let recent =
        features.auth_time != 0 && features.now.saturating_sub(features.auth_time) <= tier.max_age;
    (strong_acr || strong_amr) && recent
}

fn teaches(features: &Features, record: &IdentityRecord) -> bool {
    features.event != 0 && !record.knows_event(features.event)
}

/// What the record becomes after the outcome of a request is known. `None`: nothing changes, nothing is written.
#[must_use]
pub fn observe(
    features: &Features,
    lesson: Lesson,
    succeeded: bool,
    record: Option<&IdentityRecord>,
) -> Option<IdentityRecord> {
    match lesson {
        Lesson::Event if succeeded => learn(features, record),
        Lesson::Challenge => {
            // A session is remembered from its first challenge on, but only for identities that have a record: a
            // challenge alone must not create one.
            let mut record = record?.clone();
            let mut session = record
                .session(features.session)
                .copied()
                .unwrap_or_else(|| session_of(features));
            if features.auth_time > session.challenged {
                session.unsolved = 0;
            }
            session.unsolved = session.unsolved.saturating_add(1);
            session.challenged = features.now;
            session.seen = features.now;
            record.remember_session(session);
            Some(record)
        }
        Lesson::Event | Lesson::Nothing => None,
    }
}

fn learn(features: &Features, record: Option<&IdentityRecord>) -> Option<IdentityRecord> {
    let mut record = record
        .cloned()
        .unwrap_or_else(|| IdentityRecord::new(features.now));
    if !teaches(features, &record) {
        return None;
    }
    record.decay_to(features.now);
    record.history = record.history.saturating_add(1);
    record.events += 1.0;
    record.last_event = record.last_event.max(features.now);
    record.auth_time = record.auth_time.max(features.auth_time);
    record.remember_event(features.event);
    record.network.address.add(features.address, 1.0);
    record.network.prefix.add(features.prefix, 1.0);
    record.network.asn.add(features.asn, 1.0);
    record.network.country.add(features.country, 1.0);
    record.client.user_agent.add(features.user_agent, 1.0);
    record.client.browser.add(features.browser, 1.0);
    record.client.os.add(features.os, 1.0);
    record.client.device.add(features.device, 1.0);
    record.hours.add(features.now, 1.0);
    if let Some(point) = features.point {
        record.remember_place(Place {
            seen: features.now,
            latitude: (point.lat * 100.0) as i16,
            longitude: (point.lon * 100.0) as i16,
            radius: point.radius_km as u16,
            prefix: features.prefix,
        });
    }
    if features.session != 0 {
        let mut session = session_of(features);
        if let Some(known) = record.session(features.session) {
            session.first = known.first;
        }
        record.remember_session(session);
    }
    Some(record)
}

fn session_of(features: &Features) -> Session {
    Session {
        id: features.session,
        first: features.now,
        seen: features.now,
        auth_time: features.auth_time,
        user_agent: features.user_agent,
        tls: features.tls,
        asn: features.asn,
        prefix: features.prefix,
        country: features.country,
        challenged: 0,
        unsolved: 0,
    }
}

/// Counts a learned event in the population.
pub fn observe_population(features: &Features, population: &mut Population) {
    population.decay_to(features.now);
    population.add_event();
    for (level, value) in [
        (Level::Address, features.address),
        (Level::Prefix, features.prefix),
        (Level::Asn, features.asn),
        (Level::Country, features.country),
        (Level::UserAgent, features.user_agent),
        (Level::Browser, features.browser),
        (Level::Os, features.os),
        (Level::Device, features.device),
        (
            Level::Hour,
            crate::baseline::hours::bin(features.now) as u32 + 1,
        ),
    ] {
        population.add(level, value);
    }
}
