//! One request and its response: collect, assess, carry out, learn.
//! May use: everything in the adapter and the engine.
//! Must not: pause but for the body of a login, or keep a borrow of shared state across the decision.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use stepgate::assess::{Assessment, Lesson, at_once, wants_sources, weigh};
use stepgate::audit;
use stepgate::baseline::identity::IdentityRecord;
use stepgate::evidence::{self, Known, Nature};
use stepgate::feed::Feed;
use stepgate::headers as contract;
use stepgate::observe::{Outcome, Response};
use stepgate::policy::{Mode, Route, Tier};
use stepgate::signals::features::Features;
use stepgate::signals::request::{RequestSignals, SessionSignals, Signals};

use crate::collect::Collected;
use crate::credential;
use crate::host::{self, MapType};
use crate::login::{self, Arrived, Waiting, Watched};
use crate::metrics::Count;
use crate::pairs::Pairs;
use crate::request::{certificate, client, fingerprint, network, number, parsed, text, workload};
use crate::shared::Shared;
use crate::step_up;
use crate::store::Found;

/// What the response phase needs to know of the request.
pub(crate) struct Pending {
    pub(crate) features: Features,
    pub(crate) assessment: Assessment,
    tier: Option<usize>,
    /// It has a lesson for the records.
    teaches: bool,
    /// A cookie for the client.
    cookie: Option<String>,
}

/// One stream.
pub(crate) struct Exchange {
    pub(crate) id: u32,
    shared: Option<Rc<Shared>>,
    pub(crate) pending: Option<Pending>,
    pub(crate) waiting: Waiting,
    /// The request may have headers of ours: what is told now takes their place.
    told: bool,
}

impl Exchange {
    pub(crate) fn new(id: u32, shared: Option<Rc<Shared>>) -> Self {
        Self {
            id,
            shared,
            pending: None,
            waiting: Waiting::Nothing,
            told: false,
        }
    }

    pub(crate) fn on_request(&mut self, shared: &Rc<Shared>, arrived: Arrived<'_>) -> Action {
        let map = host::header_pairs(MapType::Request).unwrap_or_else(|_unread| {
            // It cannot be seen which of ours are there: those that mean something are gone all the same.
            for name in contract::NAMES {
                let _may_be_absent = host::remove_header(MapType::Request, name.as_bytes());
            }
            self.told = true;
            Vec::new()
        });
        let policy = &shared.policy;
        let headers = Collected::scan(&map, policy, &shared.wanted);
        for name in &headers.ours {
            let _already_gone = host::remove_header(MapType::Request, name);
            shared.metrics.count(Count::SpoofedHeader);
            self.told = true;
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
        let expected = login::attempted(tier, &headers, arrived);
        let awaited = expected.as_ref().and_then(|attempt| attempt.awaited);
        if let Some(kind) = awaited
            && self.hold(shared, tier, kind)
        {
            return Action::Pause;
        }
        let now_ms = host::now_ms();
        let presented = credential::present(&headers, shared, now_ms.div_euclid(1000));
        let fingerprint = fingerprint(policy);
        let pinned = policy.pins.look_at_certificates();
        let certificate = if policy.credentials.mtls || presented.names_certificate() || pinned {
            certificate()
        } else {
            Vec::new()
        };
        let workload = workload(pinned);
        let now = now_ms.div_euclid(1000);
        let is_first = |mark| shared.proofs.is_first(mark, &shared.metrics, now);
        let session = SessionSignals {
            binding: presented.binding(
                &headers,
                &certificate,
                (policy, &shared.key),
                is_first,
                now,
            ),
            ..presented.session()
        };
        let session = SessionSignals {
            risk: parsed(headers.risk, number).present().or(session.risk),
            receipt: step_up::receipt(&headers, &presented.standing(), shared, now),
            ..session
        };
        let signals = Signals {
            now_ms,
            standing: presented.standing(),
            network: network(&headers),
            client: client(
                &headers,
                &shared.clients,
                &fingerprint,
                &certificate,
                &workload,
            ),
            session,
            request: RequestSignals {
                method: headers.method,
                host: headers.host,
                path: headers.path,
                action: b"",
            },
        };
        let features = presented.features(&signals, &shared.key);
        let mut features = features.of_class(tier.class);
        if let Some(attempt) = &expected {
            features = attempt.told_in(features, &shared.key);
        }
        let feed = shared.feeds.now();
        let assessment = at_once(policy, tier, &signals, &features, Some(&feed))
            .unwrap_or_else(|| weigh_known(shared, tier, &signals, &features, &feed));
        let action = self.carry_out(shared, tier, &headers, &signals, &features, &assessment);
        if let (Some(attempt), Some(kind), Action::Continue) = (expected, awaited, action) {
            let tier = login::place(policy, tier);
            let named = attempt.named;
            let watched = Watched::of(kind, named, tier, &signals, &features, &assessment);
            self.waiting = Waiting::Watched(Box::new(watched));
        }
        action
    }

    pub(crate) fn carry_out(
        &mut self,
        shared: &Rc<Shared>,
        tier: &Tier,
        headers: &Collected<'_>,
        signals: &Signals<'_>,
        features: &Features,
        assessment: &Assessment,
    ) -> Action {
        let policy = &shared.policy;
        let id = shared.decision_id(signals.now_ms, features);
        let decision = &assessment.decision;
        let place = login::place(policy, tier);
        shared.metrics.decision(assessment, features, place);
        for piece in &assessment.reasons {
            if piece.nats >= 0.05 || piece.nats == 0.0 || piece.reason.nature() == Nature::Note {
                shared.metrics.reason(piece.reason);
            }
        }
        let routine = audit::is_routine(assessment);
        if !routine {
            shared.verdicts.note(&id, features);
        }
        let record = audit::Record {
            policy,
            tier,
            signals,
            features,
            assessment,
            id: &id,
        };
        let journal = &shared.journal;
        journal.write(&record, routine, &shared.key, &shared.metrics);
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
        if let Some(refusal) = decision.refused()
            && step_up::refuse(shared, tier, headers, (refusal, decision), &id)
        {
            if assessment.conduct.is_some() {
                shared.follow(features, assessment, Response::default());
            }
            return Action::Pause;
        }
        let told = contract::upstream(assessment, &id);
        for (name, value) in &told {
            self.tell(name, value);
        }
        if let Some(signer) = &policy.signer {
            let told = told.iter().map(|(name, value)| (*name, value.as_str()));
            let value = signer.sign(told, signals.now_ms.div_euclid(1000));
            self.tell(contract::SIGNATURE, &value);
        }
        self.told = true;
        let teaches = matches!(
            assessment.lesson,
            Lesson::Event(_) | Lesson::Move | Lesson::Recovery
        );
        let teaches = teaches || assessment.attempt.of_credential;
        let cookie = assessment.receipt.and_then(|grant| {
            step_up::set_cookie(shared, grant, &signals.standing, signals.now_ms)
        });
        if teaches || assessment.conduct.is_some() || cookie.is_some() {
            self.pending = Some(Pending {
                features: *features,
                assessment: assessment.clone(),
                tier: place,
                teaches,
                cookie,
            });
        }
        Action::Continue
    }

    /// Tells the upstream. Where no such header can be, adding costs the host two thirds of replacing.
    fn tell(&self, name: &str, value: &str) {
        let _logged_by_host = if self.told {
            host::replace_request_header(name, value.as_bytes())
        } else {
            host::add_header(MapType::Request, name, value.as_bytes())
        };
    }

    fn on_response(&mut self, shared: &Rc<Shared>) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let status = host::header(MapType::Response, ":status").unwrap_or_default();
        let status = text(&status).and_then(|s| s.parse().ok()).unwrap_or(0);
        let of_upstream = is_of_upstream();
        let tier = pending
            .tier
            .and_then(|index| shared.policy.tiers.get(index));
        let outcome = login::outcome(tier, &pending.assessment, status).filter(|_| of_upstream);
        if let (Some(cookie), Some(Outcome { succeeded: true })) = (&pending.cookie, outcome) {
            step_up::give(shared, cookie);
        }
        if let Some(outcome) = outcome.filter(|_| pending.teaches) {
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

/// Decides with what is known of the identity, its sources and the name that is tried.
fn weigh_known(
    shared: &Shared,
    tier: &Tier,
    signals: &Signals<'_>,
    features: &Features,
    feed: &Feed,
) -> Assessment {
    let policy = &shared.policy;
    let [account, alike] = [features.tried, features.alike].map(|name| shared.account(name));
    let mut found = match features.identity {
        Some(locator) => shared.store.read(locator, &shared.metrics),
        None => Found::Nothing,
    };
    let followed = features.identity.filter(|_| policy.watches(features));
    let profile = followed.and_then(|locator| shared.wake(locator, features.now));
    let record: Option<&IdentityRecord> = match &found {
        Found::Record(record) => Some(record),
        Found::Nothing | Found::Unreadable => None,
    };
    let sources = shared.sources(&wants_sources(tier, signals, features, record));
    let record = match &mut found {
        Found::Record(record) => {
            // Here, where it need not be copied for that.
            record.bring_to(features.now);
            Some(&**record)
        }
        Found::Nothing | Found::Unreadable => None,
    };
    let population = shared.crowd.population();
    let windows = shared.windows();
    let behaviour = followed.map(|locator| evidence::Watched {
        profile: profile.as_ref(),
        ongoing: windows.get(locator),
    });
    let known = Known::of(&population)
        .with_identity(record)
        .with_sources(&sources)
        .with_account(account.as_deref())
        .with_alike(alike.as_deref())
        .with_behaviour(behaviour)
        .with_feed(feed);
    weigh(policy, tier, signals, features, &known)
}

/// Bytes of the body as announced, else 0. Its true size is known at the end of the stream only, and a callback there would cost
/// every request a call.
fn content_length() -> u64 {
    let length = host::header(MapType::Response, "content-length").unwrap_or_default();
    text(&length).and_then(|n| n.parse().ok()).unwrap_or(0)
}

impl Context for Exchange {}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _: usize, ended: bool) -> Action {
        match self.shared.clone() {
            Some(shared) => {
                let arrived = Arrived::Headers { ended };
                shared.metrics.timed(|| self.on_request(&shared, arrived))
            }
            None => Action::Continue,
        }
    }

    fn on_http_request_body(&mut self, size: usize, ended: bool) -> Action {
        match self.shared.clone() {
            Some(shared) => self.on_body(&shared, size, ended),
            None => Action::Continue,
        }
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        if let Some(shared) = &self.shared {
            remove_spoofed_trailers(shared);
        }
        self.on_http_request_body(0, true)
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if let Some(shared) = self.shared.clone() {
            self.on_response(&shared);
        }
        Action::Continue
    }
}

/// Some servers merge trailers into the headers (RFC 9110 §6.5.1 leaves it to them).
fn remove_spoofed_trailers(shared: &Shared) {
    let map = host::header_pairs(MapType::RequestTrailers).unwrap_or_default();
    for (name, _) in Pairs::new(&map).filter(|(name, _)| contract::is_ours(name)) {
        let _already_gone = host::remove_header(MapType::RequestTrailers, name);
        shared.metrics.count(Count::SpoofedHeader);
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
