//! Event files: JSON lines or CSV, bad lines counted and named, none silently lost, on one thread or several.
//! May use: input, turns, the event parser, csv.
//! Must not: hold more than a batch of lines for each thread, stop at a bad one, or let the number of threads change a result.

mod batch;
mod foreign;
mod tally;

use std::io::{BufRead, Cursor, Read};
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use csv::StringRecord;
use stepgate::signals::ecs::{Event, Order};

use super::progress::Progress;
use super::turns::{Taker, Turns};
use super::{Failure, input};
use batch::{Batch, Batches, Entry};
pub(crate) use foreign::Foreign;
pub(crate) use tally::Tally;

/// What is made of events: in part at once, by any thread, and in part one after the other.
pub(crate) trait Work: Send {
    /// What the part needs to know that any thread does.
    type Setting: Sync;
    /// What an event is made into.
    type Prepared<'e>;
    /// What a line may be if not an event.
    type Other;
    /// What a thread keeps of events it prepared, to prepare the next ones faster.
    type Memo: Default;

    /// Looks at a line before it is taken for an event; `None`: it is nothing else.
    ///
    /// # Errors
    /// Why it is a bad line.
    fn other(_: &Self::Setting, _: &[u8]) -> Result<Option<Self::Other>, String> {
        Ok(None)
    }

    /// Prepares an event: everything that depends on no other, whatever is remembered.
    fn prepare<'e>(
        setting: &'e Self::Setting,
        memo: &mut Self::Memo,
        event: &'e Event<'_>,
    ) -> Self::Prepared<'e>;

    /// Takes an event, in the order of the files.
    ///
    /// # Errors
    /// If there is no use in going on.
    fn take(&mut self, event: &Event<'_>, prepared: &Self::Prepared<'_>) -> Result<(), Failure>;

    /// Takes another line.
    fn take_other(&mut self, _: &Self::Other) {}
}

/// Work that is all done one after the other.
struct InOrder<F>(F);

impl<F: FnMut(&Event<'_>) -> Result<(), Failure> + Send> Work for InOrder<F> {
    type Setting = ();
    type Prepared<'e> = ();
    type Other = ();
    type Memo = ();

    fn prepare<'e>((): &'e (), (): &mut (), _: &'e Event<'_>) {}

    fn take(&mut self, event: &Event<'_>, (): &()) -> Result<(), Failure> {
        (self.0)(event)
    }
}

/// Gives every event of the files to `take`, in their order.
pub(crate) fn each(
    files: &[PathBuf],
    progress: &Progress,
    take: impl FnMut(&Event<'_>) -> Result<(), Failure> + Send,
) -> Result<Tally, Failure> {
    each_with(
        files,
        progress,
        NonZero::<usize>::MIN,
        &(),
        &mut InOrder(take),
    )
}

/// Gives every event of the files to `work`, in their order, prepared by so many threads. What comes of it does not depend on
/// their number.
pub(crate) fn each_with<W: Work>(
    files: &[PathBuf],
    progress: &Progress,
    threads: NonZero<usize>,
    setting: &W::Setting,
    work: &mut W,
) -> Result<Tally, Failure> {
    let batches = Batches::of(files, progress);
    let mut taking = Taking {
        work,
        progress,
        tally: Tally::default(),
    };
    let tally = if threads == NonZero::<usize>::MIN {
        let (mut order, mut memo) = (Order::default(), W::Memo::default());
        for batch in batches {
            let batch = batch?;
            for (number, entry) in batch.entries() {
                let line = Line::<W>::read(setting, entry, &mut order);
                let prepared = line.prepared(setting, &mut memo);
                taking.line(&batch.file, number, &line, prepared.as_ref())?;
            }
        }
        taking.tally
    } else {
        let source = Mutex::new(batches.zip(0..));
        let turns = Turns::new((taking, Ok(())));
        thread::scope(|scope| {
            for _ in 0..threads.get() {
                scope.spawn(|| in_turns(setting, &source, &turns.taker()));
            }
        });
        let (taking, done) = turns.into_inner();
        done?;
        taking.tally
    };
    progress.clear();
    tally.check()
}

/// What one thread does: it reads a batch, prepares its events, waits until those before them were taken, and lets them be taken.
fn in_turns<W: Work>(
    setting: &W::Setting,
    source: &Mutex<impl Iterator<Item = (Result<Batch, Failure>, u64)>>,
    taker: &Taker<'_, (Taking<'_, W>, Result<(), Failure>)>,
) {
    let (mut order, mut memo) = (Order::default(), W::Memo::default());
    loop {
        let next = source.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some((batch, turn)) = next else { return };
        let fail = |failure| {
            taker.take(turn, |(_, done)| {
                *done = Err(failure);
                ControlFlow::Break(())
            })
        };
        let flow = match batch {
            Err(failure) => fail(failure),
            Ok(batch) => {
                let lines: Vec<_> = batch
                    .entries()
                    .map(|(number, entry)| (number, Line::<W>::read(setting, entry, &mut order)))
                    .collect();
                let prepared: Vec<_> = lines
                    .iter()
                    .map(|(_, line)| line.prepared(setting, &mut memo))
                    .collect();
                taker.take(turn, |(taking, done)| {
                    let mut lines = lines.iter().zip(&prepared);
                    *done = lines.try_for_each(|((number, line), prepared)| {
                        taking.line(&batch.file, *number, line, prepared.as_ref())
                    });
                    match done {
                        Ok(()) => ControlFlow::Continue(()),
                        Err(_) => ControlFlow::Break(()),
                    }
                })
            }
        };
        if flow.is_break() {
            return;
        }
    }
}

/// What a line was found to be.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every line is an event, and each would be allocated"
)]
enum Line<'b, W: Work> {
    Event(Event<'b>),
    Other(W::Other),
    /// Why, and what it looks like.
    Bad(String, Option<Foreign>),
    Empty,
}

impl<'b, W: Work> Line<'b, W> {
    fn read(setting: &W::Setting, entry: Entry<'b>, order: &mut Order) -> Self {
        match entry {
            Entry::Illegible => Self::Bad("not UTF-8".to_owned(), None),
            Entry::Row(columns, cells) => match of_row(columns, cells) {
                Ok(event) => Self::Event(event),
                Err(why) => Self::Bad(why, None),
            },
            Entry::Line(line) => match W::other(setting, line) {
                _ if line.trim_ascii().is_empty() => Self::Empty,
                Ok(Some(other)) => Self::Other(other),
                Ok(None) => match Event::parse_like(line, order) {
                    Ok(event) => Self::Event(event),
                    Err(error) => Self::Bad(error.to_string(), Foreign::of(line)),
                },
                Err(why) => Self::Bad(why, None),
            },
        }
    }

    fn prepared<'e>(
        &'e self,
        setting: &'e W::Setting,
        memo: &mut W::Memo,
    ) -> Option<W::Prepared<'e>> {
        match self {
            Self::Event(event) => Some(W::prepare(setting, memo, event)),
            _ => None,
        }
    }
}

/// The event in a row of a table.
fn of_row<'b>(columns: &'b StringRecord, cells: &'b StringRecord) -> Result<Event<'b>, String> {
    let mut event = Event {
        time: f64::NAN,
        ..Event::default()
    };
    for (column, cell) in columns.iter().zip(cells) {
        event.set(column, cell).map_err(|error| error.to_string())?;
    }
    if event.time.is_nan() {
        return Err("`@timestamp` is empty".to_owned());
    }
    Ok(event)
}

/// What goes on one line after the other.
struct Taking<'w, W> {
    work: &'w mut W,
    progress: &'w Progress,
    tally: Tally,
}

impl<W: Work> Taking<'_, W> {
    fn line(
        &mut self,
        file: &str,
        number: u64,
        line: &Line<'_, W>,
        prepared: Option<&W::Prepared<'_>>,
    ) -> Result<(), Failure> {
        match (line, prepared) {
            (Line::Event(event), Some(prepared)) => {
                self.tally.event(event);
                self.work.take(event, prepared)?;
            }
            (Line::Other(other), _) => {
                self.tally.others += 1;
                self.work.take_other(other);
            }
            (Line::Bad(why, foreign), _) => {
                self.tally.foreign = self.tally.foreign.or(*foreign);
                self.tally.bad(file, number, why);
            }
            _ => {}
        }
        self.progress.events(self.tally.events);
        Ok(())
    }
}

fn contains(line: &[u8], word: &[u8]) -> bool {
    line.windows(word.len()).any(|window| window == word)
}

/// Lines of a file in a buffer that is reused.
pub(crate) struct Lines {
    input: Box<dyn BufRead + Send>,
    name: Arc<str>,
    buffer: Vec<u8>,
    number: u64,
}

impl Lines {
    pub(crate) fn open(path: &Path, progress: &Progress) -> Result<Self, Failure> {
        let progress = progress.clone();
        Ok(Self {
            input: input::open(path, move |bytes| progress.bytes(bytes))?,
            name: input::name(path).into(),
            buffer: Vec::with_capacity(4096),
            number: 0,
        })
    }

    /// What is left, without counting lines.
    pub(crate) fn into_input(self) -> Box<dyn BufRead + Send> {
        self.input
    }

    /// Looks at the first line and puts it back.
    pub(crate) fn first_is(&mut self, test: impl FnOnce(&[u8]) -> bool) -> Result<bool, Failure> {
        let mut line = Vec::new();
        self.read(&mut line)?;
        let passed = test(batch::without_mark(&line, 1).trim_ascii_start());
        let rest = std::mem::replace(&mut self.input, Box::new(std::io::empty()));
        self.input = Box::new(Cursor::new(line).chain(rest));
        Ok(passed)
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        let why = input::reason(error);
        Failure::new(format!("{}:{}: {why}", self.name, self.number + 1))
    }

    fn read(&mut self, line: &mut Vec<u8>) -> Result<usize, Failure> {
        let read = self.input.read_until(b'\n', line);
        read.map_err(|error| self.failed(&error))
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
        Ok(Some((self.number, batch::without_mark(line, self.number))))
    }

    /// Appends whole lines of about so many bytes, at least one while there are any, with their ends; the number of the first.
    /// What cannot be read comes after those that could.
    fn many(&mut self, bytes: usize, out: &mut Vec<u8>) -> (u64, Result<(), Failure>) {
        let first = self.number + 1;
        let input = &mut self.input;
        let read = input.take(bytes as u64).read_to_end(out);
        let read = read.and_then(|_| match out.last() {
            None | Some(b'\n') => Ok(0),
            Some(_) => input.read_until(b'\n', out),
        });
        if read.is_err() {
            let whole = memchr::memrchr(b'\n', out).map_or(0, |end| end + 1);
            out.truncate(whole);
        }
        self.number += memchr::memchr_iter(b'\n', out).count() as u64;
        (first, read.map(drop).map_err(|error| self.failed(&error)))
    }
}
