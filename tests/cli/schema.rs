//! The schema, and the reference pages made from it.

use crate::Workspace;

fn committed(name: &str) -> String {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_reference_pages_are_what_the_engine_says() {
    let work = Workspace::new();
    for (option, page) in [
        ("--markdown", "configuration.md"),
        ("--reasons", "reasons.md"),
        ("--metrics", "metrics.md"),
    ] {
        let printed = work.run(&format!("schema {option}"));
        assert_eq!(printed.code, 0);
        assert_eq!(
            printed.stdout,
            committed(page),
            "docs/{page} is out of date: stepgate schema {option} > docs/{page}"
        );
    }
}

#[test]
fn the_schema_knows_every_section_and_refuses_unknown_keys() {
    let schema: serde_json::Value =
        serde_json::from_str(&Workspace::new().run("schema").stdout).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["mode"]["default"], "shadow");
    assert_eq!(
        schema["$defs"]["TierConfig"]["properties"]["name"]["type"],
        "string"
    );
}
