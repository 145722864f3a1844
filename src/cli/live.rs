//! One event after the other through the engine, as the filter would take them: score, then learn.
//! May use: the engine's two functions and a memory.
//! Must not: look at a label before the score is made.

use std::sync::Arc;

use stepgate::assess::{Assessment, Lesson, assess, wants_sources};
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::population::Population;
use stepgate::baseline::source::SourceKey;
use stepgate::evidence::Known;
use stepgate::observe::{self, Observation, Response, observe_from};
use stepgate::policy::{Policy, Route, Tier};
use stepgate::signals::bearer::Bearer;
use stepgate::signals::ecs::{Event, Outcome};
use stepgate::signals::features::Features;
use stepgate::signals::from_event::{self, Clients};
use stepgate::signals::keyed::HashKey;
use stepgate::signals::request::Signals;

use super::behaviour::Behaviour;
use super::memory::Memory;

/// What is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Learn {
    /// What the filter would learn: successes that were allowed
    #[default]
    Allowed,
    /// Every success without labels.attack: the published protocol
    Unlabelled,
}

/// What an event says under a policy: all of a decision that needs no memory.
#[derive(Debug)]
pub(crate) struct Prepared<'e> {
    signals: Signals<'e>,
    tier: &'e Tier,
    features: Features,
}

impl<'e> Prepared<'e> {
    /// The same for every number of threads, and wherever the event stands.
    pub(crate) fn of(
        event: &'e Event<'_>,
        policy: &'e Policy,
        key: &HashKey,
        clients: &mut Clients,
    ) -> Self {
        let services = &policy.credentials.services;
        let signals = from_event::signals_with(event, services, clients);
        let tier = policy.tier(&Route {
            host: signals.request.host,
            path: signals.request.path,
            method: signals.request.method,
            metadata: b"",
        });
        // Nothing is revoked in an event file.
        let bearer = Bearer::unnamed(signals.standing.subject(), &signals.session, key);
        Self {
            features: Features::shown_by(&bearer, &signals, key).of_class(tier.class),
            signals,
            tier,
        }
    }
}

/// A policy at work on a memory.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) policy: Arc<Policy>,
    pub(crate) key: HashKey,
    pub(crate) memory: Memory,
    pub(crate) population: Population,
    pub(crate) behaviour: Behaviour,
    /// Authentication events learned, those of the baseline it began with included.
    pub(crate) learned: u64,
    /// Time of the newest of them.
    pub(crate) newest: u32,
    learn: Learn,
    clients: Clients,
    /// A record whose room is used again: one for every event would have to be found anew.
    spare: Option<Box<IdentityRecord>>,
}

/// How what an event asked for ended: by its outcome, else by its status as the filter judges one.
fn outcome(event: &Event<'_>) -> Option<observe::Outcome> {
    match (event.outcome, event.status) {
        (Some(outcome), _) => Some(observe::Outcome {
            succeeded: outcome == Outcome::Success,
        }),
        (None, Some(status)) => observe::Outcome::of_status(status),
        (None, None) => Some(observe::Outcome { succeeded: true }),
    }
}

impl Live {
    pub(crate) fn new(policy: Policy, key: HashKey, memory: Memory, learn: Learn) -> Self {
        Self {
            policy: Arc::new(policy),
            key,
            memory,
            population: Population::default(),
            behaviour: Behaviour::default(),
            learned: 0,
            newest: 0,
            learn,
            clients: Clients::default(),
            spare: None,
        }
    }

    /// Reads what an event that was prepared will need, for the processor to have it near.
    pub(crate) fn look_ahead_to(&self, prepared: &Prepared<'_>) {
        self.memory.look_ahead(&prepared.features);
    }

    /// Scores an event, then learns from it what may be learned.
    pub(crate) fn take(&mut self, event: &Event<'_>) -> Assessment {
        let policy = Arc::clone(&self.policy);
        let prepared = Prepared::of(event, &policy, &self.key, &mut self.clients);
        self.take_prepared(event, &prepared)
    }

    /// The same, of an event that was prepared under this policy and with this key.
    pub(crate) fn take_prepared(
        &mut self,
        event: &Event<'_>,
        prepared: &Prepared<'_>,
    ) -> Assessment {
        let Prepared {
            signals,
            tier,
            features,
        } = prepared;
        let followed = features.identity.filter(|_| self.policy.watches(features));
        if let Some(locator) = followed {
            self.behaviour
                .wake(locator, features.now, &mut self.population);
        }
        if let Some(locator) = features.identity {
            self.memory.fetch(locator, &self.key);
        }
        let record = features
            .identity
            .and_then(|locator| self.memory.fetched(locator));
        let wanted = wants_sources(tier, signals, features, record);
        let sources = self.memory.sources(&wanted, &self.key);
        let known = Known::of(&self.population)
            .with_identity(record)
            .with_sources(&sources)
            .with_behaviour(followed.map(|locator| self.behaviour.of(locator)));
        let mut current = record
            .filter(|record| !record.is_of(features.now))
            .map(|record| {
                let mut current = self.spare.take().unwrap_or_default();
                current.copy_from(record);
                current.bring_to(features.now);
                current
            });
        let now_known = known.with_identity(current.as_deref().or(record));
        let mut assessment = assess(&self.policy, tier, signals, features, &now_known);
        if self.learn == Learn::Unlabelled {
            let lesson = std::mem::take(&mut assessment.lesson);
            assessment.lesson = match event.attack {
                None => lesson.trusted(),
                Some(_) => lesson.distrusted(),
            };
            assessment.owner = Some(event.attack.is_none());
        }
        // What was refused here never reached anybody who could have said more.
        let outcome = match assessment.decision.refused() {
            Some(_) => Some(observe::Outcome { succeeded: true }),
            None => outcome(event),
        };
        if let Some(outcome) = outcome {
            let mut seen = observe_from(features, &assessment, outcome, &known, &mut current);
            self.learn(features, &assessment, &mut seen);
        }
        self.spare = current.or(self.spare.take());
        if let Some(locator) = followed {
            let response = Response {
                done: outcome.is_some_and(|outcome| outcome.succeeded),
                status: event.status.unwrap_or(0),
                bytes: event.bytes.unwrap_or(0),
            };
            let ongoing = self.behaviour.ongoing(locator);
            let closed = observe::follow(features, &assessment, response, ongoing);
            if let Some(closed) = closed {
                self.behaviour.learn(locator, &closed, &mut self.population);
            }
        }
        assessment
    }

    fn learn(&mut self, features: &Features, assessment: &Assessment, seen: &mut Observation) {
        for lesson in &seen.lessons {
            self.population.learn(lesson);
        }
        if let Some(lesson) = &seen.source {
            for key in SourceKey::of(features) {
                self.memory.teach(key, lesson, &self.key);
            }
        }
        if let (Some(locator), Some(record)) = (features.identity, seen.record.take()) {
            self.memory.store(locator, &record, &self.key);
            self.spare = Some(record);
            if matches!(assessment.lesson, Lesson::Event(_)) {
                self.learned += 1;
                self.newest = self.newest.max(features.now);
            }
        }
    }
}
