//! What the process of Envoy takes: memory every half second, processor time by window.
//! May use what the kernel says of a process.
//! Must not ask Envoy itself, which would cost it something.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::stage::Stage;

/// What was seen in one window.
#[derive(Clone, Default)]
pub(crate) struct Window {
    /// Resident memory, in KiB, each time it was looked at.
    pub(crate) resident: Vec<u64>,
    /// Processor time, in ns.
    pub(crate) spent: u64,
}

/// Watches until it is stopped.
pub(crate) struct Watch {
    watcher: JoinHandle<Vec<Window>>,
    over: Arc<AtomicBool>,
}

/// How long a window is: a hundred and eighty of half an hour, never less than two seconds.
pub(crate) fn window(length: Duration) -> Duration {
    (length / 180).clamp(Duration::from_secs(2), Duration::from_secs(60))
}

impl Watch {
    pub(crate) fn start(stage: &Stage, window: Duration) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (pid, stop) = (stage.envoy.pid(), Arc::clone(&over));
        let watcher = std::thread::spawn(move || {
            let (begin, mut windows) = (Instant::now(), Vec::<Window>::new());
            let mut before = cpu_nanoseconds(pid);
            while !stop.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(500));
                let at = (begin.elapsed().as_millis() / window.as_millis()) as usize;
                windows.resize(windows.len().max(at + 1), Window::default());
                windows[at].resident.extend(resident_kib(pid));
                let spent = cpu_nanoseconds(pid);
                windows[at].spent += spent.saturating_sub(before);
                before = spent;
            }
            windows
        });
        Self { watcher, over }
    }

    pub(crate) fn stop(self) -> Vec<Window> {
        self.over.store(true, Ordering::Relaxed);
        self.watcher.thread().unpark();
        self.watcher.join().unwrap()
    }
}

fn resident_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Time on a CPU of all threads of a process, as the scheduler counts it.
fn cpu_nanoseconds(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    tasks
        .into_iter()
        .flatten()
        .flatten()
        .map(|task| fs::read_to_string(task.path().join("schedstat")).unwrap_or_default())
        .filter_map(|line| line.split(' ').next()?.parse::<u64>().ok())
        .sum()
}
