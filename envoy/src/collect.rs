//! One scan over the header pairs: every header the policy names, borrowed, and what must be removed.
//! May use: pairs, the engine's header contract and policy names.
//! Must not: copy a value, or make more than one host call.

use stepgate::headers;
use stepgate::policy::{Policy, TokenPlace};
use stepgate::signals::request::Field;

use crate::pairs::Pairs;

/// Headers longer than this are not signals.
const LONGEST: usize = 16 * 1024;

/// What one request's headers say, borrowed from the buffer of pairs.
#[derive(Debug, Default)]
pub(crate) struct Collected<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) path: &'a [u8],
    pub(crate) query: &'a [u8],
    pub(crate) host: &'a [u8],
    pub(crate) token: Field<&'a [u8]>,
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
    pub(crate) preflight: bool,
    /// Names of spoofed headers to remove.
    pub(crate) ours: Vec<&'a [u8]>,
}

/// Client hints (User-Agent Client Hints, WICG).
#[derive(Debug, Default)]
pub(crate) struct Hints<'a> {
    pub(crate) brands: &'a [u8],
    pub(crate) platform: &'a [u8],
    pub(crate) mobile: &'a [u8],
}

/// A header that may stand once only: a second one makes it malformed.
fn single<'a>(slot: &mut Field<&'a [u8]>, value: &'a [u8]) {
    *slot = match slot {
        Field::Absent if value.len() <= LONGEST => Field::Present(value),
        _ => Field::Malformed,
    };
}

fn is(name: &[u8], wanted: Option<&String>) -> bool {
    wanted.is_some_and(|wanted| wanted.as_bytes() == name)
}

fn is_true(value: &[u8]) -> bool {
    value == b"1" || value.eq_ignore_ascii_case(b"true")
}

impl<'a> Collected<'a> {
    /// Scans all pairs once. Names arrive in lower case from the host.
    pub(crate) fn scan(map: &'a [u8], policy: &Policy) -> Self {
        let mut found = Self::default();
        let mut places: Vec<Field<&'a [u8]>> = vec![Field::Absent; policy.credentials.places.len()];
        let mut cross_origin = 0;
        for (name, value) in Pairs::new(map) {
            match name {
                b":method" => found.method = value,
                b":path" => found.split_path(value),
                b":authority" => found.host = without_port(value),
                b"user-agent" => single(&mut found.user_agent, value),
                b"accept-language" => single(&mut found.language, value),
                b"sec-ch-ua" => found.hints.brands = value,
                b"sec-ch-ua-platform" => found.hints.platform = value,
                b"sec-ch-ua-mobile" => found.hints.mobile = value,
                b"origin" | b"access-control-request-method" => cross_origin += 1,
                _ if headers::is_ours(name) => found.ours.push(name),
                _ => {}
            }
            found.named(name, value, policy);
            for (place, slot) in policy.credentials.places.iter().zip(&mut places) {
                match place {
                    TokenPlace::Header {
                        name: wanted,
                        scheme,
                    } if wanted.as_bytes() == name => {
                        // Another scheme in the same header is somebody else's credential, but a second header of
                        // the name is an attempt to be read differently by two readers.
                        match after_scheme(value, scheme) {
                            Some(token) => single(slot, token),
                            None if *slot != Field::Absent => *slot = Field::Malformed,
                            None => {}
                        }
                    }
                    TokenPlace::Cookie(wanted) if name == b"cookie" => {
                        for token in cookies(value, wanted.as_bytes()) {
                            single(slot, token);
                        }
                    }
                    TokenPlace::Header { .. } | TokenPlace::Cookie(_) => {}
                }
            }
        }
        found.token = places
            .into_iter()
            .find(|place| *place != Field::Absent)
            .unwrap_or_default();
        found.preflight = found.method == b"OPTIONS" && cross_origin == 2;
        if let Some(parameter) = &policy.credentials.api_key_query {
            for value in query_values(found.query, parameter.as_bytes()) {
                single(&mut found.api_key, value);
            }
        }
        found
    }

    fn named(&mut self, name: &[u8], value: &'a [u8], policy: &Policy) {
        use stepgate::signals::request::Anonymiser as Flag;
        let names = &policy.names;
        for (wanted, slot) in [
            (&names.country, &mut self.country),
            (&names.city, &mut self.city),
            (&names.asn, &mut self.asn),
            (&names.latitude, &mut self.latitude),
            (&names.longitude, &mut self.longitude),
            (&names.coordinates, &mut self.coordinates),
            (&names.tls, &mut self.tls),
            (&policy.credentials.api_key_header, &mut self.api_key),
        ] {
            if is(name, wanted.as_ref()) {
                single(slot, value);
            }
        }
        for (wanted, flag) in [
            (&names.tor, Flag::TOR),
            (&names.vpn, Flag::VPN),
            (&names.proxy, Flag::PROXY),
            (&names.hosting, Flag::HOSTING),
            (&names.relay, Flag::RELAY),
            (&names.anonymiser, Flag::UNKNOWN),
        ] {
            if is(name, wanted.as_ref()) && is_true(value) {
                self.anonymiser |= flag;
            }
        }
        if let Some(wanted) = &names.device_cookie
            && name == b"cookie"
        {
            for cookie in cookies(value, wanted.as_bytes()) {
                single(&mut self.device, cookie);
            }
        }
    }

    fn split_path(&mut self, target: &'a [u8]) {
        let end = target
            .iter()
            .position(|b| *b == b'?' || *b == b'#')
            .unwrap_or(target.len());
        let (path, rest) = target.split_at_checked(end).unwrap_or((target, &[]));
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

/// The token after its scheme, which is compared without case and followed by at least one space (RFC 9110 §11.4).
fn after_scheme<'a>(value: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    if scheme.is_empty() {
        return Some(value.trim_ascii());
    }
    let (head, rest) = value.split_at_checked(scheme.len())?;
    (head.eq_ignore_ascii_case(scheme.as_bytes()) && rest.first() == Some(&b' '))
        .then(|| rest.trim_ascii())
}

/// Values of a cookie by name in one Cookie header (RFC 6265 §5.4).
fn cookies<'a, 'w>(
    header: &'a [u8],
    wanted: &'w [u8],
) -> impl Iterator<Item = &'a [u8]> + use<'a, 'w> {
    header.split(|b| *b == b';').filter_map(move |pair| {
        let pair = pair.trim_ascii();
        let at = pair.iter().position(|b| *b == b'=')?;
        let (name, value) = pair.split_at_checked(at)?;
        (name == wanted).then(|| value.get(1..).unwrap_or(&[]))
    })
}

fn query_values<'a, 'w>(
    query: &'a [u8],
    wanted: &'w [u8],
) -> impl Iterator<Item = &'a [u8]> + use<'a, 'w> {
    query.split(|b| *b == b'&').filter_map(move |pair| {
        let at = pair.iter().position(|b| *b == b'=')?;
        let (name, value) = pair.split_at_checked(at)?;
        (name == wanted).then(|| value.get(1..).unwrap_or(&[]))
    })
}
