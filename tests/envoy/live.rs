//! The cases that hold at any time, each with a listener of its own.
//! May use the cases and one gateway.
//! Must not expect anything the cases do not.

use stepgate_testkit::http::{Request, Response};
use stepgate_testkit::tokens::now;

use crate::cases::{self, Outcome, Wire};
use crate::gateway::{Gateway, listener, module, stepgate};

fn request(wire: &Wire) -> Request {
    let mut request = Request::new(&wire.method, &wire.target);
    if let Some(address) = &wire.address {
        request = request.header("x-forwarded-for", address);
    }
    if wire.status != 200 {
        request = request.header("x-test-status", wire.status.to_string());
    }
    let headers = wire.headers.iter();
    headers.fold(request, |request, (name, value)| {
        request.header(name, value)
    })
}

fn pairs(headers: &stepgate_testkit::headers::Headers) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pairs = headers.0.iter();
    pairs
        .map(|(name, value)| (text(name).to_lowercase(), text(value)))
        .collect()
}

fn outcome(response: &Response) -> Outcome {
    let passed =
        response.text().starts_with("{\"body\"") || response.text().contains("\"headers\":[");
    let grpc = response.header("grpc-status");
    Outcome {
        upstream: passed.then(|| pairs(&response.echoed())),
        status: response.status,
        client: pairs(&response.headers),
        grpc_status: grpc.and_then(|status| status.parse().ok()),
        ..Outcome::default()
    }
    .read_headers()
}

#[test]
fn every_live_case_comes_out_as_expected() {
    if module().is_none() {
        return;
    }
    let cases = cases::all(Some(now() as i64));
    let live: Vec<_> = cases.iter().filter(|case| case.is_live()).collect();
    assert!(live.len() >= 25);
    let name = |n: usize| format!("case-{n}");
    let listeners: Vec<_> = live
        .iter()
        .enumerate()
        .map(|(n, case)| listener(&name(n), vec![stepgate(&name(n), &case.policy)]))
        .collect();
    let gateway = Gateway::of(&listeners, &[]);
    let before = gateway.vms();
    let mut failed = Vec::new();
    // So many listeners take a while where there is much to do, and tokens live for seconds: the requests are of now.
    let cases = cases::all(Some(now() as i64));
    let live = cases.iter().filter(|case| case.is_live());
    for (n, case) in live.enumerate() {
        let address = gateway.envoy.listener(&name(n));
        for (m, wire) in case.requests.iter().enumerate() {
            let response = request(wire).send(address).unwrap();
            for problem in wire.expect.problems(&outcome(&response)) {
                failed.push(format!("{}: request {m}: {problem}", case.name));
            }
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
    assert_eq!(gateway.vms(), before);
}
