//! What an identity uses: routes and tiers, keys and tokens, and what it never used.
//! May use: events, the policy's tiers.
//! Must not: keep an event.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use stepgate::policy::{Policy, Route, Tier};
use stepgate::signals::ecs::Event;

use super::scopes::{self, Scopes};

/// Routes that are named in text; JSON names all.
const NAMED: usize = 10;
/// Digits or hexadecimal digits from which a segment of a path is an id.
const ID: usize = 8;
const DAY: f64 = 86_400.0;

/// What the events said so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    everybody: BTreeSet<String>,
    own: BTreeSet<String>,
    tiers: BTreeSet<String>,
    scopes: scopes::Gathered,
    tokens: Option<Tokens>,
    clients: BTreeSet<String>,
    first: Option<f64>,
    last: f64,
}

/// Ages and lifetimes of tokens.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Tokens {
    /// Tokens that said when they were issued.
    #[serde(skip)]
    issued: BTreeSet<u64>,
    seen: usize,
    oldest_when_used_days: f64,
    longest_lifetime_days: Option<f64>,
}

/// What is used and what is not.
#[derive(Debug, Default, Serialize)]
pub(super) struct Usage {
    /// First and last event of the files, in days between them: how long the credential is in use at least.
    in_use_days: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Tokens>,
    oauth_clients: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Scopes>,
    routes_used: Vec<String>,
    /// Routes others use and this identity never did.
    routes_never_used: Vec<String>,
    tiers_never_used: Vec<String>,
}

impl Gathered {
    /// Counts an event; gives the tier of its route.
    pub(super) fn take(&mut self, event: &Event<'_>, own: bool, policy: &Policy) -> Tier {
        let path = event
            .path
            .as_deref()
            .map(|path| path.split('?').next().unwrap_or_default());
        let method = event.method.as_deref().unwrap_or_default();
        let tier = policy.tier(&Route {
            host: b"",
            path: path.unwrap_or_default().as_bytes(),
            method: method.as_bytes(),
            metadata: b"",
        });
        let template = path.map(|path| template(method, path));
        self.scopes.take(event, own, template.as_deref());
        if let Some(template) = template {
            if own {
                self.own.insert(template.clone());
            }
            self.everybody.insert(template);
        }
        if own {
            self.tiers.insert(tier.name.clone());
            self.credential(event);
        }
        tier.clone()
    }

    fn credential(&mut self, event: &Event<'_>) {
        self.first = Some(self.first.map_or(event.time, |first| first.min(event.time)));
        self.last = self.last.max(event.time);
        self.clients
            .extend(event.client_id.as_deref().map(str::to_owned));
        let Some(issued) = event.token_iat else {
            return;
        };
        let tokens = self.tokens.get_or_insert_default();
        tokens.issued.insert(issued.to_bits());
        let age = (event.time - issued).max(0.0) / DAY;
        tokens.oldest_when_used_days = tokens.oldest_when_used_days.max(age);
        if let Some(expires) = event.token_exp {
            let lifetime = (expires - issued) / DAY;
            let longest = tokens.longest_lifetime_days.get_or_insert(lifetime);
            *longest = longest.max(lifetime);
        }
    }

    pub(super) fn finish(self, policy: &Policy) -> Usage {
        let never = policy.tiers.iter().map(|tier| &tier.name);
        Usage {
            in_use_days: self.first.map_or(0.0, |first| (self.last - first) / DAY),
            tokens: self.tokens.map(|tokens| Tokens {
                seen: tokens.issued.len(),
                ..tokens
            }),
            scopes: self.scopes.finish(),
            oauth_clients: self.clients.into_iter().collect(),
            routes_never_used: self.everybody.difference(&self.own).cloned().collect(),
            routes_used: self.own.into_iter().collect(),
            tiers_never_used: never
                .filter(|name| !self.tiers.contains(*name))
                .cloned()
                .collect(),
        }
    }
}

/// A route without the ids in its path: `GET /users/{}/orders`.
fn template(method: &str, path: &str) -> String {
    let is_id = |segment: &str| {
        let digits = segment.bytes().all(|b| b.is_ascii_digit());
        let hex =
            segment.len() >= ID && segment.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        !segment.is_empty() && (digits || (hex && segment.bytes().any(|b| b.is_ascii_digit())))
    };
    let mut text = method.to_owned();
    for (index, segment) in path.split('/').enumerate() {
        text.push_str(match index {
            0 if method.is_empty() => "",
            0 => " ",
            _ => "/",
        });
        text.push_str(if is_id(segment) { "{}" } else { segment });
    }
    text
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "credentials: in use for at least {:.1} days",
            self.in_use_days
        )?;
        if let Some(tokens) = &self.tokens {
            write!(
                f,
                "; {} tokens, the oldest {:.1} days old when used",
                tokens.seen, tokens.oldest_when_used_days
            )?;
            if let Some(longest) = tokens.longest_lifetime_days {
                write!(f, ", good for {longest:.1} days at most")?;
            }
        }
        if !self.oauth_clients.is_empty() {
            write!(f, "; clients {}", self.oauth_clients.join(", "))?;
        }
        writeln!(f)?;
        if let Some(scopes) = &self.scopes {
            write!(f, "{scopes}")?;
        }
        let (used, never) = (self.routes_used.len(), self.routes_never_used.len());
        if used + never > 0 {
            writeln!(f, "routes: {used} of the {} in these files", used + never)?;
            for route in self.routes_never_used.iter().take(NAMED) {
                writeln!(f, "  never {route}")?;
            }
            if never > NAMED {
                writeln!(f, "  and {} more never (--json names all)", never - NAMED)?;
            }
        }
        if !self.tiers_never_used.is_empty() {
            writeln!(f, "tiers never used: {}", self.tiers_never_used.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_paths_are_left_out() {
        assert_eq!(template("GET", "/users/42/orders"), "GET /users/{}/orders");
        assert_eq!(template("", "/a/5f0c9a1e-11"), "/a/{}");
        assert_eq!(template("PUT", "/decade/v2"), "PUT /decade/v2");
    }
}
