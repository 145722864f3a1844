//! Policies: refused whole or compiled, and what is compiled means what was written, as JSON and as a struct.
//! May use the engine's policy, the adapter's reader of structs.
//! Must not judge a policy.

use serde_json::Value;
use stepgate::policy::config::PolicyConfig;
use stepgate::policy::{Policy, Route};

use crate::{NOW, metadata, structs};

pub(crate) fn run(data: &[u8]) {
    let (mode, data) = crate::split(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let parsed = Policy::parse(text);
    match &parsed {
        Ok(policy) => used(policy),
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && !said.ends_with('.'), "{said}");
            assert_eq!(Policy::parse(text).unwrap_err(), *error);
        }
    }
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(text) else {
        return;
    };
    let plain = structs::plain(object.clone());
    let deep = structs::depth(&Value::Object(plain.clone())) > structs::DEPTH;
    if mode & 1 == 1 && !deep && plain == object {
        let given = metadata::whole(&structs::object(&plain)).expect("a struct");
        match (parsed, Policy::parse(&given)) {
            (Ok(json), Ok(structured)) => assert!(
                same(&value(&json.config), &value(&structured.config)),
                "{text} means something else as a struct"
            ),
            // Keys that stand twice are refused in JSON; a struct has none.
            (Err(_), _) => {}
            (Ok(_), Err(error)) => panic!("as a struct: {error}"),
        }
    }
}

fn value(config: &PolicyConfig) -> Value {
    serde_json::to_value(config).unwrap()
}

/// Equal but for the last digits of numbers: `serde_json` reads those of more than 15 digits to the last bit but one unless
/// it is built with `float_roundtrip`, which nobody writes thresholds for.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(a), Some(b)) => a == b || (a - b).abs() <= 4.0 * f64::EPSILON * a.abs(),
            _ => one == other,
        },
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|((k, a), (l, b))| k == l && same(a, b))
        }
        _ => one == other,
    }
}

fn used(policy: &Policy) {
    let written = serde_json::to_string(&policy.config).unwrap();
    match Policy::parse(&written) {
        Ok(again) => assert!(
            same(&value(&again.config), &value(&policy.config)),
            "{written} means something else when it is read again"
        ),
        Err(error) => panic!("what was accepted is refused when written again: {error}"),
    }
    for path in [
        &b"/"[..],
        b"",
        b"/admin/x",
        b"/users/7",
        b"/\xff",
        b"/a/b/c/d/e",
    ] {
        for host in [&b"api.test"[..], b"", b"a.api.test"] {
            let tier = policy.tier(&Route {
                host,
                path,
                method: b"POST",
                metadata: b"",
            });
            let _cohorts = (tier.of_cohort(0), tier.of_cohort(999));
        }
    }
    let _over = policy.expired(NOW).count();
    let _warned = policy.step_up_warnings(true);
}
