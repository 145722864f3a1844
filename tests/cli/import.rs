//! Logs of other makers as event lines.

use serde_json::{Value, json};

use crate::{Workspace, run_in};

fn events(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_public_data_set_of_risk_based_authentication() {
    let work = Workspace::new();
    let fixture = format!("{}/tests/fixtures/rba.csv", env!("CARGO_MANIFEST_DIR"));
    let outcome = work.run(&format!("import --from rba {fixture}"));
    assert_eq!(outcome.code, 0);
    assert!(
        outcome
            .stderr
            .ends_with("3 events, 1 lines skipped, 0 passed over\n"),
        "{}",
        outcome.stderr
    );
    let lines = events(&outcome.stdout);
    assert_eq!(
        lines[0],
        json!({
            "@timestamp": "2026-02-03T08:00:00.25Z", "event.action": "login", "event.outcome": "success",
            "user.id": "-17", "source.ip": "192.0.2.65", "source.as.number": 64500,
            "source.geo.country_iso_code": "NO",
            "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/86.0.4240.75 Safari/537.36",
            "user_agent.name": "Chrome", "user_agent.version": "86.0.4240", "user_agent.os.name": "Linux",
            "user_agent.device.name": "desktop", "identity.kind": "human"
        })
    );
    assert_eq!(lines[1]["event.outcome"], "failure");
    assert_eq!(lines[1]["labels.attack"], "attack-address");
    assert_eq!(lines[1]["source.geo.city_name"], "Berlin");
    assert_eq!(lines[2]["labels.attack"], "takeover");
    assert_eq!(lines[2]["user_agent.name"], "Chrome Mobile WebView");
    assert_eq!(lines[2]["user_agent.os.version"], "4.1");
}

#[test]
fn an_access_log_of_envoy_with_keys_of_its_own() {
    let work = Workspace::new();
    let log = br#"{"start_time":"2026-01-01T00:00:00Z","method":"GET","path":"/a?token=x","response_code":401,"downstream_remote_address":"192.0.2.1:55","user_agent":"curl/8","jwt":{"sub":"bob"},"user":"-"}
{"method":"GET"}
not json
"#;
    let outcome = run_in(
        &work.0,
        "import --from envoy --map jwt.sub=user.id -",
        &[],
        log,
    );
    assert_eq!(
        events(&outcome.stdout),
        [json!({
            "@timestamp": "2026-01-01T00:00:00Z", "event.action": "request", "event.outcome": "failure",
            "user.id": "bob", "source.ip": "192.0.2.1", "user_agent.original": "curl/8",
            "http.request.method": "GET", "url.path": "/a", "http.response.status_code": 401
        })]
    );
    assert!(outcome.stderr.starts_with(
        "stdin:2: skipped: no key gives @timestamp; name it with --map KEY=@timestamp\nstdin:3: skipped: no JSON object: "
    ));
}

const TRAIL: [&str; 4] = [
    r#"{"eventTime":"2026-07-10T11:42:18Z","eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances","sourceIPAddress":"192.0.2.43","userAgent":"Boto3/1.26","errorCode":"AccessDenied","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::1:user/ben","accessKeyId":"AKIAX"}}"#,
    r#"{"eventTime":"2026-07-10T11:43:18Z","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","sourceIPAddress":"192.0.2.44","responseElements":{"ConsoleLogin":"Success"},"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/AWSReservedSSO_x/ann@example.com","accessKeyId":"ASIAY","sessionContext":{"attributes":{"creationDate":"2026-07-10T11:43:00Z","mfaAuthenticated":"true"}}}}"#,
    r#"{"eventTime":"2026-07-10T11:44:18Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","sourceIPAddress":"ec2.amazonaws.com","userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/app/i-1","sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::1:role/app"}}}}"#,
    r#"{"eventTime":"2026-07-10T11:45:18Z","eventSource":"kms.amazonaws.com","eventName":"Decrypt","userIdentity":{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}}"#,
];

#[test]
fn cloudtrail_line_by_line_or_as_delivered() {
    let work = Workspace::new();
    work.write("lines.json", TRAIL.join("\n"));
    work.write(
        "delivered.json",
        format!("{{\n \"Records\": [{}]\n}}", TRAIL.join(",\n")),
    );
    let outcome = work.run("import --from cloudtrail lines.json");
    assert_eq!(outcome.stderr, "3 events, 0 lines skipped, 1 passed over\n");
    let lines = events(&outcome.stdout);
    assert_eq!(
        lines[0],
        json!({
            "@timestamp": "2026-07-10T11:42:18Z", "event.action": "ec2:DescribeInstances", "event.outcome": "failure",
            "user.id": "arn:aws:iam::1:user/ben", "source.ip": "192.0.2.43", "user_agent.original": "Boto3/1.26",
            "identity.kind": "api-key"
        })
    );
    assert_eq!(lines[1]["event.action"], "login");
    assert_eq!(lines[1]["user.id"], "ann@example.com");
    assert_eq!(lines[1]["token.amr"], json!(["mfa"]));
    assert_eq!(lines[1]["session.id"], "ASIAY");
    assert_eq!(lines[2]["user.id"], "arn:aws:iam::1:role/app");
    assert_eq!(lines[2]["identity.kind"], "service");
    assert!(lines[2].get("source.ip").is_none());
    let delivered = work.run("import --from cloudtrail delivered.json");
    assert_eq!(delivered.stdout, outcome.stdout);
}

#[test]
fn sshd_lines_of_syslog_cross_the_year() {
    let work = Workspace::new();
    work.write(
        "auth.log",
        "Dec 31 23:59:09 gate sshd[12]: Accepted publickey for ubuntu from 192.0.2.41 port 54259 ssh2: RSA SHA256:K\n\
         Jan  1 00:00:09 gate sshd[13]: Invalid user from here from 198.51.100.5 port 2\n\
         Jan  1 00:00:10 gate sshd[13]: Failed password for invalid user from here from 198.51.100.5 port 2 ssh2\n\
         Jan  1 00:00:11 gate CRON[14]: session opened\n\
         2026-01-02T13:08:09+01:00 gate sshd-session[15]: message repeated 2 times: [ Failed password for root from ::1 port 22 ssh2]\n",
    );
    let outcome = work.run("import --from sshd --year 2025 auth.log");
    assert_eq!(outcome.stderr, "4 events, 0 lines skipped, 2 passed over\n");
    let lines = events(&outcome.stdout);
    assert_eq!(
        lines[0],
        json!({
            "@timestamp": "2025-12-31T23:59:09Z", "event.action": "login", "event.outcome": "success",
            "user.id": "ubuntu", "source.ip": "192.0.2.41", "identity.kind": "human"
        })
    );
    assert_eq!(lines[1]["@timestamp"], "2026-01-01T00:00:09Z");
    assert_eq!(lines[1]["user.id"], "from here");
    assert_eq!(lines[1]["source.ip"], "198.51.100.5");
    assert_eq!(lines[3]["@timestamp"], "2026-01-02T12:08:09Z");
    let without = work.run("import --from sshd auth.log");
    assert!(
        without
            .stderr
            .starts_with("auth.log:1: skipped: the time has no year; give it with --year\n")
    );
}

#[test]
fn any_table_by_a_mapping_of_columns() {
    let work = Workspace::new();
    work.write(
        "logins.csv",
        "When,Account,Address,url.path\n1767225600,carol,192.0.2.9,/login\nlater,carol,192.0.2.9,/\n",
    );
    let map = "When=@timestamp,Account=user.id,Address=source.ip";
    let outcome = work.run(&format!("import --from csv --map {map} logins.csv"));
    assert_eq!(
        outcome.stdout,
        "{\"@timestamp\":1767225600.0,\"user.id\":\"carol\",\"source.ip\":\"192.0.2.9\",\"url.path\":\"/login\"}\n"
    );
    assert!(outcome.stderr.starts_with(
        "logins.csv:3: skipped: `@timestamp` is \"later\", must be a time after RFC 3339 or seconds since 1970\n"
    ));
    let unmapped = work.run("import --from csv logins.csv");
    assert_eq!(
        unmapped.stderr,
        "stepgate: logins.csv: no column gives @timestamp; name it with --map COLUMN=@timestamp\n"
    );
    let unknown = work.run("import --from csv --map Time=@timestamp logins.csv");
    assert_eq!(
        unknown.stderr,
        "stepgate: logins.csv: no column `Time`; there are: When, Account, Address, url.path\n"
    );
    let wrong = work.run("import --from csv --map When=time logins.csv");
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("`time` is no field of an event"));
}

#[test]
fn an_address_that_is_none_is_kept_and_counted() {
    let work = Workspace::new();
    work.write(
        "logins.csv",
        "@timestamp,user.id,source.ip\n\
         2026-01-05T08:00:00Z,alice,192.0.2.1\n\
         2026-01-05T09:00:00Z,alice,192.0.2.300\n",
    );
    let outcome = work.run("import --from csv logins.csv");
    assert_eq!(events(&outcome.stdout)[1]["source.ip"], "192.0.2.300");
    assert_eq!(
        outcome.stderr,
        "2 events, 0 lines skipped, 0 passed over\n\
         in 1 events `source.ip` is no address: they count as sent from nowhere\n"
    );
    work.write(
        "good.csv",
        "@timestamp,source.ip\n2026-01-05T08:00:00Z,192.0.2.1\n",
    );
    let outcome = work.run("import --from csv good.csv");
    assert!(!outcome.stderr.contains("no address"), "{}", outcome.stderr);
}

/// Logs as people have them, and what is said of each where events are expected.
const LOGS: [(&str, &str, &str); 7] = [
    (
        "envoy.json",
        r#"{"start_time":"2026-01-01T00:00:00Z","method":"GET","path":"/a","response_code":401}"#,
        "`stepgate import --from envoy --map KEY=user.id`",
    ),
    (
        "envoy.txt",
        r#"[2026-01-01T00:00:00.000Z] "GET / HTTP/1.1" 200 - 0 10 2 1 "-" "curl/8" "id" "host" "127.0.0.1:80""#,
        "have it written in JSON",
    ),
    (
        "trail.json",
        r#"{"Records":[{"eventTime":"2026-07-10T11:42:18Z","eventName":"DescribeInstances"}]}"#,
        "`stepgate import --from cloudtrail`",
    ),
    (
        "auth.log",
        "Dec 31 23:59:09 gate sshd[12]: Accepted publickey for ubuntu from 192.0.2.41 port 5 ssh2",
        "`stepgate import --from sshd --year YEAR`",
    ),
    (
        "table.csv",
        "time,user\n1,alice",
        "`stepgate import --from csv --map COLUMN=@timestamp,",
    ),
    (
        "rba.csv",
        "index,Login Timestamp,User ID,Is Attack IP\n0,2020-02-03 12:43:30,1,False",
        "`stepgate import --from rba`",
    ),
    (
        "proxy.log",
        r#"[2026-01-05 08:00:00.000][7][info][wasm] wasm log: {"@timestamp":1750000000,"event.id":"d1","user.hash":"aa","stepgate.tier":"default","stepgate.reasons":{}}"#,
        "`stepgate explain` tells them, and `stepgate replay --policy A --against B`",
    ),
];

#[test]
fn an_issuer_without_a_subject_is_nobody() {
    let log = br#"{"start_time":1767225600,"user":"https://idp/|-"}
{"start_time":1767225601,"user":"-|-"}
{"start_time":1767225602,"user":"https://idp/|"}
{"start_time":1767225603,"user":"https://idp/|alice"}
"#;
    let outcome = run_in(&Workspace::new().0, "import --from envoy -", &[], log);
    let users: Vec<Value> = events(&outcome.stdout)
        .iter()
        .map(|event| event["user.id"].clone())
        .collect();
    assert_eq!(
        users,
        [
            Value::Null,
            Value::Null,
            Value::Null,
            json!("https://idp/|alice")
        ]
    );
}

#[test]
fn a_log_that_is_no_event_file_is_recognised_and_its_reader_named() {
    let work = Workspace::new();
    for (name, log, advice) in LOGS {
        work.write(name, format!("{log}\n"));
        for command in [format!("replay {name}"), format!("train {name} -o a.bin")] {
            let outcome = work.run(&command);
            assert_eq!(
                (outcome.code, outcome.stdout.as_str()),
                (1, ""),
                "{command}"
            );
            let said = outcome.stderr.lines().last().unwrap();
            assert!(
                said.starts_with("stepgate: no events: "),
                "{command}: {said}"
            );
            assert!(said.contains(advice), "{command}: {said}");
        }
    }
    // The reader of one names that of another, and never itself.
    let other = work.run("import --from envoy trail.json").stderr;
    assert!(
        other.ends_with(
            "; this looks like CloudTrail: `stepgate import --from cloudtrail` makes events of it\n"
        ),
        "{other}"
    );
    let own = work
        .run("import --from envoy --map when=@timestamp envoy.txt")
        .stderr;
    assert!(own.contains("have it written in JSON"), "{own}");
    work.write("untimed.json", "{\"method\":\"GET\"}\n");
    let own = work.run("import --from envoy untimed.json").stderr;
    assert!(
        own.ends_with("stepgate: no events: the only line could not be read\n"),
        "{own}"
    );
}

#[test]
fn events_that_name_nobody_are_pointed_out() {
    let work = Workspace::new();
    let access = r#"{"@timestamp":"2026-01-01T00:00:00.000Z","source.ip":"192.0.2.1","http.response.status_code":200,"stepgate.decision":"allow","url.path":"/"}"#;
    work.write("access.log", format!("{access}\n{access}\n"));
    let nobody = "none of 2 events names who asked (`user.id`), so they are nobody's";
    for command in [
        "replay access.log",
        "train access.log -o a.bin",
        "import --from envoy access.log",
    ] {
        let outcome = work.run(command);
        assert_eq!(outcome.code, 0, "{command}");
        assert!(
            outcome.stderr.contains(nobody),
            "{command}: {}",
            outcome.stderr
        );
    }
    // Beside audit lines it is these that somebody wants.
    let line = LOGS[6].1;
    work.write("proxy.log", format!("{line}\n{access}\n"));
    let proxy = work.run("replay proxy.log");
    assert!(
        proxy.stderr.ends_with("so they are nobody's: there are audit lines of the filter: `stepgate explain` tells them, and `stepgate replay --policy A --against B` decides them again\n"),
        "{}",
        proxy.stderr
    );
    work.write("named.log", access.replace('{', r#"{"user.id":"a","#));
    let named = work.run("replay named.log");
    assert!(!named.stderr.contains("nobody"), "{}", named.stderr);
}

#[test]
fn times_and_outcomes_are_read_as_others_write_them() {
    let work = Workspace::new();
    let log = r#"{"published":1767225600250,"who":"alice","outcome":{"result":"SUCCESS"}}
{"published":1767225601000000,"who":"alice","outcome":{"result":"Failure"}}
{"published":1767225602000000000,"who":"alice","outcome":{"result":true}}
{"published":1767225603,"who":"alice","outcome":{"result":"false"}}
{"published":"2026-01-01T00:00:04Z","who":"alice","outcome":{"result":"maybe"}}
"#;
    work.write("log.json", log);
    work.write(
        "log.csv",
        "published,who,outcome\n1767225600250,alice,SUCCESS\n",
    );
    let outcome = work.run("import --from json --map published=@timestamp,who=user.id,outcome.result=event.outcome log.json");
    let told: Vec<_> = events(&outcome.stdout)
        .iter()
        .map(|event| {
            (
                event["@timestamp"].as_f64().unwrap(),
                event["event.outcome"].clone(),
            )
        })
        .collect();
    let expected = [
        (1_767_225_600.25, json!("success")),
        (1_767_225_601.0, json!("failure")),
        (1_767_225_602.0, json!("success")),
        (1_767_225_603.0, json!("failure")),
    ];
    assert_eq!(told, expected);
    assert!(
        outcome
            .stderr
            .starts_with("log.json:5: skipped: `event.outcome` is \"maybe\", must be"),
        "{}",
        outcome.stderr
    );
    let table = work.run(
        "import --from csv --map published=@timestamp,who=user.id,outcome=event.outcome log.csv",
    );
    assert_eq!(
        table.stdout,
        "{\"@timestamp\":1767225600.25,\"event.outcome\":\"success\",\"user.id\":\"alice\"}\n"
    );
}

#[test]
fn input_that_is_not_in_order_of_time_is_pointed_out() {
    let work = Workspace::new();
    let at = |time: u32| format!("{{\"@timestamp\":{time},\"user.id\":\"a\"}}\n");
    // Two pods, one after the other; half an hour is what a long request may take.
    work.write(
        "first.jsonl",
        at(1_767_225_600) + &at(1_767_232_800) + &at(1_767_231_000),
    );
    work.write("second.jsonl", at(1_767_225_600) + &at(1_767_232_800));
    let said = "1 of 5 events are more than an hour older than one before them: what is learned follows the order of the input, so sort it by time\n";
    for command in ["replay", "import --from envoy"] {
        let both = work.run(&format!("{command} first.jsonl second.jsonl"));
        assert_eq!(both.code, 0);
        assert!(both.stderr.contains(said), "{command}: {}", both.stderr);
        let one = work.run(&format!("{command} first.jsonl"));
        assert!(!one.stderr.contains("older"), "{command}: {}", one.stderr);
    }
}
