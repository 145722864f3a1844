//! What an operator's feeds say: what is revoked, which networks are listed, what was ordered for single identities.
//! May use: signals, revocations.
//! Must not: fetch anything, read a clock, or look at a record: a feed is a value like any other.

mod document;
mod written;

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

/// Who answers for an order, in the operator's own words.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Answerable {
    /// Who ordered it.
    pub owner: String,
    /// Why.
    pub reason: String,
}

impl Answerable {
    /// Longest owner and reason that are kept, in characters: each audit line of the identity repeats them.
    const LONGEST: usize = 120;

    /// Keeps as much of the words as an audit line shows.
    #[must_use]
    pub fn of(owner: &str, reason: &str) -> Self {
        let bounded = |words: &str| words.trim().chars().take(Self::LONGEST).collect();
        Self {
            owner: bounded(owner),
            reason: bounded(reason),
        }
    }
}

/// An order for one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// Seconds since 1970; afterwards it holds no more.
    pub until: u32,
    /// Who answers for it.
    pub by: Answerable,
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
    /// Orders for single identities, by [`Names::subject`].
    pub orders: BTreeMap<(u64, Order), Ordered>,
}

impl Feed {
    /// Orders something for the identity of this name. Of two the same the one that holds longer counts.
    pub fn order(&mut self, subject: u64, order: Order, ordered: Ordered) {
        match self.orders.get_mut(&(subject, order)) {
            Some(held) if held.until >= ordered.until => {}
            Some(held) => *held = ordered,
            None => {
                self.orders.insert((subject, order), ordered);
            }
        }
    }

    /// What is ordered for whoever has these names; of several orders the strictest.
    #[must_use]
    pub fn ordered(&self, names: &Names, now: u32) -> Option<(Order, &Answerable)> {
        if names.subject == 0 || self.orders.is_empty() {
            return None;
        }
        [Order::Deny, Order::StepUp, Order::Allow]
            .into_iter()
            .find_map(|order| {
                let ordered = self.orders.get(&(names.subject, order))?;
                (ordered.until > now).then_some((order, &ordered.by))
            })
    }

    /// Adds what another feed says. Returns how many revocations there was no room for.
    pub fn merge(&mut self, other: &Self) -> usize {
        self.shadow |= other.shadow;
        self.networks.extend_from_slice(&other.networks);
        for ((subject, order), ordered) in &other.orders {
            self.order(*subject, *order, ordered.clone());
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
        let ordered = |until, owner| Ordered {
            until,
            by: Answerable::of(owner, "a case"),
        };
        let mut feed = Feed::default();
        feed.order(alice().subject, Order::Allow, ordered(300, "later"));
        feed.order(alice().subject, Order::Allow, ordered(299, "earlier"));
        let mut other = Feed::default();
        other.order(alice().subject, Order::Deny, ordered(100, "soc"));
        other.order(alice().subject, Order::StepUp, ordered(200, "desk"));
        other.shadow = true;
        assert_eq!(feed.merge(&other), 0);
        assert!(feed.shadow);
        for (now, expected) in [
            (99, Some((Order::Deny, "soc"))),
            (100, Some((Order::StepUp, "desk"))),
            (200, Some((Order::Allow, "later"))),
            (300, None),
        ] {
            let found = feed.ordered(&alice(), now);
            let found = found.map(|(order, by)| (order, by.owner.as_str()));
            assert_eq!(found, expected, "{now}");
        }
        assert_eq!(feed.ordered(&Names::default(), 50), None);
    }

    #[test]
    fn of_the_operators_words_no_more_is_kept_than_a_line_shows() {
        let by = Answerable::of(" soc ", &"ä".repeat(500));
        assert_eq!((by.owner.as_str(), by.reason.chars().count()), ("soc", 120));
    }
}
