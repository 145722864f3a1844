//! Sends the steps, compares what comes of them with the story, and prints the table.
//! May use the stage, the story, the log of Envoy.
//! Must not decide what is right: the step says it.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;
use stepgate_testkit::http::Response;

use crate::stage::Stage;
use crate::story::{Outcome, Step};
use crate::{Failure, interrupted};

/// What was seen of one decision.
struct Seen {
    outcome: Outcome,
    /// The decision headers the API got; absent if it got nothing.
    upstream: Option<String>,
    score: String,
    reasons: Vec<String>,
}

/// Plays all steps; the number of those that did not go as told.
pub(crate) fn play(stage: &Stage, steps: &[Step]) -> Result<usize, Failure> {
    let mut out = io::stdout().lock();
    let paint = Paint(out.is_terminal());
    writeln!(
        out,
        "{}",
        paint.dim(&format!(
            "{:>2}  {:<12} {:<14} {:<16} {:<19} {:<18} {:<13} {:>5}",
            "", "who", "from", "with", "request", "client got", "API saw", "score"
        ))
    )?;
    let mut wrong = 0;
    for (index, step) in steps.iter().enumerate() {
        if interrupted() {
            return Err("interrupted".into());
        }
        if !step.tale.is_empty() {
            writeln!(out, "\n    {}", paint.bold(step.tale))?;
        }
        let seen = see(stage, step)?;
        let target = String::from_utf8_lossy(&step.request.target);
        let row = format!(
            "{:>2}  {:<12} {:<14} {:<16} {:<19} {} {:<13} {:>5}",
            index + 1,
            step.who,
            format!("{} {}", step.place.city, step.place.country),
            step.agent.name,
            format!("{} {target}", step.request.method),
            paint.outcome(seen.outcome, &format!("{:<18}", seen.outcome.words())),
            seen.upstream.as_deref().unwrap_or("nothing"),
            seen.score,
        );
        writeln!(out, "{row}")?;
        if !seen.reasons.is_empty() {
            writeln!(
                out,
                "{}",
                paint.dim(&format!("    {}", seen.reasons.join(", ")))
            )?;
        }
        for complaint in complaints(step, &seen) {
            wrong += 1;
            writeln!(out, "    {}", paint.bad(&complaint))?;
        }
    }
    Ok(wrong)
}

fn see(stage: &Stage, step: &Step) -> Result<Seen, Failure> {
    stage.upstream.forget();
    let response = step.request.send(stage.address())?;
    let outcome = Outcome::of(&response);
    let received = stage.upstream.received().pop();
    let Some(received) = received else {
        return refused(stage, outcome, &response);
    };
    let decisions = received.headers.all("x-stepgate-decision");
    let spoofed = received.headers.has("x-stepgate-trusted");
    let decision = match decisions.as_slice() {
        [one] if !spoofed => String::from_utf8_lossy(one).into_owned(),
        _ => "spoofed headers".to_owned(),
    };
    let reasons = received.headers.text("x-stepgate-reasons");
    Ok(Seen {
        outcome,
        upstream: Some(decision),
        score: received
            .headers
            .text("x-stepgate-score")
            .unwrap_or_default(),
        reasons: reasons
            .iter()
            .flat_map(|list| list.split(", "))
            .map(|reason| reason.replace(";w=", " "))
            .collect(),
    })
}

/// The client is not told why; the audit line is, under the same id.
fn refused(stage: &Stage, outcome: Outcome, response: &Response) -> Result<Seen, Failure> {
    let id = response
        .header("x-stepgate-id")
        .ok_or_else(|| format!("{} without an id: {}", response.status, response.text()))?;
    let line = stage.envoy.wait_for_log(&format!("\"event.id\":\"{id}\""));
    let json = line.find('{').and_then(|at| line.get(at..));
    let audit: Value = serde_json::from_str(json.unwrap_or_default())?;
    let reasons = audit["stepgate.reasons"].as_object();
    let reason = |(code, nats): (&String, &Value)| match nats.as_f64() {
        Some(nats) if nats != 0.0 => format!("{code} {nats:.1}"),
        _ => code.clone(),
    };
    Ok(Seen {
        outcome,
        upstream: None,
        score: match outcome {
            Outcome::Challenged | Outcome::Refused => audit["stepgate.score"].to_string(),
            _ => "–".to_owned(),
        },
        reasons: reasons
            .map(|all| all.iter().map(reason).collect())
            .unwrap_or_default(),
    })
}

fn complaints(step: &Step, seen: &Seen) -> Vec<String> {
    let mut complaints = Vec::new();
    if seen.outcome != step.expected {
        complaints.push(format!("the story says: {}", step.expected.words()));
    }
    let passes = step.expected == Outcome::Allowed;
    if seen.upstream.as_deref() != passes.then_some("allow") {
        complaints.push("that is not what the API should have seen".to_owned());
    }
    for code in step.because {
        let given = |reason: &String| reason.split(' ').next() == Some(code);
        if !seen.reasons.iter().any(given) {
            complaints.push(format!("the story gives the reason {code}"));
        }
    }
    complaints
}

/// Colours, on a terminal only.
struct Paint(bool);

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.with("2", text)
    }

    fn bad(&self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn outcome(&self, outcome: Outcome, text: &str) -> String {
        let code = match outcome {
            Outcome::Allowed => "32",
            Outcome::Challenged => "33",
            _ => "31",
        };
        self.with(code, text)
    }
}
