//! One event line in the field names of the Elastic Common Schema, read and written.
//! May use: std, serde, serde_json. Must not: build trees of values, read files, know what an event means.
//! Dotted and nested keys are the same thing; unknown keys are ignored, wrong values of known ones are not.

mod fields;
mod order;
mod plain;
mod read;
mod time;
mod walk;
mod write;

pub use order::Order;
pub use time::{parse_time, rfc3339};

use std::borrow::Cow;
use std::fmt;

/// One event, borrowing its texts from the line where JSON allows. Every field but the time may be absent.
/// Names and meanings are those of ECS 8; fields ECS lacks are marked (own).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Event<'a> {
    /// `@timestamp`: seconds since 1970-01-01 UTC, to the microsecond.
    pub time: f64,
    /// How `@timestamp` was written, so that it is written the same way.
    pub time_form: TimeForm,
    /// `event.id`: of the decision, in audit lines.
    pub id: Option<Cow<'a, str>>,
    /// `event.action`: `login`, `request`, `recovery`, or the name of a route or command.
    pub action: Option<Cow<'a, str>>,
    /// `event.outcome`; the ECS value `unknown` counts as absent.
    pub outcome: Option<Outcome>,
    /// `user.id`: the identity.
    pub user: Option<Cow<'a, str>>,
    /// `user.roles`, in the order given.
    pub roles: Vec<Cow<'a, str>>,
    /// `source.ip` as written: an address, or a prefix in logs that hold no more.
    pub ip: Option<Cow<'a, str>>,
    /// `source.as.number`: the autonomous system.
    pub asn: Option<u32>,
    /// `source.geo.country_iso_code` as written.
    pub country: Option<Cow<'a, str>>,
    /// `source.geo.city_name`.
    pub city: Option<Cow<'a, str>>,
    /// `source.geo.location.lat`: degrees north, -90 to 90.
    pub lat: Option<f64>,
    /// `source.geo.location.lon`: degrees east, -180 to 180.
    pub lon: Option<f64>,
    /// `user_agent.original`: the header.
    pub agent: Option<Cow<'a, str>>,
    /// `user_agent.name`: the product.
    pub agent_name: Option<Cow<'a, str>>,
    /// `user_agent.version`.
    pub agent_version: Option<Cow<'a, str>>,
    /// `user_agent.os.name`, possibly with a version.
    pub os_name: Option<Cow<'a, str>>,
    /// `user_agent.os.version`.
    pub os_version: Option<Cow<'a, str>>,
    /// `user_agent.device.name`.
    pub device: Option<Cow<'a, str>>,
    /// `tls.client.ja3`.
    pub ja3: Option<Cow<'a, str>>,
    /// `tls.client.ja4` (own).
    pub ja4: Option<Cow<'a, str>>,
    /// `http.request.method`.
    pub method: Option<Cow<'a, str>>,
    /// `url.path`.
    pub path: Option<Cow<'a, str>>,
    /// `http.response.status_code`.
    pub status: Option<u16>,
    /// `http.response.body.bytes`.
    pub bytes: Option<u64>,
    /// `oauth.client_id` (own).
    pub client_id: Option<Cow<'a, str>>,
    /// `oauth.grant_type` (own): how the token was granted, as in RFC 6749.
    pub grant_type: Option<Cow<'a, str>>,
    /// `session.id` (own).
    pub session: Option<Cow<'a, str>>,
    /// `token.id` (own): the `jti`.
    pub token: Option<Cow<'a, str>>,
    /// `token.iat` (own): seconds since 1970-01-01 UTC.
    pub token_iat: Option<f64>,
    /// `token.exp` (own): seconds since 1970-01-01 UTC.
    pub token_exp: Option<f64>,
    /// `token.auth_time` (own): seconds since 1970-01-01 UTC.
    pub token_auth_time: Option<f64>,
    /// `token.acr` (own).
    pub token_acr: Option<Cow<'a, str>>,
    /// `token.amr` (own), in the order given.
    pub token_amr: Vec<Cow<'a, str>>,
    /// `token.scope` (own): as granted (RFC 6749 section 3.3), one text parted by spaces or a list.
    pub token_scope: Vec<Cow<'a, str>>,
    /// `identity.kind` (own).
    pub kind: Option<Kind>,
    /// `identity.group` (own): the peer group.
    pub group: Option<Cow<'a, str>>,
    /// `labels.attack`: the truth, for evaluation only.
    pub attack: Option<Cow<'a, str>>,
    /// `labels.persona`: how a made-up person lives, for evaluation only.
    pub persona: Option<Cow<'a, str>>,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeForm {
    /// Text after RFC 3339, in UTC: what Elastic reads.
    #[default]
    Rfc3339,
    /// Seconds since 1970-01-01 UTC as a number.
    Epoch,
}

/// `event.outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// What was asked for was done.
    Success,
    /// It was refused or failed.
    Failure,
}

impl Outcome {
    /// The word for it in ECS.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// `identity.kind`: who or what holds an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A person.
    Human,
    /// A workload.
    Service,
    /// Whoever holds an API key.
    ApiKey,
}

impl Kind {
    /// The word for it in event files and policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Service => "service",
            Self::ApiKey => "api-key",
        }
    }
}

impl<'a> Event<'a> {
    /// Reads one line of JSON.
    ///
    /// # Errors
    /// If it is no JSON object, a known field holds a wrong value, or `@timestamp` is absent.
    pub fn parse(line: &'a [u8]) -> Result<Self, EventError> {
        Self::parse_like(line, &mut Order::default())
    }

    /// The same, faster where the lines before were of the same tool.
    ///
    /// # Errors
    /// As [`Event::parse`].
    pub fn parse_like(line: &'a [u8], order: &mut Order) -> Result<Self, EventError> {
        read::line(line, order)
    }

    /// Sets one field from text, as a CSV column has it: empty text leaves it absent, lists are parted by
    /// spaces, commas or `;`. False if no field has that name.
    ///
    /// # Errors
    /// If the field takes no such value.
    pub fn set(&mut self, name: &str, text: &'a str) -> Result<bool, EventError> {
        read::column(self, name, text)
    }

    /// The event as one line of JSON with dotted keys, without line end; absent fields are left out.
    #[must_use]
    pub fn to_line(&self) -> String {
        // INVARIANT: string keys and plain values always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Why a line is no event. The text names the field, the value and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventError(String);

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EventError {}

#[cfg(test)]
#[path = "ecs_tests.rs"]
mod tests;
