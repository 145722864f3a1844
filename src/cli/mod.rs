//! The commands a user meets, one file each; the only room with files, stdout and a clock.
//! May use: all of the engine.
//! Must not: decide anything the engine decides.

mod baseline_file;
mod behaviour;
mod check;
mod event_file;
mod explain;
mod generate;
mod hash;
mod import;
mod input;
mod key;
mod live;
mod located;
mod memory;
mod metrics_page;
mod policy_file;
mod progress;
mod reference;
mod replay;
mod schema;
mod threads;
mod train;
mod tune;
mod turns;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks policies, trains baselines and replays event files with the engine of the Stepgate filter.
#[derive(Debug, Parser)]
#[command(name = "stepgate", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Schema(schema::Schema),
    Train(train::Train),
    Replay(replay::Replay),
    Tune(tune::Tune),
    Import(import::Import),
    Explain(explain::Explain),
    Hash(hash::Hash),
    Generate(generate::Generate),
}

/// Why a command ends early: one line for stderr, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Empty where everything was said already.
    text: String,
    code: u8,
}

impl Failure {
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        Self {
            text: text.to_string(),
            code: 1,
        }
    }

    /// A failure that was already reported.
    pub(crate) const fn reported() -> Self {
        Self {
            text: String::new(),
            code: 1,
        }
    }

    /// Whoever read the output has heard enough (`| head`): no failure, but no use in going on.
    const fn hung_up() -> Self {
        Self {
            text: String::new(),
            code: 0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Runs the command that the arguments name: 0 fine, 1 refused or failed, 2 wrong usage.
pub(crate) fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Check(check) => check.run(),
        Command::Schema(schema) => schema.run(),
        Command::Train(train) => train.run(),
        Command::Replay(replay) => replay.run(),
        Command::Tune(tune) => tune.run(),
        Command::Import(import) => import.run(),
        Command::Explain(explain) => explain.run(),
        Command::Hash(hash) => hash.run(),
        Command::Generate(generate) => generate.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { text, code }) => {
            if !text.is_empty() {
                say(format_args!("stepgate: {text}"));
            }
            ExitCode::from(code)
        }
    }
}

/// Writes to stdout.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// The same text with its control characters spelled out, but for ends of lines where `lines` says so: names, paths and clients in
/// logs are what strangers sent, and must not move the cursor of whoever reads them.
pub(crate) fn visible(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !(lines && c == '\n') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Writes bytes to stdout.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(written)
}

/// What writing to stdout came to.
pub(crate) fn written(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::hung_up(),
        _ => Failure::new(format!("stdout: {error}")),
    }
}

/// One line to stderr; where it cannot be written nobody would read of that either.
pub(crate) fn say(text: impl fmt::Display) {
    let _nobody_listens = writeln!(io::stderr(), "{text}");
}
