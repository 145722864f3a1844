//! Scopes granted, and which of them nothing that was done needed.
//! May use: events.
//! Must not: claim that a scope was used, which no event tells.
//!
//! A token with more scopes than needed looks like any other. What tells: somebody was served on the same route with a token that
//! lacks the scope, so that the route does not need it. A scope that no route needs which the identity used is granted for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use stepgate::signals::ecs::{Event, Outcome};

/// What the events said so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// For each route the scopes that every token had which was served there.
    needed: BTreeMap<String, BTreeSet<String>>,
    /// Routes this identity was served on.
    own: BTreeSet<String>,
    granted: BTreeSet<String>,
}

/// Scopes of an identity's tokens.
#[derive(Debug, Serialize)]
pub(super) struct Scopes {
    granted: BTreeSet<String>,
    /// Not needed on any route it used.
    never_needed: BTreeSet<String>,
    /// Every token served there had them: they may be needed, and no event tells whether they are.
    not_told: BTreeSet<String>,
}

impl Gathered {
    /// Counts an event on a route; only those whose tokens say their scopes tell anything.
    pub(super) fn take(&mut self, event: &Event<'_>, own: bool, route: Option<&str>) {
        let scopes: BTreeSet<String> = event
            .token_scope
            .iter()
            .flat_map(|list| list.split_ascii_whitespace())
            .map(str::to_owned)
            .collect();
        if scopes.is_empty() {
            return;
        }
        if own {
            self.granted.extend(scopes.iter().cloned());
        }
        let refused = event.outcome == Some(Outcome::Failure)
            || event.status.is_some_and(|status| status >= 400);
        let Some(route) = route.filter(|_| !refused) else {
            return;
        };
        if own {
            self.own.insert(route.to_owned());
        }
        match self.needed.get_mut(route) {
            Some(needed) => needed.retain(|scope| scopes.contains(scope)),
            None => {
                self.needed.insert(route.to_owned(), scopes);
            }
        }
    }

    /// What it comes to; `None` where no token said a scope.
    pub(super) fn finish(self) -> Option<Scopes> {
        if self.granted.is_empty() {
            return None;
        }
        let needs = |scope: &String| {
            let mut routes = self.own.iter().filter_map(|route| self.needed.get(route));
            routes.any(|needed| needed.contains(scope))
        };
        let (not_told, never_needed) = self
            .granted
            .iter()
            .cloned()
            .partition(|scope| self.own.is_empty() || needs(scope));
        Some(Scopes {
            granted: self.granted,
            never_needed,
            not_told,
        })
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |scopes: &BTreeSet<String>| {
            let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
            scopes.join(", ")
        };
        writeln!(f, "scopes: granted {}", list(&self.granted))?;
        if !self.never_needed.is_empty() {
            writeln!(
                f,
                "  never needed: {} (all it did, others did without)",
                list(&self.never_needed)
            )?;
        }
        if !self.not_told.is_empty() {
            writeln!(
                f,
                "  may be needed, these files do not tell: {}",
                list(&self.not_told)
            )?;
        }
        Ok(())
    }
}
