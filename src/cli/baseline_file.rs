//! Snapshots in files, binary or base64.
//! May use: input, the snapshot.
//! Must not: take a part of one.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use stepgate::baseline::population::Population;
use stepgate::baseline::snapshot::{Snapshot, SnapshotError};
use stepgate::signals::keyed::HashKey;

use super::live::Live;
use super::{Failure, input};

/// Starts `live` from what was learned before.
pub(crate) fn load(path: &Path, key: &HashKey, live: &mut Live) -> Result<(), Failure> {
    let name = input::name(path);
    let mut bytes = Vec::new();
    input::open(path, |_| {})?
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format!("{name}: {}", input::reason(&error))))?;
    if let Ok(decoded) = STANDARD.decode(bytes.trim_ascii()) {
        bytes = decoded;
    }
    let refused = |error: SnapshotError| Failure::new(format!("{name}: {error}"));
    let snapshot = Snapshot::read(bytes, key).map_err(refused)?;
    live.population =
        Population::decode(snapshot.population()).ok_or_else(|| refused(SnapshotError::Damaged))?;
    live.memory.load(snapshot.records(), key);
    live.behaviour.load(snapshot.records());
    live.learned = snapshot.events();
    live.newest = snapshot.newest();
    Ok(())
}
