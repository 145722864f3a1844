//! Bodies of login routes: held before the decision where the host can, else watched, so that a name in them can still cut the
//! request off.
//! May use: the exchange, shared state, host calls, the engine.
//! Must not: change, keep or log a body, hold one for long, or read more of it than the engine would.

use std::rc::Rc;

use proxy_wasm::types::Action;
use stepgate::assess::{Assessment, login};
use stepgate::audit::LONGEST_METHOD;
use stepgate::evidence::Known;
use stepgate::observe::Outcome;
use stepgate::policy::{Login, Mode, Policy, Tier};
use stepgate::signals::features::Features;
use stepgate::signals::keyed::HashKey;
use stepgate::signals::login::{BodyKind, LoginBody, MAX_BODY, Named};
use stepgate::signals::request::{ClientSignals, Field, NetworkSignals, RequestSignals, Signals};

use crate::collect::Collected;
use crate::exchange::Exchange;
use crate::host::{self, BufferType, MapType};
use crate::shared::Shared;

/// What has arrived of a request when it is decided.
#[derive(Clone, Copy)]
pub(crate) enum Arrived<'a> {
    /// Its headers, and whether they are all.
    Headers { ended: bool },
    /// As much as was waited for.
    Body(LoginBody<'a>),
}

/// An attempt to log in, as far as it is known when the headers are decided.
pub(crate) struct Attempted<'p, 'a> {
    login: &'p Login,
    /// By its headers.
    pub(crate) named: Named,
    body: LoginBody<'a>,
    /// A body is to come, and can be read.
    pub(crate) awaited: Option<BodyKind>,
    safe: bool,
}

impl Attempted<'_, '_> {
    /// The features of a request that tries this.
    pub(crate) fn told_in(&self, features: Features, key: &HashKey) -> Features {
        let name = self.login.fields.name(self.named.clone(), self.body);
        let mut features = features.trying(&name, key);
        if self.awaited.is_some() {
            features = features.awaiting_name();
        }
        if self.safe && !self.named.has_user() {
            features = features.asking_only();
        }
        features
    }
}

/// What a request tries; nothing where it tries none: what only reads is an attempt where somebody is named, or may be in a body.
pub(crate) fn attempted<'p, 'a>(
    tier: &'p Tier,
    headers: &Collected<'_>,
    arrived: Arrived<'a>,
) -> Option<Attempted<'p, 'a>> {
    let login = tier.login.as_ref()?;
    let safe = stepgate::assess::is_safe(headers.method);
    let (body, awaited) = match arrived {
        Arrived::Body(body) => (body, None),
        Arrived::Headers { ended } if ended || !login.fields.reads_bodies() => {
            (LoginBody::None, None)
        }
        Arrived::Headers { .. } => {
            let length = headers.content_length.present();
            let length = length.and_then(|n| std::str::from_utf8(n).ok()?.parse::<usize>().ok());
            let kind = BodyKind::of(headers.content_type, headers.content_encoding);
            match kind.filter(|_| length.is_none_or(|length| length <= MAX_BODY)) {
                Some(kind) => (LoginBody::None, Some(kind)),
                // What comes with a request that only reads is not read by many.
                None if safe && kind.is_none() => (LoginBody::None, None),
                None => (LoginBody::Unreadable, None),
            }
        }
    };
    let attempt = Attempted {
        login,
        named: login.fields.named(headers.authorization, headers.query),
        body,
        awaited,
        safe,
    };
    let names = || login.fields.name(attempt.named.clone(), body) != Field::Absent;
    (!safe || awaited.is_some() || names()).then_some(attempt)
}

/// What the upstream's answer says of the credential.
pub(crate) fn outcome(
    tier: Option<&Tier>,
    assessment: &Assessment,
    status: u16,
) -> Option<Outcome> {
    let login = tier.and_then(|tier| tier.login.as_ref());
    match login.filter(|_| assessment.attempt.of_credential) {
        Some(login) => {
            let location = host::header(MapType::Response, "location").unwrap_or_default();
            let succeeded = login.succeeded(status, &location)?;
            Some(Outcome { succeeded })
        }
        None => Outcome::of_status(status),
    }
}

/// The place of a tier in its policy; none for the default tier.
pub(crate) fn place(policy: &Policy, tier: &Tier) -> Option<usize> {
    policy
        .tiers
        .iter()
        .position(|other| std::ptr::eq(other, tier))
}

/// What is waited for.
#[derive(Default)]
pub(crate) enum Waiting {
    #[default]
    Nothing,
    /// The body, with the headers held.
    Held(BodyKind),
    /// The body of a request whose headers have gone on.
    Watched(Box<Watched>),
}

/// What the body phase needs to know of headers that have gone on: nothing of it is a secret.
pub(crate) struct Watched {
    kind: BodyKind,
    named: Named,
    tier: Option<usize>,
    features: Features,
    assessment: Assessment,
    network: NetworkSignals<'static>,
    client: ClientSignals<'static>,
    method: Vec<u8>,
    path: Vec<u8>,
    host: Vec<u8>,
}

impl Watched {
    pub(crate) fn of(
        kind: BodyKind,
        named: Named,
        tier: Option<usize>,
        signals: &Signals<'_>,
        features: &Features,
        assessment: &Assessment,
    ) -> Self {
        let (network, client, request) = (&signals.network, &signals.client, &signals.request);
        Self {
            kind,
            named,
            tier,
            features: *features,
            assessment: assessment.clone(),
            network: without_city(network),
            client: ClientSignals {
                parsed: client.parsed,
                ..ClientSignals::default()
            },
            method: begin(request.method, LONGEST_METHOD),
            path: begin(request.path, MAX_PATH),
            host: begin(request.host, MAX_PATH),
        }
    }
}

/// Longest path an audit line would show.
const MAX_PATH: usize = 256;

fn begin(bytes: &[u8], most: usize) -> Vec<u8> {
    bytes.get(..most).unwrap_or(bytes).to_vec()
}

fn without_city(network: &NetworkSignals<'_>) -> NetworkSignals<'static> {
    NetworkSignals {
        address: network.address,
        asn: network.asn,
        country: network.country,
        city: Field::Absent,
        point: network.point,
        anonymiser: network.anonymiser,
    }
}

impl Exchange {
    /// Holds the headers until the body is here. `false`: the host cannot, or the policy does not ask for it.
    pub(crate) fn hold(&mut self, shared: &Shared, tier: &Tier, kind: BodyKind) -> bool {
        let asked = tier.login.as_ref().is_some_and(|login| login.hold_body);
        let now = host::now_ms();
        if !asked || !shared.holding.may_hold(now) {
            return false;
        }
        let watched = tier.mode == Mode::Shadow || shared.feeds.now().shadow;
        shared.holding.hold(self.id, now, watched);
        self.waiting = Waiting::Held(kind);
        true
    }

    /// A piece of the body has come, or its end.
    pub(crate) fn on_body(&mut self, shared: &Rc<Shared>, size: usize, ended: bool) -> Action {
        match self.waiting {
            Waiting::Nothing => return Action::Continue,
            Waiting::Held(_) => shared.holding.delivers(),
            Waiting::Watched(_) => {}
        }
        if !ended && size <= MAX_BODY {
            return Action::Pause;
        }
        let whole = ended
            .then(|| host::buffer(BufferType::HttpRequestBody, MAX_BODY + 1).ok())
            .flatten();
        let read = |kind| match &whole {
            Some(bytes) if bytes.len() <= MAX_BODY => LoginBody::Whole(kind, bytes),
            _ => LoginBody::Unreadable,
        };
        match std::mem::take(&mut self.waiting) {
            Waiting::Nothing => Action::Continue,
            Waiting::Held(kind) => {
                shared.holding.release(self.id);
                self.on_request(shared, Arrived::Body(read(kind)))
            }
            Waiting::Watched(watched) => {
                let body = read(watched.kind);
                self.reconsider(shared, *watched, body)
            }
        }
    }

    /// Decides again on a request whose headers have gone on: all that is left is to cut it off.
    fn reconsider(&mut self, shared: &Rc<Shared>, watched: Watched, body: LoginBody<'_>) -> Action {
        let tier = watched
            .tier
            .and_then(|index| shared.policy.tiers.get(index));
        let Some((tier, login)) = tier.and_then(|tier| Some((tier, tier.login.as_ref()?))) else {
            return Action::Continue;
        };
        let name = login.fields.name(watched.named, body);
        let features = watched.features.trying(&name, &shared.key);
        let signals = Signals {
            now_ms: host::now_ms(),
            network: watched.network,
            client: watched.client,
            request: RequestSignals {
                method: &watched.method,
                host: &watched.host,
                path: &watched.path,
                action: b"",
            },
            ..Signals::default()
        };
        let [account, alike] = [features.tried, features.alike].map(|name| shared.account(name));
        let keys = stepgate::baseline::source::SourceKey::of(&features);
        let sources = shared.sources(&keys.collect::<Vec<_>>());
        let feed = shared.feeds.now();
        let assessment = {
            let population = shared.crowd.population();
            let known = Known::of(&population)
                .with_sources(&sources)
                .with_account(account.as_deref())
                .with_alike(alike.as_deref())
                .with_feed(&feed);
            login::reconsider(
                &shared.policy,
                tier,
                &signals,
                &features,
                &known,
                watched.assessment.clone(),
            )
        };
        if assessment.decision == watched.assessment.decision {
            if let Some(pending) = &mut self.pending {
                (pending.features, pending.assessment) = (features, assessment);
            }
            return Action::Continue;
        }
        self.pending = None;
        let headers = Collected::default();
        self.carry_out(shared, tier, &headers, &signals, &features, &assessment)
    }
}
