//! Event files in batches: some hundred whole lines, or rows of a table, that a thread reads at once.
//! May use: lines, csv, memchr.
//! Must not: know what an event is.

use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;

use csv::StringRecord;

use super::{Lines, contains};
use crate::cli::Failure;
use crate::cli::input;
use crate::cli::progress::Progress;

/// Bytes of a batch, to the end of its last line. What several threads hold of it, read, should lie in the caches of their cores.
const BYTES: usize = 128 * 1024;
/// Rows of a batch.
const ROWS: usize = 512;

/// Consecutive lines of one file.
#[derive(Debug)]
pub(super) struct Batch {
    /// The file, as messages name it.
    pub(super) file: Arc<str>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Lines {
        first: u64,
        bytes: Vec<u8>,
    },
    Rows {
        header: Arc<StringRecord>,
        /// With the numbers of their lines; `None` is not UTF-8.
        rows: Vec<(u64, Option<StringRecord>)>,
    },
}

/// One line of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry<'b> {
    /// Without its end.
    Line(&'b [u8]),
    /// The names of the columns, and the cells.
    Row(&'b StringRecord, &'b StringRecord),
    /// A row that is not UTF-8.
    Illegible,
}

impl Batch {
    /// Its lines with their numbers.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, Entry<'_>)> {
        let (lines, rows) = match &self.content {
            Content::Lines { first, bytes } => (Some(numbered(*first, bytes)), None),
            Content::Rows { header, rows } => {
                let rows = rows.iter().map(|(number, row)| {
                    let entry = row.as_ref().map(|row| Entry::Row(header, row));
                    (*number, entry.unwrap_or(Entry::Illegible))
                });
                (None, Some(rows))
            }
        };
        let lines = lines.into_iter().flatten();
        lines.chain(rows.into_iter().flatten())
    }
}

fn numbered(first: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, Entry<'_>)> {
    let mut rest = bytes;
    let lines = std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, tail) = rest.split_at_checked(end)?;
        rest = tail.get(1..).unwrap_or_default();
        Some(line)
    });
    lines.zip(first..).map(|(line, number)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (number, Entry::Line(without_mark(line, number)))
    })
}

/// The first line of a file may begin with a byte order mark.
pub(super) fn without_mark(line: &[u8], number: u64) -> &[u8] {
    match line.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) if number == 1 => rest,
        _ => line,
    }
}

type Table = csv::Reader<Box<dyn BufRead + Send>>;

/// A file that is being read.
enum Open {
    Lines(Lines),
    Table {
        file: Arc<str>,
        header: Arc<StringRecord>,
        rows: Table,
    },
}

/// The batches of files, in their order.
pub(super) struct Batches<'f> {
    files: std::slice::Iter<'f, PathBuf>,
    progress: &'f Progress,
    open: Option<Open>,
    /// What comes after the batch that was given last.
    failure: Option<Failure>,
    ended: bool,
}

impl<'f> Batches<'f> {
    pub(super) fn of(files: &'f [PathBuf], progress: &'f Progress) -> Self {
        Self {
            files: files.iter(),
            progress,
            open: None,
            failure: None,
            ended: false,
        }
    }

    fn next_file(&mut self) -> Result<Option<Open>, Failure> {
        let Some(path) = self.files.next() else {
            return Ok(None);
        };
        let mut lines = Lines::open(path, self.progress)?;
        // Names of columns have no braces: with one it is JSON, perhaps behind the words of a logger.
        let of_table = |line: &[u8]| !line.contains(&b'{') && contains(line, b"@timestamp");
        if !lines.first_is(of_table)? {
            return Ok(Some(Open::Lines(lines)));
        }
        let file: Arc<str> = input::name(path).into();
        let mut rows = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(lines.into_input());
        let header = rows.headers().map_err(|error| broken(&file, &error))?;
        let header = Arc::new(header.clone());
        Ok(Some(Open::Table { file, header, rows }))
    }

    fn read(&mut self) -> Result<Option<Batch>, Failure> {
        loop {
            let (batch, failure) = match &mut self.open {
                None => (None, None),
                Some(Open::Lines(lines)) => of_lines(lines),
                Some(Open::Table { file, header, rows }) => of_table(file, header, rows),
            };
            // What was read before it is none the worse.
            self.failure = failure;
            if batch.is_some() {
                return Ok(batch);
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            self.open = self.next_file()?;
            if self.open.is_none() {
                return Ok(None);
            }
        }
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch, Failure>;

    /// The next batch; after what could not be read there is none.
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let batch = match self.failure.take() {
            Some(failure) => Some(Err(failure)),
            None => self.read().transpose(),
        };
        self.ended = !matches!(batch, Some(Ok(_)));
        batch
    }
}

fn broken(file: &str, error: &csv::Error) -> Failure {
    Failure::new(format!("{file}: {error}"))
}

fn of_lines(lines: &mut Lines) -> (Option<Batch>, Option<Failure>) {
    let mut bytes = Vec::with_capacity(BYTES + BYTES / 16);
    let (first, read) = lines.many(BYTES, &mut bytes);
    let batch = (!bytes.is_empty()).then(|| Batch {
        file: Arc::clone(&lines.name),
        content: Content::Lines { first, bytes },
    });
    (batch, read.err())
}

fn of_table(
    file: &Arc<str>,
    header: &Arc<StringRecord>,
    table: &mut Table,
) -> (Option<Batch>, Option<Failure>) {
    let mut rows = Vec::with_capacity(ROWS);
    let mut failure = None;
    while rows.len() < ROWS {
        let number = table.position().line();
        let mut row = StringRecord::new();
        match table.read_record(&mut row) {
            Ok(false) => break,
            Ok(true) => rows.push((number, Some(row))),
            Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                rows.push((number, None));
            }
            Err(error) => {
                failure = Some(broken(file, &error));
                break;
            }
        }
    }
    let batch = (!rows.is_empty()).then(|| Batch {
        file: Arc::clone(file),
        content: Content::Rows {
            header: Arc::clone(header),
            rows,
        },
    });
    (batch, failure)
}
