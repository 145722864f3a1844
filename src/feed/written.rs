//! A feed as it is written: its members, and times in both of their forms.
//! May use: serde, the parser of times.
//! Must not: judge a value that can be read.

use serde::Deserialize;

use crate::signals::ecs::parse_time;

#[derive(Deserialize)]
pub(super) struct Written {
    pub(super) version: u32,
    pub(super) mode: Option<WrittenMode>,
    #[serde(default)]
    pub(super) not_before: Epochs,
    #[serde(default)]
    pub(super) tokens: Vec<Token>,
    #[serde(default)]
    pub(super) networks: Vec<Networks>,
    #[serde(default)]
    pub(super) overrides: Vec<Override>,
    #[serde(default)]
    pub(super) verdicts: Vec<WrittenVerdict>,
    pub(super) snapshot: Option<Place>,
}

/// A feed can only make the filter milder than its policy.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum WrittenMode {
    Shadow,
    Policy,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Epochs {
    pub(super) subjects: Vec<OfSubject>,
    pub(super) sessions: Vec<OfSession>,
    pub(super) clients: Vec<OfClient>,
}

#[derive(Deserialize)]
pub(super) struct OfSubject {
    pub(super) iss: Option<String>,
    pub(super) sub: Option<String>,
    pub(super) id: Option<String>,
    pub(super) time: Time,
    pub(super) expires: Option<Time>,
}

#[derive(Deserialize)]
pub(super) struct OfSession {
    pub(super) iss: String,
    pub(super) sid: String,
    pub(super) time: Time,
    pub(super) expires: Option<Time>,
}

#[derive(Deserialize)]
pub(super) struct OfClient {
    pub(super) iss: String,
    pub(super) client_id: String,
    pub(super) time: Time,
    pub(super) expires: Option<Time>,
}

#[derive(Deserialize)]
pub(super) struct Token {
    pub(super) iss: String,
    pub(super) jti: String,
    pub(super) expires: Option<Time>,
}

#[derive(Deserialize)]
pub(super) struct Networks {
    pub(super) networks: Vec<String>,
    pub(super) score: Option<f64>,
    pub(super) risk: Option<f64>,
    pub(super) expires: Time,
}

#[derive(Deserialize)]
pub(super) struct Override {
    pub(super) iss: Option<String>,
    pub(super) sub: Option<String>,
    pub(super) id: Option<String>,
    pub(super) action: WrittenAction,
    pub(super) expires: Time,
    pub(super) owner: String,
    pub(super) reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum WrittenAction {
    Allow,
    StepUp,
    Deny,
}

#[derive(Deserialize)]
pub(super) struct WrittenVerdict {
    pub(super) decision: Option<String>,
    pub(super) iss: Option<String>,
    pub(super) sub: Option<String>,
    pub(super) id: Option<String>,
    pub(super) sid: Option<String>,
    pub(super) time: Option<Time>,
    pub(super) owner: bool,
}

#[derive(Deserialize)]
pub(super) struct Place {
    pub(super) path: String,
}

/// Seconds since 1970, or RFC 3339.
#[derive(Clone, Copy)]
pub(super) struct Time(pub(super) u32);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(TimeVisitor)
    }
}

struct TimeVisitor;

impl serde::de::Visitor<'_> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a time: seconds since 1970, or RFC 3339, such as 2030-01-31T00:00:00Z")
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Time, E> {
        // Milliseconds are far outside.
        if (0.0..f64::from(u32::MAX)).contains(&seconds) {
            Ok(Time(seconds as u32))
        } else {
            Err(E::invalid_value(
                serde::de::Unexpected::Float(seconds),
                &self,
            ))
        }
    }

    fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Time, E> {
        self.visit_f64(seconds as f64)
    }

    fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Time, E> {
        self.visit_f64(seconds as f64)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Time, E> {
        match parse_time(text) {
            Some(seconds) => self.visit_f64(seconds),
            None => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }
}
