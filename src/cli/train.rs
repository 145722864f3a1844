//! `stepgate train`: event lines in, a snapshot of the baseline out.
//! May use: live, event files.
//! Must not: learn anything the filter would not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use stepgate::baseline::snapshot::SnapshotWriter;
use stepgate::policy::Policy;
use stepgate::signals::ecs::Event;
use stepgate::signals::from_event::Clients;
use stepgate::signals::keyed::HashKey;

use super::event_file::Work;
use super::key::KeyArgument;
use super::live::{Learn, Live, Prepared};
use super::memory::Memory;
use super::progress::{Clock, Progress};
use super::threads::Threads;
use super::{Failure, baseline_file, event_file, policy_file, print_bytes, say};

/// Learn a baseline from event files and write it as a snapshot for the filter
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// Event files in order of time, gzipped or not; - for stdin
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where the snapshot goes; - for stdout
    #[arg(long, short)]
    output: PathBuf,
    /// Policy that decides what is allowed, and so learned
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgument,
    /// Snapshot to start from, made by `stepgate train` with the same key
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// What is learned
    #[arg(long, value_enum, default_value_t)]
    learn: Learn,
    #[command(flatten)]
    threads: Threads,
    /// Write base64, as `baseline.snapshot` of a policy takes it
    #[arg(long)]
    base64: bool,
}

impl Train {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let policy = policy_file::read(self.policy.as_deref())?;
        let key = self.key.or_public(&policy);
        let mut live = Live::new(policy, key, Memory::new(None, &key), self.learn);
        if let Some(path) = &self.baseline {
            baseline_file::load(path, &key, &mut live)?;
        }
        let clock = Clock::start();
        let progress = Progress::over(&self.files);
        let setting = (Arc::clone(&live.policy), key);
        let (files, threads) = (&self.files, self.threads.get());
        let tally = event_file::each_with(files, &progress, threads, &setting, &mut live)?;
        let (learned, identities) = (live.learned, live.memory.len());
        let bytes = snapshot(live)?;
        let length = bytes.len();
        if self.base64 {
            let mut text = STANDARD.encode(&bytes);
            text.push('\n');
            write(&self.output, text.as_bytes())?;
        } else {
            write(&self.output, &bytes)?;
        }
        say(format_args!(
            "{identities} identities from {learned} of {} events in {:.1} s, {length} bytes",
            tally.events,
            clock.seconds()
        ));
        Ok(())
    }
}

impl Work for Live {
    type Setting = (Arc<Policy>, HashKey);
    type Prepared<'e> = Prepared<'e>;
    type Other = ();
    type Memo = Clients;

    fn prepare<'e>(
        (policy, key): &'e Self::Setting,
        clients: &mut Clients,
        event: &'e Event<'_>,
    ) -> Prepared<'e> {
        Prepared::of(event, policy, key, clients)
    }

    fn look_ahead(&self, prepared: &Prepared<'_>) {
        self.look_ahead_to(prepared);
    }

    fn take(&mut self, event: &Event<'_>, prepared: &Prepared<'_>) -> Result<(), Failure> {
        self.take_prepared(event, prepared);
        Ok(())
    }
}

fn snapshot(mut live: Live) -> Result<Vec<u8>, Failure> {
    let mut writer = SnapshotWriter::default();
    writer.trained_on(live.learned, live.newest);
    live.behaviour.close(&mut live.population);
    let mut population = Vec::new();
    live.population.encode(&mut population);
    writer.population(&population);
    match live.memory.write(&mut writer) + live.behaviour.write(&mut writer) {
        0 => Ok(writer.finish(&live.key)),
        some => Err(Failure::new(format!(
            "{some} records are longer than a page takes"
        ))),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path.as_os_str() == "-" {
        return print_bytes(bytes);
    }
    std::fs::write(path, bytes)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}
