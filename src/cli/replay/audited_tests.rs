//! What the filter writes is enough to decide again: the same policy comes to the same decision.
//! May use live, and the engine's audit line.
//! Must not write an audit line by hand.

use stepgate::audit;
use stepgate::policy::Policy;
use stepgate::signals::ecs::Event;
use stepgate::signals::features::Features;
use stepgate::signals::from_event;
use stepgate::signals::keyed::HashKey;

use super::{AuditLine, Names, read};
use crate::cli::live::{Learn, Live};
use crate::cli::memory::Memory;

const HOME: &str = r#""source.ip":"192.0.2.7","source.as.number":64500,"source.geo.country_iso_code":"NO","user_agent.name":"Firefox","user_agent.os.name":"Linux","user_agent.device.name":"desktop""#;
const AWAY: &str = r#""source.ip":"203.0.113.9","source.as.number":64999,"source.geo.country_iso_code":"BR","user_agent.name":"curl","user_agent.os.name":"Linux","user_agent.device.name":"bot""#;

/// Every sort of decision: people who travel, machines, failures and nobody.
fn events() -> Vec<String> {
    let mut events = Vec::new();
    for day in 0..30_u32 {
        for person in 0..6_u32 {
            let time = 1_760_000_000 + day * 86_400 + person * 600;
            let mut put = |time: u32, kind: &str, rest: &str, more: &str| {
                events.push(format!(
                    r#"{{"@timestamp":{time},"event.action":"login","user.id":"https://idp|p{person}","identity.kind":"{kind}","oauth.client_id":"web","session.id":"s{day}-{person}",{rest}{more}}}"#
                ));
            };
            let kind = if person == 5 { "service" } else { "human" };
            put(time, kind, HOME, "");
            if day > 12 && (day + person) % 3 == 0 {
                put(time + 1200, kind, AWAY, r#","http.request.method":"POST""#);
                put(time + 1300, kind, &AWAY.replace("curl", "Firefox"), "");
                let solved = format!(
                    r#","token.auth_time":{},"token.amr":["pwd","otp"]"#,
                    time + 1390
                );
                put(time + 1400, kind, AWAY, &solved);
                put(time + 1500, kind, AWAY, r#","event.outcome":"failure""#);
            }
        }
    }
    events
}

/// The audit lines of a policy over the events, with what was decided.
fn lines(policy: &Policy) -> Vec<(AuditLine, &'static str)> {
    let key = HashKey::PUBLIC;
    let mut live = Live::new(policy.clone(), key, Memory::new(None, &key), Learn::Allowed);
    let mut lines = Vec::new();
    for (n, text) in events().iter().enumerate() {
        let event = Event::parse(text.as_bytes()).unwrap();
        let assessment = live.take(&event);
        let signals = from_event::signals(&event, &[]);
        let features = Features::of(&signals, &key);
        let written = audit::line(&audit::Record {
            policy,
            tier: &policy.default_tier,
            signals: &signals,
            features: &features,
            assessment: &assessment,
            id: &format!("d{n}"),
        });
        let line = read(written.as_bytes()).unwrap().unwrap();
        lines.push((line, assessment.decision.would.as_str()));
    }
    lines
}

fn policy(more: &str) -> Policy {
    denying(0.8, more)
}

fn denying(deny: f64, more: &str) -> Policy {
    Policy::parse(&format!(
        r#"{{"mode":"enforce","score":{{"step_up":0.3,"deny":{deny}}}{more}}}"#
    ))
    .unwrap()
}

const UNTIL: &str =
    r#""from":"2025-01-01T00:00:00Z","until":"2030-01-01T00:00:00Z","owner":"o","reason":"r""#;

#[test]
fn a_line_is_decided_again_as_it_was() {
    let excepting = format!(
        r#","exceptions":{{
            "allow":[{{"name":"a","identities":["https://idp|p1"],"signals":["new-country","impossible-travel"],{UNTIL}}}],
            "travel":[{{"name":"t","identities":["https://idp|p2"],"countries":["BR"],"legs":[{{"from":"NO","to":"BR"}}],"signals":["impossible-travel","new-country"],{UNTIL}}}],
            "campaigns":[{{"name":"c","groups":["human:web"],"signals":["new-client","new-device"],{UNTIL}}}],
            "deny":[{{"name":"d","identities":["https://idp|p3"],{UNTIL}}},{{"name":"e","identities":["https://idp|p4"],"action":"challenge",{UNTIL}}}]}}"#
    );
    let pinned = PINNED.replace("LIMIT", r#""networks":["192.0.2.0/24"],"asns":[64500]"#);
    // What the service p5 does from elsewhere comes to just under one nat.
    let service = pinned.replace("idp|p1", "idp|p5");
    for more in [
        "",
        &excepting,
        &pinned,
        &service,
        r#","canary_permille":500"#,
    ] {
        let mut decisions = std::collections::BTreeSet::new();
        for deny in [0.8, 0.97] {
            let policy = denying(deny, more);
            let names = Names::of_policies(&[&policy], &HashKey::PUBLIC);
            for (line, would) in &lines(&policy) {
                let again = line.decide(&policy, &policy, &names).unwrap();
                assert_eq!(
                    again.decision.unwrap().would.as_str(),
                    *would,
                    "{more}: {line:?}"
                );
                assert_eq!(line.would, *would);
                decisions.insert(*would);
            }
        }
        assert!(decisions.len() >= 3, "{decisions:?}");
    }
}

const PINNED: &str = r#","signals":{"preset":"envoy-geoip"},"pins":[{"name":"p","identities":["https://idp|p1"],LIMIT}]"#;

#[test]
fn a_pin_is_tried_on_a_line_as_far_as_it_tells() {
    let plain = policy("");
    let under = |limit: &str| {
        let pinning = policy(&PINNED.replace("LIMIT", limit));
        let names = Names::of_policies(&[&pinning], &HashKey::PUBLIC);
        let lines = lines(&plain);
        let decided = lines
            .iter()
            .map(|(line, _)| line.decide(&pinning, &plain, &names));
        decided
            .map(|again| again.map(|again| again.reason))
            .collect::<Vec<_>>()
    };
    assert!(under(r#""countries":["NO"]"#).contains(&Ok("pinned-context")));
    assert!(!under(r#""countries":["NO","BR"]"#).contains(&Ok("pinned-context")));
    let told = under(r#""agents":["firefox"]"#);
    assert!(told.contains(&Err(
        "holds no certificate and no user agent, which a pin looks at"
    )));
    // Nobody else is pinned, and decided as before.
    assert!(told.iter().any(Result::is_ok));
}

#[test]
fn another_policy_is_told_by_the_evidence_as_it_was_before_exceptions() {
    // What an exception took off under the first policy counts under one without it.
    let allow = format!(
        r#","exceptions":{{"allow":[{{"name":"a","networks":["203.0.113.0/24"],"signals":["new-country","new-asn","new-device","new-client","script-client","impossible-travel"],{UNTIL}}}]}}"#
    );
    let (plain, excepting) = (policy(""), policy(&allow));
    let names = Names::default();
    let under = |line: &AuditLine, policy: &Policy| {
        line.decide(policy, &excepting, &names)
            .unwrap()
            .decision
            .unwrap()
            .would
    };
    let excepted: Vec<AuditLine> = lines(&excepting)
        .into_iter()
        .map(|(line, _)| line)
        .filter(|line| line.has(stepgate::evidence::Reason::Excepted))
        .collect();
    assert!(!excepted.is_empty());
    assert!(
        excepted
            .iter()
            .any(|line| under(line, &plain) > under(line, &excepting))
    );
}

#[test]
fn a_line_is_found_behind_the_words_of_a_logger_and_in_nested_form() {
    let policy = policy("");
    let (line, _) = lines(&policy).pop().unwrap();
    let flat = r#"{"@timestamp":1,"event.id":"d1","stepgate.tier":"default","stepgate.reasons":{"new-country":3.5},"stepgate.verified":true,"stepgate.cohort":7,"stepgate.would":"allow"}"#;
    let nested = r#"{"@timestamp":1,"event":{"id":"d1"},"stepgate":{"tier":"default","reasons":{"new-country":3.5},"verified":true,"cohort":7,"would":"allow"}}"#;
    let read = |text: &str| read(text.as_bytes()).unwrap().unwrap();
    assert_eq!(read(flat), read(nested));
    let logged = format!("[2026-01-01 00:00:00.000][12][info][wasm] wasm log stepgate: {flat}");
    assert_eq!(read(&logged), read(flat));
    assert_ne!(read(flat), line);
}

#[test]
fn what_is_no_audit_line_is_passed_over_and_what_lacks_evidence_is_refused() {
    for other in [
        "",
        "words",
        r#"{"@timestamp":1,"event.action":"login"}"#,
        r#"{"stepgate":{"reasons":{},"logit":1}}"#,
        "{",
    ] {
        assert_eq!(read(other.as_bytes()), Ok(None), "{other}");
    }
    let line = r#"{"@timestamp":1,"stepgate.tier":"a","stepgate.reasons":{}}"#;
    assert_eq!(
        read(line.as_bytes()).unwrap_err(),
        "the audit line has no `stepgate.cohort`: it cannot be decided again"
    );
}
