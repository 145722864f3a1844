//! Checks the `login` section of a tier, and reads outcomes with it.
//! May use: signals, and the raw policy.
//! Must not: look at a body, or count.

use super::PolicyError;
use super::config::{LoginConfig, UnreadableLogin};
use crate::signals::login::LoginFields;

/// How logins on the routes of a tier are read, counted and refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// Where the name stands.
    pub fields: LoginFields,
    /// Wait for the body, where the host can.
    pub hold_body: bool,
    /// Failures of one name that are too many.
    pub failures: u32,
    /// Names that fail from one network that are too many.
    pub names: f64,
    /// Refuse with 429 rather than 403.
    pub too_many: bool,
    /// Refuse what cannot be read.
    pub refuse_unreadable: bool,
    success: Vec<Statuses>,
    failure: Vec<Statuses>,
    failure_locations: Vec<String>,
}

/// One status, or a class of a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Statuses {
    first: u16,
    last: u16,
}

impl Statuses {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = match text.strip_suffix("xx") {
            Some(class) => {
                let class: u16 = class.parse().ok().filter(|class| *class < 10)?;
                (class * 100, class * 100 + 99)
            }
            None => text.parse().ok().map(|status: u16| (status, status))?,
        };
        (200..=599).contains(&first).then_some(Self { first, last })
    }

    fn has(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl Login {
    /// Whether the upstream's answer means that the credential was good; absent: it says nothing.
    #[must_use]
    pub fn succeeded(&self, status: u16, location: &[u8]) -> Option<bool> {
        let any = |list: &[Statuses]| list.iter().any(|statuses| statuses.has(status));
        let path = path_of(location);
        let failed = self
            .failure_locations
            .iter()
            .any(|start| path.starts_with(start.as_bytes()));
        if any(&self.failure) || ((300..=399).contains(&status) && failed) {
            return Some(false);
        }
        any(&self.success).then_some(true)
    }
}

/// Path and query of a `location`, which may have a scheme and an authority before them (RFC 9110 §10.2.2).
fn path_of(location: &[u8]) -> &[u8] {
    let begins = location.windows(2).position(|two| two == b"//");
    let relative = |at: &usize| {
        let scheme = location.get(..*at).unwrap_or_default();
        scheme.is_empty() || (scheme.ends_with(b":") && !scheme.contains(&b'/'))
    };
    let Some(at) = begins.filter(relative) else {
        return location;
    };
    let rest = location.get(at + 2..).unwrap_or_default();
    let path = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#'));
    path.and_then(|path| rest.get(path..)).unwrap_or_default()
}

/// Checks a section.
pub(super) fn compile(written: &LoginConfig, path: &str) -> Result<Login, PolicyError> {
    let at = |key: &str| format!("{path}.{key}");
    let range = |key: &str, value: u32, allowed: std::ops::RangeInclusive<u32>| {
        if allowed.contains(&value) {
            return Ok(value);
        }
        Err(PolicyError::new(
            at(key),
            format!(
                "{value} is out of range; allowed: {} to {}",
                allowed.start(),
                allowed.end()
            ),
        ))
    };
    let statuses = |key: &str, list: &[String]| -> Result<Vec<Statuses>, PolicyError> {
        list.iter()
            .enumerate()
            .map(|(index, text)| {
                Statuses::parse(text).ok_or_else(|| {
                    PolicyError::new(
                        at(&format!("{key}[{index}]")),
                        format!("`{text}` is not a status; allowed: 200 to 599, or 2xx to 5xx"),
                    )
                })
            })
            .collect()
    };
    for (index, name) in written.fields.iter().enumerate() {
        if name.trim().is_empty() || name.len() > 64 {
            return Err(PolicyError::new(
                at(&format!("fields[{index}]")),
                format!("`{name}` is not a name; allowed: 1 to 64 bytes"),
            ));
        }
    }
    for (index, start) in written.failure_locations.iter().enumerate() {
        if !start.starts_with('/') {
            return Err(PolicyError::new(
                at(&format!("failure_locations[{index}]")),
                format!(
                    "`{start}` is not a path; allowed: / and what follows, without scheme and host"
                ),
            ));
        }
    }
    if written.hold_body && !written.token_endpoint && written.fields.is_empty() {
        return Err(PolicyError::new(
            at("hold_body"),
            "waits for a name that `fields` does not have; allowed: true with one field or more",
        ));
    }
    if !matches!(written.status, 403 | 429) {
        return Err(PolicyError::new(
            at("status"),
            format!("{} is not a refusal; allowed: 429, 403", written.status),
        ));
    }
    Ok(Login {
        fields: LoginFields {
            basic: written.basic,
            names: written.fields.clone(),
            query: written.query,
            token_endpoint: written.token_endpoint,
            fold_case: written.fold_case,
        },
        hold_body: written.hold_body,
        failures: range("failures", written.failures, 3..=100)?,
        names: f64::from(range("names", written.names, 5..=500)?),
        too_many: written.status == 429,
        refuse_unreadable: written.unreadable == UnreadableLogin::Refuse,
        success: statuses("success", &written.success)?,
        failure: statuses("failure", &written.failure)?,
        failure_locations: written.failure_locations.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(change: impl FnOnce(&mut LoginConfig)) -> Result<Login, PolicyError> {
        let mut written = LoginConfig::default();
        change(&mut written);
        compile(&written, "login")
    }

    #[test]
    fn the_outcome_is_in_the_status_or_in_where_it_leads() {
        let login = compiled(|written| {
            written.failure_locations = vec!["/login?error".into()];
        })
        .unwrap();
        for (status, location, outcome) in [
            (200, "", Some(true)),
            (302, "/home", Some(true)),
            (302, "/login?error=1", Some(false)),
            (303, "https://shop.test/login?error", Some(false)),
            (303, "https://shop.test", Some(true)),
            (302, "https://shop.test/a/login?error", Some(true)),
            (302, "//shop.test/login?error", Some(false)),
            (200, "/login?error", Some(true)),
            (401, "", Some(false)),
            (422, "", Some(false)),
            (404, "", None),
            (429, "", None),
            (500, "", None),
        ] {
            assert_eq!(
                login.succeeded(status, location.as_bytes()),
                outcome,
                "{status} {location}"
            );
        }
        let odd = compiled(|written| {
            written.success = vec!["302".into()];
            written.failure = vec!["2xx".into()];
        })
        .unwrap();
        assert_eq!(odd.succeeded(200, b""), Some(false));
        assert_eq!(odd.succeeded(302, b"/"), Some(true));
        assert_eq!(odd.succeeded(401, b""), None);
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_path() {
        type Change = fn(&mut LoginConfig);
        let cases: [(Change, &str); 8] = [
            (|w| w.failures = 2, "login.failures: 2 is out of range"),
            (|w| w.names = 501, "login.names: 501 is out of range"),
            (|w| w.status = 401, "login.status: 401 is not a refusal"),
            (|w| w.fields = vec![" ".into()], "login.fields[0]: ` `"),
            (|w| w.success = vec!["2x".into()], "login.success[0]: `2x`"),
            (
                |w| w.failure = vec!["9xx".into()],
                "login.failure[0]: `9xx`",
            ),
            (
                |w| w.failure_locations = vec!["https://x/".into()],
                "login.failure_locations[0]",
            ),
            (
                |w| {
                    w.hold_body = true;
                    w.fields = Vec::new();
                },
                "login.hold_body",
            ),
        ];
        for (change, message) in cases {
            let error = compiled(change).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
