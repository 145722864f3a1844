//! A line on the terminal that says how far a long read is; nothing where stderr is no terminal.
//! May use: a clock, stderr.
//! Must not: write to stdout, or cost anything per event.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::input;

/// Events between two looks at the clock.
const STEP: u64 = 4096;
const PAUSE: Duration = Duration::from_millis(200);

/// A clock for measuring and for the progress line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a command takes is no input of any decision"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// How far a command is. Clones share one state; what it shows need not be exact.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Arc<State>);

#[derive(Debug)]
struct State {
    shown: bool,
    total: Option<u64>,
    read: AtomicU64,
    next: AtomicU64,
    begun: Clock,
    /// When it was shown last, in milliseconds since it began; 0: never.
    last: AtomicU64,
}

impl Progress {
    /// Progress through these files.
    pub(crate) fn over(files: &[PathBuf]) -> Self {
        Self(Arc::new(State {
            shown: std::io::stderr().is_terminal(),
            total: files.iter().map(|file| input::size(file)).sum(),
            read: AtomicU64::new(0),
            next: AtomicU64::new(STEP),
            begun: Clock::start(),
            last: AtomicU64::new(0),
        }))
    }

    /// More bytes were read.
    pub(crate) fn bytes(&self, more: u64) {
        self.0.read.fetch_add(more, Ordering::Relaxed);
    }

    /// So many events were read in all.
    pub(crate) fn events(&self, all: u64) {
        let state = &self.0;
        if !state.shown || all < state.next.load(Ordering::Relaxed) {
            return;
        }
        state.next.store(all + STEP, Ordering::Relaxed);
        let now = state.begun.seconds();
        let last = state.last.load(Ordering::Relaxed) as f64 / 1e3;
        if now - last < PAUSE.as_secs_f64() {
            return;
        }
        state.last.store((now * 1e3) as u64, Ordering::Relaxed);
        let rate = all as f64 / now.max(1e-3);
        let read = state.read.load(Ordering::Relaxed);
        let far = match state.total {
            Some(total) if total > 0 => {
                let part = read.min(total) as f64 / total as f64;
                let left = (now / part.max(1e-6) - now).max(0.0);
                let filled = (part * 30.0) as usize;
                let bar = "#".repeat(filled) + &"-".repeat(30 - filled.min(30));
                format!("[{bar}] {:>3.0} % {left:>4.0} s left", part * 100.0)
            }
            _ => format!("{} MiB", read >> 20),
        };
        let mut out = std::io::stderr();
        let _nobody_looks = write!(out, "\r\x1b[K{far}  {all} events, {rate:.0}/s");
        let _nobody_looks = out.flush();
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if self.0.shown && self.0.last.load(Ordering::Relaxed) > 0 {
            let _nobody_looks = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
