//! That what comes out does not depend on how many threads read what goes in.
//! May use: the built binary and files of its own making.
//! Must not: call the engine.

use serde_json::Value;

use crate::{BEGIN, HOME, Workspace, login};

/// A history of many batches with all that can stand in one: bad lines, empty ones, carriage returns, a table, a packed file.
fn history(work: &Workspace) -> &'static str {
    let made =
        work.run("generate --kind workforce --people 12 --days 20 --attacks 20 -o made.jsonl");
    assert_eq!(made.code, 0, "{}", made.stderr);
    let text = String::from_utf8(work.read("made.jsonl")).unwrap();
    assert!(text.len() > 10 * 128 * 1024, "{} bytes", text.len());
    let mut first = String::from("\u{feff}");
    for (number, line) in text.lines().enumerate() {
        first += line;
        first += if number % 7 == 0 { "\r\n" } else { "\n" };
        match number % 1000 {
            10 => first += "{\n",
            20 => first += "\n",
            _ => {}
        }
    }
    // The last line of a file needs no end.
    work.write("first.jsonl", first.trim_end());
    let mut table = String::from("@timestamp,user.id,event.action,source.ip\n");
    for row in 0..2000 {
        let time = BEGIN + 3600 * 24 * 200 + row * 60;
        let when = if row % 500 == 3 {
            "never".to_owned()
        } else {
            time.to_string()
        };
        table += &format!("{when},p{},login,192.0.2.{}\n", row % 40, row % 9);
    }
    work.write("second.csv", table);
    work.write("third.jsonl", login(BEGIN + 3600 * 24 * 300, "p1", HOME));
    work.write(
        "other.json",
        r#"{"score":{"step_up":0.2},"hash_key":"another key of sufficient length"}"#,
    );
    "first.jsonl second.csv third.jsonl"
}

/// A summary without the times it took.
fn untimed(text: &str) -> Value {
    let mut summary: Value = serde_json::from_str(text).unwrap();
    let summary_of = summary.as_object_mut().unwrap();
    assert!(summary_of.remove("seconds").is_some());
    assert!(summary_of.remove("events_per_second").is_some());
    summary
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let work = Workspace::new();
    let files = history(&work);
    let runs = [1, 2, 3].map(|threads| {
        let replayed = work.run(&format!("replay {files} --json --threads {threads}"));
        assert_eq!(replayed.code, 0, "{}", replayed.stderr);
        let lines = work.run(&format!("replay {files} --events --threads {threads}"));
        let sessions = work.run(&format!("replay {files} --per session --threads {threads}"));
        let trained = work.run(&format!("train {files} -o snapshot --threads {threads}"));
        assert_eq!(trained.code, 0, "{}", trained.stderr);
        let summary = untimed(&replayed.stdout);
        assert!(summary["events"].as_u64() > Some(3000) && summary["bad_lines"].as_u64() > Some(4));
        assert!(summary["learned"].as_u64() > Some(100));
        let bad: Vec<_> = replayed.stderr.lines().map(str::to_owned).collect();
        assert!(bad[0].starts_with("first.jsonl:"), "{bad:?}");
        let out = (lines.stdout, sessions.stdout, work.read("snapshot"));
        (summary, bad, out)
    });
    let [one, two, three] = &runs;
    assert!(one.2.0.lines().count() as u64 == one.0["events"].as_u64().unwrap());
    assert!(one == two, "two threads differ from one");
    assert!(one == three, "three threads differ from one");
}

#[test]
fn two_policies_are_held_against_each_other_on_any_number_of_threads() {
    let work = Workspace::new();
    let files = history(&work);
    let runs = [1, 3].map(|threads| {
        let against = format!("replay {files} --json --against other.json --threads {threads}");
        let outcome = work.run(&against);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        untimed(&outcome.stdout)
    });
    let [one, three] = &runs;
    assert!(!one["changes"].as_object().unwrap().is_empty());
    assert_eq!(one, three);
}

#[test]
fn what_cannot_be_read_comes_after_what_could() {
    let work = Workspace::new();
    history(&work);
    let packed = work.run("generate --kind workforce --people 12 --days 20 -o made.jsonl.gz");
    assert_eq!(packed.code, 0);
    let whole = work.read("made.jsonl.gz");
    work.write("broken.jsonl.gz", &whole[..whole.len() / 2]);
    let runs = [1, 2].map(|threads| {
        let outcome = work.run(&format!(
            "replay broken.jsonl.gz --events --threads {threads}"
        ));
        assert_eq!(outcome.code, 1);
        (outcome.stdout, outcome.stderr)
    });
    let [(lines, said), two] = &runs;
    let number = lines.lines().count() + 1;
    assert!(number > 100);
    assert!(
        said.starts_with(&format!("stepgate: broken.jsonl.gz:{number}: ")),
        "{said}"
    );
    assert!(two == &runs[0], "two threads differ from one: {}", two.1);
    let missing = work.run("replay made.jsonl missing.jsonl --threads 2");
    assert_eq!((missing.code, &*missing.stdout), (1, ""));
    assert_eq!(missing.stderr, "stepgate: missing.jsonl: no such file\n");
}
