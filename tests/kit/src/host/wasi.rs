//! The WASI preview 1 functions a Rust module for wasm32-wasip1 imports, as far as Envoy has them.
//! May use the guest's memory and the state.
//! Must not reach files, clocks or the environment of the machine.

use super::abi::Handler;
use super::guest::{Call, Stop};
use super::process::OK;
use super::state::LogLine;
use wasmi::Error;

const BAD_DESCRIPTOR: u32 = 8;
const NOT_SUPPORTED: u32 = 52;

/// The function behind an import of module `wasi_snapshot_preview1`.
pub(super) fn find(name: &str) -> Option<Handler> {
    Some(match name {
        "fd_write" => fd_write,
        "environ_sizes_get" => |call| {
            let block = environment(call);
            let size = block.iter().map(Vec::len).sum::<usize>() as u32;
            call.word(0, block.len() as u32)?;
            call.word(1, size).map(|()| OK)
        },
        "environ_get" => environ_get,
        "args_sizes_get" => |call| {
            call.word(0, 0)?;
            call.word(1, 0).map(|()| OK)
        },
        "args_get" | "sched_yield" => |_| Ok(OK),
        "clock_time_get" => |call| {
            let now = call.state().now;
            call.write(call.arg(2), &now.to_le_bytes()).map(|()| OK)
        },
        "random_get" => random_get,
        "proc_exit" => |call| {
            let status = call.arg(0);
            Err(Stop::Trap(Error::new(format!("proc_exit({status})"))))
        },
        "fd_close"
        | "fd_read"
        | "fd_seek"
        | "fd_fdstat_get"
        | "fd_fdstat_set_flags"
        | "fd_prestat_get"
        | "fd_prestat_dir_name" => |_| Ok(BAD_DESCRIPTOR),
        "path_open"
        | "path_create_directory"
        | "path_remove_directory"
        | "path_rename"
        | "path_unlink_file"
        | "path_filestat_get"
        | "poll_oneoff" => |_| Ok(NOT_SUPPORTED),
        _ => return None,
    })
}

/// Standard output and standard error become log lines, as in Envoy.
fn fd_write(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let level = match call.arg(0) {
        1 => 2,
        2 => 4,
        _ => return Ok(BAD_DESCRIPTOR),
    };
    let mut written = Vec::new();
    for index in 0..call.arg(2) {
        let entry = call.read(call.arg(1).saturating_add(8 * index), 8)?;
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| entry[at + byte]));
        written.extend(call.read(word(0), word(4))?);
    }
    let text = String::from_utf8_lossy(&written).trim_end().to_owned();
    if !text.is_empty() {
        call.state().logs.push(LogLine { level, text });
    }
    call.word(3, written.len() as u32).map(|()| OK)
}

fn environment(call: &mut Call<'_, '_>) -> Vec<Vec<u8>> {
    let entries = call.state().environment.iter();
    entries
        .map(|(name, value)| format!("{name}={value}\0").into_bytes())
        .collect()
}

fn environ_get(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let (mut slot, mut at) = (call.arg(0), call.arg(1));
    for entry in environment(call) {
        call.write(slot, &at.to_le_bytes())?;
        call.write(at, &entry)?;
        slot += 4;
        at += entry.len() as u32;
    }
    Ok(OK)
}

/// SplitMix64: the same seed gives a module the same bytes.
fn random_get(call: &mut Call<'_, '_>) -> Result<u32, Stop> {
    let mut bytes = Vec::new();
    while bytes.len() < call.arg(1) as usize {
        let state = call.state();
        state.seed = state.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state.seed;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend((word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(call.arg(1) as usize);
    call.write(call.arg(0), &bytes).map(|()| OK)
}
