//! The audit log: which lines are written, and what is said of those that are not.
//! May use: the engine's audit room, metrics.
//! Must not: hold a line back without counting it.

use std::cell::RefCell;

use stepgate::audit::{self, Record, Repeats, Suppressed};
use stepgate::policy::Policy;
use stepgate::signals::keyed::HashKey;

use crate::metrics::{Count, Metrics};

/// The lines of one VM.
#[derive(Debug)]
pub(crate) struct Journal {
    enabled: bool,
    repeats: RefCell<Option<Repeats>>,
}

impl Journal {
    pub(crate) fn new(policy: &Policy) -> Self {
        let audit = &policy.config.audit;
        Self {
            enabled: audit.enabled,
            repeats: RefCell::new(Repeats::new(audit.repeat_seconds)),
        }
    }

    /// Writes the line of a decision, if it is to be written.
    pub(crate) fn write(
        &self,
        record: &Record<'_>,
        routine: bool,
        key: &HashKey,
        metrics: &Metrics,
    ) {
        if !self.enabled || (routine && !audit::is_sampled(record.policy, record.id)) {
            return;
        }
        if let Some(repeats) = self.repeats.borrow_mut().as_mut().filter(|_| !routine) {
            let kind = audit::kind_of_line(record, key);
            let (written, before) = repeats.admit(kind, record.id, record.features.now);
            if let Some(held) = before {
                log::info!("{}", held.line());
            }
            if !written {
                metrics.count(Count::AuditSuppressed);
                return;
            }
        }
        metrics.count(Count::AuditLine);
        log::info!("{}", audit::line(record));
    }

    /// Says what was held back in the windows that are over.
    pub(crate) fn sweep(&self, now: u32) {
        let held: Vec<Suppressed> = match self.repeats.borrow_mut().as_mut() {
            Some(repeats) => repeats.sweep(now),
            None => Vec::new(),
        };
        for held in held {
            log::info!("{}", held.line());
        }
    }
}
