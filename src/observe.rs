//! From an outcome to what is learned: the record and everybody, as a pure function.
//! May use: every room before.
//! Must not: read a clock or a page; learn from what was not allowed.

mod behaviour;
mod login;
mod session;
mod verdict;

use arrayvec::ArrayVec;

pub use behaviour::{Response, follow, lesson_of_window};
pub use verdict::{Trace, judge};

use crate::assess::{Assessment, Lesson, Novel, is_event};
use crate::baseline::account::AccountLesson;
use crate::baseline::decay;
use crate::baseline::hours::Hour;
use crate::baseline::identity::{IdentityRecord, Place};
use crate::baseline::population::{
    self, Attempt, CredentialLesson, EventLesson, Population, RecentClient, Shared, relations,
};
use crate::baseline::source::{Ended, SourceLesson};
use crate::baseline::values::Sighting;
use crate::evidence::Known;
use crate::evidence::session::client;
use crate::signals::features::Features;

/// What was learned from one request.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Observation {
    /// The record as it is now; absent: nothing changed, nothing is written. Most requests change nothing, and a record is more
    /// than two thousand bytes.
    pub record: Option<Box<IdentityRecord>>,
    /// What everybody learns.
    pub lessons: ArrayVec<population::Lesson, 2>,
    /// What the name learns that was tried: the record at [`Features::tried`].
    pub account: Option<AccountLesson>,
    /// What the sources learn: the records of [`crate::baseline::source::SourceKey::of`].
    pub source: Option<SourceLesson>,
}

impl Observation {
    fn teach(&mut self, lesson: population::Lesson) {
        // One request teaches two lessons at most.
        let _room = self.lessons.try_push(lesson);
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The upstream accepted the credential. A request that was refused here has no other outcome and counts as accepted.
    pub succeeded: bool,
}

impl Outcome {
    /// What a status of the upstream says; nothing where it is not about the credential. A redirect may lead to a login page,
    /// and what is not found may not have been looked at: neither accepts a credential.
    #[must_use]
    pub const fn of_status(status: u16) -> Option<Self> {
        match status {
            100..=299 | 304 => Some(Self { succeeded: true }),
            401 | 403 => Some(Self { succeeded: false }),
            _ => None,
        }
    }
}

/// Learns from the outcome of a request that was assessed. May be called again with a newer record: nothing is learned
/// twice.
#[must_use]
pub fn observe(
    features: &Features,
    assessment: &Assessment,
    outcome: Outcome,
    known: &Known<'_>,
) -> Observation {
    observe_from(features, assessment, outcome, known, &mut None)
}

/// The same. `current` is the record that is known, [brought](IdentityRecord::bring_to) to the time of the request, where the
/// caller has one: taken, it becomes the one that learns, instead of another copy.
#[must_use]
pub fn observe_from(
    features: &Features,
    assessment: &Assessment,
    outcome: Outcome,
    known: &Known<'_>,
    current: &mut Option<Box<IdentityRecord>>,
) -> Observation {
    // Written even if nothing is learned: else it would be set back to another time by every request.
    let mut room = None;
    let set_back = known
        .identity
        .filter(|record| record.is_ahead(features.now))
        .map(|record| record.as_of(features.now, &mut room));
    let known = known.with_identity(set_back.or(known.identity));
    let mut seen = learned(features, assessment, outcome, &known, current);
    if seen.record.is_none() {
        seen.record = set_back.cloned().map(Box::new);
    }
    seen
}

fn learned(
    features: &Features,
    assessment: &Assessment,
    outcome: Outcome,
    known: &Known<'_>,
    current: &mut Option<Box<IdentityRecord>>,
) -> Observation {
    let Outcome { succeeded } = outcome;
    let Known {
        identity: record,
        population,
        ..
    } = *known;
    let mut seen = Observation::default();
    if !succeeded && assessment.attempt.of_credential {
        fail(features, record, current, &mut seen);
        return seen;
    }
    let shared = assessment.attempt.shared;
    match &assessment.lesson {
        Lesson::Nothing => {}
        Lesson::Attempt(novel) => seen.teach(attempt(features, novel.network)),
        Lesson::Event(novel) if succeeded => {
            if is_event(features, record) {
                seen.teach(attempt(features, novel.network));
                seen.teach(event(features, novel, record, population));
                let own = seen.record.insert(match record {
                    Some(record) => brought(record, features, current),
                    None => Box::new(IdentityRecord::new(features.now)),
                });
                learn(features, novel, shared, own);
                let ordinary = assessment.attempt.ordinary && !novel.surprising;
                seen.source = Some(lesson(features, Ended::Succeeded { ordinary }));
            }
        }
        Lesson::Move if succeeded => session::advance(features, shared, record, current, &mut seen),
        Lesson::Event(_) | Lesson::Move => {}
        Lesson::Recovery if succeeded => {
            seen.record = record.map(|record| {
                Box::new(IdentityRecord {
                    recovered: record.recovered.max(features.now),
                    ..record.clone()
                })
            });
        }
        Lesson::Recovery => {}
        Lesson::Challenge(novel) => {
            if is_event(features, record) {
                seen.teach(attempt(features, novel.network));
            }
            seen.record = session::challenge(features, record).map(Box::new);
        }
        Lesson::Contain(novel) => {
            if let Some(novel) = novel.as_ref().filter(|_| is_event(features, record)) {
                seen.teach(attempt(features, novel.network));
            }
            seen.record = record.map(|record| Box::new(session::contain(features, record)));
        }
    }
    if succeeded {
        login::succeed(features, assessment, &mut seen);
    }
    seen
}

/// The record at the time of the request, to learn.
fn brought(
    record: &IdentityRecord,
    features: &Features,
    current: &mut Option<Box<IdentityRecord>>,
) -> Box<IdentityRecord> {
    current.take().unwrap_or_else(|| {
        let mut record = Box::new(record.clone());
        record.decay_to(features.now);
        record
    })
}

fn identity(features: &Features) -> u32 {
    features.identity.map_or(0, |locator| locator.tag as u32)
}

fn lesson(features: &Features, ended: Ended) -> SourceLesson {
    SourceLesson {
        name: features
            .tried
            .map_or_else(|| identity(features), |name| name.tag as u32),
        now: features.now,
        ended,
    }
}

/// A credential was wrong: its sources count it, everybody does, and an identity that exists; none is created by it.
fn fail(
    features: &Features,
    record: Option<&IdentityRecord>,
    current: &mut Option<Box<IdentityRecord>>,
    seen: &mut Observation,
) {
    seen.source = Some(lesson(features, Ended::Failed));
    seen.account = features.tried.map(|_| AccountLesson::Failed);
    seen.teach(population::Lesson::Failure);
    // Whoever is verified already tried another credential than its own.
    seen.record = record.filter(|_| !features.verified).map(|record| {
        let mut record = brought(record, features, current);
        record.lately.fail(features.prefix, features.now);
        record
    });
}

fn attempt(features: &Features, arrival: bool) -> population::Lesson {
    population::Lesson::Attempt(Attempt {
        identity: identity(features),
        asn: features.asn,
        arrival,
        now: features.now,
    })
}

fn event(
    features: &Features,
    novel: &Novel,
    record: Option<&IdentityRecord>,
    population: &Population,
) -> population::Lesson {
    let own = record.map(|record| &record.client);
    let relations = own.map_or([0; 5], |own| {
        relations(population.recent(), identity(features), |stranger| {
            if own.user_agent.count(stranger.user_agent) > 0.0 {
                return None;
            }
            let browser = own.browser.established(stranger.browser);
            let os = own.os.established(stranger.os);
            browser
                .map(|value| (true, value.version))
                .or_else(|| os.map(|value| (false, value.version)))
        })
    });
    population::Lesson::Event(Box::new(EventLesson {
        now: features.now,
        values: [
            (Shared::Address, features.address),
            (Shared::Prefix, features.prefix),
            (Shared::Block, features.block),
            (Shared::UserAgent, features.user_agent),
            (Shared::Browser, features.browser),
            (Shared::Os, features.os),
            (Shared::Device, features.device),
            (Shared::OauthClient, features.client_id),
        ],
        shown: [
            (Shared::Language, features.language),
            (
                Shared::Measured,
                if features.handshake == 0 {
                    0
                } else {
                    features.browser
                },
            ),
            (Shared::Handshake, features.handshake),
        ],
        asn: features.asn,
        country: features.country,
        arrival: novel.network,
        client: RecentClient {
            identity: identity(features),
            user_agent: features.user_agent,
            browser: features.browser,
            os: features.os,
            version: features.version,
        },
        pattern: novel.pattern.as_deref().cloned(),
        relations,
        human: !features.kind.is_machine(),
        credential: CredentialLesson {
            issuer: features.credential.issuer,
            shape: features.credential.shape,
            lifetime: features.credential.lifetime,
        },
    }))
}

fn learn(features: &Features, novel: &Novel, shared: bool, record: &mut IdentityRecord) {
    if record.history == 0 {
        // It may have been challenged long before.
        record.created = features.now;
    }
    let hour = Hour::of(features.now);
    let Novel {
        surprising,
        confirmed,
        ..
    } = *novel;
    let seen = |key| Sighting {
        key,
        surprising,
        confirmed,
        hour: decay::hour(features.now),
        ..Sighting::default()
    };
    let versioned = |key| Sighting {
        version: features.version,
        ..seen(key)
    };
    record.network.address.learn(seen(features.address));
    record.network.prefix.learn(seen(features.prefix));
    record.network.asn.learn(seen(features.asn));
    record.network.country.learn(seen(features.country));
    record.client.user_agent.learn(seen(features.user_agent));
    record.client.browser.learn(versioned(features.browser));
    record.client.os.learn(versioned(features.os));
    record.client.device.learn(seen(features.device));
    if features.kind.is_machine() {
        record.network.block.learn(seen(features.block));
    } else if !surprising {
        record.hours.learn(hour);
    }
    if features.language != 0 && !features.kind.is_machine() {
        record.language.learn(seen(features.language));
    }
    if features.city != 0 {
        record.city.learn(seen(features.city));
    }
    if features.hosting != 0 {
        record.hosting.learn(seen(features.hosting));
    }
    if features.credential.grant != 0 {
        record.grant.learn(seen(features.credential.grant));
    }
    if features.client_id != 0 {
        record.oauth.learn(seen(features.client_id));
    }
    // A surprising event proves nothing about the owner's habit, either way.
    if features.credential.multi_factor && !surprising {
        record.multi_factor += 1.0;
    }
    record.history = record.history.saturating_add(1);
    record.events += 1.0;
    record.last_event = record.last_event.max(features.now);
    record.auth_time = record.auth_time.max(features.auth_time);
    record.remember_event(features.event);
    if confirmed {
        // However fast the journey was, the owner made it: it is over, and no request to come is a part of it.
        record.places.clear();
    }
    remember_place(features, surprising || shared, record);
    remember_use(features, record);
    if features.session != 0 {
        record.remember_session(session::begin(features));
    }
}

fn remember_use(features: &Features, record: &mut IdentityRecord) {
    if !features.kind.is_machine() {
        let device = client(features).exact;
        record.lately.used(features.prefix, device, features.now);
    }
}

/// A place that may not be the owner's must not make the owner's next journey impossible, nor one that is nobody's.
fn remember_place(features: &Features, doubtful: bool, record: &mut IdentityRecord) {
    if let Some(point) = features.point
        && !doubtful
    {
        record.remember_place(Place {
            seen: features.now,
            latitude: libm::round(point.lat * 100.0) as i16,
            longitude: libm::round(point.lon * 100.0) as i16,
            radius: libm::round(point.radius_km) as u16,
            prefix: features.prefix,
            country: features.country as u16,
        });
    }
}
