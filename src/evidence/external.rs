//! What others know: lists of networks, countries that are out of bounds, a score from elsewhere, an age limit for tokens.
//! May use: signals, feeds.
//! Must not: fetch a list, or read a policy: what it uses is checked before it gets here.

use super::{EvidenceList, Gathered, Reason, Weights};
use crate::feed::Feed;
pub use crate::feed::NetworkList;
use crate::signals::features::Features;
use crate::signals::request::{Field, Signals};

/// Which countries requests may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Only these; empty: any.
    pub allowed: Vec<[u8; 2]>,
    /// All but these.
    pub forbidden: Vec<[u8; 2]>,
    /// Whether a request from nobody knows where passes.
    pub unknown_passes: bool,
    /// Whether it is a rule; otherwise evidence.
    pub denies: bool,
}

impl Fence {
    /// Whether a request of these signals is outside.
    #[must_use]
    pub fn is_broken(&self, signals: &Signals<'_>) -> bool {
        match signals.network.country {
            Field::Present(country) => {
                self.forbidden.contains(&country)
                    || (!self.allowed.is_empty() && !self.allowed.contains(&country))
            }
            Field::Absent | Field::Malformed => !self.unknown_passes,
        }
    }
}

/// How a score from elsewhere becomes nats: linearly between two values, no farther.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RiskScale {
    /// The value that says nothing.
    pub from: f64,
    /// The value that says most; below `from` where a low score is a bad one.
    pub to: f64,
    /// What it says then.
    pub nats: f64,
}

impl RiskScale {
    /// Nats of a score.
    #[must_use]
    pub fn nats(&self, score: f64) -> f64 {
        let share = (score - self.from) / (self.to - self.from);
        if share.is_finite() {
            share.clamp(0.0, 1.0) * self.nats
        } else {
            0.0
        }
    }
}

/// What a policy takes from outside.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct External {
    /// Lists of networks.
    pub networks: Vec<NetworkList>,
    /// A score from elsewhere.
    pub risk: Option<RiskScale>,
    /// Age from which a token is suspicious, in seconds.
    pub max_token_age: Option<u32>,
}

/// Evidence of what others know.
pub(crate) fn gather(
    external: &External,
    feed: Option<&Feed>,
    fence: Option<&Fence>,
    signals: &Signals<'_>,
    features: &Features,
    weights: &Weights,
) -> EvidenceList {
    let mut found = Gathered::new(weights);
    if let Field::Present(address) = signals.network.address {
        let usual = Reason::ListedNetwork.row().weight;
        let worst = external
            .networks
            .iter()
            .chain(feed.map_or(&[][..], |feed| &feed.networks))
            .filter(|list| list.expires > features.now && list.networks.contains(address))
            .map(|list| list.nats.unwrap_or(usual))
            .fold(0.0, f64::max);
        found.add(Reason::ListedNetwork, worst / usual);
        if worst > 0.0 && features.class.is_critical() {
            found.add(Reason::CriticalFromListed, 1.0);
        }
    }
    if fence.is_some_and(|fence| !fence.denies && fence.is_broken(signals)) {
        found.add(Reason::CountryUnexpected, 1.0);
    }
    if let (Some(scale), Some(score)) = (&external.risk, signals.session.risk) {
        found.add(Reason::ExternalRisk, scale.nats(score));
    }
    if let Some(limit) = external.max_token_age
        && features.issued_at != 0
        && features.now.saturating_sub(features.issued_at) > limit
    {
        found.add(Reason::TokenAge, 1.0);
    }
    found.list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::address::{Address, CidrSet};
    use crate::signals::request::{NetworkSignals, SessionSignals};

    fn signals(address: &str, country: &[u8; 2], risk: Option<f64>) -> Signals<'static> {
        Signals {
            network: NetworkSignals {
                address: Field::from(Address::parse(address)),
                country: Field::Present(*country),
                ..NetworkSignals::default()
            },
            session: SessionSignals {
                risk,
                ..SessionSignals::default()
            },
            ..Signals::default()
        }
    }

    fn list(networks: &str, nats: Option<f64>, expires: u32) -> NetworkList {
        NetworkList {
            networks: CidrSet::parse([networks]).unwrap(),
            nats,
            expires,
        }
    }

    fn nats(external: &External, signals: &Signals<'_>, now: u32) -> Vec<(Reason, f64)> {
        let features = Features {
            now,
            issued_at: 10,
            ..Features::default()
        };
        gather(
            external,
            None,
            None,
            signals,
            &features,
            &Weights::default(),
        )
        .iter()
        .map(|piece| (piece.reason, piece.nats))
        .collect()
    }

    #[test]
    fn the_worst_list_that_holds_counts_until_it_expires() {
        let external = External {
            networks: vec![
                list("198.51.100.0/24", None, 100),
                list("198.51.100.0/28", Some(4.0), 50),
            ],
            ..External::default()
        };
        let here = signals("198.51.100.7", b"NO", None);
        assert_eq!(nats(&external, &here, 49), [(Reason::ListedNetwork, 4.0)]);
        assert_eq!(nats(&external, &here, 50), [(Reason::ListedNetwork, 2.5)]);
        assert_eq!(nats(&external, &here, 100), []);
        let elsewhere = signals("192.0.2.7", b"NO", None);
        assert_eq!(nats(&external, &elsewhere, 49), []);
    }

    #[test]
    fn a_score_is_mapped_linearly_and_capped_in_either_direction() {
        let scale = |from, to| RiskScale {
            from,
            to,
            nats: 3.0,
        };
        for (scale, score, expected) in [
            (scale(0.0, 100.0), 50.0, 1.5),
            (scale(0.0, 100.0), 1e9, 3.0),
            (scale(0.0, 100.0), -5.0, 0.0),
            (scale(0.0, 100.0), f64::NAN, 0.0),
            (scale(99.0, 1.0), 1.0, 3.0),
            (scale(99.0, 1.0), 50.0, 1.5),
        ] {
            assert_eq!(scale.nats(score), expected, "{scale:?} {score}");
        }
        let external = External {
            risk: Some(scale(0.0, 100.0)),
            ..External::default()
        };
        let risky = signals("", b"NO", Some(100.0));
        assert_eq!(nats(&external, &risky, 20), [(Reason::ExternalRisk, 3.0)]);
        assert_eq!(nats(&external, &signals("", b"NO", None), 20), []);
    }

    #[test]
    fn a_token_may_be_too_old() {
        let external = External {
            max_token_age: Some(60),
            ..External::default()
        };
        let here = signals("", b"NO", None);
        assert_eq!(nats(&external, &here, 70), []);
        assert_eq!(nats(&external, &here, 71), [(Reason::TokenAge, 1.5)]);
    }

    #[test]
    fn a_fence_lets_in_who_is_allowed_and_not_forbidden() {
        let fence = |allowed: &[[u8; 2]], forbidden: &[[u8; 2]], unknown_passes| Fence {
            allowed: allowed.to_vec(),
            forbidden: forbidden.to_vec(),
            unknown_passes,
            denies: true,
        };
        let from = |country| signals("", country, None);
        let unknown = Signals::default();
        for (fence, signals, broken) in [
            (fence(&[*b"NO"], &[], true), from(b"NO"), false),
            (fence(&[*b"NO"], &[], true), from(b"SE"), true),
            (fence(&[], &[*b"SE"], true), from(b"SE"), true),
            (fence(&[], &[*b"SE"], true), from(b"NO"), false),
            (fence(&[*b"NO"], &[*b"NO"], true), from(b"NO"), true),
            (fence(&[*b"NO"], &[], true), unknown.clone(), false),
            (fence(&[*b"NO"], &[], false), unknown.clone(), true),
        ] {
            assert_eq!(fence.is_broken(&signals), broken, "{fence:?}");
        }
    }
}
