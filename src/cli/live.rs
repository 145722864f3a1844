//! One event after the other through the engine, as the filter would take them: score, then learn.
//! May use: the engine's two functions and a memory.
//! Must not: look at a label before the score is made.

use stepgate::assess::{Assessment, Lesson, assess};
use stepgate::baseline::population::Population;
use stepgate::evidence::Known;
use stepgate::observe::{self, observe};
use stepgate::policy::{Policy, Route};
use stepgate::signals::ecs::{Event, Outcome};
use stepgate::signals::features::Features;
use stepgate::signals::from_event;
use stepgate::signals::keyed::HashKey;

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

/// A policy at work on a memory.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) policy: Policy,
    pub(crate) key: HashKey,
    pub(crate) memory: Memory,
    pub(crate) population: Population,
    pub(crate) behaviour: Behaviour,
    /// Authentication events learned, those of the baseline it began with included.
    pub(crate) learned: u64,
    /// Time of the newest of them.
    pub(crate) newest: u32,
    learn: Learn,
    buffer: Vec<u8>,
}

/// Whether what an event asked for was done: by its outcome, else by its status as the filter judges one.
fn succeeded(event: &Event<'_>) -> bool {
    match (event.outcome, event.status) {
        (Some(outcome), _) => outcome == Outcome::Success,
        (None, Some(status)) => (100..400).contains(&status) || status == 404,
        (None, None) => true,
    }
}

impl Live {
    pub(crate) fn new(policy: Policy, key: HashKey, memory: Memory, learn: Learn) -> Self {
        Self {
            policy,
            key,
            memory,
            population: Population::default(),
            behaviour: Behaviour::default(),
            learned: 0,
            newest: 0,
            learn,
            buffer: Vec::new(),
        }
    }

    /// Scores an event, then learns from it what may be learned.
    pub(crate) fn take(&mut self, event: &Event<'_>) -> Assessment {
        let signals = from_event::signals(event, &self.policy.credentials.services);
        let tier = self.policy.tier(&Route {
            host: signals.request.host,
            path: signals.request.path,
            method: signals.request.method,
            metadata: b"",
        });
        let features = Features::of(&signals, &self.key).of_class(tier.class);
        let followed = features.identity.filter(|_| self.policy.watches(&features));
        if let Some(locator) = followed {
            self.behaviour
                .wake(locator, features.now, &mut self.population);
        }
        let record = features
            .identity
            .and_then(|locator| self.memory.find(locator, &self.key));
        let known = Known::of(&self.population)
            .with_identity(record.as_ref())
            .with_behaviour(followed.map(|locator| self.behaviour.of(locator)));
        let mut assessment = assess(&self.policy, tier, &signals, &features, &known);
        if self.learn == Learn::Unlabelled {
            let lesson = std::mem::take(&mut assessment.lesson);
            assessment.lesson = match event.attack {
                None => lesson.trusted(),
                Some(_) => lesson.distrusted(),
            };
            assessment.owner = Some(event.attack.is_none());
        }
        let outcome = observe::Outcome {
            succeeded: succeeded(event),
            status: event.status.unwrap_or(0),
            bytes: event.bytes.unwrap_or(0),
        };
        let seen = observe(&features, &assessment, outcome, &known);
        for lesson in &seen.lessons {
            self.population.learn(lesson);
        }
        if let (Some(locator), Some(record)) = (features.identity, &seen.record) {
            self.memory
                .store(locator, record, &self.key, &mut self.buffer);
            if matches!(assessment.lesson, Lesson::Event(_)) {
                self.learned += 1;
                self.newest = self.newest.max(features.now);
            }
        }
        if let Some(locator) = followed {
            let ongoing = self.behaviour.ongoing(locator);
            let closed = observe::follow(&features, &assessment, outcome, ongoing);
            self.behaviour.learn(locator, closed, &mut self.population);
        }
        assessment
    }
}
