//! Where something was measured, in one line.
//! May read `/proc` and ask programs for the date and their version.
//! Must not fail where one of them says nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Date, processor, kernel, Envoy and module; and how much else the machine had to do in the last minute.
pub(crate) fn describe(envoy: &Path, module: &Path) -> String {
    let date = said("date", &["-u", "+%Y-%m-%d"]).unwrap_or_else(|| "?".to_owned());
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // `PATH  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`
    let version = said(&envoy.to_string_lossy(), &["--version"]);
    let version = version.as_deref().and_then(|line| line.rsplit('/').nth(3));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let bytes = fs::metadata(module).map_or(0, |file| file.len());
    format!(
        "{date}; {}, {cores} cores, Linux {}; Envoy {}; module {} KB; load {}",
        model.as_deref().unwrap_or("unknown processor"),
        kernel.trim(),
        version.unwrap_or("?"),
        bytes / 1000,
        load(),
    )
}

/// Processes that wanted to run, the mean of the last minute.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("?").to_owned()
}

/// What a program prints, if it ran and was content.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let output = command.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
