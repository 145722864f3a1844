//! One request and its response: collect, assess, carry out, learn.
//! May use: everything in the adapter and the engine.
//! Must not: pause, or keep a borrow of shared state across the decision.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use stepgate::assess::{Assessment, Lesson, assess, wants_sources};
use stepgate::audit;
use stepgate::evidence::{Known, Watched};
use stepgate::headers;
use stepgate::observe::{Outcome, Response};
use stepgate::policy::{Mode, Route, Tier};
use stepgate::signals::address::Address;
use stepgate::signals::countries::{self, Point};
use stepgate::signals::features::Features;
use stepgate::signals::request::{
    Anonymiser, ClientSignals, Field, NetworkSignals, RequestSignals, SessionSignals, Signals,
};
use stepgate::signals::user_agent;

use crate::collect::Collected;
use crate::credential;
use crate::host::{self, MapType};
use crate::metrics::Count;
use crate::pairs;
use crate::shared::Shared;
use crate::store::Found;

/// What the response phase needs to know of the request.
struct Pending {
    features: Features,
    assessment: Assessment,
    /// It has a lesson for the records.
    teaches: bool,
}

/// One stream.
pub(crate) struct Exchange {
    shared: Option<Rc<Shared>>,
    pending: Option<Pending>,
}

impl Exchange {
    pub(crate) fn new(shared: Option<Rc<Shared>>) -> Self {
        Self {
            shared,
            pending: None,
        }
    }

    fn on_request(&mut self, shared: &Rc<Shared>) -> Action {
        let map = host::header_pairs(MapType::Request).unwrap_or_default();
        let policy = &shared.policy;
        let headers = Collected::scan(&map, policy, &shared.wanted);
        for name in &headers.ours {
            let _already_gone = host::remove_request_header(name);
            shared.metrics.count(Count::SpoofedHeader);
        }
        if headers.preflight {
            return Action::Continue;
        }
        let metadata = route_tier(policy);
        let tier = policy.tier(&Route {
            host: headers.host,
            path: headers.path,
            method: headers.method,
            metadata: &metadata,
        });
        if tier.mode == Mode::Off {
            return Action::Continue;
        }
        let now_ms = host::now_ms();
        let presented = credential::present(&headers, shared, now_ms.div_euclid(1000));
        let fingerprint = fingerprint(policy);
        let certificate = if policy.credentials.mtls || presented.names_certificate() {
            certificate()
        } else {
            Vec::new()
        };
        let now = now_ms.div_euclid(1000);
        let session = SessionSignals {
            binding: presented.binding(&headers, &certificate, shared, now),
            ..presented.session()
        };
        let session = SessionSignals {
            risk: parsed(headers.risk, |score| score.parse().ok())
                .present()
                .or(session.risk),
            ..session
        };
        let signals = Signals {
            now_ms,
            standing: presented.standing(),
            network: network(&headers),
            client: client(&headers, &fingerprint, &certificate),
            session,
            request: RequestSignals {
                method: headers.method,
                host: headers.host,
                path: headers.path,
                action: b"",
            },
        };
        let features = Features::of(&signals, &shared.key).of_class(tier.class);
        let found = match features.identity {
            Some(locator) => shared.store.read(locator, &shared.metrics),
            None => Found::Nothing,
        };
        let record = match &found {
            Found::Record(record) => Some(&**record),
            Found::Nothing | Found::Unreadable => None,
        };
        let followed = features.identity.filter(|_| policy.watches(&features));
        let profile = followed.and_then(|locator| shared.wake(locator, features.now));
        let wanted = wants_sources(tier, &signals, &features, record);
        let sources = shared.sources(&wanted);
        let feed = shared.feeds.now();
        let assessment = {
            let population = shared.crowd.population();
            let windows = shared.windows();
            let behaviour = followed.map(|locator| Watched {
                profile: profile.as_ref(),
                ongoing: windows.get(locator),
            });
            assess(
                policy,
                tier,
                &signals,
                &features,
                &Known::of(&population)
                    .with_identity(record)
                    .with_sources(&sources)
                    .with_behaviour(behaviour)
                    .with_feed(&feed),
            )
        };
        self.carry_out(shared, tier, &signals, &features, &assessment)
    }

    fn carry_out(
        &mut self,
        shared: &Rc<Shared>,
        tier: &Tier,
        signals: &Signals<'_>,
        features: &Features,
        assessment: &Assessment,
    ) -> Action {
        let policy = &shared.policy;
        let id = shared.decision_id(signals.now_ms, features);
        let decision = &assessment.decision;
        shared
            .metrics
            .decision(decision, headers::percent(assessment.score.probability));
        for piece in &assessment.reasons {
            if piece.nats >= 0.05 || piece.nats == 0.0 {
                shared.metrics.reason(piece.reason);
            }
        }
        let routine = decision.would == stepgate::decision::Action::Allow
            && assessment.lesson == Lesson::Nothing
            && assessment.grounds.excepted.by.is_empty();
        if !routine {
            shared.verdicts.note(&id, features);
        }
        if policy.config.audit.enabled && !routine {
            let record = audit::Record {
                policy,
                tier,
                signals,
                features,
                assessment,
                id: &id,
            };
            log::info!("{}", audit::line(&record));
        }
        for (name, value) in [
            ("stepgate.decision", decision.action().as_str()),
            ("stepgate.would", decision.would.as_str()),
            ("stepgate.id", id.as_str()),
        ] {
            let _not_supported = host::set_property(name, value.as_bytes());
        }
        if matches!(
            assessment.lesson,
            Lesson::Challenge(_) | Lesson::Attempt(_) | Lesson::Contain(_)
        ) {
            shared.learn(features, assessment, Outcome { succeeded: true });
        }
        if let Some(refusal) = decision.refused() {
            let reply = headers::reply(refusal, policy, tier, &id);
            let pairs: Vec<(&str, &str)> = reply
                .headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let details = format!("stepgate_{}", decision.would.as_str().replace('-', "_"));
            let sent = host::reply(
                reply.status,
                &details,
                &pairs::serialize(&pairs),
                &reply.body,
                reply.grpc_status,
            );
            if sent.is_ok() {
                if assessment.conduct.is_some() {
                    shared.follow(features, assessment, Response::default());
                }
                return Action::Pause;
            }
        }
        let told = headers::upstream(assessment, &id);
        for (name, value) in &told {
            let _logged_by_host = host::replace_request_header(name, value.as_bytes());
        }
        if let Some(signer) = &policy.signer {
            let told = told.iter().map(|(name, value)| (*name, value.as_str()));
            let value = signer.sign(told, signals.now_ms.div_euclid(1000));
            let _logged_by_host =
                host::replace_request_header(headers::SIGNATURE, value.as_bytes());
        }
        let teaches = matches!(
            assessment.lesson,
            Lesson::Event(_) | Lesson::Move | Lesson::Recovery
        );
        let teaches = teaches || assessment.attempt.of_credential;
        if teaches || assessment.conduct.is_some() {
            self.pending = Some(Pending {
                features: *features,
                assessment: assessment.clone(),
                teaches,
            });
        }
        Action::Continue
    }

    fn on_response(&mut self, shared: &Rc<Shared>) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let status = host::header(MapType::Response, ":status").unwrap_or_default();
        let status = text(&status).and_then(|s| s.parse().ok()).unwrap_or(0);
        let of_upstream = is_of_upstream();
        let learns = pending.teaches && of_upstream;
        if let Some(outcome) = Outcome::of_status(status).filter(|_| learns) {
            shared.learn(&pending.features, &pending.assessment, outcome);
        }
        if pending.assessment.conduct.is_some() {
            let response = if of_upstream {
                Response::of(status, content_length())
            } else {
                Response::default()
            };
            shared.follow(&pending.features, &pending.assessment, response);
        }
    }
}

/// Bytes of the body as announced, else 0. Its true size is known at the end of the stream only, and a callback there would cost
/// every request a call.
fn content_length() -> u64 {
    let length = host::header(MapType::Response, "content-length").unwrap_or_default();
    text(&length).and_then(|n| n.parse().ok()).unwrap_or(0)
}

impl Context for Exchange {}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        match self.shared.clone() {
            Some(shared) => self.on_request(&shared),
            None => Action::Continue,
        }
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if let Some(shared) = self.shared.clone() {
            self.on_response(&shared);
        }
        Action::Continue
    }
}

/// Whether the response is the upstream's own, as far as the host tells: the reply of another filter (a redirect to a login page)
/// accepts no credential.
fn is_of_upstream() -> bool {
    host::property("response\0code_details").map_or(true, |details| {
        details.is_empty() || details == b"via_upstream" || details == b"direct_response"
    })
}

fn route_tier(policy: &stepgate::policy::Policy) -> Vec<u8> {
    if policy.config.tiers.iter().any(|tier| tier.route_metadata) {
        host::property("xds\0route_metadata\0filter_metadata\0stepgate\0tier").unwrap_or_default()
    } else {
        Vec::new()
    }
}

fn fingerprint(policy: &stepgate::policy::Policy) -> Vec<u8> {
    match &policy.names.tls_filter_state {
        Some(name) => host::property(&format!("filter_state\0{name}")).unwrap_or_default(),
        None => Vec::new(),
    }
}

/// The digest of the client certificate, if there is one: what it identifies and what tokens are bound to.
fn certificate() -> Vec<u8> {
    host::property("connection\0sha256_peer_certificate_digest").unwrap_or_default()
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().map(str::trim)
}

/// A field whose text `read` understands; anything else is malformed.
fn parsed<T>(field: Field<&[u8]>, read: impl Fn(&str) -> Option<T>) -> Field<T> {
    match field {
        Field::Absent => Field::Absent,
        Field::Malformed => Field::Malformed,
        Field::Present(bytes) => text(bytes)
            .and_then(read)
            .map_or(Field::Malformed, Field::Present),
    }
}

fn network<'a>(headers: &Collected<'a>) -> NetworkSignals<'a> {
    let address = host::property("source\0address")
        .ok()
        .and_then(|bytes| text(&bytes).and_then(Address::parse));
    let country = parsed(headers.country, |code| match code.as_bytes() {
        [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
            Some([a.to_ascii_uppercase(), b.to_ascii_uppercase()])
        }
        _ => None,
    });
    NetworkSignals {
        address: Field::from(address),
        asn: parsed(headers.asn, |asn| {
            asn.trim_start_matches(['A', 'a', 'S', 's'])
                .parse()
                .ok()
                .filter(|asn| *asn != 0)
        }),
        country,
        city: headers.city,
        point: measured(headers).or_else(|| country.present().and_then(countries::point)),
        anonymiser: Anonymiser(headers.anonymiser),
    }
}

/// A measured place: geolocation of an address is good to a city, 50 km.
fn measured(headers: &Collected<'_>) -> Option<Point> {
    const CITY_KM: f64 = 50.0;
    let (lat, lon) = match headers.coordinates {
        Field::Present(both) => text(both)?.split_once(',')?,
        _ => match (headers.latitude, headers.longitude) {
            (Field::Present(lat), Field::Present(lon)) => (text(lat)?, text(lon)?),
            _ => return None,
        },
    };
    let lat: f64 = lat.trim().parse().ok()?;
    let lon: f64 = lon.trim().parse().ok()?;
    let on_earth = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
    on_earth.then_some(Point {
        lat,
        lon,
        radius_km: CITY_KM,
    })
}

fn client<'a>(
    headers: &Collected<'a>,
    fingerprint: &'a [u8],
    certificate: &'a [u8],
) -> ClientSignals<'a> {
    let given = |bytes: &'a [u8]| (!bytes.is_empty()).then_some(bytes);
    let hints = &headers.hints;
    let parsed = user_agent::parse(headers.user_agent.present().unwrap_or(&[])).with_hints(
        given(hints.brands),
        given(hints.platform),
        given(hints.mobile),
    );
    ClientSignals {
        user_agent: headers.user_agent,
        parsed,
        language: headers.language,
        tls: match given(fingerprint) {
            Some(fingerprint) => Field::Present(fingerprint),
            None => headers.tls,
        },
        certificate: Field::from(given(certificate)),
        device: headers.device,
    }
}
