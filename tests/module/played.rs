//! The cases in the built module, with the clock they ask for: header for header what the pure engine says.
//! May use the cases, and the engine as the other side of the comparison.
//! Must not expect a number of its own.

use serde_json::{Map, Value, json};
use stepgate_testkit::host::Host;

use crate::MODULE;
use crate::cases::engine::Engine;
use crate::cases::{self, Case, Outcome, Wire};

/// Headers of the contract that are not the decision's id.
const COMPARED: [&str; 5] = [
    "x-stepgate-decision",
    "x-stepgate-would",
    "x-stepgate-mode",
    "x-stepgate-score",
    "x-stepgate-reasons",
];

fn play(host: &mut Host, wire: &Wire) -> Outcome {
    host.set_time(wire.at as f64);
    let properties = &mut host.state_mut().properties;
    properties.remove(b"source\0address".as_slice());
    properties.remove(b"connection\0uri_san_peer_certificate".as_slice());
    if let Some(address) = &wire.address {
        host.set_property(&["source", "address"], address_and_port(address));
    }
    for (name, value) in &wire.properties {
        host.set_property(&name.split('.').collect::<Vec<_>>(), value);
    }
    let mut headers = vec![
        (":method", wire.method.as_str()),
        (":path", wire.target.as_str()),
    ];
    for (name, value) in &wire.headers {
        let name = if name == "host" { ":authority" } else { name };
        headers.push((name, value));
    }
    let exchange = host.request(&headers).unwrap();
    let pairs = |headers: &stepgate_testkit::headers::Headers| -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pairs = headers.0.iter();
        pairs
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    };
    let outcome = match &exchange.reply {
        Some(reply) => Outcome {
            status: reply.status as u16,
            client: pairs(&reply.headers),
            grpc_status: u8::try_from(reply.grpc_status).ok(),
            ..Outcome::default()
        },
        None => {
            let status = wire.status.to_string();
            host.response(&[(":status", &status)]).unwrap();
            Outcome {
                status: wire.status,
                upstream: Some(pairs(&exchange.request.headers)),
                ..Outcome::default()
            }
        }
    };
    host.finish().unwrap();
    // The host keeps every stream it ever saw.
    host.state_mut().streams.clear();
    host.state_mut().logs.clear();
    outcome.read_headers()
}

fn address_and_port(address: &str) -> String {
    if address.contains(':') {
        format!("[{address}]:0")
    } else {
        format!("{address}:0")
    }
}

/// The policy of a case, told to look for claims that the proxy has verified as well: see [`learned`].
fn looking_at_claims(policy: &str) -> String {
    let mut policy: Value = serde_json::from_str(policy).unwrap();
    if let Some(credentials) = policy.get_mut("credentials") {
        let credentials = credentials.as_object_mut().unwrap();
        credentials.entry("jwt_authn").or_insert(json!(["payload"]));
    }
    policy.to_string()
}

/// A wasm interpreter takes long for a signature: while the history is learned, the proxy has verified the tokens.
fn learned(wire: &Wire) -> (Wire, Option<Vec<u8>>) {
    use base64::Engine as _;
    let mut wire = wire.clone();
    let bearer = wire
        .headers
        .iter()
        .position(|(name, _)| name == "authorization");
    let payload = bearer.map(|at| {
        let (_, value) = wire.headers.remove(at);
        let part = value.split('.').nth(1).unwrap().to_owned();
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(part)
            .unwrap();
        let claims: Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
        metadata(&claims)
    });
    (wire, payload)
}

/// `envoy.config.core.v3.Metadata` with these claims where `jwt_authn` leaves them.
pub(crate) fn metadata(claims: &Map<String, Value>) -> Vec<u8> {
    let payload = field(5, &structure(claims));
    let of_filter = entry(b"payload", &payload);
    field(
        1,
        &[
            field(1, b"envoy.filters.http.jwt_authn"),
            field(2, &field(1, &of_filter)),
        ]
        .concat(),
    )
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(content);
    bytes
}

fn entry(key: &[u8], value: &[u8]) -> Vec<u8> {
    [field(1, key), field(2, value)].concat()
}

fn structure(claims: &Map<String, Value>) -> Vec<u8> {
    let fields = claims.iter().map(|(name, value)| {
        let value = match value {
            Value::String(text) => field(3, text.as_bytes()),
            Value::Number(number) => {
                [&[2 << 3 | 1][..], &number.as_f64().unwrap().to_le_bytes()].concat()
            }
            Value::Array(items) => {
                let items = items
                    .iter()
                    .map(|item| field(1, &field(3, item.as_str().unwrap().as_bytes())));
                field(6, &items.collect::<Vec<_>>().concat())
            }
            other => panic!("no claim of a history is {other}"),
        };
        field(1, &entry(name.as_bytes(), &value))
    });
    fields.collect::<Vec<_>>().concat()
}

fn problems(case: &Case) -> Vec<String> {
    let mut host = Host::new(&MODULE).unwrap();
    let begin = case.history.first().or(case.requests.first());
    host.set_time(begin.map_or(0.0, |wire| wire.at as f64));
    let policy = looking_at_claims(&case.policy);
    assert!(host.start(&policy).unwrap(), "{}", case.name);
    let mut engine = Engine::new(&case.policy);
    for wire in &case.history {
        let (wire_by_proxy, metadata) = learned(wire);
        if let Some(metadata) = metadata {
            host.set_property(&["metadata"], metadata);
        }
        let status = play(&mut host, &wire_by_proxy).status;
        host.state_mut().properties.remove(b"metadata".as_slice());
        assert_eq!(status, 200, "{}: history does not pass", case.name);
        engine.play(wire);
    }
    let mut problems = Vec::new();
    for (n, wire) in case.requests.iter().enumerate() {
        let seen = play(&mut host, wire);
        let mut found = wire.expect.problems(&seen);
        if !case.needs_adapter {
            let engine = engine.play(wire).outcome;
            for name in COMPARED {
                let (module, engine) = (seen.header(name), engine.header(name));
                if module != engine {
                    found.push(format!("{name} is {module:?}, the engine says {engine:?}"));
                }
            }
        }
        found
            .iter()
            .for_each(|problem| problems.push(format!("{}: request {n}: {problem}", case.name)));
    }
    problems
}

#[test]
fn every_case_comes_out_as_the_engine_says() {
    let cases = cases::all(None);
    let failed: Vec<_> = cases.iter().flat_map(problems).collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}
