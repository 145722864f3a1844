//! `make run`: the same Envoy on a fixed port until Ctrl-C, with tokens to try.
//! May use the stage and the cast.
//! Must not play the story.

use std::time::Duration;

use stepgate_testkit::tokens::{Token, now};

use crate::cast::{self, Agent, CHROME, CURL, FIREFOX, HOME, HOTEL, OFFICE, Place};
use crate::history::stepgate;
use crate::stage::{ISSUER, SECRET, Stage};
use crate::{Failure, interrupted};

const PORT: u16 = 10_000;
/// Long enough for an afternoon.
const HOURS: u64 = 8;

pub(crate) fn serve() -> Result<(), Failure> {
    let stage = Stage::set(PORT)?;
    let long = |token: Token| token.claim("exp", now() + HOURS * 3600).sign(&stage.key);
    let home = long(cast::token("alice", "run-home", now()));
    let abroad = long(cast::token("alice", "run-abroad", now() + 1));
    let solved = cast::token("alice", "run-abroad", now() + 60);
    let solved = long(solved.claim("acr", "mfa"));
    println!("Envoy on http://127.0.0.1:{PORT} with examples/policy.json in enforce mode.");
    println!("Baseline from examples/history.jsonl: {}.", stage.trained);
    println!(
        "The API behind it echoes what it got. Each line can be pasted into another terminal (tokens hold for {HOURS} hours)."
    );
    let lines = [
        (
            "alice at home: allowed, and the API is told so",
            &HOME,
            &FIREFOX,
            "/api/orders",
            Some(home.as_str()),
        ),
        (
            "alice in Singapore a moment later: 401, step up",
            &HOTEL,
            &FIREFOX,
            "/api/orders",
            Some(&abroad),
        ),
        (
            "the same with a second factor: allowed",
            &HOTEL,
            &FIREFOX,
            "/api/orders",
            Some(&solved),
        ),
        (
            "a token nobody signed: 401, invalid_token",
            &OFFICE,
            &CHROME,
            "/api/orders",
            Some("eyJhbGciOiJub25lIn0.e30."),
        ),
        ("no token: 401", &OFFICE, &CURL, "/api/orders", None),
    ];
    for (what, place, agent, path, token) in lines {
        println!("\n# {what}\n{}", curl(path, place, agent, token));
    }
    println!("\n# why: what was decided about alice, the last of it in words");
    println!(
        "{} explain --user '{ISSUER}|alice' --key '{SECRET}' {}",
        stepgate()?.display(),
        stage.envoy.log().display()
    );
    println!("\n# counters and the configuration of Envoy");
    println!(
        "curl -s 'http://{}/stats/prometheus' | grep ^stepgate",
        stage.envoy.admin_address()
    );
    println!("\nCtrl-C ends it.");
    while !interrupted() {
        std::thread::park_timeout(Duration::from_secs(60));
        // The upstream keeps all it got, for tests to look at; nobody looks here.
        stage.upstream.forget();
    }
    println!("\nEnded.");
    Ok(())
}

fn curl(path: &str, place: &Place, agent: &Agent, token: Option<&str>) -> String {
    let mut line = format!(
        "curl -si http://127.0.0.1:{PORT}{path} -A '{}' -H 'x-forwarded-for: {}' -H 'x-geo-country: {}' -H 'x-geo-asn: {}'",
        agent.user_agent, place.address, place.country, place.asn
    );
    if let Some(token) = token {
        line.push_str(&format!(" -H 'authorization: Bearer {token}'"));
    }
    line
}
