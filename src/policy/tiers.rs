//! Tiers: which routes are treated alike, and how.
//! May use: signals, and the checked policy's own types.
//! Must not: look at anything but host, path, method and route metadata.

use super::config::Mode;
use super::login::Login;
use super::page::StepUpPage;
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

    /// Whether the tier holds for `route`.
    #[must_use]
    pub fn matches(&self, route: &Route<'_>) -> bool {
        let matcher = &self.matcher;
        if matcher.by_metadata {
            return route.metadata == self.name.as_bytes();
        }
        (matcher.hosts.is_empty() || matcher.hosts.iter().any(|host| host.matches(route.host)))
            && (matcher.paths.is_empty()
                || matcher.paths.iter().any(|path| path.matches(route.path)))
            && (matcher.methods.is_empty()
                || matcher
                    .methods
                    .iter()
                    .any(|method| method.as_bytes() == route.method))
    }
}

/// `example.com` or `*.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostPattern {
    Exact(String),
    Below(String),
}

impl HostPattern {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let (below, name) = match lower.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, lower.as_str()),
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

/// `/users/{id}/orders`, `/admin/**`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathTemplate {
    pub(super) segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(String),
    One,
    Rest,
}

impl PathTemplate {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        let mut segments = Vec::new();
        let mut parts = rest.split('/').peekable();
        while let Some(part) = parts.next() {
            segments.push(match part {
                "**" if parts.peek().is_none() => Segment::Rest,
                "*" => Segment::One,
                name if name.starts_with('{') && name.ends_with('}') && name.len() > 2 => {
                    Segment::One
                }
                name if name.contains(['*', '{', '}', '?', '#', '%']) => return None,
                name => Segment::Literal(name.to_owned()),
            });
        }
        Some(Self { segments })
    }

    /// Matches a path segment by segment. Empty and dot segments never reach here: a path that has them is compared in the
    /// form an upstream would normalise it to, so that `//admin` and `/x/../admin` are `/admin`.
    fn matches(&self, path: &[u8]) -> bool {
        let mut segments = self.segments.iter();
        let mut parts = normal_segments(path);
        loop {
            match (segments.next(), parts.next()) {
                (Some(Segment::Rest), _) | (None, None) => return true,
                (Some(Segment::One), Some(_)) => {}
                (Some(Segment::Literal(name)), Some(part))
                    if unescaped_eq(name.as_bytes(), part) => {}
                (Some(Segment::Literal(name)), None) if name.is_empty() => {}
                _ => return false,
            }
        }
    }
}

/// The segments of a path as an upstream would see them: without empty ones, `.`, `..` and parameters (RFC 3986 §3.3, which
/// servlet containers cut off), an encoded slash being a slash; bounded at 64.
fn normal_segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut kept = arrayvec::ArrayVec::<&[u8], 64>::new();
    let mut rest = Some(path);
    while let Some(now) = rest {
        let (part, after) = split_segment(now);
        rest = after;
        let part = part.split(|b| *b == b';').next().unwrap_or(part);
        if part.is_empty() || unescaped_eq(b".", part) {
            continue;
        }
        if unescaped_eq(b"..", part) {
            kept.pop();
        } else {
            let _deeper = kept.try_push(part);
        }
    }
    kept.into_iter()
}

/// A segment and what follows the slash behind it, in any spelling of a slash.
fn split_segment(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    for (at, byte) in path.iter().enumerate() {
        let rest = path.get(at..).unwrap_or(&[]);
        let slash = match (byte, rest) {
            (b'/' | b'\\', _) => 1,
            (b'%', [_, b'2', b'f' | b'F', ..] | [_, b'5', b'c' | b'C', ..]) => 3,
            _ => continue,
        };
        return (path.get(..at).unwrap_or(path), rest.get(slash..));
    }
    (path, None)
}

/// Compares a literal with a percent-encoded segment, without allocating.
fn unescaped_eq(literal: &[u8], mut encoded: &[u8]) -> bool {
    for expected in literal {
        let (byte, rest) = match encoded {
            [b'%', high, low, rest @ ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, rest),
                _ => return false,
            },
            [byte, rest @ ..] => (*byte, rest),
            [] => return false,
        };
        if byte != *expected {
            return false;
        }
        encoded = rest;
    }
    encoded.is_empty()
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(template: &str, path: &str) -> bool {
        PathTemplate::parse(template)
            .unwrap()
            .matches(path.as_bytes())
    }

    #[test]
    fn templates_match_by_segment() {
        assert!(path("/admin/**", "/admin/users/7"));
        assert!(path("/admin/**", "/admin"));
        assert!(!path("/admin/**", "/administrator"));
        assert!(path("/users/{id}/orders", "/users/7/orders"));
        assert!(!path("/users/{id}/orders", "/users/7/orders/8"));
        assert!(path("/", "/"));
        assert!(path("/**", "/anything"));
    }

    #[test]
    fn no_spelling_of_a_path_escapes_its_tier() {
        for spelling in [
            "//admin/x",
            "/./admin/x",
            "/a/../admin/x",
            "/%61dmin/x",
            "/a/%2e%2E/admin/x",
            "/admin//x",
            "/admin\\x",
            "/admin%2Fx",
            "/a%5c..%2fadmin/x",
            "/admin;v=1/x",
            "/a/..;/admin/x",
        ] {
            assert!(path("/admin/**", spelling), "{spelling}");
        }
    }

    #[test]
    fn templates_that_cannot_work_are_refused() {
        for bad in ["admin", "/a/**/b", "/a*", "/a?x=1", "/%41"] {
            assert!(PathTemplate::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn hosts_match_exactly_or_below() {
        let host = |pattern: &str, host: &str| {
            HostPattern::parse(pattern)
                .unwrap()
                .matches(host.as_bytes())
        };
        assert!(host("example.com", "EXAMPLE.com"));
        assert!(host("*.example.com", "a.b.example.com"));
        assert!(!host("*.example.com", "example.com"));
        assert!(!host("*.example.com", "badexample.com"));
        assert!(HostPattern::parse("*").is_none());
    }
}
