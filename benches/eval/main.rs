//! `make eval DATA=dir`: how well the engine tells an owner from somebody else, on every event file of a directory and on
//! generated ones, beside published scorers. May use the built binary and the engine's parser of events.
//! Must not: fit anything, or leave data behind: only the report and its plots stay.
//!
//! Without `--bench`, as `cargo test` runs it, it evaluates a small file of its own making.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measurement stops at whatever goes wrong, and takes its own time"
)]

mod data;
mod doctored;
mod measure;
mod plot;
mod random;
mod replay;
mod report;
mod scorers;
mod smoke;
mod studies;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use data::Data;
use measure::Scored;
use plot::Axis;
use scorers::{Scorer, Scorers};

/// Kinds of generated files.
const KINDS: [&str; 3] = ["consumer", "workforce", "api"];

/// Seeds of the generated files.
const SEEDS: [&str; 2] = ["1", "2"];

/// A file must have this many events for an overload of memory to mean anything.
const ENOUGH: usize = 1000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let output = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/eval");
    let outcome = if std::env::args().any(|argument| argument == "--bench") {
        let directory = arguments.find(|argument| !argument.starts_with('-'));
        full(directory.as_deref().map(Path::new), &output)
    } else {
        smoke::run(&output.join("smoke"))
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("eval: {message}");
            ExitCode::FAILURE
        }
    }
}

/// All files of a directory, and the generated ones.
fn full(directory: Option<&Path>, output: &Path) -> Result<(), String> {
    std::fs::create_dir_all(output).map_err(|error| error.to_string())?;
    let mut files = generate(output)?;
    match directory {
        Some(directory) => {
            let found = data::find(directory)
                .map_err(|error| format!("{}: {error}", directory.display()))?;
            if found.is_empty() {
                println!(
                    "SKIPPED: no *.ecs.jsonl or *.ecs.jsonl.gz in {}",
                    directory.display()
                );
            }
            files.extend(found);
        }
        None => println!("SKIPPED: files of a directory; `make eval DATA=dir` names one"),
    }
    let path = evaluate(&files, output)?;
    for generated in files.iter().filter(|file| file.starts_with(output)) {
        let _left_behind = std::fs::remove_file(generated);
    }
    println!("{}", path.display());
    Ok(())
}

/// Files of the generator, one for each seed, where the binary has one.
fn generate(output: &Path) -> Result<Vec<PathBuf>, String> {
    let stepgate = || Command::new(replay::STEPGATE);
    let known = stepgate()
        .args(["generate", "--help"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !known {
        println!("SKIPPED: generated files; this stepgate has no command `generate`");
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for kind in KINDS {
        for seed in SEEDS {
            let path = output.join(format!("generated-{kind}-{seed}.ecs.jsonl.gz"));
            let status = stepgate()
                .args(["generate", "--kind", kind, "--seed", seed, "--output"])
                .arg(&path)
                .status()
                .map_err(|error| error.to_string())?;
            if !status.success() {
                return Err(format!(
                    "stepgate generate --kind {kind} --seed {seed}: {status}"
                ));
            }
            files.push(path);
        }
    }
    Ok(files)
}

/// Evaluates files and writes the report. Answers where it lies.
fn evaluate(files: &[PathBuf], output: &Path) -> Result<PathBuf, String> {
    let mut text = report::HEAD.to_owned();
    for path in files {
        let clock = Instant::now();
        let data = Data::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        if data.by_session {
            report::file(&mut text, &data, 0.0);
            let live = replay::sessions(path, &["--learn", "allowed"])?;
            let published = replay::sessions(path, &["--learn", "unlabelled"])?;
            report::sessions(&mut text, &live, &published);
        } else {
            one(&data, output, &mut text)?;
        }
        println!(
            "{}: {} events in {:.0} s",
            data.name,
            data.rows.len(),
            clock.elapsed().as_secs_f64()
        );
    }
    let path = output.join("report.md");
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// One file of events.
fn one(data: &Data, output: &Path, text: &mut String) -> Result<(), String> {
    let clock = Instant::now();
    let said = replay::events(&data.path, &["--learn", "unlabelled"])?;
    report::file(text, data, clock.elapsed().as_secs_f64());
    if said.len() != data.rows.len() {
        return Err(format!(
            "{}: {} lines replayed of {}",
            data.name,
            said.len(),
            data.rows.len()
        ));
    }
    let (own, history) = studies::parted(&said);
    let baselines = baselines(data);
    let mut scorers = vec![(
        "Stepgate",
        Scored {
            data,
            scores: &own,
            history: &history,
        },
    )];
    for (scorer, scores) in Scorer::ALL.into_iter().zip(&baselines) {
        scorers.push((
            scorer.name(),
            Scored {
                data,
                scores,
                history: &history,
            },
        ));
    }
    let stepgate = scorers[0].1;
    if let Some(bursts) = studies::bursts(&stepgate, &said) {
        report::bursts(text, bursts);
    }
    if data.attacks.is_empty() {
        text.push_str("\nNo label of an attack: nothing is detected here.\n");
        return Ok(());
    }
    report::detection(text, data, &scorers);
    for (name, axis) in [("roc", Axis::Linear), ("detection", Axis::Log)] {
        let path = output.join(format!("{name}-{}.svg", data.name));
        std::fs::write(&path, plot::panels(&scorers, axis))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    report::audit(text, &studies::audit(data, &stepgate, output)?);
    if let Some(found) = studies::followed(data, &stepgate, output)? {
        report::followed(text, &found);
    }
    report::histories(text, data, &scorers);
    let personas = studies::personas(&stepgate);
    if !personas.is_empty() {
        report::personas(text, &personas);
    }
    let carried: Vec<_> = scorers
        .iter()
        .filter_map(|(name, scored)| Some((*name, studies::carried(scored)?)))
        .collect();
    report::carried(text, &carried);
    report::explained(text, studies::explained(&stepgate, &said));
    let bounded = studies::bounded(data, &said)?;
    report::bounded(text, "the default of 64 MiB", &bounded);
    if data.rows.len() >= ENOUGH {
        let (overload, times) = doctored::overload(data, output)?;
        let title = format!("1 MiB, {times:.1} times as many identities as stayed, history ≥ 5");
        report::bounded(text, &title, &overload);
    }
    report::poisoned(text, &doctored::poisoning(data, &said, output)?);
    Ok(())
}

/// Scores of the published scorers, each event scored before it is learned, attacks never.
fn baselines(data: &Data) -> [Vec<f64>; 4] {
    let mut scores: [Vec<f64>; 4] = Default::default();
    let mut scorers = Scorers::default();
    for row in &data.rows {
        for (scores, score) in scores.iter_mut().zip(scorers.score(row)) {
            scores.push(score);
        }
        if measure::legitimate(row) {
            scorers.learn(row);
        }
    }
    scores
}
