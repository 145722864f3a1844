//! `stepgate generate`: people and machines that never lived, their logins and requests, and labelled attacks on them.
//! May use: random numbers from a seed, the event format.
//! Must not: read a clock or a file; give other events for the same arguments.

mod accept;
mod attacks;
mod audit;
mod clients;
mod flat;
mod machines;
mod people;
mod record;
mod rng;
mod routes;
mod sessions;
mod world;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Failure, print, say, written};
use machines::Machine;
use people::Society;
use record::{Record, Who};

/// Write a labelled stream of made-up events: the same for the same arguments
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Who the events are of
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// Number from which everything is drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many people there are [default: 30000 consumers, 400 of a workforce, 200 with an API]
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=500_000))]
    people: Option<u32>,
    /// How many days they are watched [default: 365 for consumers, 60 for a workforce, 30 for an API]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1500))]
    days: Option<u32>,
    /// Attacks of every type per thousand logins of people; 0: none
    #[arg(long, default_value_t = 5.0, value_parser = rate)]
    attacks: f64,
    /// Where the events go, packed if the name ends in .gz; - for stdout
    #[arg(long, short, default_value = "-")]
    output: PathBuf,
    /// Print how alike the events are to real ones, and how alike attacks are to legitimate logins in what should not tell
    /// them apart, instead of the events
    #[arg(long, conflicts_with = "output")]
    accept: bool,
}

/// Who the events are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Kind {
    /// Many people who log in a few times a year
    #[default]
    Consumer,
    /// Employees with sessions, their offices, services and runners
    Workforce,
    /// The same with every call of their sessions
    Api,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=100.0).contains(&rate) => Ok(rate),
        _ => Err("must be a number from 0 to 100".to_owned()),
    }
}

impl Generate {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let (people, days) = match self.kind {
            Kind::Consumer => (30_000, 365),
            Kind::Workforce => (400, 60),
            Kind::Api => (200, 30),
        };
        let people = self.people.unwrap_or(people);
        let days = f64::from(self.days.unwrap_or(days));
        let society = Society::new(self.kind, people, self.seed);
        let mut records = lives(&society, people, days);
        sort(&mut records);
        let attacks = attacks::on(&society, &records, days, self.attacks);
        let count = attacks.len();
        records.extend(attacks);
        sort(&mut records);
        if self.accept {
            return print(&accept::report(&society, &records));
        }
        self.write(&society, &records)?;
        say(format_args!(
            "{} events, {count} of them attacks",
            records.len()
        ));
        Ok(())
    }

    fn write(&self, society: &Society, records: &[Record]) -> Result<(), Failure> {
        let name = self.output.display();
        if self.output.as_os_str() == "-" {
            return lines(society, records, io::stdout().lock()).map_err(written);
        }
        let failed = |error: io::Error| Failure::new(format!("{name}: {error}"));
        let file = File::create(&self.output).map_err(failed)?;
        if self
            .output
            .extension()
            .is_some_and(|extension| extension == "gz")
        {
            let mut packed = GzEncoder::new(file, Compression::default());
            lines(society, records, &mut packed).map_err(failed)?;
            packed.finish().map(|_| ()).map_err(failed)
        } else {
            lines(society, records, file).map_err(failed)
        }
    }
}

/// What everybody does when nobody attacks.
fn lives(society: &Society, people: u32, days: f64) -> Vec<Record> {
    let mut records = Vec::new();
    for number in 0..people {
        records.extend(sessions::life(society, number, days));
    }
    for who in machines(society.kind(), people) {
        records.extend(Machine::new(society, who).life(days));
    }
    records
}

/// The machines beside so many people.
fn machines(kind: Kind, people: u32) -> impl Iterator<Item = Who> {
    let [services, runners, keys] = match kind {
        Kind::Consumer => [0; 3],
        Kind::Workforce => [people / 16, people / 40, people / 20],
        Kind::Api => [people / 16, people / 40, people / 5],
    };
    let services = (0..services).map(Who::Service);
    let runners = (0..runners).map(Who::Runner);
    services.chain(runners).chain((0..keys).map(Who::Key))
}

/// By time; by identity where times are equal.
fn sort(records: &mut [Record]) {
    records.sort_by(|a, b| a.time.total_cmp(&b.time).then(a.who.cmp(&b.who)));
}

fn lines(society: &Society, records: &[Record], out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    for record in records {
        out.write_all(record.line(&society.world).as_bytes())?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
