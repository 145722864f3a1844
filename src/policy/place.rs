//! Where in a JSON text a position lies, as a path: `tiers[0].step_up`.
//! May use: nothing but the text.
//! Must not: judge the text; whoever found the error did.

/// One step from the top of the text to a position.
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// The path to what ends at a line and a column (as serde_json counts: lines from 1, columns in bytes from 1, 0 before the
/// first) of a text that is JSON up to there.
pub(super) fn path_at(json: &str, line: usize, column: usize) -> String {
    let before: usize = json
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let text = json.get(..before.saturating_add(column)).unwrap_or(json);
    let mut steps: Vec<Step<'_>> = Vec::new();
    // Whether the innermost object waits for a key.
    let mut wants_key = false;
    let mut rest = text;
    while let Some(next) = rest.bytes().next() {
        let (token, after) = split_token(rest);
        rest = after;
        match next {
            b'{' => {
                steps.push(Step::Key(""));
                wants_key = true;
            }
            b'[' => {
                steps.push(Step::Index(0));
                wants_key = false;
            }
            b'}' | b']' => {
                steps.pop();
                wants_key = false;
            }
            b',' => match steps.last_mut() {
                Some(Step::Index(index)) => *index += 1,
                Some(Step::Key(_)) => wants_key = true,
                None => {}
            },
            b'"' if wants_key => {
                if let Some(Step::Key(key)) = steps.last_mut() {
                    *key = token.trim_matches('"');
                }
                wants_key = false;
            }
            _ => {}
        }
    }
    let mut path = String::new();
    for step in &steps {
        match step {
            Step::Key("") => {}
            Step::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

/// A string with its quotes, or one character.
fn split_token(text: &str) -> (&str, &str) {
    let mut characters = text.char_indices();
    let first = characters.next().map(|(_, character)| character);
    let mut escaped = false;
    let end = match first {
        Some('"') => characters
            .find(|(_, character)| {
                let ends = *character == '"' && !escaped;
                escaped = *character == '\\' && !escaped;
                ends
            })
            .map_or(text.len(), |(at, _)| at + 1),
        Some(character) => character.len_utf8(),
        None => 0,
    };
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::path_at;

    #[test]
    fn the_path_leads_to_the_value_that_ends_there() {
        let json = "{\"a\": 1,\n \"b\": [{\"x\": \"],{\\\"\"}, {\"y\": {\"z\": true}}], \"c\": 2}";
        for (end, path) in [
            ("1", "a"),
            ("\"],{\\\"\"", "b[0].x"),
            ("{\"y\"", "b[1].y"),
            ("true", "b[1].y.z"),
            ("true}", "b[1].y"),
            ("true}}", "b[1]"),
            ("true}}]", "b"),
            (", \"c\": 2", "c"),
            ("2}", ""),
        ] {
            let at = json.find(end).unwrap() + end.len();
            let before = json.get(..at).unwrap();
            let line = before.matches('\n').count() + 1;
            let column = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1);
            assert_eq!(path_at(json, line, column), path, "{end}");
        }
    }

    #[test]
    fn positions_outside_the_text_are_no_panic() {
        for (line, column) in [(0, 0), (1, 99), (9, 9), (usize::MAX, usize::MAX)] {
            let _any = path_at("{\"ä\": \"\\", line, column);
        }
        assert_eq!(path_at("", 0, 0), "");
    }
}
