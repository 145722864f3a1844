//! What is known before the story begins: `examples/history.jsonl`, lived through in seconds.
//! May use the stage and the cast.
//! Must not send anything the history does not hold.

use serde_json::Value;
use stepgate_testkit::http::Connection;
use stepgate_testkit::tokens::{Token, now};

use crate::Failure;
use crate::cast;
use crate::stage::{ISSUER, Stage, file};

/// Plays every successful event as a request. Returns how many there were.
pub(crate) fn live(stage: &Stage) -> Result<usize, Failure> {
    let text = std::fs::read_to_string(file("examples/history.jsonl"))?;
    let events = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<Vec<Value>, _>>()?;
    let mut connection = Connection::open(stage.address())?;
    let successes = events
        .iter()
        .filter(|event| event["event.outcome"] == "success");
    let mut played = 0;
    for (index, event) in successes.enumerate() {
        let before = (events.len() - index) as u64;
        let token = token(event, now() - before).sign(&stage.key);
        let field = |name: &str| event[name].as_str().unwrap_or_default();
        let request = stepgate_testkit::http::Request::get("/api/orders")
            .header("host", "api.example")
            .header("user-agent", field("user_agent.original"))
            .header("x-forwarded-for", field("source.ip"))
            .header("x-geo-country", field("source.geo.country_iso_code"))
            .header("x-geo-city", field("source.geo.city_name"))
            .header("x-geo-asn", event["source.as.number"].to_string())
            .bearer(&token);
        let response = connection.send(&request)?;
        if response.status != 200 {
            return Err(format!("{event}\ngot {}: {}", response.status, response.text()).into());
        }
        played += 1;
    }
    Ok(played)
}

fn token(event: &Value, time: u64) -> Token {
    let user = event["user.id"].as_str().unwrap_or_default();
    let subject = user.trim_start_matches(ISSUER).trim_start_matches('|');
    match event["session.id"].as_str() {
        // Sixty days pass in a second: a second factor vouches for every new device on the way.
        Some(session) => cast::token(subject, session, time).claim("acr", "mfa"),
        None => cast::machine_token(subject, &format!("{}", event["token.id"])),
    }
}
