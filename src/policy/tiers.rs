//! Tiers: which routes are treated alike, and how.
//! May use: signals, and the checked policy's own types.
//! Must not: look at anything but host, path, method and route metadata.

mod compile;

pub(super) use compile::{compile, probability, quotable};

use super::config::Mode;
use super::login::Login;
use super::page::StepUpPage;
use super::paths::{PathTemplate, Segments, Sent};
use crate::evidence::Fence;
use crate::signals::features::Class;

/// How the routes of one tier are treated.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// Name for metrics and audit; the rest of the policy is `default`.
    pub name: String,
    pub(super) matcher: Matcher,
    /// Shadow, enforce or off.
    pub mode: Mode,
    /// Log-odds from which a step-up is asked for.
    pub step_up: f64,
    /// Log-odds from which an allowed request is marked.
    pub notify: Option<f64>,
    /// Log-odds from which a request is denied.
    pub deny: f64,
    /// `acr_values` of the challenge; any of them solves it.
    pub acr_values: Vec<String>,
    /// How long a stronger authentication is good for, in seconds.
    pub max_age: u32,
    /// Where browsers authenticate again.
    pub page: Option<StepUpPage>,
    /// Whether whoever uses these routes can be challenged.
    pub step_up_capable: bool,
    /// Whether anonymous requests are refused.
    pub require_identity: bool,
    /// What the routes are for.
    pub class: Class,
    /// Countries requests may come from.
    pub fence: Option<Fence>,
    /// How logins are read and refused; absent where the class is neither login nor recovery.
    pub login: Option<Login>,
    /// For whom it is enforced, where not for all.
    pub(super) canary: Option<Canary>,
}

/// A part of all identities, and how the rest is treated.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Canary {
    permille: u16,
    rest: Box<Tier>,
}

/// What decides about the tier of a request.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Route<'a> {
    /// Authority without port.
    pub host: &'a [u8],
    /// Path without query.
    pub path: &'a [u8],
    /// Method.
    pub method: &'a [u8],
    /// Tier named by the route's metadata.
    pub metadata: &'a [u8],
}

/// What a tier's routes look like.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Matcher {
    pub(super) hosts: Vec<HostPattern>,
    pub(super) paths: Vec<PathTemplate>,
    pub(super) methods: Vec<String>,
    pub(super) by_metadata: bool,
    /// Only paths that are sent as they are written: what is off must not be reached by a path that is something else to others.
    pub(super) exactly: bool,
}

impl Tier {
    /// The tier as it holds for identities of a cohort (0 to 999): in shadow for those outside the canary.
    #[must_use]
    pub fn of_cohort(&self, cohort: u16) -> &Self {
        match &self.canary {
            Some(canary) if cohort >= canary.permille => &canary.rest,
            Some(_) | None => self,
        }
    }

    /// The same, enforced for so many of a thousand identities only.
    pub(super) fn with_canary(mut self, permille: u16) -> Self {
        let rest = Box::new(Self {
            mode: Mode::Shadow,
            ..self.clone()
        });
        self.canary = Some(Canary { permille, rest });
        self
    }

    /// Whether the tier holds for `route`, its path read in one way.
    fn matches(&self, route: &Route<'_>, sent: &Sent<'_>, read: &Segments<'_>) -> bool {
        let matcher = &self.matcher;
        if matcher.by_metadata {
            return route.metadata == self.name.as_bytes();
        }
        (matcher.hosts.is_empty() || matcher.hosts.iter().any(|host| host.matches(route.host)))
            && (matcher.paths.is_empty()
                || ((sent.is_plain() || !matcher.exactly)
                    && matcher
                        .paths
                        .iter()
                        .any(|path| path.matches(read, matcher.exactly))))
            && (matcher.methods.is_empty()
                || matcher
                    .methods
                    .iter()
                    .any(|method| method.as_bytes() == route.method))
    }

    /// How little the tier lets pass, to be compared.
    fn strictness(&self) -> impl PartialOrd + use<> {
        let mode = match self.mode {
            Mode::Off => 0,
            Mode::Shadow => 1,
            Mode::Enforce => 2,
        };
        let rules = (self.require_identity, self.fence.is_some());
        let named = self.class != Class::Ordinary;
        (mode, rules, named, -self.step_up, -self.deny)
    }
}

/// The first of `tiers` that holds for `route`, else `default`. Where upstreams may read its path differently and that makes
/// another tier, the stricter one: which of them stands behind is not known here.
pub(super) fn of_route<'t>(tiers: &'t [Tier], default: &'t Tier, route: &Route<'_>) -> &'t Tier {
    if tiers.is_empty() {
        return default;
    }
    let sent = Sent::new(route.path);
    let mut found: Option<&Tier> = None;
    for read in sent.readings() {
        let tier = tiers
            .iter()
            .find(|tier| tier.matches(route, &sent, &read))
            .unwrap_or(default);
        if found.is_none_or(|found| tier.strictness() > found.strictness()) {
            found = Some(tier);
        }
    }
    found.unwrap_or(default)
}

/// `example.com` or `*.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostPattern {
    Exact(String),
    Below(String),
}

impl HostPattern {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let lower = without_dot(text.as_bytes()).to_ascii_lowercase();
        let lower = std::str::from_utf8(&lower).ok()?;
        let (below, name) = match lower.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, lower),
        };
        let plain = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        plain.then(|| {
            if below {
                Self::Below(name.to_owned())
            } else {
                Self::Exact(name.to_owned())
            }
        })
    }

    pub(super) fn matches(&self, host: &[u8]) -> bool {
        let host = without_dot(host);
        match self {
            Self::Exact(name) => name.as_bytes().eq_ignore_ascii_case(host),
            Self::Below(name) => host
                .len()
                .checked_sub(name.len())
                .and_then(|at| host.split_at_checked(at))
                .is_some_and(|(rest, tail)| {
                    rest.ends_with(b".") && tail.eq_ignore_ascii_case(name.as_bytes())
                }),
        }
    }
}

/// A host without the dot of the root zone, which names the same host (RFC 1034 §3.1).
fn without_dot(host: &[u8]) -> &[u8] {
    host.strip_suffix(b".").unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_match_exactly_or_below() {
        let host = |pattern: &str, host: &str| {
            HostPattern::parse(pattern)
                .unwrap()
                .matches(host.as_bytes())
        };
        assert!(host("example.com", "EXAMPLE.com"));
        assert!(host("example.com", "example.com."));
        assert!(host("example.com.", "example.com"));
        assert!(host("*.example.com", "a.example.COM."));
        assert!(!host("example.com", "example.com.."));
        assert!(host("*.example.com", "a.b.example.com"));
        assert!(!host("*.example.com", "example.com"));
        assert!(!host("*.example.com", "badexample.com"));
        assert!(HostPattern::parse("*").is_none());
    }
}
