//! What an operator's feeds say: what is revoked, which networks are listed, what was ordered for single identities.
//! May use: signals, revocations.
//! Must not: fetch anything, read a clock, or look at a record: a feed is a value like any other.

mod document;

use std::collections::BTreeMap;

pub use document::Document;

use crate::baseline::revocation::Revocations;
use crate::signals::address::CidrSet;
use crate::signals::credential::Names;
use crate::signals::keyed::Locator;

/// Networks somebody answers for, until a date.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkList {
    /// The networks.
    pub networks: CidrSet,
    /// Nats of a hit; absent: the reason's weight.
    pub nats: Option<f64>,
    /// Seconds since 1970; afterwards the list says nothing.
    pub expires: u32,
}

/// What an operator ordered for one identity, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// Passes, whatever its score.
    Allow,
    /// Must have stepped up.
    StepUp,
    /// Is refused.
    Deny,
}

/// A decision, named so that somebody can say what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// By its id.
    Decision(u64),
    /// By identity, session and time (seconds since 1970).
    Session {
        /// The identity.
        identity: Locator,
        /// The session, as [`crate::signals::features::Features`] has it.
        session: u32,
        /// When.
        time: u32,
    },
}

/// What somebody found out about a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which decision.
    pub of: Judged,
    /// It was the owner.
    pub owner: bool,
}

/// What all feeds say together.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Feed {
    /// What is revoked.
    pub revocations: Revocations,
    /// Networks that are listed.
    pub networks: Vec<NetworkList>,
    /// The kill switch: what would be enforced is only watched.
    pub shadow: bool,
    /// Until when (seconds since 1970) an order holds for an identity, by [`Names::subject`].
    pub orders: BTreeMap<(u64, Order), u32>,
}

impl Feed {
    /// Orders something for the identity of this name, until then.
    pub fn order(&mut self, subject: u64, order: Order, until: u32) {
        let held = self.orders.entry((subject, order)).or_insert(until);
        *held = until.max(*held);
    }

    /// What is ordered for whoever has these names; of several orders the strictest.
    #[must_use]
    pub fn ordered(&self, names: &Names, now: u32) -> Option<Order> {
        if names.subject == 0 || self.orders.is_empty() {
            return None;
        }
        [Order::Deny, Order::StepUp, Order::Allow]
            .into_iter()
            .find(|order| {
                let until = self.orders.get(&(names.subject, *order));
                until.is_some_and(|until| *until > now)
            })
    }

    /// Adds what another feed says. Returns how many revocations there was no room for.
    pub fn merge(&mut self, other: &Self) -> usize {
        self.shadow |= other.shadow;
        self.networks.extend_from_slice(&other.networks);
        for ((subject, order), until) in &other.orders {
            self.order(*subject, *order, *until);
        }
        self.revocations.merge(&other.revocations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::keyed::HashKey;

    fn alice() -> Names {
        Names::of("i", b"i|alice", b"", b"", b"", &HashKey::PUBLIC)
    }

    #[test]
    fn the_strictest_order_that_holds_counts() {
        let mut feed = Feed::default();
        feed.order(alice().subject, Order::Allow, 300);
        let mut other = Feed::default();
        other.order(alice().subject, Order::Deny, 100);
        other.order(alice().subject, Order::StepUp, 200);
        other.shadow = true;
        assert_eq!(feed.merge(&other), 0);
        assert!(feed.shadow);
        for (now, expected) in [
            (99, Some(Order::Deny)),
            (100, Some(Order::StepUp)),
            (200, Some(Order::Allow)),
            (300, None),
        ] {
            assert_eq!(feed.ordered(&alice(), now), expected, "{now}");
        }
        assert_eq!(feed.ordered(&Names::default(), 50), None);
    }
}
