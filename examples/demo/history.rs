//! What is known before the story begins: a baseline trained from `examples/history.jsonl` by `stepgate train`.
//! May use the command line and files of its own.
//! Must not learn in any other way.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use stepgate::signals::ecs::parse_time;
use stepgate_testkit::envoy::TempDir;
use stepgate_testkit::tokens::now;

use crate::Failure;
use crate::stage::file;

/// The history ends so long before the story, in seconds: a day, so that its hours are those of the story.
const PAUSE: f64 = 24.0 * 3600.0;

/// The snapshot as `baseline.snapshot` of a policy takes it, and what `stepgate train` said.
pub(crate) fn train(secret: &str) -> Result<(String, String), Failure> {
    let dir = TempDir::new();
    let events = dir.write("history.jsonl", recent(&file("examples/history.jsonl"))?);
    let snapshot = dir.path().join("baseline.txt");
    let output = Command::new(stepgate()?)
        .arg("train")
        .arg(&events)
        .arg("--policy")
        .arg(file("examples/policy.json"))
        .arg("--base64")
        .arg("--output")
        .arg(&snapshot)
        .env("STEPGATE_KEY", secret)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    if !output.status.success() {
        return Err(format!("stepgate train: {said}").into());
    }
    let text = std::fs::read_to_string(&snapshot)?;
    Ok((text.trim().to_owned(), said))
}

/// The events, moved in time as a whole so that they end a day ago.
fn recent(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)?;
    let mut events = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<Vec<Value>, _>>()?;
    let time = |event: &Value| event["@timestamp"].as_str().and_then(parse_time);
    let last = events.iter().filter_map(time).fold(0.0, f64::max);
    let later = now() as f64 - PAUSE - last;
    let mut moved = String::with_capacity(text.len());
    for event in &mut events {
        event["@timestamp"] = time(event).map(|time| time + later).into();
        moved.push_str(&format!("{event}\n"));
    }
    Ok(moved)
}

/// The command line, built beside this program.
pub(crate) fn stepgate() -> Result<std::path::PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let built = own.parent().and_then(Path::parent);
    let path = built.ok_or("no target directory")?.join("stepgate");
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{} is missing: `make demo` builds it", path.display()).into())
    }
}
