//! As much of PromQL as names something: metrics, matchers, and the labels that are grouped by.
//! May use std.
//! Must not evaluate: strings stand in matchers only.

/// A label, an operator and a value.
pub(super) type Matcher = (String, String, String);

/// What one expression names: metrics with their matchers, and the labels it groups by.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) selectors: Vec<(String, Vec<Matcher>)>,
    pub(super) groups: Vec<String>,
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    &text[..end.unwrap_or(text.len())]
}

/// The matchers up to the closing brace, and how long they are.
fn matchers(text: &str) -> (Vec<Matcher>, usize) {
    let mut rest = text;
    let mut found = Vec::new();
    while !rest.starts_with('}') {
        rest = rest.trim_start_matches([',', ' ']);
        let label = word(rest);
        assert!(!label.is_empty(), "{text}");
        let (operator, after) = rest[label.len()..].split_once('"').unwrap();
        let (value, after) = after.split_once('"').unwrap();
        found.push((label.into(), operator.trim().into(), value.into()));
        rest = after;
    }
    (found, text.len() - rest.len())
}

/// Reads as much of PromQL as names something: strings stand in matchers only.
pub(super) fn named(expression: &str) -> Named {
    let mut named = Named::default();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        if first == '{' {
            let (found, length) = matchers(&rest[1..]);
            let name = found.iter().find(|(label, _, _)| label == "__name__");
            let name = name.map(|(_, _, name)| name.clone()).unwrap();
            named.selectors.push((name, found));
            rest = &rest[1 + length..];
        } else if first == '"' {
            let end = rest[1..].find('"').unwrap();
            rest = &rest[end + 2..];
        } else if first.is_ascii_alphabetic() {
            let name = word(rest);
            rest = &rest[name.len()..];
            if matches!(name, "by" | "without" | "on" | "ignoring") {
                let (list, after) = rest.trim_start()[1..].split_once(')').unwrap();
                named
                    .groups
                    .extend(list.split(',').map(|l| l.trim().to_owned()));
                rest = after;
            } else if name == "up" {
                // Of Prometheus, with the labels of the scrape configuration.
                if let Some(inner) = rest.strip_prefix('{') {
                    rest = &inner[matchers(inner).1..];
                }
            } else if name.starts_with("stepgate") || name.starts_with("envoy") {
                let mut found = Vec::new();
                if let Some(inner) = rest.strip_prefix('{') {
                    let (matchers, length) = matchers(inner);
                    found = matchers;
                    rest = &inner[length..];
                }
                named.selectors.push((name.to_owned(), found));
            }
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    named
}
