//! Evidence: what in this request speaks for somebody else than the owner, in nats, each with its reason.
//! May use: signals, baseline and feeds.
//! Must not: sum, compare with thresholds, or change a record.

mod behaviour;
mod client;
pub(crate) mod external;
mod family;
mod network;
mod novelty;
mod reason;
pub(crate) mod session;
pub(crate) mod source;
mod time;
pub(crate) mod token;
mod velocity;

use arrayvec::ArrayVec;

use crate::baseline::account::Account;
use crate::baseline::identity::IdentityRecord;
use crate::baseline::population::{PatternLesson, Population};
use crate::baseline::session::Session;
use crate::baseline::source::{Source, SourceKey, SourceKind};
use crate::feed::Feed;
use crate::signals::features::Features;

pub use behaviour::{Conduct, Watched};
pub(crate) use client::device;
pub use external::{External, Fence, NetworkList, RiskScale};
pub use family::{Family, Nature};
pub use reason::{REASONS, Reason, Row};

/// Most pieces of evidence one decision can hold.
pub const MAX_EVIDENCE: usize = 32;

/// One reason and its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Why.
    pub reason: Reason,
    /// Log-likelihood ratio in nats; negative speaks for the owner.
    pub nats: f64,
}

/// All evidence of one decision.
pub type EvidenceList = ArrayVec<Evidence, MAX_EVIDENCE>;

/// What is known when a request is assessed: the records that were read, and everybody.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The identity's record; absent for a new identity.
    pub identity: Option<&'a IdentityRecord>,
    /// Everybody.
    pub population: &'a Population,
    /// What the identity does; absent where it is not followed.
    pub behaviour: Option<Watched<'a>>,
    /// The source records that were wanted and found.
    pub sources: &'a [(SourceKey, Source)],
    /// What feeds say.
    pub feed: Option<&'a Feed>,
    /// The record of the name that a login tries.
    pub account: Option<&'a Account>,
    /// The record of what names like it have in common.
    pub alike: Option<&'a Account>,
}

impl<'a> Known<'a> {
    /// Nothing but everybody.
    #[must_use]
    pub const fn of(population: &'a Population) -> Self {
        Self {
            identity: None,
            population,
            behaviour: None,
            sources: &[],
            feed: None,
            account: None,
            alike: None,
        }
    }

    /// The same with the record of the name that is tried.
    #[must_use]
    pub const fn with_account(mut self, account: Option<&'a Account>) -> Self {
        self.account = account;
        self
    }

    /// The same with the record of what names like it have in common.
    #[must_use]
    pub const fn with_alike(mut self, account: Option<&'a Account>) -> Self {
        self.alike = account;
        self
    }

    /// The same with what feeds say.
    #[must_use]
    pub const fn with_feed(mut self, feed: &'a Feed) -> Self {
        self.feed = Some(feed);
        self
    }

    /// The same with what the identity that asks does.
    #[must_use]
    pub const fn with_behaviour(mut self, watched: Option<Watched<'a>>) -> Self {
        self.behaviour = watched;
        self
    }

    /// The same with the record of the identity that asks.
    #[must_use]
    pub const fn with_identity(mut self, record: Option<&'a IdentityRecord>) -> Self {
        self.identity = record;
        self
    }

    /// The same with the records of the sources it asks from.
    #[must_use]
    pub const fn with_sources(mut self, sources: &'a [(SourceKey, Source)]) -> Self {
        self.sources = sources;
        self
    }

    pub(crate) fn source(&self, kind: SourceKind) -> Option<&'a Source> {
        self.sources
            .iter()
            .find(|(key, _)| key.kind == kind)
            .map(|(_, source)| source)
    }

    /// Whether the network burst of late.
    pub(crate) fn is_hot(&self, now: u32) -> bool {
        self.source(SourceKind::Prefix)
            .is_some_and(|source| source.is_hot(now))
    }

    /// Whether many identities share the network: then it says nothing about one of them, and is nobody's place.
    pub(crate) fn is_shared(&self, now: u32) -> bool {
        self.source(SourceKind::Prefix)
            .is_some_and(|source| source.is_shared(now))
    }
}

/// What was gathered, with what learning needs to know of it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Findings {
    /// Every piece of evidence.
    pub evidence: EvidenceList,
    /// The identity was never seen with this provider.
    pub new_network: bool,
    /// A value of this context is known but on probation.
    pub returning: bool,
    /// What the population may learn about patterns of novelty.
    pub pattern: Option<PatternLesson>,
    /// What learning needs to know of what is done.
    pub conduct: Option<Conduct>,
}

/// Evidence of a login, or of any request of a credential without sessions.
#[must_use]
pub fn of_login(features: &Features, known: &Known<'_>, weights: &Weights) -> Findings {
    let mut found = Gathered::new(weights);
    let Some(record) = known.identity.filter(|record| record.history > 0) else {
        network::stranger(features, known, &mut found);
        token::of_token(features, known, &mut found);
        client::handshake(features, known, &mut found);
        velocity::crowd(features, known, true, &mut found);
        source::gather(features, known, &mut found);
        let conduct = behaviour::gather(features, known, &mut found);
        return Findings {
            evidence: found.list,
            conduct,
            new_network: true,
            ..Findings::default()
        };
    };
    let since = |earlier: u32| f64::from(features.now.saturating_sub(earlier));
    let identity = novelty::Identity {
        events: f64::from(record.events),
        stretch: novelty::absence(
            since(record.last_event),
            f64::from(record.last_event.saturating_sub(record.created)),
        ),
    };
    let (level, pattern) = if features.kind.is_machine() {
        let level = network::machine(record, features, known, &identity, &mut found);
        client::machine(record, features, known, &identity, &mut found);
        (level, None)
    } else {
        let from = network::person(record, features, known, &identity, &mut found);
        let pattern = client::person(record, features, known, &identity, &from, &mut found);
        client::language(record, features, known, identity.stretch, &mut found);
        client::handshake(features, known, &mut found);
        time::person(record, features, known, &mut found);
        (from.level, Some(pattern))
    };
    time::silence(record, features, &mut found);
    let new_network = level > 2;
    velocity::travel(record, features, known, &mut found);
    velocity::crowd(features, known, new_network, &mut found);
    source::gather(features, known, &mut found);
    token::of_token(features, known, &mut found);
    token::of_identity(record, features, known, identity.stretch, &mut found);
    let returning = is_returning(record, features);
    if returning {
        found.add(Reason::Returning, -1.0);
    }
    behaviour::purpose(record, features, &mut found);
    behaviour::critical(features, &mut found);
    let conduct = behaviour::gather(features, known, &mut found);
    Findings {
        conduct,
        evidence: found.list,
        new_network,
        returning,
        pattern: pattern.filter(|_| !returning),
    }
}

/// Evidence of an attempt that names nobody: where it comes from.
#[must_use]
pub fn of_attempt(features: &Features, known: &Known<'_>, weights: &Weights) -> EvidenceList {
    let mut found = Gathered::new(weights);
    source::gather(features, known, &mut found);
    found.list
}

/// Evidence of a request inside a session that is known.
#[must_use]
pub fn of_request(
    session: &Session,
    features: &Features,
    known: &Known<'_>,
    weights: &Weights,
) -> Findings {
    let mut found = Gathered::new(weights);
    token::of_token(features, known, &mut found);
    if let Some(record) = known.identity {
        session::gather(record, session, features, known, &mut found);
        velocity::travel(record, features, known, &mut found);
        source::gather(features, known, &mut found);
        behaviour::critical(features, &mut found);
    }
    let conduct = behaviour::gather(features, known, &mut found);
    Findings {
        conduct,
        evidence: found.list,
        ..Findings::default()
    }
}

/// Whether a value of this context was seen before and is on probation.
fn is_returning(record: &IdentityRecord, features: &Features) -> bool {
    let (network, client) = (&record.network, &record.client);
    network.address.on_probation(features.address)
        || network.prefix.on_probation(features.prefix)
        || network.asn.on_probation(features.asn)
        || network.country.on_probation(features.country)
        || client.user_agent.on_probation(features.user_agent)
        || client.browser.on_probation(features.browser)
        || client.os.on_probation(features.os)
        || client.device.on_probation(features.device)
}

/// Weights of all reasons: the table's defaults unless the policy says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights(Vec<f64>);

impl Default for Weights {
    fn default() -> Self {
        Self(REASONS.iter().map(|row| row.weight).collect())
    }
}

impl Weights {
    /// Weight of `reason`.
    #[must_use]
    pub fn of(&self, reason: Reason) -> f64 {
        self.0.get(reason as usize).copied().unwrap_or(0.0)
    }

    /// Sets the weight of `reason`.
    pub fn set(&mut self, reason: Reason, weight: f64) {
        if let Some(slot) = self.0.get_mut(reason as usize) {
            *slot = weight;
        }
    }
}

struct Gathered<'a> {
    list: EvidenceList,
    weights: &'a Weights,
}

impl<'a> Gathered<'a> {
    fn new(weights: &'a Weights) -> Self {
        Self {
            list: EvidenceList::new(),
            weights,
        }
    }

    /// Takes back what speaks for the owner in some families.
    fn void(&mut self, of: impl Fn(Family) -> bool) {
        for piece in &mut self.list {
            if of(piece.reason.family()) {
                piece.nats = piece.nats.max(0.0);
            }
        }
    }

    /// Adds `strength` times the reason's weight. Nothing is added for zero.
    fn add(&mut self, reason: Reason, strength: f64) {
        let nats = strength * self.weights.of(reason);
        if nats != 0.0 && nats.is_finite() {
            // The list holds more than there are reasons one request can give.
            let _full = self.list.try_push(Evidence { reason, nats });
        }
    }
}
