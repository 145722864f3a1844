//! AWS CloudTrail: who called which API from where.
//! May use: events.
//! Must not: take calls that AWS makes on its own behalf for somebody's.

use std::borrow::Cow;
use std::io::Read;

use serde_json::Value;
use stepgate::signals::ecs::{Event, Kind, Outcome, TimeForm, parse_time};

use super::{Lines, Sink, address, untimed};
use crate::cli::Failure;

pub(super) fn read(mut lines: Lines, sink: &mut Sink<'_>) -> Result<(), Failure> {
    if lines.first_is(is_whole_record)? {
        while let Some((number, line)) = lines.next()? {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice(line) {
                Ok(record) => take(&record, number, sink)?,
                Err(error) => sink.bad_line(number, line, format_args!("no JSON: {error}")),
            }
        }
        return Ok(());
    }
    // A delivered file is one object with all records of five minutes: small enough to be held.
    let mut text = Vec::new();
    lines
        .into_input()
        .read_to_end(&mut text)
        .map_err(|error| Failure::new(format!("{}: {error}", sink.file)))?;
    match serde_json::from_slice::<Value>(&text) {
        Ok(whole) => {
            let records = whole.get("Records").unwrap_or(&whole);
            for (index, record) in records.as_array().into_iter().flatten().enumerate() {
                take(record, index as u64 + 1, sink)?;
            }
        }
        Err(error) => sink.bad(error.line() as u64, format_args!("no JSON: {error}")),
    }
    Ok(())
}

/// Whether a first line is a record by itself rather than the beginning of a file of records.
fn is_whole_record(line: &[u8]) -> bool {
    serde_json::from_slice::<Value>(line).is_ok_and(|value| value.get("eventName").is_some())
}

fn take(record: &Value, number: u64, sink: &mut Sink<'_>) -> Result<(), Failure> {
    let Some(time) = text(record, "/eventTime").and_then(parse_time) else {
        sink.bad(number, "`eventTime` is no time after RFC 3339");
        return Ok(());
    };
    match event(record, time) {
        Some(event) => sink.event(&event),
        None => {
            sink.passed_over += 1;
            Ok(())
        }
    }
}

fn text<'a>(record: &'a Value, pointer: &str) -> Option<&'a str> {
    record
        .pointer(pointer)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

fn event(record: &Value, time: f64) -> Option<Event<'_>> {
    let at = |pointer: &str| text(record, pointer);
    let access_key = at("/userIdentity/accessKeyId");
    let (user, kind) = match at("/userIdentity/type")? {
        "AWSService" => return None,
        "AssumedRole" => {
            // A role is the identity; whoever assumed it is a session of it. Single sign-on names the person.
            let session = at("/userIdentity/arn").and_then(|arn| arn.rsplit_once('/'));
            match session {
                Some((_, name)) if name.contains('@') => (name, Kind::Human),
                _ => (
                    at("/userIdentity/sessionContext/sessionIssuer/arn")
                        .or_else(|| at("/userIdentity/arn"))?,
                    Kind::Service,
                ),
            }
        }
        _ => {
            let user = at("/userIdentity/arn").or_else(|| at("/userIdentity/principalId"))?;
            let lasting = access_key.is_some_and(|key| key.starts_with("AKIA"));
            (user, if lasting { Kind::ApiKey } else { Kind::Human })
        }
    };
    let name = at("/eventName")?;
    let service = at("/eventSource")
        .and_then(|source| source.split('.').next())
        .unwrap_or_default();
    let failed = at("/errorCode").is_some()
        || at("/responseElements/ConsoleLogin").is_some_and(|outcome| outcome == "Failure");
    let session = "/userIdentity/sessionContext/attributes";
    let mfa = at(&format!("{session}/mfaAuthenticated")) == Some("true");
    Some(Event {
        time,
        time_form: TimeForm::Rfc3339,
        action: Some(match name {
            "ConsoleLogin" => Cow::Borrowed("login"),
            name => Cow::Owned(format!("{service}:{name}")),
        }),
        outcome: Some(if failed {
            Outcome::Failure
        } else {
            Outcome::Success
        }),
        user: Some(Cow::Borrowed(user)),
        kind: Some(kind),
        // Calls through an AWS service carry its name instead of an address.
        ip: at("/sourceIPAddress").and_then(address).map(Cow::Owned),
        agent: at("/userAgent").map(Cow::Borrowed),
        session: access_key
            .filter(|key| key.starts_with("ASIA"))
            .map(Cow::Borrowed),
        token_auth_time: at(&format!("{session}/creationDate")).and_then(parse_time),
        token_amr: if mfa {
            vec![Cow::Borrowed("mfa")]
        } else {
            Vec::new()
        },
        ..untimed()
    })
}
