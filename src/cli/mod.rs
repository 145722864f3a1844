//! The commands a user meets, one file each; the only room with files, stdout and a clock.
//! May use: all of the engine.
//! Must not: decide anything the engine decides.

mod check;
mod event_file;
mod input;
mod key;
mod live;
mod memory;
mod policy_file;
mod progress;
mod reference;
mod schema;
mod train;

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
}

/// Why a command failed: one line for stderr. Empty where everything was said already.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string())
    }

    /// A failure that was already reported.
    pub(crate) const fn reported() -> Self {
        Self(String::new())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error)
    }
}

/// Runs the command that the arguments name: 0 fine, 1 refused or failed, 2 wrong usage.
pub(crate) fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Check(check) => check.run(),
        Command::Schema(schema) => schema.run(),
        Command::Train(train) => train.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(text)) => {
            if !text.is_empty() {
                let _nobody_listens = writeln!(io::stderr(), "stepgate: {text}");
            }
            ExitCode::from(1)
        }
    }
}

/// Writes to stdout. A reader that stopped listening (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    quiet(
        io::stdout()
            .write_all(text.as_bytes())
            .and_then(|()| io::stdout().flush()),
    )
}

/// Takes a closed pipe for success.
pub(crate) fn quiet(outcome: io::Result<()>) -> Result<(), Failure> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// One line to stderr; where it cannot be written nobody would read of that either.
pub(crate) fn say(text: impl fmt::Display) {
    let _nobody_listens = writeln!(io::stderr(), "{text}");
}
