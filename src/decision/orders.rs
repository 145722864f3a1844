//! What operators order by feed: single identities treated otherwise than their score says, and everybody only watched.
//! May use: decision, feeds, policy.
//! Must not: waive a revocation, a key binding or a fence: those are settled before any score.

use std::borrow::Cow;

use super::{Action, Decision, Refusal, refuse, step_up};
use crate::feed::{Answerable, Feed, Order};
use crate::policy::{Mode, Tier};
use crate::signals::features::Features;

/// The tier as it is under the kill switch: what would be enforced is only watched.
#[must_use]
pub fn watched<'a>(tier: &'a Tier, feed: Option<&Feed>) -> Cow<'a, Tier> {
    if tier.mode == Mode::Enforce && feed.is_some_and(|feed| feed.shadow) {
        let mut tier = tier.clone();
        tier.mode = Mode::Shadow;
        Cow::Owned(tier)
    } else {
        Cow::Borrowed(tier)
    }
}

/// What is ordered for the identity of a verified credential: nobody is treated otherwise for what a stranger claims.
#[must_use]
pub fn order_for<'a>(
    features: &Features,
    feed: Option<&'a Feed>,
) -> Option<(Order, &'a Answerable)> {
    feed.filter(|_| features.verified)?
        .ordered(&features.credential.names, features.now)
}

/// The decision under an order. `proven`: the authentication is as strong and recent as a
/// challenge asks for; `incapable`: the client cannot answer one.
#[must_use]
pub fn under(
    order: Option<Order>,
    scored: Decision,
    (proven, incapable): (bool, bool),
    features: &Features,
    tier: &Tier,
) -> Decision {
    match order {
        Some(Order::Allow) => Decision::allow(tier),
        Some(Order::StepUp) if scored.would == Action::Allow && !proven => {
            step_up(features, features.safe, tier, incapable)
        }
        Some(Order::Deny) => refuse(Refusal::Forbidden, tier),
        Some(Order::StepUp) | None => scored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::signals::request::Kind;

    #[test]
    fn an_order_goes_before_the_score() {
        let policy = Policy::parse(r#"{"mode":"enforce"}"#).unwrap();
        let tier = &policy.default_tier;
        let allowed = Decision::allow(tier);
        let denied = refuse(Refusal::Forbidden, tier);
        let person = Features::default();
        let machine = Features {
            kind: Kind::Service,
            ..person
        };
        let (allow, step_up, deny) = (Some(Order::Allow), Some(Order::StepUp), Some(Order::Deny));
        for (order, scored, proven, features, expected) in [
            (None, denied, false, person, Action::Deny),
            (allow, denied, false, person, Action::Allow),
            (deny, allowed, true, person, Action::Deny),
            (step_up, allowed, false, person, Action::StepUp),
            (step_up, allowed, true, person, Action::Allow),
            (step_up, denied, true, person, Action::Deny),
            (step_up, allowed, false, machine, Action::Restrict),
        ] {
            let decision = under(order, scored, (proven, false), &features, tier);
            assert_eq!(decision.would, expected, "{order:?} {scored:?} {proven}");
            assert_eq!(decision.mode, Mode::Enforce);
        }
    }

    #[test]
    fn the_kill_switch_only_ever_makes_milder() {
        let policy =
            Policy::parse(r#"{"mode":"enforce","tiers":[{"name":"a","mode":"off"}]}"#).unwrap();
        let on = Feed {
            shadow: true,
            ..Feed::default()
        };
        let off = Feed::default();
        for (tier, feed, expected) in [
            (&policy.default_tier, Some(&on), Mode::Shadow),
            (&policy.default_tier, Some(&off), Mode::Enforce),
            (&policy.default_tier, None, Mode::Enforce),
            (&policy.tiers[0], Some(&on), Mode::Off),
        ] {
            assert_eq!(watched(tier, feed).mode, expected);
        }
    }
}
