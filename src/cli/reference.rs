//! The reference pages: configuration from the JSON Schema, reasons from their table.
//! May use: the schema of the policy, the table of reasons.
//! Must not: hold words about a key or a reason of its own.

use std::fmt::Write;

use serde_json::{Map, Value};
use stepgate::evidence::{Family, Nature, REASONS, Row};
use stepgate::policy::PolicyConfig;

/// `docs/configuration.md`.
pub(crate) fn configuration() -> String {
    let schema = serde_json::to_value(schemars::schema_for!(PolicyConfig)).unwrap_or_default();
    let mut page = String::from(
        "# Configuration\n\n<!-- Made by `stepgate schema --markdown` from src/policy/config.rs; change it there. -->\n\n",
    );
    line(&mut page, text(&schema, "description"));
    line(
        &mut page,
        "The filter reads JSON; `stepgate check` reads JSON or YAML and says what the filter would. Unknown keys are refused. `[]` in a heading stands for each entry of a list.",
    );
    let mut sections = vec![(String::new(), &schema)];
    while let Some((path, section)) = sections.pop() {
        let mut inner = Vec::new();
        if !path.is_empty() {
            let _ = writeln!(page, "## `{path}`\n");
            line(&mut page, text(section, "description"));
        }
        page.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
        let mut words = String::new();
        for (key, property) in properties(section) {
            let below = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            let (named, target) = target(property, &schema);
            if target.is_some_and(|target| target.get("properties").is_some()) {
                let path = if named == Named::List {
                    format!("{below}[]")
                } else {
                    below.clone()
                };
                inner.extend(target.map(|target| (path, target)));
            }
            let _ = writeln!(
                page,
                "| `{key}` | {} | {} | {} |",
                kind(property, named, target),
                default(property),
                cell(text(property, "description")),
            );
            meanings(&mut words, key, target);
        }
        // Inner sections follow their outer one.
        sections.extend(inner.into_iter().rev());
        page.push('\n');
        page.push_str(&words);
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// `docs/reasons.md`.
pub(crate) fn reasons() -> String {
    let mut page = String::from(
        "# Reasons\n\n<!-- Made by `stepgate schema --reasons` from src/evidence/reason.rs; change it there. -->\n\n",
    );
    line(
        &mut page,
        "Every decision carries its reasons: a code and its weight in nats (log-odds). Inside a family the strongest reason counts; families add up. `score.weights` of the policy changes a weight by its code; 0 switches it off, and what is off by default is switched on by a weight of 1.",
    );
    line(
        &mut page,
        "Novelty is something the identity was not seen with before: alone it never denies, and challenges only with a second family. A deviation is conduct unlike the identity: it challenges alone and never denies. Suspicion is suspicious whoever asks. A rule bypasses the score: a token that is not acceptable is no identity. A note weighs nothing.",
    );
    for family in Family::ALL {
        let _ = writeln!(page, "## {}\n", family.as_str());
        page.push_str("| code | nature | weight | meaning | formula |\n|---|---|---|---|---|\n");
        for row in REASONS.iter().filter(|row| row.family == family) {
            reason(&mut page, row);
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn reason(page: &mut String, row: &Row) {
    let weight = match row.nature {
        Nature::Rule | Nature::Note if row.weight == 0.0 => "–".to_owned(),
        _ if row.weight == 0.0 => "0 (off)".to_owned(),
        _ => row.weight.to_string(),
    };
    let _ = writeln!(
        page,
        "| `{}` | {} | {weight} | {} | {} |",
        row.code,
        row.nature.as_str(),
        cell(row.meaning),
        cell(row.formula),
    );
}

/// How a property names another section.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Directly,
    List,
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push_str("\n\n");
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn properties(section: &Value) -> impl Iterator<Item = (&String, &Value)> {
    section
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
}

/// The definition a property refers to: by itself, as one of two with null, or for its entries.
fn target<'a>(property: &'a Value, schema: &'a Value) -> (Named, Option<&'a Value>) {
    let of = |value: &'a Value| {
        let name = text(value, "$ref").strip_prefix("#/$defs/")?;
        schema.get("$defs")?.get(name)
    };
    if let Some(items) = property.get("items") {
        return (Named::List, of(items));
    }
    let choices = property.get("anyOf").and_then(Value::as_array);
    let found = of(property).or_else(|| choices?.iter().find_map(of));
    (Named::Directly, found)
}

fn kind(property: &Value, named: Named, target: Option<&Value>) -> String {
    let of = |value: &Value| match value.get("type") {
        Some(Value::String(name)) => word(name).to_owned(),
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| *name != "null")
            .map(word)
            .collect::<Vec<_>>()
            .join(" or "),
        _ => "any".to_owned(),
    };
    let inner = match target {
        Some(target) if target.get("properties").is_some() => "section".to_owned(),
        Some(_) => "word".to_owned(),
        None => of(property.get("items").unwrap_or(property)),
    };
    let values = property.get("additionalProperties");
    match (named, values.filter(|values| values.is_object())) {
        (Named::List, _) => format!("list of {inner}s"),
        (Named::Directly, Some(values)) => format!("{} by name", of(values)),
        (Named::Directly, None) => inner,
    }
}

fn word(name: &str) -> &str {
    match name {
        "string" => "text",
        "integer" => "whole number",
        "array" => "list",
        "boolean" => "true or false",
        other => other,
    }
}

/// The default where it says more than that there is none.
fn default(property: &Value) -> String {
    match property.get("default") {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "–".to_owned(),
        Some(Value::Object(_)) => "–".to_owned(),
        Some(Value::Array(list)) if list.iter().any(Value::is_object) => "below".to_owned(),
        Some(value) => format!("`{}`", cell(&value.to_string())),
    }
}

/// The words a key takes, each with its meaning.
fn meanings(out: &mut String, key: &str, target: Option<&Value>) {
    let words = target
        .and_then(|target| target.get("oneOf"))
        .and_then(Value::as_array);
    let Some(words) = words else { return };
    let _ = writeln!(out, "`{key}` is one of:\n");
    for word in words {
        let _ = writeln!(
            out,
            "- `{}`: {}",
            text(word, "const"),
            text(word, "description").replace('\n', " ")
        );
    }
    out.push('\n');
}

/// Text that stands in one cell of a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
