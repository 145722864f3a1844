//! Event files: JSON lines or CSV, bad lines counted and named, none silently lost, on one thread or several.
//! May use: input, turns, the event parser, csv.
//! Must not: hold more than a batch of lines for each thread, stop at a bad one, or let the number of threads change a result.

mod batch;
mod foreign;
mod lines;
mod tally;

use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;

use csv::StringRecord;
use stepgate::signals::ecs::{Event, Order};

use super::Failure;
use super::progress::Progress;
use super::turns::{Taker, Turns};
use batch::{Batch, Batches, Entry};
pub(crate) use foreign::Foreign;
pub(crate) use lines::Lines;
pub(crate) use tally::Tally;

/// Events that are looked ahead to together: what they need of what is remembered is asked for at once.
const TOGETHER: usize = 8;
/// Lines of a batch during which the next thread wakes up.
const LAST: usize = 3 * TOGETHER;

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

    /// Looks at what will be needed to take an event: of several, so that the processor waits for memory once for all.
    fn look_ahead(&self, _: &Self::Prepared<'_>) {}

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
            let mut entries = batch.entries();
            loop {
                let some = entries.by_ref().take(TOGETHER);
                let lines = Line::<W>::read_all(setting, some, &mut order);
                if lines.is_empty() {
                    break;
                }
                let prepared = Line::prepare_all(&lines, setting, &mut memo);
                taking.lines(&batch.file, &lines, &prepared)?;
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
            taker.take(turn, |(_, done), _| {
                *done = Err(failure);
                ControlFlow::Break(())
            })
        };
        let flow = match batch {
            Err(failure) => fail(failure),
            Ok(batch) => {
                let lines = Line::<W>::read_all(setting, batch.entries(), &mut order);
                let prepared = Line::prepare_all(&lines, setting, &mut memo);
                taker.take(turn, |(taking, done), turn| {
                    let last = lines.len().saturating_sub(LAST);
                    let (lines, last_lines) = lines.split_at_checked(last).unwrap_or_default();
                    let (prepared, last_prepared) =
                        prepared.split_at_checked(last).unwrap_or_default();
                    *done = taking.lines(&batch.file, lines, prepared).and_then(|()| {
                        turn.is_nearly_over();
                        taking.lines(&batch.file, last_lines, last_prepared)
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

/// A line with its number.
type Numbered<'b, W> = (u64, Line<'b, W>);

impl<'b, W: Work> Line<'b, W> {
    fn read_all(
        setting: &W::Setting,
        entries: impl Iterator<Item = (u64, Entry<'b>)>,
        order: &mut Order,
    ) -> Vec<Numbered<'b, W>> {
        entries
            .map(|(number, entry)| (number, Self::read(setting, entry, order)))
            .collect()
    }

    fn prepare_all<'e>(
        lines: &'e [Numbered<'b, W>],
        setting: &'e W::Setting,
        memo: &mut W::Memo,
    ) -> Vec<Option<W::Prepared<'e>>> {
        lines
            .iter()
            .map(|(_, line)| line.prepared(setting, memo))
            .collect()
    }

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
    fn lines(
        &mut self,
        file: &str,
        lines: &[Numbered<'_, W>],
        prepared: &[Option<W::Prepared<'_>>],
    ) -> Result<(), Failure> {
        for (lines, prepared) in lines.chunks(TOGETHER).zip(prepared.chunks(TOGETHER)) {
            for prepared in prepared.iter().flatten() {
                self.work.look_ahead(prepared);
            }
            for ((number, line), prepared) in lines.iter().zip(prepared) {
                self.line(file, *number, line, prepared.as_ref())?;
            }
        }
        Ok(())
    }

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
