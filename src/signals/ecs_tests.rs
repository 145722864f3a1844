//! Tests of event lines.

use super::*;

fn read(line: &str) -> Event<'_> {
    Event::parse(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn refused(line: &str) -> String {
    Event::parse(line.as_bytes()).expect_err(line).to_string()
}

const FULL: &str = r#"{"@timestamp":1600000002.1,"event.id":"d1","event.action":"login","event.outcome":"success","user.id":"u1","user.roles":["admin","dev"],"source.ip":"192.0.2.1","source.as.number":64500,"source.geo.country_iso_code":"NO","source.geo.city_name":"Oslo","source.geo.location.lat":59.9,"source.geo.location.lon":-10.7,"user_agent.original":"curl/8","user_agent.name":"curl","user_agent.version":"8","user_agent.os.name":"Linux","user_agent.os.version":"6","user_agent.device.name":"bot","tls.client.ja3":"abc","tls.client.ja4":"t13d","http.request.method":"GET","url.path":"/a","http.response.status_code":200,"http.response.body.bytes":18446744073709551615,"oauth.client_id":"web","oauth.grant_type":"password","session.id":"s","token.id":"j","token.iat":1600000000.0,"token.exp":1600003600.0,"token.auth_time":1600000000.5,"token.acr":"gold","token.amr":["pwd","otp"],"token.scope":["a","b"],"identity.kind":"api-key","identity.group":"g","labels.attack":"replay","labels.persona":"home"}"#;

#[test]
fn a_full_line_survives() {
    let event = read(FULL);
    assert_eq!(event.to_line(), FULL);
    assert_eq!(fields::Field::ALL.len(), FULL.matches("\":").count());
    assert!(
        matches!(event.user, Some(Cow::Borrowed("u1"))),
        "nothing is copied"
    );
}

#[test]
fn nested_and_dotted_are_the_same() {
    let dotted = read(
        r#"{"@timestamp":1,"source.geo.location.lat":1.5,"source.as.number":7,"source.ip":"::1"}"#,
    );
    for line in [
        r#"{"@timestamp":1,"source":{"geo":{"location":{"lat":1.5}},"as":{"number":7},"ip":"::1"}}"#,
        r#"{"@timestamp":1,"source.geo":{"location.lat":1.5},"source":{"as.number":7.0,"ip":"::1","port":[1,{}]}}"#,
        r#"{"source":{"geo.location":{"lat":1.5,"x":{"lat":9}},"as":{"number":7}},"source.ip":"::1","@timestamp":1}"#,
        r#"{"sourc\u0065":{"geo":{"location":{"la\u0074":1.5}}},"source.as.number":7,"source.ip":"::1","@timestamp":1}"#,
    ] {
        assert_eq!(read(line), dotted, "{line}");
    }
}

#[test]
fn what_is_unknown_or_null_is_absent() {
    let bare = read(r#"{"@timestamp":1}"#);
    for line in [
        r#"{"@timestamp":1,"message":"x","tags":["a",1,null],"lat":5,"source.geo.location":null,"geo":{"lat":{}}}"#,
        r#"{"@timestamp":1,"user":[{"id":"x"}],"session":"abc","labels":true,"token":-1,"http":1.5,"url":"/","tls":7}"#,
        r#"{"@timestamp":1,"user.id":null,"user.roles":null,"source":{"as":{"number":null}},"event.outcome":"unknown"}"#,
    ] {
        assert_eq!(read(line), bare, "{line}");
    }
    let long = format!(r#"{{"@timestamp":1,"source":{{"{}":1}}}}"#, "x".repeat(500));
    assert_eq!(read(&long), bare);
}

#[test]
fn wrong_values_name_field_value_and_what_is_allowed() {
    for (line, text) in [
        (
            r#"{"user.id":"x"}"#,
            "`@timestamp` is absent, must be a time after RFC 3339 or seconds since 1970",
        ),
        (
            r#"{"@timestamp":null}"#,
            "`@timestamp` is absent, must be a time after RFC 3339 or seconds since 1970",
        ),
        (
            r#"{"@timestamp":"yesterday"}"#,
            "`@timestamp` is \"yesterday\", must be a time after RFC 3339 or seconds since 1970",
        ),
        (
            r#"{"@timestamp":-1}"#,
            "`@timestamp` is -1, must be a time after RFC 3339 or seconds since 1970",
        ),
        (
            r#"{"@timestamp":1,"source":{"as":{"number":"7"}}}"#,
            "`source.as.number` is \"7\", must be a whole number from 0 to 4294967295",
        ),
        (
            r#"{"@timestamp":1,"source.as.number":4294967296}"#,
            "`source.as.number` is 4294967296, must be a whole number from 0 to 4294967295",
        ),
        (
            r#"{"@timestamp":1,"source.geo.location.lat":90.5}"#,
            "`source.geo.location.lat` is 90.5, must be a number from -90 to 90",
        ),
        (
            r#"{"@timestamp":1,"user.id":1000}"#,
            "`user.id` is 1000, must be text",
        ),
        (
            r#"{"@timestamp":1,"user.id":{"a":1}}"#,
            "`user.id` is an object, must be text",
        ),
        (
            r#"{"@timestamp":1,"user.id":["a"]}"#,
            "`user.id` is a list, must be text",
        ),
        (
            r#"{"@timestamp":1,"user.id":true}"#,
            "`user.id` is true, must be text",
        ),
        (
            r#"{"@timestamp":1,"user.roles":["a",1]}"#,
            "`user.roles` is a list of more than texts, must be text or a list of texts",
        ),
        (
            r#"{"@timestamp":1,"event.outcome":"ok"}"#,
            "`event.outcome` is \"ok\", must be success, failure or unknown",
        ),
        (
            r#"{"@timestamp":1,"identity.kind":"bot"}"#,
            "`identity.kind` is \"bot\", must be human, service or api-key",
        ),
        (
            "",
            "the line is no JSON object: EOF while parsing a value at column 0",
        ),
        (
            r#"{"@timestamp":1} x"#,
            "the line is no JSON object: trailing characters at column 18",
        ),
    ] {
        assert_eq!(refused(line), text, "{line}");
    }
    assert_eq!(
        refused("[1]"),
        "the line is no JSON object: invalid type: sequence, expected an object at column 0"
    );
    assert!(refused(r#"{"@timestamp":1,"user":{"id":"#).starts_with("the line is no JSON object"));
}

#[test]
fn times_are_read_in_every_form() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", 0.0),
        ("2017-03-27T13:08:09Z", 1_490_620_089.0),
        ("2017-03-27t13:08:09.5z", 1_490_620_089.5),
        ("2017-03-27T15:08:09+02:00", 1_490_620_089.0),
        ("2017-03-27 07:38:09.25-05:30", 1_490_620_089.25),
        ("2017-03-27 13:08:09.123456789", 1_490_620_089.123_456),
        ("2000-02-29T23:59:59Z", 951_868_799.0),
        ("2016-12-31T23:59:60Z", 1_483_228_799.0),
        ("2026-11-21T08:00:00Z", 1_795_248_000.0),
    ] {
        assert_eq!(parse_time(text), Some(seconds), "{text}");
    }
    for text in [
        "",
        "2017",
        "2017-03-27",
        "2017-13-01T00:00:00Z",
        "2017-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2017-03-27T24:00:00Z",
        "2017-03-27T00:60:00Z",
        "2017-03-27T00:00:00.Z",
        "2017-03-27T00:00:00+2:00",
        "2017-03-27T00:00:00Zx",
        "2017-03-27T00:00:00+24:00",
        "-017-03-27T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2017-03-00T00:00:00Z",
        "２017-03-27T00:00:00Z",
        "1600000002",
    ] {
        assert_eq!(parse_time(text), None, "{text}");
    }
    let line = r#"{"@timestamp":"2017-03-27T15:08:09.25+02:00"}"#;
    assert_eq!(
        read(line).to_line(),
        r#"{"@timestamp":"2017-03-27T13:08:09.25Z"}"#
    );
    assert_eq!(rfc3339(253_402_300_799.0), "9999-12-31T23:59:59Z");
    assert_eq!(rfc3339(f64::INFINITY), rfc3339(253_402_300_799.0));
    assert_eq!(rfc3339(-5.0), "1970-01-01T00:00:00Z");
}

#[test]
fn columns_of_text_fill_the_same_fields() {
    let mut event = Event::default();
    for (name, text) in [
        ("@timestamp", "1600000002.1"),
        ("user.id", "1000"),
        ("user.roles", "admin; dev"),
        ("source.as.number", "64500"),
        ("source.geo.location.lon", "-10.7"),
        ("event.outcome", ""),
        ("token.auth_time", "2017-03-27T13:08:09Z"),
    ] {
        assert_eq!(event.set(name, text), Ok(true), "{name}");
    }
    assert_eq!(event.set("index", "0"), Ok(false));
    assert_eq!(
        event.to_line(),
        r#"{"@timestamp":1600000002.1,"user.id":"1000","user.roles":["admin","dev"],"source.as.number":64500,"source.geo.location.lon":-10.7,"token.auth_time":1490620089.0}"#
    );
    assert_eq!(
        event
            .set("source.as.number", "AS7")
            .unwrap_err()
            .to_string(),
        "`source.as.number` is \"AS7\", must be a whole number from 0 to 4294967295"
    );
}

#[cfg(not(target_family = "wasm"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Option<Cow<'static, str>>> {
        prop::option::of(".{0,12}".prop_map(Cow::Owned))
    }

    fn seconds() -> impl Strategy<Value = f64> {
        (0_u64..4_000_000_000_000_000).prop_map(|micros| micros as f64 / 1e6)
    }

    proptest! {
        #[test]
        fn no_bytes_panic(line: Vec<u8>) {
            let _ = Event::parse(&line);
        }

        #[test]
        fn no_mix_of_json_panics(parts in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"source\"", "\"geo\"", "\"@timestamp\"", "\"user.id\"", "\"\\u00e9\"",
            "1", "-1e308", "1e999", "null", "true", "\"2017-03-27T15:08:09+02:00\"",
        ]), 0..30)) {
            let _ = Event::parse(parts.concat().as_bytes());
        }

        #[test]
        fn times_survive_their_text(micros in 0_u64..4_102_444_800_000_000, text in ".{0,40}") {
            let time = micros as f64 / 1e6;
            let back = parse_time(&rfc3339(time)).unwrap();
            prop_assert!((back - time).abs() < 1e-6, "{} {}", back, time);
            let _ = parse_time(&text);
        }

        #[test]
        fn events_survive_their_line(
            time in seconds(), action in text(), user in text(), city in text(), agent in text(),
            lat in prop::option::of((-900_000_000..=900_000_000).prop_map(|n| f64::from(n) / 1e7)), asn: Option<u32>, bytes: Option<u64>,
            roles in prop::collection::vec(".{0,8}".prop_map(Cow::Owned), 0..4),
            iat in prop::option::of(seconds()), success in prop::option::of(any::<bool>()),
        ) {
            let event = Event {
                time, time_form: TimeForm::Epoch, action, user, city, agent, lat, asn, bytes, roles, token_iat: iat,
                outcome: success.map(|s| if s { Outcome::Success } else { Outcome::Failure }),
                kind: success.map(|s| if s { Kind::Service } else { Kind::Human }),
                ..Event::default()
            };
            let line = event.to_line();
            prop_assert_eq!(Event::parse(line.as_bytes()).unwrap(), event, "{}", line);
        }
    }
}
