//! Event files: JSON lines or CSV, bad lines counted and named, none silently lost.
//! May use: input, the event parser, csv.
//! Must not: hold more than one line, or stop at a bad one.

use std::io::{BufRead, Cursor, Read};
use std::path::{Path, PathBuf};

use stepgate::signals::ecs::Event;

use super::progress::Progress;
use super::{Failure, input, say};

/// Bad lines that are named; the rest is counted.
const NAMED: u64 = 10;

/// What reading files found besides events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Events read.
    pub(crate) events: u64,
    /// Lines that were no events.
    pub(crate) bad: u64,
    /// Lines that were something else, and were taken as that.
    pub(crate) others: u64,
}

impl Tally {
    /// Counts a bad line, and names it while they are few.
    pub(crate) fn bad(&mut self, file: &str, line: u64, why: impl std::fmt::Display) {
        self.bad += 1;
        if self.bad <= NAMED {
            say(format_args!("{file}:{line}: skipped: {why}"));
        }
        if self.bad == NAMED {
            say("further bad lines are only counted");
        }
    }

    /// Refuses input without a single event; says how many lines were skipped otherwise.
    pub(crate) fn check(self) -> Result<Self, Failure> {
        if self.events + self.others > 0 {
            if self.bad > NAMED {
                say(format_args!("{} lines skipped", self.bad));
            }
            return Ok(self);
        }
        Err(Failure::new(match self.bad {
            0 => "no events: the input is empty".to_owned(),
            1 => "no events: the only line could not be read".to_owned(),
            bad => format!(
                "no events: none of {bad} lines could be read; logs of other makers go through `stepgate import`"
            ),
        }))
    }
}

/// Gives every event of the files to `take`, in their order.
pub(crate) fn each(
    files: &[PathBuf],
    progress: &Progress,
    take: impl FnMut(&Event<'_>) -> Result<(), Failure>,
) -> Result<Tally, Failure> {
    each_or(files, progress, |_| Ok(false), take)
}

/// The same of files that may hold other lines too: `other` says whether it took a line, or why it is a bad one.
pub(crate) fn each_or(
    files: &[PathBuf],
    progress: &Progress,
    mut other: impl FnMut(&[u8]) -> Result<bool, String>,
    mut take: impl FnMut(&Event<'_>) -> Result<(), Failure>,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    for path in files {
        let mut lines = Lines::open(path, progress)?;
        if lines.first_is(|line| !line.starts_with(b"{") && contains(line, b"@timestamp"))? {
            table(lines, progress, &mut tally, &mut take)?;
            continue;
        }
        let name = input::name(path);
        while let Some((number, line)) = lines.next()? {
            let other = other(line);
            match Event::parse(line) {
                _ if line.trim_ascii().is_empty() => {}
                _ if other == Ok(true) => tally.others += 1,
                _ if other.is_err() => tally.bad(&name, number, other.err().unwrap_or_default()),
                Ok(event) => {
                    tally.events += 1;
                    take(&event)?;
                }
                Err(error) => tally.bad(&name, number, error),
            }
            progress.events(tally.events);
        }
    }
    progress.clear();
    tally.check()
}

fn contains(line: &[u8], word: &[u8]) -> bool {
    line.windows(word.len()).any(|window| window == word)
}

/// CSV with the names of event fields in its first line.
fn table(
    lines: Lines,
    progress: &Progress,
    tally: &mut Tally,
    take: &mut impl FnMut(&Event<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let name = lines.name.clone();
    let mut table = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(lines.input);
    let broken = |error: csv::Error| Failure::new(format!("{name}: {error}"));
    let header = table.headers().map_err(broken)?.clone();
    let mut row = csv::StringRecord::new();
    loop {
        let number = table.position().line();
        match table.read_record(&mut row) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                tally.bad(&name, number, "not UTF-8");
                continue;
            }
            Err(error) => return Err(broken(error)),
        }
        let mut event = Event {
            time: f64::NAN,
            ..Event::default()
        };
        let wrong = header
            .iter()
            .zip(&row)
            .find_map(|(column, cell)| event.set(column, cell).err());
        match wrong {
            Some(error) => tally.bad(&name, number, error),
            None if event.time.is_nan() => tally.bad(&name, number, "`@timestamp` is empty"),
            None => {
                tally.events += 1;
                take(&event)?;
            }
        }
        progress.events(tally.events);
    }
}

/// Lines of a file in a buffer that is reused.
pub(crate) struct Lines {
    input: Box<dyn BufRead>,
    name: String,
    buffer: Vec<u8>,
    number: u64,
}

impl Lines {
    pub(crate) fn open(path: &Path, progress: &Progress) -> Result<Self, Failure> {
        let progress = progress.clone();
        Ok(Self {
            input: input::open(path, move |bytes| progress.bytes(bytes))?,
            name: input::name(path),
            buffer: Vec::with_capacity(4096),
            number: 0,
        })
    }

    /// What is left, without counting lines.
    pub(crate) fn into_input(self) -> Box<dyn BufRead> {
        self.input
    }

    /// Looks at the first line and puts it back.
    pub(crate) fn first_is(&mut self, test: impl FnOnce(&[u8]) -> bool) -> Result<bool, Failure> {
        let mut line = Vec::new();
        self.read(&mut line)?;
        let passed = test(line.trim_ascii_start());
        let rest = std::mem::replace(&mut self.input, Box::new(std::io::empty()));
        self.input = Box::new(Cursor::new(line).chain(rest));
        Ok(passed)
    }

    fn read(&mut self, line: &mut Vec<u8>) -> Result<usize, Failure> {
        self.input.read_until(b'\n', line).map_err(|error| {
            let why = input::reason(&error);
            Failure::new(format!("{}:{}: {why}", self.name, self.number + 1))
        })
    }

    /// The next line with its number, without its end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &[u8])>, Failure> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let length = self.read(&mut buffer)?;
        self.buffer = buffer;
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = match line.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) if self.number == 1 => rest,
            _ => line,
        };
        Ok(Some((self.number, line)))
    }
}
