//! A line on the terminal that says how far a long read is; nothing where stderr is no terminal.
//! May use: a clock, stderr.
//! Must not: write to stdout, or cost anything per event.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::rc::Rc;
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

/// How far a command is. Clones share one state.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Rc<State>);

#[derive(Debug)]
struct State {
    shown: bool,
    total: Option<u64>,
    read: Cell<u64>,
    next: Cell<u64>,
    begun: Clock,
    last: Cell<f64>,
}

impl Progress {
    /// Progress through these files.
    pub(crate) fn over(files: &[PathBuf]) -> Self {
        Self(Rc::new(State {
            shown: std::io::stderr().is_terminal(),
            total: files.iter().map(|file| input::size(file)).sum(),
            read: Cell::new(0),
            next: Cell::new(STEP),
            begun: Clock::start(),
            last: Cell::new(0.0),
        }))
    }

    /// More bytes were read.
    pub(crate) fn bytes(&self, more: u64) {
        self.0.read.set(self.0.read.get() + more);
    }

    /// So many events were read in all.
    pub(crate) fn events(&self, all: u64) {
        let state = &self.0;
        if !state.shown || all < state.next.get() {
            return;
        }
        state.next.set(all + STEP);
        let now = state.begun.seconds();
        if now - state.last.get() < PAUSE.as_secs_f64() {
            return;
        }
        state.last.set(now);
        let rate = all as f64 / now.max(1e-3);
        let read = state.read.get();
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
        if self.0.shown && self.0.last.get() > 0.0 {
            let _nobody_looks = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
