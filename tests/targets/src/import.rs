//! Logs of other makers, as `stepgate import` reads them: what comes out is events, each of which is one line that can be read again.
//! May use the readers of the command line, with what they read from and write to held in memory.
//! Must not know a format.

#[path = "../../../src/cli/import/access_log.rs"]
mod access_log;
#[path = "../../../src/cli/import/adapt.rs"]
mod adapt;
#[path = "../../../src/cli/import/cloudtrail.rs"]
mod cloudtrail;
#[path = "../../../src/cli/import/rba.rs"]
mod rba;
#[path = "../../../src/cli/import/sshd.rs"]
mod sshd;
#[path = "../../../src/cli/import/table.rs"]
mod table;

use std::fmt::Display;
use std::io::{BufRead, Cursor};

use stepgate::signals::address::Address;
use stepgate::signals::ecs::Event;

use crate::cli::Failure;

/// Most events of one line: sshd's `message repeated`.
const REPEATED: usize = 1_000;

pub(crate) fn run(data: &[u8]) {
    let (mode, log) = crate::split(data);
    let lines = Lines {
        input: Cursor::new(log.to_vec()),
        line: Vec::new(),
        number: 0,
    };
    let mut sink = Sink {
        log,
        file: "log".to_owned(),
        events: 0,
        passed_over: 0,
    };
    let map = [("jwt.sub".to_owned(), "user.id".to_owned())];
    let year = (mode & 0x80 == 0).then_some(2026);
    let read = match mode & 0x7f {
        0 => access_log::read(lines, &map, &mut sink),
        1 => cloudtrail::read(lines, &mut sink),
        2 => sshd::read(lines, year, &mut sink),
        3 => table::read(lines, &rba::COLUMNS, &rba::finish, &mut sink),
        _ => table::read::<&str, &str>(lines, &[], &|_, _| (), &mut sink),
    };
    if let Err(why) = read {
        said(why.0, log);
    }
    let lines = log.len() + 1;
    assert!(sink.events <= lines * REPEATED, "{} events", sink.events);
    assert!(sink.passed_over <= lines as u64);
}

/// What is told of a log is one line, and not much longer than the log.
fn said(why: impl Display, log: &[u8]) {
    let why = why.to_string();
    assert!(!why.is_empty() && !why.contains('\n'), "{why:?}");
    assert!(why.len() <= 1_024 + 4 * log.len(), "{} bytes", why.len());
}

/// The lines of a log.
struct Lines {
    input: Cursor<Vec<u8>>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    fn into_input(self) -> impl BufRead {
        self.input
    }

    fn first_is(&mut self, test: impl FnOnce(&[u8]) -> bool) -> Result<bool, Failure> {
        let (number, _line) = (self.number, self.next()?);
        let passed = test(self.line.trim_ascii());
        self.number = number;
        self.input.set_position(0);
        Ok(passed)
    }

    fn next(&mut self) -> Result<Option<(u64, &[u8])>, Failure> {
        self.line.clear();
        let read = self.input.read_until(b'\n', &mut self.line);
        if read.map_err(Failure::new)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some((self.number, line)))
    }
}

/// Where events go.
struct Sink<'a> {
    log: &'a [u8],
    file: String,
    events: usize,
    passed_over: u64,
}

impl Sink<'_> {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Failure> {
        self.events += 1;
        let line = event.to_line();
        assert!(!line.contains('\n'), "an event is one line");
        // Every byte of the log may become six, escaped, and one field may be read from two places.
        assert!(
            line.len() <= 4_096 + 12 * self.log.len(),
            "{} bytes",
            line.len()
        );
        let again = Event::parse(line.as_bytes())
            .unwrap_or_else(|error| panic!("what is imported is refused: {error}\n{line}"));
        // The last digit of a time may be another: JSON numbers of more than 15 digits are read to the last bit but one.
        let drift = (again.time - event.time).abs();
        assert!(drift <= 4.0 * f64::EPSILON * event.time.abs(), "{drift} s");
        let again = Event {
            time: event.time,
            ..again
        };
        assert_eq!(
            again.to_line(),
            line,
            "what is imported says the same again"
        );
        Ok(())
    }

    fn bad(&self, line: u64, why: impl Display) {
        assert!(line <= self.log.len() as u64 + 1, "there is no line {line}");
        said(why, self.log);
    }

    fn bad_line(&self, number: u64, line: &[u8], why: impl Display) {
        assert!(
            line.len() <= self.log.len(),
            "a line is longer than the log"
        );
        self.bad(number, why);
    }
}

fn untimed<'a>() -> Event<'a> {
    Event {
        time: f64::NAN,
        ..Event::default()
    }
}

fn address(text: &str) -> Option<String> {
    Address::parse(text).map(|address| address.ip().to_string())
}
