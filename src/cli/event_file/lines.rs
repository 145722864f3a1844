//! The lines of a file, one after the other or many at once.
//! May use: input, memchr.
//! Must not: know what is in a line.

use std::io::{BufRead, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use super::batch;
use crate::cli::progress::Progress;
use crate::cli::{Failure, input};

/// Lines of a file in a buffer that is reused.
pub(crate) struct Lines {
    input: Box<dyn BufRead + Send>,
    pub(super) name: Arc<str>,
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
    pub(super) fn many(&mut self, bytes: usize, out: &mut Vec<u8>) -> (u64, Result<(), Failure>) {
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
