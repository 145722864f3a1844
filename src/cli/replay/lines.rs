//! The lines `replay` writes: one per event, or one per session.
//! May use: events and assessments.
//! Must not: keep events.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use stepgate::assess::Assessment;
use stepgate::decision::Action;
use stepgate::evidence::EvidenceList;
use stepgate::headers::percent;
use stepgate::signals::ecs::Event;

use crate::cli::{Failure, written};

/// One event as it was read, and what the engine made of it.
#[derive(Debug, Serialize)]
pub(super) struct EventLine<'a> {
    #[serde(flatten)]
    event: Event<'a>,
    stepgate: Verdict<'a>,
}

#[derive(Debug, Serialize)]
struct Verdict<'a> {
    decision: &'static str,
    score: u8,
    reasons: Reasons<'a>,
    logit: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    logit_last: Option<f64>,
    history: u32,
}

/// Codes with their nats, strongest first.
#[derive(Debug)]
struct Reasons<'a>(&'a EvidenceList);

impl Serialize for Reasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for piece in self.0 {
            map.serialize_entry(piece.reason.code(), &piece.nats)?;
        }
        map.end()
    }
}

fn borrowed<'a>(text: &'a Option<Cow<'_, str>>) -> Option<Cow<'a, str>> {
    text.as_deref().map(Cow::Borrowed)
}

/// The fields of an event that a line repeats.
fn repeated<'a>(event: &'a Event<'_>) -> Event<'a> {
    Event {
        time: event.time,
        time_form: event.time_form,
        user: borrowed(&event.user),
        action: borrowed(&event.action),
        outcome: event.outcome,
        kind: event.kind,
        session: borrowed(&event.session),
        attack: borrowed(&event.attack),
        persona: borrowed(&event.persona),
        ..Event::default()
    }
}

impl<'a> EventLine<'a> {
    pub(super) fn of(event: &'a Event<'_>, assessment: &'a Assessment) -> Self {
        Self {
            event: repeated(event),
            stepgate: Verdict {
                decision: assessment.decision.would.as_str(),
                score: percent(assessment.score.probability),
                reasons: Reasons(&assessment.reasons),
                logit: assessment.score.logit,
                logit_last: None,
                history: assessment.history,
            },
        }
    }
}

/// Sessions in the order of their first event.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    index: HashMap<(String, String), usize>,
    sessions: Vec<Session>,
}

#[derive(Debug)]
struct Session {
    first: Event<'static>,
    decision: Action,
    reasons: EvidenceList,
    probability: f64,
    logit: f64,
    logit_last: f64,
    history: u32,
}

fn owned(event: &Event<'_>) -> Event<'static> {
    let own = |text: &Option<Cow<'_, str>>| text.as_deref().map(|text| Cow::Owned(text.to_owned()));
    Event {
        time: event.time,
        time_form: event.time_form,
        user: own(&event.user),
        kind: event.kind,
        session: own(&event.session),
        attack: own(&event.attack),
        persona: own(&event.persona),
        ..Event::default()
    }
}

impl Sessions {
    /// Counts an event to its session; events without one are passed over.
    pub(super) fn add(&mut self, event: &Event<'_>, assessment: &Assessment) {
        let Some(id) = event.session.as_deref() else {
            return;
        };
        let user = event.user.as_deref().unwrap_or_default();
        let logit = assessment.score.logit;
        let next = self.sessions.len();
        let index = *self
            .index
            .entry((user.to_owned(), id.to_owned()))
            .or_insert(next);
        let Some(session) = self.sessions.get_mut(index) else {
            self.sessions.push(Session {
                first: owned(event),
                decision: assessment.decision.would,
                reasons: assessment.reasons.clone(),
                probability: assessment.score.probability,
                logit,
                logit_last: logit,
                history: assessment.history,
            });
            return;
        };
        session.logit_last = logit;
        session.decision = session.decision.max(assessment.decision.would);
        if session.first.attack.is_none() {
            session.first.attack = owned(event).attack;
        }
        if logit > session.logit {
            session.logit = logit;
            session.probability = assessment.score.probability;
            session.reasons.clone_from(&assessment.reasons);
        }
    }

    /// Writes one line per session.
    pub(super) fn write(&self, out: &mut impl Write) -> Result<(), Failure> {
        for session in &self.sessions {
            let line = EventLine {
                event: repeated(&session.first),
                stepgate: Verdict {
                    decision: session.decision.as_str(),
                    score: percent(session.probability),
                    reasons: Reasons(&session.reasons),
                    logit: session.logit,
                    logit_last: Some(session.logit_last),
                    history: session.history,
                },
            };
            serde_json::to_writer(&mut *out, &line).map_err(|error| written(error.into()))?;
            out.write_all(b"\n").map_err(written)?;
        }
        Ok(())
    }
}
