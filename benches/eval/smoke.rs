//! The evaluation on a small file, to know that it works at all.
//! May use: the evaluation. Must not: say anything about the engine's worth.

use std::fmt::Write;
use std::path::Path;

/// Twenty people over forty days; every second day one of them is attacked from far away.
fn events() -> String {
    let mut text = String::new();
    for day in 0..40_u32 {
        for person in 0..20 {
            let time = 1_760_000_000 + day * 86_400 + person * 900;
            let attacked = day >= 20 && day % 2 == 0 && person == day % 20;
            let _ = writeln!(
                text,
                "{}",
                line(time, person, 64_500 + person % 4, "NO", "Firefox", "")
            );
            if attacked {
                let label = r#","labels.attack":"naive""#;
                let _ = writeln!(
                    text,
                    "{}",
                    line(time + 60, person, 64_999, "BR", "curl", label)
                );
            }
        }
    }
    text
}

fn line(time: u32, person: u32, asn: u32, country: &str, browser: &str, rest: &str) -> String {
    let address = format!("{}.{}.{person}.7", asn % 200, asn / 256 % 200);
    format!(
        r#"{{"@timestamp":{time},"event.action":"login","event.outcome":"success","user.id":"p{person}","source.ip":"{address}","source.as.number":{asn},"source.geo.country_iso_code":"{country}","user_agent.name":"{browser}","labels.persona":"home"{rest}}}"#
    )
}

pub(crate) fn run(output: &Path) -> Result<(), String> {
    std::fs::create_dir_all(output).map_err(|error| error.to_string())?;
    let path = output.join("small.ecs.jsonl");
    std::fs::write(&path, events()).map_err(|error| error.to_string())?;
    let report = crate::evaluate(&[path], output)?;
    let text = std::fs::read_to_string(report).map_err(|error| error.to_string())?;
    for needed in [
        "| naive (10, 10) | Stepgate | 1.000 ",
        "| home |",
        "### Poisoning",
    ] {
        if !text.contains(needed) {
            return Err(format!(
                "the report of a small file does not contain `{needed}`"
            ));
        }
    }
    for plot in ["roc-small.svg", "detection-small.svg"] {
        let svg = std::fs::read_to_string(output.join(plot)).map_err(|error| error.to_string())?;
        if !svg.contains("<polyline") {
            return Err(format!("{plot} has no curve"));
        }
    }
    Ok(())
}
