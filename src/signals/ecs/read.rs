//! Reading an event: which values each field takes, and what is said of those it does not.
//! May use: std, serde_json, libm. Must not: keep what it does not know.
//! Numbers are rounded to the microsecond and to a centimetre, so that they survive being text again.

use super::fields::Field;
use super::walk::Walk;
use super::{Event, EventError, Kind, Order, Outcome, TimeForm, plain, time};
use serde::Deserializer as _;
use std::borrow::Cow;
use std::fmt;

/// Longest text of a value shown in an error.
const SHOWN: usize = 80;

/// An event that is about to be read.
pub(super) fn untimed<'a>() -> Event<'a> {
    Event {
        time: f64::NAN,
        ..Event::default()
    }
}

pub(super) fn line<'a>(line: &'a [u8], order: &mut Order) -> Result<Event<'a>, EventError> {
    let mut event = untimed();
    match plain::fill(&mut event, line, order) {
        Some(()) if !event.time.is_nan() => Ok(event),
        _ => walked(line),
    }
}

/// Reads any line.
pub(super) fn walked(line: &[u8]) -> Result<Event<'_>, EventError> {
    let mut event = untimed();
    let mut json = serde_json::Deserializer::from_slice(line);
    let walk = Walk::new(&mut event);
    json.deserialize_map(walk)
        .and_then(|()| json.end())
        .map_err(|error| {
            let text = error.to_string();
            let (text, place) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
            // Our own messages begin with the name of a field.
            if text.starts_with('`') {
                return EventError(text.to_owned());
            }
            let column = place
                .rsplit_once("column ")
                .map_or("0", |(_, column)| column);
            EventError(format!(
                "the line is no JSON object: {text} at column {column}"
            ))
        })?;
    if event.time.is_nan() {
        return Err(EventError(format!(
            "`{}` is absent, {TIME}",
            Field::Time.name()
        )));
    }
    Ok(event)
}

pub(super) fn column<'a>(
    event: &mut Event<'a>,
    name: &str,
    text: &'a str,
) -> Result<bool, EventError> {
    let Some(field) = Field::of(name) else {
        return Ok(false);
    };
    let text = text.trim();
    let value = match field {
        _ if text.is_empty() => Value::Null,
        Field::Roles | Field::TokenAmr | Field::TokenScope => {
            Value::List(split(text).map(Cow::Borrowed).collect())
        }
        _ => match text.parse::<f64>() {
            Ok(number) if takes_numbers(field) => match text.parse::<u64>() {
                Ok(whole) => Value::Whole(whole),
                Err(_) => Value::Number(number),
            },
            _ => Value::Text(Cow::Borrowed(text)),
        },
    };
    put(event, field, value).map(|()| true)
}

fn takes_numbers(field: Field) -> bool {
    use Field::{Asn, Bytes, Lat, Lon, Status, Time, TokenAuthTime, TokenExp, TokenIat};
    matches!(
        field,
        Asn | Bytes | Lat | Lon | Status | Time | TokenAuthTime | TokenExp | TokenIat
    )
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',', ';']).filter(|part| !part.is_empty())
}

/// A JSON value of a field, one level deep.
pub(super) enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    Whole(u64),
    Number(f64),
    List(Vec<Cow<'a, str>>),
    Other(&'static str),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Text(text) => {
                let more = if text.chars().nth(SHOWN).is_some() {
                    "…"
                } else {
                    ""
                };
                let shown: String = text.chars().take(SHOWN).collect();
                write!(f, "\"{}{more}\"", shown.escape_debug())
            }
            Self::Whole(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::List(_) => f.write_str("a list"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

const TIME: &str = "must be a time after RFC 3339 or seconds since 1970";

pub(super) fn put<'a>(
    event: &mut Event<'a>,
    field: Field,
    value: Value<'a>,
) -> Result<(), EventError> {
    match field {
        Field::Time => {
            if let Some((seconds, form)) = seconds(field, value)? {
                (event.time, event.time_form) = (seconds, form);
            }
        }
        Field::Id => event.id = text(field, value)?,
        Field::Action => event.action = text(field, value)?,
        Field::Outcome => {
            event.outcome = word(
                field,
                value,
                "must be success, failure or unknown",
                |word| match word {
                    "success" => Some(Some(Outcome::Success)),
                    "failure" => Some(Some(Outcome::Failure)),
                    "unknown" => Some(None),
                    _ => None,
                },
            )?;
        }
        Field::User => event.user = text(field, value)?,
        Field::Roles => event.roles = list(field, value)?,
        Field::Ip => event.ip = text(field, value)?,
        Field::Asn => {
            event.asn = whole(field, value, u64::from(u32::MAX))?.and_then(|n| n.try_into().ok())
        }
        Field::Country => event.country = text(field, value)?,
        Field::City => event.city = text(field, value)?,
        Field::Lat => event.lat = degrees(field, value, 90.0)?,
        Field::Lon => event.lon = degrees(field, value, 180.0)?,
        Field::Agent => event.agent = text(field, value)?,
        Field::AgentName => event.agent_name = text(field, value)?,
        Field::AgentVersion => event.agent_version = text(field, value)?,
        Field::OsName => event.os_name = text(field, value)?,
        Field::OsVersion => event.os_version = text(field, value)?,
        Field::Device => event.device = text(field, value)?,
        Field::Ja3 => event.ja3 = text(field, value)?,
        Field::Ja4 => event.ja4 = text(field, value)?,
        Field::Method => event.method = text(field, value)?,
        Field::Path => event.path = text(field, value)?,
        Field::Status => event.status = whole(field, value, 999)?.and_then(|n| n.try_into().ok()),
        Field::Bytes => event.bytes = whole(field, value, u64::MAX)?,
        Field::ClientId => event.client_id = text(field, value)?,
        Field::GrantType => event.grant_type = text(field, value)?,
        Field::Session => event.session = text(field, value)?,
        Field::Token => event.token = text(field, value)?,
        Field::TokenIat => event.token_iat = seconds(field, value)?.map(|(time, _)| time),
        Field::TokenExp => event.token_exp = seconds(field, value)?.map(|(time, _)| time),
        Field::TokenAuthTime => {
            event.token_auth_time = seconds(field, value)?.map(|(time, _)| time)
        }
        Field::TokenAcr => event.token_acr = text(field, value)?,
        Field::TokenAmr => event.token_amr = list(field, value)?,
        Field::TokenScope => event.token_scope = list(field, value)?,
        Field::Kind => {
            event.kind = word(field, value, "must be human, service or api-key", |word| {
                [Kind::Human, Kind::Service, Kind::ApiKey]
                    .into_iter()
                    .find(|kind| kind.as_str() == word)
                    .map(Some)
            })?;
        }
        Field::Group => event.group = text(field, value)?,
        Field::Attack => event.attack = text(field, value)?,
        Field::Persona => event.persona = text(field, value)?,
    }
    Ok(())
}

#[cold]
fn refuse<T>(field: Field, value: &Value<'_>, allowed: &str) -> Result<T, EventError> {
    Err(EventError(format!(
        "`{}` is {value}, {allowed}",
        field.name()
    )))
}

fn text<'a>(field: Field, value: Value<'a>) -> Result<Option<Cow<'a, str>>, EventError> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text)),
        other => refuse(field, &other, "must be text"),
    }
}

fn word<T>(
    field: Field,
    value: Value<'_>,
    allowed: &str,
    of: impl Fn(&str) -> Option<Option<T>>,
) -> Result<Option<T>, EventError> {
    match &value {
        Value::Null => Ok(None),
        Value::Text(text) => of(text).map_or_else(|| refuse(field, &value, allowed), Ok),
        other => refuse(field, other, allowed),
    }
}

fn list<'a>(field: Field, value: Value<'a>) -> Result<Vec<Cow<'a, str>>, EventError> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Text(text) => Ok(vec![text]),
        Value::List(list) => Ok(list),
        other => refuse(field, &other, "must be text or a list of texts"),
    }
}

fn whole(field: Field, value: Value<'_>, most: u64) -> Result<Option<u64>, EventError> {
    match value {
        Value::Null => return Ok(None),
        Value::Whole(number) if number <= most => return Ok(Some(number)),
        // Some tools write every number as a float.
        Value::Number(number) if number.fract() == 0.0 && (0.0..9e15).contains(&number) => {
            let whole = number as u64;
            if whole <= most {
                return Ok(Some(whole));
            }
        }
        _ => {}
    }
    refuse(
        field,
        &value,
        &format!("must be a whole number from 0 to {most}"),
    )
}

fn degrees(field: Field, value: Value<'_>, most: f64) -> Result<Option<f64>, EventError> {
    let number = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => number,
        Value::Whole(number) => number as f64,
        _ => f64::NAN,
    };
    if (-most..=most).contains(&number) {
        return Ok(Some(number));
    }
    refuse(
        field,
        &value,
        &format!("must be a number from -{most} to {most}"),
    )
}

fn seconds(field: Field, value: Value<'_>) -> Result<Option<(f64, TimeForm)>, EventError> {
    let (number, form) = match &value {
        Value::Null => return Ok(None),
        Value::Number(number) => (Some(*number), TimeForm::Epoch),
        Value::Whole(number) => (Some(*number as f64), TimeForm::Epoch),
        Value::Text(text) => (time::parse_time(text), TimeForm::Rfc3339),
        _ => (None, TimeForm::Epoch),
    };
    match number.filter(|number| (0.0..time::LATEST).contains(number)) {
        Some(number) => Ok(Some((libm::round(number * 1e6) / 1e6, form))),
        None => refuse(field, &value, TIME),
    }
}
