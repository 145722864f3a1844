//! Clients: user agent strings, client hints and whatever else a request says of what sent it, down to features.
//! May use the engine's parsers and features.
//! Must not expect a product by name.

use stepgate::signals::features::Features;
use stepgate::signals::keyed::HashKey;
use stepgate::signals::request::{
    ClientSignals, Field, NetworkSignals, RequestSignals, SessionSignals, Signals, Standing,
    Subject,
};
use stepgate::signals::user_agent::{self, Browser, Os};

use crate::NOW;

pub(crate) fn run(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut line = || lines.next();
    let agent = line().unwrap_or_default();
    let client = user_agent::parse(agent);
    assert_eq!(client, user_agent::parse(agent));
    let hinted = client.with_hints(line(), line(), line());
    for client in [client, hinted] {
        assert_eq!(Browser::from_id(client.browser.id()), client.browser);
        assert_eq!(Os::from_id(client.os.id()), client.os);
    }
    assert_eq!(
        client.with_hints(None, None, None),
        client,
        "no hint changes nothing"
    );
    let field = |value: Option<&'_ [u8]>| Field::from(value.map(<[u8]>::to_vec));
    let values = [(); 7].map(|()| field(line()));
    let [language, tls, device, city, path, session, subject] = &values;
    let given = |field: &'_ Field<Vec<u8>>| match field {
        Field::Present(value) => value.clone(),
        Field::Absent | Field::Malformed => Vec::new(),
    };
    let (language, tls, device) = (given(language), given(tls), given(device));
    let (city, path) = (given(city), given(path));
    let (session, subject) = (given(session), given(subject));
    let subject = String::from_utf8_lossy(&subject);
    let signals = Signals {
        now_ms: i64::from(NOW) * 1000,
        standing: Standing::Verified(Subject {
            id: subject.clone(),
            kind: stepgate::signals::request::Kind::of(&subject, "", &[]),
            group: subject.clone(),
            client_id: subject.clone(),
        }),
        network: NetworkSignals {
            city: Field::Present(&city),
            ..NetworkSignals::default()
        },
        client: ClientSignals {
            user_agent: Field::Present(agent),
            parsed: hinted,
            language: Field::Present(&language),
            tls: Field::Present(&tls),
            certificate: Field::Absent,
            device: Field::Present(&device),
            workload: Field::Absent,
        },
        session: SessionSignals {
            id: Field::Present(session.into()),
            ..SessionSignals::default()
        },
        request: RequestSignals {
            method: b"GET",
            path: &path,
            ..RequestSignals::default()
        },
    };
    let features = Features::of(&signals, &HashKey::PUBLIC);
    assert_eq!(features, Features::of(&signals, &HashKey::PUBLIC));
    assert_eq!(features.now, NOW);
    assert!(features.identity.is_some());
}
