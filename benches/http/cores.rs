//! Which core a process may use.
//! May use `taskset` of util-linux.
//! Must not touch processes that the benchmark did not begin.

use std::process::{Command, Stdio};

use crate::setups::Running;

/// Gives these Envoys a core, and this process another, where there are two; whether that worked. What they start later stays there.
pub(crate) fn part<'a>(mut envoys: impl Iterator<Item = &'a Running<'a>>) -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores > 1 && keep_to(std::process::id(), 1) && envoys.all(|one| keep_to(one.envoy.pid(), 0))
}

/// Keeps all threads of a process to one core.
fn keep_to(pid: u32, core: usize) -> bool {
    let mut command = Command::new("taskset");
    command.args(["-a", "-p", "-c", &core.to_string(), &pid.to_string()]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
