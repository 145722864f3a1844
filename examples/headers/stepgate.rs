//! What Stepgate decided about a request, read from its headers. Needs the crates `base64`, `hmac` and `sha2`; copy it into
//! your API.
//!
//! ```text
//! let pairs = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
//! let decision = stepgate::read(pairs, Some(&[("k1", SECRET)]), now, 60);
//! if !decision.is_clear() { /* unknown, restricted, or being watched: offer less, or ask for a confirmation */ }
//! ```

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// In the order in which they are signed.
const NAMES: [&str; 6] = [
    "x-stepgate-decision",
    "x-stepgate-would",
    "x-stepgate-mode",
    "x-stepgate-score",
    "x-stepgate-reasons",
    "x-stepgate-id",
];

/// A decision that can be believed.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// `allow`, `step-up`, `restrict` or `deny`: what was done.
    pub decision: String,
    /// In shadow mode: what enforcing would have done, where it differs.
    pub would: Option<String>,
    /// `enforce` or `shadow`.
    pub mode: String,
    /// 0 to 100: the probability that somebody else than the owner asks.
    pub score: u8,
    /// Codes with their nats, 0 for notes.
    pub reasons: BTreeMap<String, f64>,
    /// Id of the decision.
    pub id: Option<String>,
}

/// What the headers say. Never take `Unknown` for `allow`.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing that can be believed.
    Unknown,
    /// A decision.
    Known(Told),
}

impl Decision {
    /// Whether nothing speaks against the owner, in shadow mode too.
    pub fn is_clear(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::Known(told) => {
                told.decision == "allow"
                    && told.would.as_deref().is_none_or(|would| would == "allow")
            }
        }
    }
}

/// Reads name and value pairs. With `secrets` (kid and secret) the signature has to hold and be younger than `max_age` seconds
/// at `now`, in seconds since 1970.
pub fn read<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    secrets: Option<&[(&str, &str)]>,
    now: u64,
    max_age: u64,
) -> Decision {
    let mut found = BTreeMap::new();
    for (name, value) in pairs {
        let name = name.to_ascii_lowercase();
        // Stepgate writes each once.
        if name.starts_with("x-stepgate-") && found.insert(name, value.trim()).is_some() {
            return Decision::Unknown;
        }
    }
    if let Some(secrets) = secrets
        && is_signed(&found, secrets, now, max_age).is_none()
    {
        return Decision::Unknown;
    }
    told(&found).map_or(Decision::Unknown, Decision::Known)
}

fn told(found: &BTreeMap<String, &str>) -> Option<Told> {
    let [decision, would, mode, score, reasons, id] = NAMES.map(|name| found.get(name).copied());
    let decision =
        decision.filter(|word| ["allow", "step-up", "restrict", "deny"].contains(word))?;
    let mode = mode.filter(|word| ["enforce", "shadow"].contains(word))?;
    let reason = |item: &str| {
        let (code, nats) = item.split_once(";w=").unwrap_or((item, "0"));
        Some((code.to_owned(), nats.parse().ok()?))
    };
    let items = reasons.unwrap_or_default().split(',').map(str::trim);
    Some(Told {
        decision: decision.to_owned(),
        would: would.map(str::to_owned),
        mode: mode.to_owned(),
        score: score?.parse::<u8>().ok().filter(|score| *score <= 100)?,
        reasons: items
            .filter(|item| !item.is_empty())
            .filter_map(reason)
            .collect(),
        id: id.map(str::to_owned),
    })
}

/// `:base64:;t=seconds;kid="name"`, an HMAC-SHA-256 over the lines of all headers and the parameters.
fn is_signed(
    found: &BTreeMap<String, &str>,
    secrets: &[(&str, &str)],
    now: u64,
    max_age: u64,
) -> Option<()> {
    let value = found.get("x-stepgate-signature")?.strip_prefix(':')?;
    let (tag, parameters) = value.split_once(":;t=")?;
    let (time, kid) = parameters.strip_suffix('"')?.split_once(";kid=\"")?;
    // A secret that is empty is one that was not set: anybody could sign with it.
    let (_, secret) = secrets
        .iter()
        .find(|(known, secret)| *known == kid && !secret.is_empty())?;
    if now.abs_diff(time.parse().ok()?) > max_age {
        return None;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    for name in NAMES {
        if let Some(value) = found.get(name) {
            mac.update(format!("{name}: {value}\n").as_bytes());
        }
    }
    mac.update(format!("t={time};kid={kid}").as_bytes());
    mac.verify_slice(&STANDARD.decode(tag).ok()?).ok()
}
