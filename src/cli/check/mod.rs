//! `stepgate check`: says of a file what the filter would say of the policy in it.
//! May use: the policy, files.
//! Must not: be kinder or stricter than the filter.

mod find;
mod warnings;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use stepgate::policy::{Policy, PolicyError};

use super::{Failure, input, policy_file, print, say};
use find::{Content, Place};

const NONE: &str = "holds no Stepgate policy: no wasm filter, WasmPlugin, TrafficExtension or EnvoyExtensionPolicy names stepgate or has its keys";

/// Check policies as the filter would: bare, or inside Envoy, Istio or Envoy Gateway configuration
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Policies in JSON or YAML, Envoy bootstraps or listeners, Kubernetes manifests; - for stdin
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// What was found at one place of a file.
struct Finding {
    file: String,
    /// Path inside the file; empty for a bare policy.
    place: String,
    outcome: Result<Box<Policy>, PolicyError>,
    warnings: Vec<PolicyError>,
}

impl Check {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut findings = Vec::new();
        for path in &self.files {
            let name = input::name(path);
            match input::text(path) {
                Ok(text) => examine(&name, &text, &mut findings),
                Err(failure) if self.json => findings.push(refused(&name, "", failure.to_string())),
                Err(failure) => return Err(failure),
            }
        }
        if self.json {
            let report: Vec<Value> = findings.iter().map(Finding::json).collect();
            let fine = findings.iter().all(|finding| finding.outcome.is_ok());
            print(&format!(
                "{:#}\n",
                json!({ "ok": fine, "policies": report })
            ))?;
        } else {
            for finding in &findings {
                finding.tell()?;
            }
        }
        if findings.iter().all(|finding| finding.outcome.is_ok()) {
            Ok(())
        } else {
            Err(Failure::reported())
        }
    }
}

fn refused(file: &str, place: &str, message: String) -> Finding {
    Finding {
        file: file.to_owned(),
        place: place.to_owned(),
        outcome: Err(PolicyError {
            path: String::new(),
            message,
        }),
        warnings: Vec::new(),
    }
}

fn examine(file: &str, text: &str, findings: &mut Vec<Finding>) {
    let documents = match documents(text) {
        Ok(documents) => documents,
        // The filter would see this text: its own error is the better one.
        Err(_) if text.trim_start().starts_with('{') => {
            findings.push(bare(file, Policy::parse(text)));
            return;
        }
        Err(message) => {
            findings.push(refused(file, "", message));
            return;
        }
    };
    let several = documents.len() > 1;
    let mut places = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let known = places.len();
        find::places(document, String::new(), &mut places);
        for place in places.iter_mut().skip(known).filter(|_| several) {
            place.path = format!("document {}: {}", index + 1, place.path);
        }
    }
    if !places.is_empty() {
        findings.extend(places.into_iter().map(|place| judge(file, place)));
        return;
    }
    match documents.as_slice() {
        [] => findings.push(bare(file, Policy::parse(text.trim_start_matches('#')))),
        [document] if !find::is_container(document) => {
            findings.push(bare(file, policy_file::parse(text)));
        }
        _ => findings.push(refused(file, "", NONE.to_owned())),
    }
}

/// The policy that configuration of something else holds, as it is written there; `None` for what is a policy by itself, or nothing
/// that can be read.
///
/// # Errors
/// Where it holds none, several, or one that the filter could not read.
pub(crate) fn held(text: &str) -> Option<Result<Value, String>> {
    let documents = documents(text).ok()?;
    let mut places = Vec::new();
    for document in &documents {
        find::places(document, String::new(), &mut places);
    }
    let [place] = places.as_slice() else {
        let paths: Vec<&str> = places.iter().map(|place| &*place.path).collect();
        return match documents.as_slice() {
            [] => None,
            [document] if places.is_empty() && !find::is_container(document) => None,
            _ if places.is_empty() => Some(Err(NONE.to_owned())),
            _ => Some(Err(format!(
                "holds {} policies ({}), and one is wanted: put it into a file of its own",
                places.len(),
                paths.join(", ")
            ))),
        };
    };
    Some(match &place.content {
        Content::Text(text) if text.trim().is_empty() => Ok(json!({})),
        Content::Text(text) => {
            serde_json::from_str(text).map_err(|error| format!("{}: {error}", place.path))
        }
        Content::Object(value) => Ok(value.clone()),
        Content::Unusable(message) => Err(format!("{}: {message}", place.path)),
    })
}

/// All documents of a file that are not empty.
fn documents(text: &str) -> Result<Vec<Value>, String> {
    use serde::Deserialize;
    if text.trim_start().starts_with('{')
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(vec![value]);
    }
    let mut documents = Vec::new();
    for document in serde_norway::Deserializer::from_str(text) {
        match Value::deserialize(document) {
            Ok(Value::Null) => {}
            Ok(value) => documents.push(value),
            Err(error) => return Err(format!("neither JSON nor YAML: {error}")),
        }
    }
    Ok(documents)
}

fn bare(file: &str, outcome: Result<Policy, PolicyError>) -> Finding {
    finish(file, String::new(), outcome, false, Vec::new())
}

fn judge(file: &str, place: Place) -> Finding {
    let outcome = match &place.content {
        Content::Text(text) => match Policy::parse(text) {
            Err(_) if is_yaml(text) => Err(PolicyError {
                path: String::new(),
                message: "is YAML, and the filter reads JSON; write JSON".to_owned(),
            }),
            outcome => outcome,
        },
        Content::Object(value) => policy_file::of_value(value),
        Content::Unusable(message) => Err(PolicyError {
            path: String::new(),
            message: message.clone(),
        }),
    };
    finish(file, place.path, outcome, place.has_key, place.warnings)
}

fn is_yaml(text: &str) -> bool {
    !text.trim_start().starts_with('{')
        && policy_file::yaml(text).is_ok_and(|value| value.is_object())
}

fn finish(
    file: &str,
    place: String,
    outcome: Result<Policy, PolicyError>,
    has_key: bool,
    mut warnings: Vec<PolicyError>,
) -> Finding {
    let outcome = outcome.and_then(|policy| {
        warnings::of(&policy, has_key, &mut warnings)?;
        Ok(Box::new(policy))
    });
    Finding {
        file: file.to_owned(),
        place,
        outcome,
        warnings,
    }
}

impl Finding {
    fn prefix(&self) -> String {
        if self.place.is_empty() {
            self.file.clone()
        } else {
            format!("{}: {}", self.file, self.place)
        }
    }

    fn tell(&self) -> Result<(), Failure> {
        let prefix = self.prefix();
        match &self.outcome {
            Err(error) => say(format_args!("{prefix}: {error}")),
            Ok(policy) => {
                for warning in &self.warnings {
                    say(format_args!("{prefix}: warning: {warning}"));
                }
                print(&format!("{prefix}: fine: {}\n", summary(policy)))?;
            }
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let said = |error: &PolicyError| json!({ "path": error.path, "message": error.message });
        let mut report = json!({
            "file": self.file,
            "place": self.place,
            "ok": self.outcome.is_ok(),
            "warnings": self.warnings.iter().map(said).collect::<Vec<_>>(),
        });
        let more = match &self.outcome {
            Err(error) => json!({ "error": said(error) }),
            Ok(policy) => json!({
                "mode": stepgate::headers::mode_word(policy.config.mode),
                "tiers": policy.tiers.len(),
                "issuers": policy.credentials.issuers.len(),
                "digest": format!("{:016x}", policy.digest),
            }),
        };
        if let (Value::Object(report), Value::Object(more)) = (&mut report, more) {
            report.extend(more);
        }
        report
    }
}

/// The words of the filter's own line at start.
fn summary(policy: &Policy) -> String {
    let many = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    format!(
        "{} mode, {}, {}, policy {:016x}",
        stepgate::headers::mode_word(policy.config.mode),
        many(policy.tiers.len(), "tier"),
        many(policy.credentials.issuers.len(), "issuer"),
        policy.digest
    )
}
