//! How many threads read events.
//! May use: std, clap.
//! Must not: let the number change what comes out.

use std::num::NonZero;
use std::thread::available_parallelism;

use clap::Args;

/// Threads beyond which none helps: what is learned is learned one event after the other.
const USEFUL: usize = 4;

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Threads {
    /// Threads that read events; results do not depend on it [default: as many as there are processors, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: Option<u8>,
}

impl Threads {
    pub(crate) fn get(self) -> NonZero<usize> {
        let given = self.threads.and_then(|n| NonZero::new(usize::from(n)));
        given.unwrap_or_else(|| {
            let all = available_parallelism().unwrap_or(NonZero::<usize>::MIN);
            NonZero::new(all.get().min(USEFUL)).unwrap_or(all)
        })
    }
}
