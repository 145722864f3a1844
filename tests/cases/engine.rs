//! The cases in the pure engine: a small adapter of its own, without a proxy.
//! May use the engine's public face.
//! Must not look inside records.

use std::borrow::Cow;
use std::collections::BTreeMap;

use stepgate::assess::{Assessment, Lesson, assess};
use stepgate::baseline::identity::IdentityRecord;
use stepgate::baseline::population::Population;
use stepgate::evidence::Known;
use stepgate::headers;
use stepgate::observe::{self, observe, observe_from};
use stepgate::policy::{Mode, Policy, Route, Tier, TokenPlace};
use stepgate::redirect::{self, Navigation};
use stepgate::signals::address::Address;
use stepgate::signals::countries;
use stepgate::signals::features::Features;
use stepgate::signals::keyed::{HashKey, Locator};
use stepgate::signals::request::{
    Anonymiser, ClientSignals, Field, Kind, NetworkSignals, RequestSignals, SessionSignals,
    Signals, Standing, Subject,
};
use stepgate::signals::user_agent;
use stepgate::token::{self, Claims};

use super::{Outcome, Wire, expect};

/// One deployment: a policy and what it has learned.
pub(crate) struct Engine {
    policy: Policy,
    key: HashKey,
    population: Population,
    records: BTreeMap<Locator, IdentityRecord>,
}

/// The record as whoever keeps it may bring it to a time, where that changes it.
pub(crate) fn brought(record: Option<&IdentityRecord>, now: u32) -> Option<Box<IdentityRecord>> {
    let stale = record.filter(|record| !record.is_of(now));
    stale.map(|record| {
        let mut current = Box::<IdentityRecord>::default();
        current.copy_from(record);
        current.bring_to(now);
        current
    })
}

/// What came of one request; `None` where the policy is off.
pub(crate) struct Played {
    /// As every level sees it.
    pub(crate) outcome: Outcome,
    /// What the engine said.
    pub(crate) assessment: Option<Assessment>,
}

impl Engine {
    /// A deployment that has learned nothing.
    pub(crate) fn new(policy: &str) -> Self {
        let policy = Policy::parse(policy).unwrap_or_else(|error| panic!("{error}"));
        Self {
            key: policy.hash_key.unwrap_or(HashKey::PUBLIC),
            policy,
            population: Population::default(),
            records: BTreeMap::new(),
        }
    }

    /// Every record as bytes, in order of identity, then everybody.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in self.records.values() {
            record.encode(&mut bytes);
        }
        self.population.encode(&mut bytes);
        bytes
    }

    /// Decides on a request, carries it out and learns from it.
    pub(crate) fn play(&mut self, wire: &Wire) -> Played {
        let (path, query) = wire.target.split_once('?').unwrap_or((&wire.target, ""));
        let host = first(wire, "host").unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        let tier = self.policy.tier(&Route {
            host: host.as_bytes(),
            path: path.as_bytes(),
            method: wire.method.as_bytes(),
            metadata: b"",
        });
        if tier.mode == Mode::Off {
            let outcome = Outcome {
                upstream: Some(wire.headers.clone()),
                status: wire.status,
                ..Outcome::default()
            };
            return Played {
                outcome,
                assessment: None,
            };
        }
        let (standing, session) = present(&self.policy, &self.key, wire, query);
        let signals = Signals {
            now_ms: wire.at * 1000,
            standing,
            network: network(&self.policy, wire),
            client: client(wire),
            session,
            request: RequestSignals {
                method: wire.method.as_bytes(),
                host: host.as_bytes(),
                path: path.as_bytes(),
                action: b"",
            },
        };
        let features = Features::of(&signals, &self.key).of_class(tier.class);
        let record = features.identity.and_then(|at| self.records.get(&at));
        let known = Known::of(&self.population).with_identity(record);
        let assessment = assess(&self.policy, tier, &signals, &features, &known);
        // Whoever brings the record to the time of the request first is told the same.
        let mut current = brought(record, features.now);
        let sooner = known.with_identity(current.as_deref().or(record));
        let same = assess(&self.policy, tier, &signals, &features, &sooner);
        assert_eq!(same, assessment);
        let mut outcome = outcome(&self.policy, tier, wire, &assessment);
        outcome.rejected = Some(match signals.standing {
            Standing::Rejected(code) => code.to_owned(),
            _ => String::new(),
        });
        // As the adapter does: a refusal has no other outcome, all else waits for the upstream's.
        let passed = outcome.upstream.is_some();
        let waits = matches!(assessment.lesson, Lesson::Event(_) | Lesson::Move);
        let succeeded = !waits || matches!(wire.status, 100..400 | 404);
        if passed || !waits {
            let known = Known::of(&self.population).with_identity(record);
            let end = observe::Outcome { succeeded };
            let seen = observe(&features, &assessment, end, &known);
            let same = observe_from(&features, &assessment, end, &known, &mut current);
            assert_eq!(same, seen);
            for lesson in &seen.lessons {
                self.population.learn(lesson);
            }
            if let (Some(at), Some(new)) = (features.identity, seen.record) {
                self.records.insert(at, *new);
            }
        }
        Played {
            outcome,
            assessment: Some(assessment),
        }
    }
}

fn outcome(policy: &Policy, tier: &Tier, wire: &Wire, assessment: &Assessment) -> Outcome {
    let owned = |headers: Vec<(&str, String)>| {
        let owned = headers.into_iter();
        owned
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    };
    let refusal = assessment.decision.refused();
    let asked = Navigation {
        method: wire.method.as_bytes(),
        fetch_mode: Field::from(first(wire, "sec-fetch-mode").map(str::as_bytes)),
        accepts_html: first(wire, "accept").is_some_and(|accept| accept.contains("text/html")),
        authority: first(wire, "host").unwrap_or_default().as_bytes(),
        target: wire.target.as_bytes(),
    };
    let reply = |refusal| redirect::answer(refusal, policy, tier, "d0", &asked).0;
    let mut outcome = match refusal.map(reply) {
        Some(reply) => Outcome {
            status: reply.status,
            grpc_status: Some(reply.grpc_status),
            client: owned(reply.headers),
            ..Outcome::default()
        },
        None => Outcome {
            upstream: Some(owned(headers::upstream(assessment, "d0"))),
            status: wire.status,
            ..Outcome::default()
        },
    };
    outcome.would = Some(assessment.decision.would.as_str().to_owned());
    outcome.score = Some(headers::percent(assessment.score.probability));
    outcome.history = Some(assessment.history);
    outcome.reasons = Some(expect::codes(&headers::reasons(&assessment.reasons)));
    outcome
}

fn all<'a>(wire: &'a Wire, name: &str) -> Vec<&'a str> {
    let found = wire.headers.iter().filter(|(have, _)| have == name);
    found.map(|(_, value)| value.as_str()).collect()
}

fn first<'a>(wire: &'a Wire, name: &str) -> Option<&'a str> {
    all(wire, name).first().copied()
}

fn named<'a>(wire: &'a Wire, name: Option<&String>) -> Option<&'a str> {
    name.and_then(|name| first(wire, name))
}

fn rejected(code: &'static str) -> (Standing<'static>, SessionSignals<'static>) {
    (Standing::Rejected(code), SessionSignals::default())
}

fn present(
    policy: &Policy,
    key: &HashKey,
    wire: &Wire,
    query: &str,
) -> (Standing<'static>, SessionSignals<'static>) {
    let credentials = &policy.credentials;
    for place in &credentials.places {
        let TokenPlace::Header { name, scheme } = place else {
            continue;
        };
        let scheme = format!("{scheme} ");
        let values = all(wire, name);
        let token = values.iter().find_map(|value| value.strip_prefix(&scheme));
        let Some(token) = token else { continue };
        if values.len() > 1 {
            return rejected("duplicate-credential");
        }
        let digest = token::digest(token.as_bytes(), &key.secret());
        let known = if credentials.issuers.is_empty() {
            let payload = token::unverified_payload(token.as_bytes());
            let claims = payload.ok_or("token-garbage").and_then(|payload| {
                Claims::read(payload, credentials.group_claim.as_deref())
                    .map_err(|rejection| rejection.code())
            });
            claims.map(|claims| (claims, false))
        } else {
            token::verify(token.as_bytes(), &credentials.issuers, wire.at)
                .map(|verified| (verified.claims, true))
                .map_err(|rejection| rejection.code())
        };
        let (claims, verified) = match known {
            Ok(known) => known,
            Err(code) => return rejected(code),
        };
        let Some(subject) = token::subject(&claims, &credentials.services) else {
            return rejected("token-missing-claim");
        };
        let standing = if verified {
            Standing::Verified(subject)
        } else {
            Standing::Unverified(subject)
        };
        let incapable = &policy.challenge.incapable;
        let session = SessionSignals {
            incapable: incapable.has_claim(|name| claims.claim(name)),
            ..token::session(&claims, digest)
        };
        return (standing, session);
    }
    let in_query = credentials.api_key_query.as_ref().and_then(|name| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(have, _)| have == name).map(|(_, value)| value)
    });
    let api_key = named(wire, credentials.api_key_header.as_ref()).or(in_query);
    if let Some(api_key) = api_key {
        let Some(index) = credentials.api_keys.find(api_key.as_bytes()) else {
            return rejected("unknown-api-key");
        };
        return verified(Subject {
            id: Cow::Owned(format!("api-key:{index}")),
            kind: Kind::ApiKey,
            group: Cow::Owned(credentials.api_key_groups[index].clone()),
            client_id: Cow::Borrowed(""),
        });
    }
    let san = wire.properties.get("connection.uri_san_peer_certificate");
    if let Some(san) = san.filter(|_| credentials.mtls) {
        let subject = token::certificate_subject(san, &credentials.services);
        return verified(Subject {
            id: Cow::Owned(subject.id.into_owned()),
            kind: subject.kind,
            group: Cow::Owned(subject.group.into_owned()),
            client_id: Cow::Borrowed(""),
        });
    }
    (Standing::Anonymous, SessionSignals::default())
}

fn verified(subject: Subject<'static>) -> (Standing<'static>, SessionSignals<'static>) {
    (Standing::Verified(subject), SessionSignals::default())
}

fn network<'a>(policy: &Policy, wire: &'a Wire) -> NetworkSignals<'a> {
    let names = &policy.names;
    let country = named(wire, names.country.as_ref());
    let country = country.and_then(|code| <[u8; 2]>::try_from(code.as_bytes()).ok());
    let asn =
        named(wire, names.asn.as_ref()).and_then(|asn| asn.trim_start_matches("AS").parse().ok());
    let flags = [
        (&names.tor, Anonymiser::TOR),
        (&names.vpn, Anonymiser::VPN),
        (&names.proxy, Anonymiser::PROXY),
        (&names.hosting, Anonymiser::HOSTING),
        (&names.relay, Anonymiser::RELAY),
        (&names.anonymiser, Anonymiser::UNKNOWN),
    ];
    let set = flags
        .into_iter()
        .filter(|(name, _)| named(wire, name.as_ref()) == Some("true"))
        .fold(0, |bits, (_, flag)| bits | flag);
    let said = match named(wire, names.hosting.as_ref()) {
        Some(_) => Anonymiser::HOSTING_SAID,
        None => 0,
    };
    NetworkSignals {
        address: Field::from(wire.address.as_deref().and_then(Address::parse)),
        asn: Field::from(asn),
        country: Field::from(country),
        city: Field::from(named(wire, names.city.as_ref()).map(str::as_bytes)),
        point: country.and_then(countries::point),
        anonymiser: Anonymiser(set | said),
    }
}

fn client(wire: &Wire) -> ClientSignals<'_> {
    let bytes = |name: &str| first(wire, name).map(str::as_bytes);
    let agent = bytes("user-agent");
    ClientSignals {
        user_agent: Field::from(agent),
        parsed: user_agent::parse(agent.unwrap_or_default()),
        language: Field::from(bytes("accept-language")),
        workload: Field::from(
            wire.properties
                .get("connection.uri_san_peer_certificate")
                .map(String::as_bytes),
        ),
        ..ClientSignals::default()
    }
}
