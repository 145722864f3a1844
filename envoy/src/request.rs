//! What the host and the headers say of one request, as the engine's signals.
//! May use: collected headers, host properties, the engine's parsers.
//! Must not: decide, or give a value to what cannot be read.

use stepgate::signals::address::Address;
use stepgate::signals::countries::{self, Point};
use stepgate::signals::request::{Anonymiser, ClientSignals, Field, NetworkSignals};

use crate::clients::Clients;
use crate::collect::Collected;
use crate::host;

pub(crate) fn fingerprint(policy: &stepgate::policy::Policy) -> Vec<u8> {
    match &policy.names.tls_filter_state {
        Some(name) => host::property(&format!("filter_state\0{name}")).unwrap_or_default(),
        None => Vec::new(),
    }
}

/// The digest of the client certificate, if there is one: what it identifies and what tokens are bound to.
pub(crate) fn certificate() -> Vec<u8> {
    host::property("connection\0sha256_peer_certificate_digest").unwrap_or_default()
}

/// The URI SAN of the client certificate, where somebody looks at it.
pub(crate) fn workload(wanted: bool) -> Vec<u8> {
    if wanted {
        host::property("connection\0uri_san_peer_certificate").unwrap_or_default()
    } else {
        Vec::new()
    }
}

pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().map(str::trim)
}

/// A field whose text `read` understands; anything else is malformed.
pub(crate) fn parsed<T>(field: Field<&[u8]>, read: impl Fn(&str) -> Option<T>) -> Field<T> {
    match field {
        Field::Absent => Field::Absent,
        Field::Malformed => Field::Malformed,
        Field::Present(bytes) => text(bytes)
            .and_then(read)
            .map_or(Field::Malformed, Field::Present),
    }
}

/// A number as JSON writes it (RFC 8259 section 6): read as an event file's would be, to the last bit, and never infinite.
pub(crate) fn number(text: &str) -> Option<f64> {
    serde_json::from_str(text).ok()
}

pub(crate) fn network<'a>(headers: &Collected<'a>) -> NetworkSignals<'a> {
    // Hosts on nginx may know only nginx's own variable (wasm-nginx-module); text in all.
    let address = ["source\0address", "remote_addr"]
        .into_iter()
        .filter_map(|name| host::property(name).ok())
        .find_map(|bytes| text(&bytes).and_then(Address::parse));
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
    let (lat, lon) = (number(lat)?, number(lon)?);
    let on_earth = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
    on_earth.then_some(Point {
        lat,
        lon,
        radius_km: CITY_KM,
    })
}

pub(crate) fn client<'a>(
    headers: &Collected<'a>,
    clients: &Clients,
    fingerprint: &'a [u8],
    certificate: &'a [u8],
    workload: &'a [u8],
) -> ClientSignals<'a> {
    let given = |bytes: &'a [u8]| (!bytes.is_empty()).then_some(bytes);
    let hints = &headers.hints;
    let agent = clients.parse(headers.user_agent.present().unwrap_or(&[]));
    let parsed = agent.with_hints(
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
        workload: Field::from(given(workload)),
        device: headers.device,
    }
}
