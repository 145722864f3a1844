//! The code that API teams copy reads what a real gateway writes: in Python, TypeScript and Rust, the same in each.
//! May use python3 and the Node of the tools; what is absent is skipped by name.
//! Must not: let a header that was touched, doubled or left out pass for a decision.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use stepgate_testkit::envoy::TempDir;
use stepgate_testkit::tokens::{Key, now};

use crate::contract::{at_home, far_away, policy, token};
use crate::gateway::Gateway;

#[path = "../../examples/headers/stepgate.rs"]
#[allow(unreachable_pub, reason = "a module of its own where it is copied to")]
mod sample;

const SECRET: &str = "a secret of the api team";

type Pairs = Vec<(String, String)>;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/headers")
}

/// Runs a program with JSON on its standard input and takes JSON from its output; `None` where it is not installed.
fn run(program: &Path, code: &[&str], input: &Value) -> Option<Value> {
    let dir = TempDir::new();
    let stdin = std::fs::File::open(dir.write("input", input.to_string())).unwrap();
    let mut command = Command::new(program);
    command
        .args(code)
        .current_dir(examples())
        .stdin(Stdio::from(stdin));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let Ok(output) = command.output() else {
        println!("SKIPPED: no {}", program.display());
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {said}", program.display());
    Some(serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}")))
}

const PYTHON: &str = "
import dataclasses, json, sys
import stepgate
out = []
for case in json.load(sys.stdin):
    told = stepgate.read(case['headers'], case['secrets'], case['now'])
    out.append({**dataclasses.asdict(told), 'clear': told.is_clear()})
json.dump(out, sys.stdout)
";

const NODE: &str = "
import { readFileSync } from 'node:fs';
import { isClear, read } from './stepgate.ts';
const cases = JSON.parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify(cases.map((c) => {
  const told = read(c.headers, c.secrets ?? undefined, c.now);
  return { ...told, clear: isClear(told) };
})));
";

/// What the sample in Rust says, in the form of the others.
fn rust(case: &Value) -> Value {
    let pairs: Pairs = serde_json::from_value(case["headers"].clone()).unwrap();
    let secrets = case["secrets"].as_object().map(|secrets| {
        let secrets = secrets.iter();
        let secrets = secrets.map(|(kid, secret)| (&**kid, secret.as_str().unwrap()));
        secrets.collect::<Vec<_>>()
    });
    let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
    let said = sample::read(pairs, secrets.as_deref(), case["now"].as_u64().unwrap(), 60);
    let clear = said.is_clear();
    match said {
        sample::Decision::Unknown => unknown(),
        sample::Decision::Known(told) => json!({
            "decision": told.decision, "would": told.would, "mode": told.mode, "score": told.score,
            "reasons": told.reasons, "id": told.id, "clear": clear,
        }),
    }
}

fn unknown() -> Value {
    json!({
        "decision": "unknown", "would": null, "mode": null, "score": null, "reasons": {}, "id": null, "clear": false,
    })
}

/// The answers of every language there is, with integers and decimals made alike.
fn answers(cases: &[Value]) -> Vec<(&'static str, Vec<Value>)> {
    fn alike(value: &Value) -> Value {
        match value {
            Value::Number(number) => json!(number.as_f64()),
            Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), alike(v))).collect(),
            other => other.clone(),
        }
    }
    let input = Value::from(cases.to_vec());
    let node = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/venv/bin/node");
    let mut all = vec![(
        "Rust",
        Value::from(cases.iter().map(rust).collect::<Vec<_>>()),
    )];
    let python = run(Path::new("python3"), &["-c", PYTHON], &input);
    all.extend(python.map(|answer| ("Python", answer)));
    let node = run(
        &node,
        &["--no-warnings", "--input-type=module", "-e", NODE],
        &input,
    );
    all.extend(node.map(|answer| ("TypeScript", answer)));
    let each = |(name, answer): (&'static str, Value)| {
        (name, answer.as_array().unwrap().iter().map(alike).collect())
    };
    all.into_iter().map(each).collect()
}

/// The decision headers that reached the upstream.
fn told(gateway: &Gateway, request: &stepgate_testkit::http::Request) -> Pairs {
    let response = gateway.send(request);
    assert_eq!(response.status, 200, "{}", response.text());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let pairs = response.echoed().0;
    pairs
        .iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// The headers that the README shows.
fn shown() -> Pairs {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (_, block) = readme.split_once("```http\n").unwrap();
    let (block, _) = block.split_once("\n```").unwrap();
    let pair = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    };
    block.lines().map(pair).collect()
}

#[test]
fn the_headers_of_the_readme_are_what_a_gateway_writes_and_every_language_reads() {
    let key = Key::ed25519("k1");
    let mut policy = policy(&key);
    policy["mode"] = json!("shadow");
    let Some(gateway) = Gateway::start(&policy) else {
        return;
    };
    told(&gateway, &at_home(&token(&key, "alice", 20).sign(&key)));
    let away = told(&gateway, &far_away(&token(&key, "alice", 10).sign(&key)));
    let names = |pairs: &Pairs| -> Vec<String> {
        let names = pairs.iter().map(|(name, _)| name.clone());
        names
            .filter(|name| name.starts_with("x-stepgate-"))
            .collect()
    };
    let shown = shown();
    assert_eq!(names(&shown), names(&away));
    let case = json!({ "headers": shown, "secrets": null, "now": now() });
    for (language, answers) in answers(&[case]) {
        let expected = json!({
            "decision": "allow", "would": "step-up", "mode": "shadow", "score": 88.0, "id": "d5f0c1a2b3d4e5f60",
            "reasons": { "impossible-travel": 4.6, "new-device": 2.1 }, "clear": false,
        });
        assert_eq!(answers, [expected], "{language}");
    }
}

#[test]
fn three_languages_read_the_signed_headers_of_a_gateway_and_believe_nothing_else() {
    let key = Key::ed25519("k1");
    let mut policy = policy(&key);
    policy["mode"] = json!("shadow");
    policy["signature"] = json!({ "secret": SECRET, "kid": "k1" });
    let Some(gateway) = Gateway::start(&policy) else {
        return;
    };
    let home = told(&gateway, &at_home(&token(&key, "alice", 20).sign(&key)));
    let away = told(&gateway, &far_away(&token(&key, "alice", 10).sign(&key)));
    let case = |headers: &Pairs, secrets: Value| json!({ "headers": headers, "secrets": secrets, "now": now() });
    let secrets = json!({ "k1": SECRET });
    let fine = [
        case(&home, secrets.clone()),
        case(&away, secrets.clone()),
        case(&home, json!(null)),
    ];
    for (language, answers) in answers(&fine) {
        let [home, away, unsigned] = answers.as_slice() else {
            panic!("{language}")
        };
        assert_eq!(
            (&home["decision"], &home["clear"]),
            (&json!("allow"), &json!(true)),
            "{language}"
        );
        assert_eq!(
            home["reasons"],
            json!({ "young-baseline": 0.0 }),
            "{language}"
        );
        assert_eq!(home["would"], json!(null), "{language}");
        assert_eq!(
            (&away["decision"], &away["would"]),
            (&json!("allow"), &json!("step-up")),
            "{language}"
        );
        assert_eq!(away["clear"], false, "{language}");
        assert!(
            away["reasons"]["impossible-travel"]
                .as_f64()
                .is_some_and(|nats| nats > 4.0),
            "{language}"
        );
        assert!(
            away["score"].as_f64().is_some_and(|score| score > 50.0),
            "{language}"
        );
        assert_eq!(unsigned["id"], home["id"], "{language}");
    }

    let without = |name: &str| -> Pairs {
        away.iter()
            .filter(|(found, _)| found != name)
            .cloned()
            .collect()
    };
    let with = |name: &str, value: &str| -> Pairs {
        let mut pairs = without(name);
        pairs.push((name.into(), value.into()));
        pairs
    };
    let doubled: Pairs = away
        .iter()
        .cloned()
        .chain([("X-Stepgate-Decision".into(), "allow".into())])
        .collect();
    let mut cases = vec![
        case(&Pairs::new(), secrets.clone()),
        case(&Pairs::new(), json!(null)),
        case(&doubled, secrets.clone()),
        case(&away, json!({ "k1": "another secret that is long" })),
        case(&away, json!({ "k2": SECRET })),
        // A secret that was forgotten is not "unsigned is fine".
        case(&away, json!({})),
        case(&away, json!({ "k1": "" })),
        case(&with("x-stepgate-mode", "off"), json!(null)),
        case(&with("x-stepgate-score", "-1"), json!(null)),
        case(&with("x-stepgate-decision", "ALLOW"), json!(null)),
    ];
    for name in [
        "decision",
        "would",
        "mode",
        "score",
        "reasons",
        "id",
        "signature",
    ] {
        let name = format!("x-stepgate-{name}");
        cases.push(case(&without(&name), secrets.clone()));
        let touched = match &*name {
            "x-stepgate-score" => "0",
            "x-stepgate-decision" => "deny",
            _ => "allow",
        };
        cases.push(case(&with(&name, touched), secrets.clone()));
    }
    for later in [-120, 120] {
        let mut old = case(&away, secrets.clone());
        old["now"] = json!(now() as i64 + later);
        cases.push(old);
    }
    for (language, answers) in answers(&cases) {
        assert_eq!(answers.len(), cases.len());
        for (case, answer) in cases.iter().zip(answers) {
            assert_eq!(answer, unknown(), "{language}: {case}");
        }
    }
}
