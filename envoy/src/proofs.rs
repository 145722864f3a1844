//! The DPoP proofs that were used, on every worker: a proof is good once in the proxy, not once a VM.
//! May use: memory, metrics, the engine's pages of used proofs.
//! Must not: refuse a proof because of other workers' writes, or let one pass that any worker has seen.

use std::rc::Rc;

use stepgate::token::{Mark, UsedProofs};

use crate::host::Status;
use crate::memory::Memory;
use crate::metrics::{Count, Metrics};

/// How often a write is tried before a proof is taken as it is and counted.
const TRIES: usize = 5;

/// The memory of used proofs.
#[derive(Debug)]
pub(crate) struct Proofs {
    memory: Rc<Memory>,
}

impl Proofs {
    pub(crate) fn new(memory: &Rc<Memory>) -> Self {
        Self {
            memory: Rc::clone(memory),
        }
    }

    /// Remembers a proof that holds; whether this is its first use.
    pub(crate) fn is_first(&self, mark: Mark, metrics: &Metrics, now: i64) -> bool {
        let page = mark.page();
        for _ in 0..TRIES {
            let (value, cas) = self.memory.open_sealed(format_args!("p{page:x}"));
            let mut used = UsedProofs::read(&value.unwrap_or_default());
            if !used.remember(mark, now) {
                return false;
            }
            match self
                .memory
                .set_sealed(format_args!("p{page:x}"), &used.bytes(), cas)
            {
                Ok(()) => return true,
                Err(Status::CAS_MISMATCH) => metrics.count(Count::CasRetry),
                Err(_) => break,
            }
        }
        metrics.count(Count::ProofUnkept);
        true
    }
}
