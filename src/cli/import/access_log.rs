//! Envoy's access log in JSON. Its keys are the operator's; Istio's are known here, others come by mapping.
//! May use: events.
//! Must not: keep query strings, which hold secrets.

use std::borrow::Cow;

use serde_json::{Map, Value};
use stepgate::observe;
use stepgate::signals::ecs::{Event, EventError, Outcome};

use super::adapt::adapted;
use super::{Lines, Sink, address, untimed};
use crate::cli::Failure;

/// Istio's keys, and those Envoy's documentation uses.
const KNOWN: [(&str, &str); 14] = [
    ("start_time", "@timestamp"),
    ("timestamp", "@timestamp"),
    ("method", "http.request.method"),
    ("path", "url.path"),
    ("response_code", "http.response.status_code"),
    ("status", "http.response.status_code"),
    ("bytes_sent", "http.response.body.bytes"),
    ("user_agent", "user_agent.original"),
    ("downstream_remote_address", "source.ip"),
    ("sub", "user.id"),
    ("user", "user.id"),
    ("user_id", "user.id"),
    ("client_id", "oauth.client_id"),
    ("session_id", "session.id"),
];

pub(super) fn read(
    mut lines: Lines,
    map: &[(String, String)],
    sink: &mut Sink<'_>,
) -> Result<(), Failure> {
    while let Some((number, line)) = lines.next()? {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let object = match serde_json::from_slice::<Map<String, Value>>(line) {
            Ok(object) => object,
            Err(error) => {
                sink.bad_line(number, line, format_args!("no JSON object: {error}"));
                continue;
            }
        };
        let mut cells = Vec::with_capacity(object.len());
        flatten(&object, String::new(), &mut cells);
        for (key, text) in &mut cells {
            if let Some(adapted) = adapted(field(key, map), text) {
                *text = adapted;
            }
        }
        match event(&cells, map) {
            Ok(event) if event.time.is_nan() => {
                sink.bad_line(
                    number,
                    line,
                    "no key gives @timestamp; name it with --map KEY=@timestamp",
                );
            }
            Ok(event) => sink.event(&event)?,
            Err(error) => sink.bad(number, error),
        }
    }
    Ok(())
}

/// Dotted keys with the text of their values.
fn flatten(object: &Map<String, Value>, prefix: String, cells: &mut Vec<(String, String)>) {
    for (key, value) in object {
        let key = format!("{prefix}{key}");
        match value {
            Value::Object(inner) => flatten(inner, format!("{key}."), cells),
            Value::String(text) if text == "-" => {}
            Value::String(text) => cells.push((key, text.clone())),
            Value::Number(number) => cells.push((key, number.to_string())),
            Value::Bool(flag) => cells.push((key, flag.to_string())),
            Value::Null | Value::Array(_) => {}
        }
    }
}

/// The field that a key becomes.
fn field<'k>(key: &'k str, map: &'k [(String, String)]) -> &'k str {
    let mapped = map.iter().find(|(from, _)| from == key);
    let known = KNOWN.iter().find(|(from, _)| *from == key);
    match (mapped, known) {
        (Some((_, field)), _) => field,
        (None, Some((_, field))) => field,
        (None, None) => key,
    }
}

fn event<'a>(
    cells: &'a [(String, String)],
    map: &[(String, String)],
) -> Result<Event<'a>, EventError> {
    let mut event = untimed();
    for (key, text) in cells {
        event.set(field(key, map), text)?;
    }
    // Issuer and subject are two operators of a format, and of what is absent Envoy writes a hyphen or nothing.
    let is_somebody = |user: &Cow<'_, str>| !user.ends_with("|-") && !user.ends_with('|');
    event.user = event.user.filter(is_somebody);
    event.ip = event.ip.map(|ip| address(&ip).map_or(ip, Cow::Owned));
    event.path = event.path.map(|path| match path.split_once('?') {
        Some((path, _query)) => Cow::Owned(path.to_owned()),
        None => path,
    });
    if event.action.is_none() {
        event.action = Some(Cow::Borrowed("request"));
    }
    if event.outcome.is_none() {
        // As the filter reads it on the way back: nothing where it says nothing of the credential.
        let said = event.status.and_then(observe::Outcome::of_status);
        event.outcome = said.map(|outcome| match outcome.succeeded {
            true => Outcome::Success,
            false => Outcome::Failure,
        });
    }
    Ok(event)
}
