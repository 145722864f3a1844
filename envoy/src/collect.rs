//! One scan over the header pairs: every header the policy names, borrowed, and what must be removed.
//! May use: pairs, places of credentials, the engine's header contract and policy names.
//! Must not: copy a value, or make more than one host call.

use stepgate::headers;
use stepgate::policy::{Policy, TokenPlace};
use stepgate::signals::request::{Anonymiser, Field};

use crate::pairs::Pairs;
use crate::places::{
    LONGEST, Place, Scheme, cookies, holds_jwt, is_dpop, query_values, same_variable, single,
};

/// What a header is read for.
#[derive(Clone, Copy, Debug)]
enum Signal {
    Method,
    Scheme,
    Target,
    Authority,
    UserAgent,
    Language,
    Brands,
    Platform,
    Mobile,
    CrossOrigin,
    Country,
    City,
    Asn,
    Latitude,
    Longitude,
    Coordinates,
    Tls,
    ApiKey,
    Proof,
    Risk,
    DeviceCookie,
    Authorization,
    ContentType,
    ContentEncoding,
    ContentLength,
    Receipt,
    FetchMode,
    Accept,
    Anonymiser(u8),
    /// A token, by its place in the policy.
    Token(usize),
}

impl Signal {
    const fn is_credential(self) -> bool {
        matches!(self, Self::ApiKey | Self::Token(_))
    }
}

/// The headers a policy reads, by name: built once, searched for every header. Few names have the same length, and most
/// headers a length that no wanted one has, so they are found by it.
#[derive(Debug)]
pub(crate) struct Wanted(Vec<Vec<(Vec<u8>, Signal)>>);

impl Wanted {
    pub(crate) fn of(policy: &Policy) -> Self {
        let names = &policy.names;
        let cookie = || Some("cookie".to_owned());
        let mut wanted: Vec<_> = [
            (":method", Signal::Method),
            (":path", Signal::Target),
            (":scheme", Signal::Scheme),
            ("dpop", Signal::Proof),
            (":authority", Signal::Authority),
            ("user-agent", Signal::UserAgent),
            ("accept-language", Signal::Language),
            ("sec-ch-ua", Signal::Brands),
            ("sec-ch-ua-platform", Signal::Platform),
            ("sec-ch-ua-mobile", Signal::Mobile),
            ("accept", Signal::Accept),
            ("sec-fetch-mode", Signal::FetchMode),
            ("origin", Signal::CrossOrigin),
            ("access-control-request-method", Signal::CrossOrigin),
        ]
        .into_iter()
        .map(|(name, signal)| (name.as_bytes().to_vec(), signal))
        .collect();
        let mut want = |name: Option<String>, signal| {
            wanted.extend(name.map(|name| (name.into_bytes(), signal)));
        };
        for (name, signal) in [
            (&names.country, Signal::Country),
            (&names.city, Signal::City),
            (&names.asn, Signal::Asn),
            (&names.latitude, Signal::Latitude),
            (&names.longitude, Signal::Longitude),
            (&names.coordinates, Signal::Coordinates),
            (&names.tls, Signal::Tls),
            (&names.risk, Signal::Risk),
            (&policy.credentials.api_key_header, Signal::ApiKey),
            (&names.tor, Signal::Anonymiser(Anonymiser::TOR)),
            (&names.vpn, Signal::Anonymiser(Anonymiser::VPN)),
            (&names.proxy, Signal::Anonymiser(Anonymiser::PROXY)),
            (&names.hosting, Signal::Anonymiser(Anonymiser::HOSTING)),
            (&names.relay, Signal::Anonymiser(Anonymiser::RELAY)),
            (&names.anonymiser, Signal::Anonymiser(Anonymiser::UNKNOWN)),
        ] {
            want(name.clone(), signal);
        }
        want(
            names.device_cookie.as_ref().and_then(|_| cookie()),
            Signal::DeviceCookie,
        );
        if policy.tiers.iter().any(|tier| tier.login.is_some()) {
            for (name, signal) in [
                ("authorization", Signal::Authorization),
                ("content-type", Signal::ContentType),
                ("content-encoding", Signal::ContentEncoding),
                ("content-length", Signal::ContentLength),
            ] {
                want(Some(name.to_owned()), signal);
            }
        }
        want(
            policy.challenge.receipt.as_ref().and_then(|_| cookie()),
            Signal::Receipt,
        );
        for (index, place) in policy.credentials.places.iter().enumerate() {
            let header = match place {
                TokenPlace::Header { name, .. } => Some(name.clone()),
                TokenPlace::Cookie(_) => cookie(),
            };
            want(header, Signal::Token(index));
        }
        let longest = wanted.iter().map(|(name, _)| name.len()).max();
        let mut by_length = vec![Vec::new(); longest.map_or(0, |longest| longest + 1)];
        for (name, signal) in wanted {
            if let Some(same) = by_length.get_mut(name.len()) {
                same.push((name, signal));
            }
        }
        Self(by_length)
    }

    fn signals(&self, name: &[u8]) -> impl Iterator<Item = Signal> {
        let same = self.0.get(name.len()).map(Vec::as_slice);
        same.unwrap_or_default()
            .iter()
            .filter(move |(wanted, signal)| {
                wanted == name || (signal.is_credential() && same_variable(wanted, name))
            })
            .map(|(_, signal)| *signal)
    }
}

/// What one request's headers say, borrowed from the buffer of pairs.
#[derive(Debug, Default)]
pub(crate) struct Collected<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) path: &'a [u8],
    pub(crate) query: &'a [u8],
    /// Both, as sent.
    pub(crate) target: &'a [u8],
    pub(crate) host: &'a [u8],
    /// With the port, as sent.
    pub(crate) authority: &'a [u8],
    pub(crate) scheme: &'a [u8],
    pub(crate) token: Field<&'a [u8]>,
    /// Other tokens, in other places.
    pub(crate) more_tokens: Vec<&'a [u8]>,
    /// What looks like a JWT stands in a header for tokens, but under no scheme of the policy.
    pub(crate) unlisted: bool,
    /// Whether the token came under the scheme `DPoP` (RFC 9449 §7.1).
    pub(crate) dpop_scheme: bool,
    /// The `dpop` header.
    pub(crate) proof: Field<&'a [u8]>,
    pub(crate) risk: Field<&'a [u8]>,
    pub(crate) api_key: Field<&'a [u8]>,
    pub(crate) user_agent: Field<&'a [u8]>,
    pub(crate) language: Field<&'a [u8]>,
    pub(crate) hints: Hints<'a>,
    pub(crate) country: Field<&'a [u8]>,
    pub(crate) city: Field<&'a [u8]>,
    pub(crate) asn: Field<&'a [u8]>,
    pub(crate) latitude: Field<&'a [u8]>,
    pub(crate) longitude: Field<&'a [u8]>,
    pub(crate) coordinates: Field<&'a [u8]>,
    pub(crate) anonymiser: u8,
    pub(crate) tls: Field<&'a [u8]>,
    pub(crate) device: Field<&'a [u8]>,
    /// Of login routes, as the three below.
    pub(crate) authorization: Field<&'a [u8]>,
    pub(crate) content_type: Field<&'a [u8]>,
    pub(crate) content_encoding: Field<&'a [u8]>,
    pub(crate) content_length: Field<&'a [u8]>,
    /// The device receipt.
    pub(crate) receipt: Field<&'a [u8]>,
    pub(crate) fetch_mode: Field<&'a [u8]>,
    pub(crate) accepts_html: bool,
    pub(crate) preflight: bool,
    /// Names of spoofed headers to remove.
    pub(crate) ours: Vec<&'a [u8]>,
    cross_origin: u8,
}

/// Client hints (User-Agent Client Hints, WICG).
#[derive(Debug, Default)]
pub(crate) struct Hints<'a> {
    pub(crate) brands: &'a [u8],
    pub(crate) platform: &'a [u8],
    pub(crate) mobile: &'a [u8],
}

fn is_true(value: &[u8]) -> bool {
    value == b"1" || value.eq_ignore_ascii_case(b"true")
}

/// Whether `text/html` is one of the media types of an `Accept` header (RFC 9110 §12.5.1).
fn names_html(accept: &[u8]) -> bool {
    accept.len() <= LONGEST
        && accept.split(|b| *b == b',').any(|range| {
            let name = range.split(|b| *b == b';').next().unwrap_or(range);
            name.trim_ascii().eq_ignore_ascii_case(b"text/html")
        })
}

impl<'a> Collected<'a> {
    /// Scans all pairs once. Names arrive in lower case from the host.
    pub(crate) fn scan(map: &'a [u8], policy: &Policy, wanted: &Wanted) -> Self {
        let mut found = Self::default();
        let credentials = &policy.credentials;
        let mut places = vec![Place::default(); credentials.places.len()];
        for (name, value) in Pairs::new(map) {
            if headers::is_ours(name) {
                found.ours.push(name);
                continue;
            }
            let mut scheme = Scheme::None;
            for signal in wanted.signals(name) {
                if let Signal::Token(index) = signal {
                    if let (Some(place), Some(found)) =
                        (credentials.places.get(index), places.get_mut(index))
                    {
                        scheme = scheme.max(found.look(place, value));
                    }
                } else {
                    found.take(signal, value, policy);
                }
            }
            found.unlisted |= scheme == Scheme::Other && holds_jwt(value);
        }
        found.settle(&places, &credentials.places);
        found.preflight = found.method == b"OPTIONS" && found.cross_origin == 2;
        if let Some(parameter) = &credentials.api_key_query {
            for value in query_values(found.query, parameter.as_bytes()) {
                single(&mut found.api_key, value);
            }
        }
        found
    }

    /// The first place that has a token holds, and nobody may read another one in another place unseen.
    fn settle(&mut self, found: &[Place<'a>], places: &[TokenPlace]) {
        for (place, found) in places.iter().zip(found) {
            match (self.token, found.token()) {
                (_, Field::Absent) | (Field::Malformed, _) => {}
                (Field::Absent, token) => {
                    self.token = token;
                    self.dpop_scheme = is_dpop(place);
                }
                (Field::Present(_), Field::Malformed) => self.token = Field::Malformed,
                (Field::Present(first), Field::Present(token)) => {
                    if token != first && !self.more_tokens.contains(&token) {
                        self.more_tokens.push(token);
                    }
                }
            }
        }
    }

    fn take(&mut self, signal: Signal, value: &'a [u8], policy: &Policy) {
        let slot = match signal {
            Signal::Method => return self.method = value,
            Signal::Target => return self.split_target(value),
            Signal::Scheme => return self.scheme = value,
            Signal::Authority => {
                self.authority = value;
                self.host = without_port(value);
                return;
            }
            Signal::Brands => return self.hints.brands = value,
            Signal::Platform => return self.hints.platform = value,
            Signal::Mobile => return self.hints.mobile = value,
            Signal::CrossOrigin => return self.cross_origin = self.cross_origin.saturating_add(1),
            Signal::Anonymiser(flag) => {
                let said = u8::from(flag == Anonymiser::HOSTING) * Anonymiser::HOSTING_SAID;
                return self.anonymiser |= said | (flag * u8::from(is_true(value)));
            }
            Signal::DeviceCookie => {
                let name = policy.names.device_cookie.as_deref().unwrap_or_default();
                for cookie in cookies(value, name.as_bytes()) {
                    single(&mut self.device, cookie);
                }
                return;
            }
            Signal::Receipt => {
                let name = policy.challenge.receipt.as_deref().unwrap_or_default();
                for cookie in cookies(value, name.as_bytes()) {
                    single(&mut self.receipt, cookie);
                }
                return;
            }
            Signal::Accept => return self.accepts_html |= names_html(value),
            Signal::FetchMode => &mut self.fetch_mode,
            Signal::UserAgent => &mut self.user_agent,
            Signal::Language => &mut self.language,
            Signal::Country => &mut self.country,
            Signal::City => &mut self.city,
            Signal::Asn => &mut self.asn,
            Signal::Latitude => &mut self.latitude,
            Signal::Longitude => &mut self.longitude,
            Signal::Coordinates => &mut self.coordinates,
            Signal::Tls => &mut self.tls,
            Signal::ApiKey => &mut self.api_key,
            Signal::Proof => &mut self.proof,
            Signal::Authorization => &mut self.authorization,
            Signal::ContentType => &mut self.content_type,
            Signal::ContentEncoding => &mut self.content_encoding,
            Signal::ContentLength => &mut self.content_length,
            Signal::Risk => &mut self.risk,
            Signal::Token(_) => return,
        };
        single(slot, value);
    }

    fn split_target(&mut self, target: &'a [u8]) {
        let end = target
            .iter()
            .position(|b| *b == b'?' || *b == b'#')
            .unwrap_or(target.len());
        let (path, rest) = target.split_at_checked(end).unwrap_or((target, &[]));
        self.target = target;
        self.path = path;
        self.query = rest.get(1..).unwrap_or(&[]);
    }
}

fn without_port(authority: &[u8]) -> &[u8] {
    match authority.iter().rposition(|b| *b == b':') {
        Some(at) if !authority.ends_with(b"]") => authority.get(..at).unwrap_or(authority),
        _ => authority,
    }
}
