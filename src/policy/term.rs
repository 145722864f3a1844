//! The term of whatever an operator puts in force for a while: when it begins and ends, and that somebody answers for it.
//! May use: times.
//! Must not: read a clock; whether a term has ended is for whoever loads it to ask.

use super::PolicyError;
use crate::signals::ecs::parse_time;

/// From when until when something holds, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Term {
    /// First second in which it holds.
    pub(super) from: u32,
    /// First second in which it holds no more.
    pub(super) until: u32,
}

impl Term {
    /// Whether it holds at a time.
    pub(super) const fn holds(&self, now: u32) -> bool {
        self.from <= now && now < self.until
    }

    /// Whether it is over for good.
    pub(super) const fn has_ended(&self, now: u32) -> bool {
        self.until <= now
    }
}

/// What an operator wrote of a term.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'a> {
    pub(super) path: &'a str,
    /// Name of the key that holds the end.
    pub(super) end: &'static str,
    pub(super) from: Option<&'a str>,
    pub(super) until: &'a str,
    pub(super) owner: &'a str,
    pub(super) reason: &'a str,
}

/// Checks a term: it needs an end after its begin, an owner and a reason.
pub(super) fn compile(written: &Written<'_>) -> Result<Term, PolicyError> {
    let at = |key: &str| format!("{}.{key}", written.path);
    for (key, value, what) in [
        ("owner", written.owner, "who answers for it"),
        ("reason", written.reason, "why it is needed"),
    ] {
        if value.trim().is_empty() {
            return Err(PolicyError::new(at(key), format!("is absent; say {what}")));
        }
    }
    let time = |key: &str, text: &str| {
        if text.trim().is_empty() {
            let what = if key == "from" { "begins" } else { "ends" };
            return Err(PolicyError::new(
                at(key),
                format!("is absent; say when it {what}: RFC 3339, such as 2030-01-31T00:00:00Z"),
            ));
        }
        parse_time(text)
            .filter(|time| (0.0..f64::from(u32::MAX)).contains(time))
            .map(|time| time as u32)
            .ok_or_else(|| {
                PolicyError::new(
                    at(key),
                    format!(
                        "`{}` is not a time; allowed: RFC 3339, such as 2030-01-31T00:00:00Z",
                        text.escape_debug()
                    ),
                )
            })
    };
    let until = time(written.end, written.until)?;
    let from = match written.from {
        Some(from) => time("from", from)?,
        None => 0,
    };
    if until <= from {
        return Err(PolicyError::new(
            at(written.end),
            format!(
                "`{}` is not after `from`; allowed: a later time",
                written.until.escape_debug()
            ),
        ));
    }
    Ok(Term { from, until })
}

/// What to say of something that has ended.
pub(super) fn ended(path: &str, until: &str, owner: &str) -> String {
    format!(
        "{path}: expired {until} and counts nothing; ask its owner `{owner}` whether it still holds"
    )
}
