//! `make demo`: a real Envoy with the filter, a story over HTTP, and what came of every request. `make run`: the same
//! Envoy for your own requests.
//! May use the test kit and the files a user starts from. Must not leave anything running.
#![allow(
    clippy::indexing_slicing,
    reason = "of JSON only: what is absent reads as null"
)]

mod cast;
mod history;
mod play;
mod serve;
mod stage;
mod story;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use stage::Stage;

/// What can go wrong on a stage: told, then everything is taken down.
type Failure = Box<dyn std::error::Error>;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether somebody wants this to end.
fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

fn main() -> ExitCode {
    let asked = std::env::args().nth(1);
    let done = match asked.as_deref() {
        None => listen().and_then(|()| demo()),
        Some("serve") => listen().and_then(|()| serve::serve()),
        Some(other) => {
            eprintln!("`{other}` is not known; allowed: nothing, or `serve`");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// An interrupt ends the program at the next step, so that everything is taken down.
fn listen() -> Result<(), Failure> {
    let main = std::thread::current();
    ctrlc::set_handler(move || {
        INTERRUPTED.store(true, Ordering::Relaxed);
        main.unpark();
    })?;
    Ok(())
}

fn demo() -> Result<(), Failure> {
    let stage = Stage::set(0)?;
    println!(
        "Envoy with two workers on http://{}, started from envoy/envoy.yaml with examples/policy.json in enforce mode.",
        stage.address()
    );
    println!("Baseline from examples/history.jsonl: {}.\n", stage.trained);
    let steps = story::story(&stage);
    let wrong = play::play(&stage, &steps)?;
    println!();
    if wrong > 0 {
        return Err(format!("{wrong} things did not go as the story says").into());
    }
    println!(
        "All {} requests went as the story says. Nothing is left running.",
        steps.len()
    );
    println!(
        "Next: `make run` keeps this Envoy on http://127.0.0.1:10000 and prints curl lines; README.md, \"Five minutes to your own\", puts it before your API."
    );
    Ok(())
}
