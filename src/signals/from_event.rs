//! From an event line to signals: the same values a live request would have given.
//! May use: the parsers beside it.
//! Must not: fail, hash, or look at labels.

mod clients;

use std::borrow::Cow;

use super::address::Address;
use super::countries::{self, Point};
use super::ecs::{self, Event};
use super::request::{
    Anonymiser, ClientSignals, Field, Grant, Kind, NetworkSignals, RequestSignals, SessionSignals,
    Signals, Standing, Subject,
};
use super::user_agent::Client;
pub use clients::Clients;

/// Blur of coordinates in a log: databases place an address in its city at best.
const MEASURED_KM: f64 = 50.0;

/// What `event` says. Its user counts as verified, since whoever wrote the log knew who it was; a login that failed only
/// names one. `services` are the names of machines in the policy.
#[must_use]
pub fn signals<'e>(event: &'e Event<'_>, services: &[String]) -> Signals<'e> {
    signals_of(event, services, clients::of(event))
}

/// The same, faster where `clients` were given events of the same clients before.
#[must_use]
pub fn signals_with<'e>(
    event: &'e Event<'_>,
    services: &[String],
    clients: &mut Clients,
) -> Signals<'e> {
    signals_of(event, services, clients.of(event))
}

fn signals_of<'e>(event: &'e Event<'_>, services: &[String], parsed: Client) -> Signals<'e> {
    Signals {
        now_ms: libm::round(event.time * 1000.0) as i64,
        standing: event
            .user
            .as_deref()
            .filter(|user| !user.is_empty())
            .map_or(Standing::Anonymous, |user| {
                let subject = subject(user, event, services);
                if has_failed_login(event) {
                    Standing::Unverified(subject)
                } else {
                    Standing::Verified(subject)
                }
            }),
        network: network(event),
        client: client(event, parsed),
        session: session(event),
        request: RequestSignals {
            method: bytes(&event.method).unwrap_or_default(),
            host: b"",
            path: bytes(&event.path)
                .and_then(|path| path.split(|b| *b == b'?').next())
                .unwrap_or_default(),
            action: bytes(&event.action).unwrap_or_default(),
        },
    }
}

fn has_failed_login(event: &Event<'_>) -> bool {
    let login = matches!(event.action.as_deref(), Some("login" | "recovery"));
    let failed = match (event.outcome, event.status) {
        (Some(outcome), _) => outcome == ecs::Outcome::Failure,
        (None, status) => matches!(status, Some(401 | 403)),
    };
    login && failed
}

fn bytes<'e>(text: &'e Option<Cow<'_, str>>) -> Option<&'e [u8]> {
    text.as_deref().map(str::as_bytes)
}

fn field<'e>(text: &'e Option<Cow<'_, str>>) -> Field<&'e [u8]> {
    Field::from(bytes(text).filter(|bytes| !bytes.is_empty()))
}

fn subject<'e>(user: &'e str, event: &'e Event<'_>, services: &[String]) -> Subject<'e> {
    let client_id = event.client_id.as_deref().unwrap_or_default();
    let kind = match event.kind {
        Some(ecs::Kind::Human) => Kind::Human,
        Some(ecs::Kind::Service) => Kind::Service,
        Some(ecs::Kind::ApiKey) => Kind::ApiKey,
        None if user.starts_with("api-key:") => Kind::ApiKey,
        // In event files `user.id` is `iss|sub`; the subject alone tells what it is.
        None => Kind::of(
            user.rsplit_once('|').map_or(user, |(_, sub)| sub),
            client_id,
            services,
        ),
    };
    Subject {
        id: Cow::Borrowed(user),
        kind,
        group: match event.group.as_deref().filter(|group| !group.is_empty()) {
            Some(group) => Cow::Borrowed(group),
            None if client_id.is_empty() => Cow::Borrowed(kind.prefix()),
            None => Cow::Owned([kind.prefix(), client_id].concat()),
        },
        client_id: Cow::Borrowed(client_id),
    }
}

fn network<'e>(event: &'e Event<'_>) -> NetworkSignals<'e> {
    let country = match event.country.as_deref() {
        None | Some("" | "-") => Field::Absent,
        Some(code) => match *code.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Field::Present([a.to_ascii_uppercase(), b.to_ascii_uppercase()])
            }
            _ => Field::Malformed,
        },
    };
    let measured = event.lat.zip(event.lon).map(|(lat, lon)| Point {
        lat,
        lon,
        radius_km: MEASURED_KM,
    });
    NetworkSignals {
        address: match event.ip.as_deref() {
            None | Some("" | "-") => Field::Absent,
            Some(text) => {
                // Logs that spare people hold a prefix.
                let of_prefix = || Address::parse(text.split_once('/')?.0);
                let address = Address::parse(text).or_else(of_prefix);
                address.map_or(Field::Malformed, Field::Present)
            }
        },
        asn: Field::from(event.asn.filter(|asn| *asn != 0)),
        country,
        city: field(&event.city),
        point: measured.or_else(|| country.present().and_then(countries::point)),
        anonymiser: Anonymiser::default(),
    }
}

fn client<'e>(event: &'e Event<'_>, parsed: Client) -> ClientSignals<'e> {
    ClientSignals {
        user_agent: field(&event.agent),
        parsed,
        tls: match field(&event.ja4) {
            Field::Present(ja4) => Field::Present(ja4),
            _ => field(&event.ja3),
        },
        ..ClientSignals::default()
    }
}

fn session<'e>(event: &'e Event<'_>) -> SessionSignals<'e> {
    let seconds = |time: Option<f64>| time.map(|time| libm::floor(time) as i64);
    let owned = |text: &'e Option<Cow<'_, str>>| match field(text) {
        Field::Present(bytes) => Field::Present(Cow::Borrowed(bytes)),
        _ => Field::Absent,
    };
    SessionSignals {
        id: owned(&event.session),
        token: owned(&event.token),
        auth_time: seconds(event.token_auth_time),
        // `user.id` is `iss|sub`.
        issuer: event
            .user
            .as_deref()
            .and_then(|user| user.rsplit_once('|'))
            .map(|(issuer, _)| Cow::Borrowed(issuer)),
        issued_at: seconds(event.token_iat),
        grant: event.grant_type.as_deref().and_then(Grant::of),
        expires_at: seconds(event.token_exp),
        acr: event.token_acr.as_deref().map(Cow::Borrowed),
        amr: match event.token_amr.as_slice() {
            [] => None,
            [one] => Some(Cow::Borrowed(one)),
            several => Some(Cow::Owned(several.join(" "))),
        },
        ..SessionSignals::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: &str) -> Event<'_> {
        Event::parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn a_full_event_becomes_signals() {
        let event = event(
            r#"{"@timestamp":1600057950.6,"event.action":"login","user.id":"https://idp|alice",
                "source.ip":"121.252.126.181","source.as.number":1001,"source.geo.country_iso_code":"no",
                "source.geo.location":{"lat":60.4,"lon":5.3},"user_agent.name":"Firefox","user_agent.os.name":"Linux",
                "session.id":"s1","token.id":"t1","token.auth_time":1600057900,"token.amr":["pwd","otp"],
                "url.path":"/a?b=c","oauth.client_id":"web","tls.client.ja3":"3","tls.client.ja4":"4"}"#,
        );
        let signals = signals(&event, &[]);
        assert_eq!(signals.now_ms, 1_600_057_950_600);
        let subject = signals.standing.subject().unwrap();
        assert_eq!((subject.kind, &*subject.group), (Kind::Human, "human:web"));
        assert_eq!(signals.network.country, Field::Present(*b"NO"));
        assert_eq!(signals.network.point.unwrap().radius_km, MEASURED_KM);
        assert_eq!(signals.client.parsed.browser.name(), Some("Firefox"));
        assert_eq!(signals.client.tls, Field::Present(&b"4"[..]));
        assert_eq!(signals.session.auth_time, Some(1_600_057_900));
        assert_eq!(signals.session.amr.as_deref(), Some("pwd otp"));
        assert_eq!(signals.request.path, b"/a");
    }

    #[test]
    fn without_coordinates_the_country_is_the_place() {
        let event = event(
            r#"{"@timestamp":1,"source.geo.country_iso_code":"DE","source.ip":"10.0.0.0/24"}"#,
        );
        let network = signals(&event, &[]).network;
        assert_eq!(network.point, countries::point(*b"DE"));
        assert_eq!(network.address, Field::from(Address::parse("10.0.0.0")));
    }

    #[test]
    fn absent_and_malformed_differ() {
        let event = event(
            r#"{"@timestamp":1,"source.ip":"nowhere","source.geo.country_iso_code":"Norway"}"#,
        );
        let signals = signals(&event, &[]);
        assert_eq!(signals.standing, Standing::Anonymous);
        assert_eq!(signals.network.address, Field::Malformed);
        assert_eq!(signals.network.country, Field::Malformed);
        assert_eq!(signals.network.asn, Field::Absent);
    }

    #[test]
    fn machines_are_told_by_their_names_as_live() {
        for (id, kind) in [
            ("https://idp|spiffe://a/b", Kind::Service),
            ("system:serviceaccount:ns:name", Kind::Service),
            ("https://idp|ci-7", Kind::Service),
            ("api-key:0123", Kind::ApiKey),
            ("https://idp|alice", Kind::Human),
        ] {
            let line = format!(r#"{{"@timestamp":1,"user.id":"{id}"}}"#);
            let event = event(&line);
            let signals = signals(&event, &["ci-*".to_owned()]);
            assert_eq!(signals.standing.subject().unwrap().kind, kind, "{id}");
        }
    }
}
