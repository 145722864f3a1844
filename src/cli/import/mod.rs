//! `stepgate import`: logs of other makers as event lines.
//! May use: files, the event writer.
//! Must not: invent what a log does not say.

mod access_log;
mod adapt;
mod cloudtrail;
mod rba;
mod sshd;
mod table;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use stepgate::signals::address::Address;
use stepgate::signals::ecs::Event;

use super::event_file::{Foreign, Lines, Tally};
use super::progress::Progress;
use super::{Failure, input, say, written};

/// Turn logs of other makers into event lines on stdout
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Logs, gzipped or not; - for stdin
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What they are
    #[arg(long, value_enum)]
    from: Format,
    /// Which column or JSON key becomes which field of an event, such as Account=user.id,Address=source.ip
    #[arg(long, value_name = "COLUMN=FIELD", value_delimiter = ',', value_parser = mapping)]
    map: Vec<(String, String)>,
    /// Year of syslog times, which have none
    #[arg(long, value_parser = clap::value_parser!(u16).range(1970..=9998))]
    year: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The public data set of risk-based authentication: CSV
    Rba,
    /// Envoy's access log in JSON, with Istio's keys or those of --map; with --map any log of one JSON object per line (`json` is
    /// the same)
    #[value(alias = "json")]
    Envoy,
    /// AWS CloudTrail: files with Records, or one event per line
    Cloudtrail,
    /// OpenSSH server messages in syslog form
    Sshd,
    /// CSV with the columns of --map, or named as fields are
    Csv,
}

impl Format {
    /// Whether this is the reader of a log that looks like that.
    const fn is_of(self, foreign: Foreign) -> bool {
        matches!(
            (self, foreign),
            (Self::Rba, Foreign::Rba)
                | (Self::Envoy, Foreign::AccessLog)
                | (Self::Cloudtrail, Foreign::CloudTrail)
                | (Self::Sshd, Foreign::Sshd)
                | (Self::Csv, Foreign::Table)
        )
    }
}

fn mapping(text: &str) -> Result<(String, String), String> {
    let (column, field) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` has no `=`; allowed: COLUMN=FIELD"))?;
    match Event::default().set(field, "") {
        Ok(true) => Ok((column.to_owned(), field.to_owned())),
        _ => Err(format!(
            "`{field}` is no field of an event; `user.id` and `source.ip` are some"
        )),
    }
}

impl Import {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let progress = Progress::over(&self.files);
        let mut sink = Sink {
            out: BufWriter::with_capacity(1 << 16, io::stdout().lock()),
            tally: Tally::default(),
            passed_over: 0,
            unreadable: 0,
            file: String::new(),
            progress: progress.clone(),
        };
        for path in &self.files {
            sink.file = input::name(path);
            let lines = Lines::open(path, &progress)?;
            match self.from {
                Format::Rba => table::read(lines, &rba::COLUMNS, &rba::finish, &mut sink)?,
                Format::Csv => table::read(lines, &self.map, &|_, _| (), &mut sink)?,
                Format::Envoy => access_log::read(lines, &self.map, &mut sink)?,
                Format::Cloudtrail => cloudtrail::read(lines, &mut sink)?,
                Format::Sshd => sshd::read(lines, self.year, &mut sink)?,
            }
        }
        progress.clear();
        sink.out.flush().map_err(written)?;
        let (passed_over, unreadable, tally) = (sink.passed_over, sink.unreadable, sink.tally);
        drop(sink);
        let foreign = tally.foreign.filter(|foreign| !self.from.is_of(*foreign));
        let tally = tally.check_or(foreign.map(Foreign::advice))?;
        say(format_args!(
            "{} events, {} lines skipped, {passed_over} passed over",
            tally.events, tally.bad
        ));
        if unreadable > 0 {
            say(format_args!(
                "in {unreadable} events `source.ip` is no address: they count as sent from nowhere"
            ));
        }
        Ok(())
    }
}

/// Takes events and counts what is none.
struct Sink<'a> {
    out: BufWriter<io::StdoutLock<'a>>,
    tally: Tally,
    /// Lines that are fine but say nothing of an identity's request.
    passed_over: u64,
    /// Events whose address is none.
    unreadable: u64,
    file: String,
    progress: Progress,
}

impl Sink<'_> {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Failure> {
        self.tally.event(event);
        self.progress.events(self.tally.events);
        let ip = event.ip.as_ref();
        self.unreadable += u64::from(ip.is_some_and(|ip| address(ip).is_none()));
        serde_json::to_writer(&mut self.out, event).map_err(|error| written(error.into()))?;
        self.out.write_all(b"\n").map_err(written)
    }

    fn bad(&mut self, line: u64, why: impl std::fmt::Display) {
        self.tally.bad(&self.file, line, why);
    }

    /// The same of a line that is here to be looked at.
    fn bad_line(&mut self, number: u64, line: &[u8], why: impl std::fmt::Display) {
        self.tally.foreign = self.tally.foreign.or_else(|| Foreign::of(line));
        self.bad(number, why);
    }
}

/// An event without a time, to be filled.
fn untimed<'a>() -> Event<'a> {
    Event {
        time: f64::NAN,
        ..Event::default()
    }
}

/// An address without its port; `None` for names and anything else.
fn address(text: &str) -> Option<String> {
    Address::parse(text).map(|address| address.ip().to_string())
}
