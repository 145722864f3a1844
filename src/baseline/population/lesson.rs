//! What everybody learns from one event: lessons add up, so that many VMs can teach one population.
//! May use: patterns, versions.
//! Must not: hold anything a record does not already hold hashed.

use super::patterns::{Groups, PerPattern};
use crate::baseline::values::{Relation, Version, relation};

/// Kinds of values counted in the sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Shared {
    /// Full address.
    Address = 0,
    /// /24 or /48.
    Prefix,
    /// User agent string.
    UserAgent,
    /// Browser with operating system.
    Browser,
    /// Operating system with device class.
    Os,
    /// Device class.
    Device,
    /// /20 or /40.
    Block,
    /// OAuth client.
    OauthClient,
    /// Language.
    Language,
    /// Browser, of events with a TLS fingerprint.
    Measured,
    /// Browser together with its TLS fingerprint.
    Handshake,
}

/// Client of a recent event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecentClient {
    /// Whose it was: a hash.
    pub identity: u32,
    /// User agent string.
    pub user_agent: u32,
    /// Browser with operating system.
    pub browser: u32,
    /// Operating system with device class.
    pub os: u32,
    /// Their versions.
    pub version: Version,
}

/// What everybody learns from one event. Lessons add up, so that many VMs can teach one population.
#[derive(Clone, Debug, PartialEq)]
pub enum Lesson {
    /// A good credential was used, allowed or not.
    Attempt(Attempt),
    /// A credential was wrong.
    Failure,
    /// An authentication event was learned.
    Event(Box<EventLesson>),
    /// A session moved to another network.
    Move {
        /// Provider it moved to.
        asn: u32,
        /// Whether the request was allowed. Moves are counted either way: their rate must not depend on verdicts.
        allowed: bool,
        /// When.
        now: u32,
    },
    /// A session changed its client; `true`: only the version.
    ClientChange(bool),
    /// A window of requests was judged the owner's.
    Routes(Box<RouteLesson>),
}

/// What everybody learns from one window of requests.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RouteLesson {
    /// Requests by route.
    pub routes: Vec<(u32, u16)>,
    /// It had requests on privileged routes.
    pub privileged: bool,
    /// When.
    pub now: u32,
}

/// One attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Hash of the identity.
    pub identity: u32,
    /// Provider.
    pub asn: u32,
    /// The identity never used this provider.
    pub arrival: bool,
    /// When.
    pub now: u32,
}

/// One learned authentication event.
#[derive(Clone, Debug, PartialEq)]
pub struct EventLesson {
    /// When.
    pub now: u32,
    /// Values by kind.
    pub values: [(Shared, u32); 8],
    /// Values that many requests do not show: 0 is not counted.
    pub shown: [(Shared, u32); 3],
    /// Provider.
    pub asn: u32,
    /// Country.
    pub country: u32,
    /// The identity was new to the provider.
    pub arrival: bool,
    /// Its client.
    pub client: RecentClient,
    /// Joint pattern of novelty; absent for first events and for contexts on probation.
    pub pattern: Option<PatternLesson>,
    /// How strangers' recent clients relate to what this identity knows: browser newer, same, older; system current, older.
    pub relations: [u16; 5],
    /// A person's event counts in the hours of the day.
    pub human: bool,
    /// The token it came with.
    pub credential: CredentialLesson,
}

/// What an event says of its issuer's tokens; 0 says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CredentialLesson {
    /// Issuer.
    pub issuer: u32,
    /// Shape.
    pub shape: u32,
    /// From `iat` to `exp`, in seconds.
    pub lifetime: u32,
}

/// What an event says about patterns of novelty.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternLesson {
    /// Which factors apply.
    pub groups: Groups,
    /// What the chains expected.
    pub joint: PerPattern,
    /// What was shown.
    pub shown: usize,
    /// Where the provider was known: whether the address was fresh, and how likely that was.
    pub fresh: Option<(bool, f64)>,
}

/// How strangers' recent clients relate to what one identity knows. `known` gives the newest version under the browser
/// (`true`) or under the system, or nothing where the string itself is known or neither is.
#[must_use]
pub fn relations(
    recent: &[RecentClient],
    identity: u32,
    known: impl Fn(&RecentClient) -> Option<(bool, Version)>,
) -> [u16; 5] {
    let mut counts = [0u16; 5];
    for client in recent.iter().filter(|client| client.identity != identity) {
        let index = match known(client) {
            Some((true, version)) => match relation(version, client.version) {
                Relation::Newer => 0,
                Relation::Same => 1,
                Relation::Older => 2,
            },
            Some((false, version)) => {
                let os = Version {
                    browser: 0,
                    ..version
                };
                3 + usize::from(relation(os, client.version) == Relation::Older)
            }
            None => continue,
        };
        if let Some(count) = counts.get_mut(index) {
            *count += 1;
        }
    }
    counts
}
