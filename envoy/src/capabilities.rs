//! What the host cannot do, found out at every configuration, and what follows from it.
//! May use: host calls that change nothing.
//! Must not: fail a configuration: the filter decides with what is there.

use crate::crypto;
use crate::host::{self, MetricType, Status};
use crate::memory::Memory;

/// Between two ticks, in milliseconds.
const TICK: u32 = 1_000;

/// Something a host may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    SharedData,
    Ticks,
    Callouts,
    Signatures,
    Metrics,
    Clock,
}

impl Lack {
    /// What is missing, and what that means, as the log and `docs/hosts.md` say it.
    const fn said(self) -> &'static str {
        match self {
            Self::SharedData => {
                "shared data: every worker learns for itself, in at most 4 MiB, and forgets with its VM"
            }
            Self::Ticks => {
                "ticks: their work is done on requests, once a second at most; nothing is fetched and no body is held"
            }
            Self::Callouts => "callouts: nothing is fetched",
            Self::Signatures => {
                "verify_signature: this module verifies signatures, at 0.6 ms a token that is new to a worker"
            }
            Self::Metrics => "metrics: nothing is counted",
            Self::Clock => "a clock: no token is in time, and nothing is forgotten",
        }
    }
}

/// What the host of this VM lacks.
#[derive(Debug)]
pub(crate) struct Capabilities(Vec<Lack>);

impl Capabilities {
    /// Asks the host for everything the filter uses and can do without. `root` is to get ticks and, where the policy has something
    /// to fetch, answers.
    pub(crate) fn probe(root: u32, memory: &Memory, fetches: bool) -> Self {
        let ticks = host::set_tick_period(TICK).is_ok();
        let callouts = !fetches || (ticks && host::can_call_out(root));
        // The name of a counter that is there anyway.
        let metric = host::define_metric(MetricType::Counter, "stepgate_learned_total");
        let has = [
            (Lack::SharedData, memory.is_shared()),
            (Lack::Ticks, ticks),
            (Lack::Callouts, callouts || !ticks),
            (Lack::Signatures, host_verifies()),
            (Lack::Metrics, metric.is_ok()),
            (Lack::Clock, host::now_ms() > 0),
        ];
        let lacks = has.into_iter().filter(|(_, has)| !has);
        Self(lacks.map(|(lack, _)| lack).collect())
    }

    pub(crate) fn lacks(&self, what: Lack) -> bool {
        self.0.contains(&what)
    }

    /// Whether documents can be fetched.
    pub(crate) fn fetches(&self) -> bool {
        !self.lacks(Lack::Ticks) && !self.lacks(Lack::Callouts)
    }

    /// Says all that is missing in one line, and nothing where nothing is.
    pub(crate) fn warn(&self) {
        if !self.0.is_empty() {
            let said: Vec<&str> = self.0.iter().map(|lack| lack.said()).collect();
            log::warn!("stepgate: the host lacks {}", said.join("; "));
        }
    }
}

/// Whether the host has the function that verifies signatures: an empty call finds out.
fn host_verifies() -> bool {
    let lacks = [Status::NOT_FOUND, Status::UNIMPLEMENTED];
    crypto::host_verifies()
        && !host::foreign_function("verify_signature", &[])
            .is_err_and(|status| lacks.contains(&status))
}
