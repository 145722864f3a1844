//! Sending requests: as fast as the answers come, or at a fixed rate; and what that cost Envoy.
//! May use the connections of a set-up.
//! Must not know which set-up it measures, or count its own time as Envoy's.

#![allow(clippy::disallowed_methods, reason = "latency is what the clock says")]

use std::fs;
use std::time::{Duration, Instant};

use crate::client::{self, CONNECTIONS};
use crate::setups::Running;

/// Longer than one round of the loop takes that watches the connections: somebody else had the core.
const OFF_CORE: Duration = Duration::from_micros(250);
/// Longer than the threads of an Envoy wait for each other in a stretch, in ns: somebody else had their core.
const WAITED: u64 = 300_000;

/// One run at full speed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// CPU time of Envoy for one request, in µs.
    pub(crate) cpu: f64,
    /// Requests answered in a second.
    pub(crate) rate: f64,
}

/// Sends `count` requests from one thread: one on each connection, then the next on each. So Envoy always finds several and
/// is woken for few.
pub(crate) fn at_full_speed(setup: &mut Running<'_>, count: usize) -> Result<Run, String> {
    let requests = setup.next(count);
    let before = cpu(setup.envoy.pid()).spent;
    let start = Instant::now();
    client::ask_all(&mut setup.clients, requests, setup.status)?;
    let took = start.elapsed();
    let spent = cpu(setup.envoy.pid()).spent - before;
    Ok(Run {
        cpu: spent as f64 / count as f64 / 1000.0,
        rate: count as f64 / took.as_secs_f64(),
    })
}

/// One stretch at a fixed rate.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    /// Of each request, in µs.
    pub(crate) latencies: Vec<f64>,
    /// Whether somebody else had the core of Envoy or of the generator meanwhile.
    pub(crate) disturbed: bool,
    /// Share of the time for which Envoy was on a core.
    pub(crate) busy: f64,
}

/// Sends `count` requests at so many in a second. The latency of each counts from when its turn was, so that an answer that comes
/// late makes those behind it late as well (no coordinated omission). Nothing here sleeps: a thread that does wakes late.
pub(crate) fn at_rate(setup: &mut Running<'_>, count: usize, rate: f64) -> Result<Stretch, String> {
    let mut requests = setup.next(count);
    for client in &mut setup.clients {
        client.set_blocking(false)?;
    }
    let before = cpu(setup.envoy.pid());
    let start = Instant::now();
    let turn = |index: usize| start + Duration::from_secs_f64(index as f64 / rate);
    // The turn of the request under way, by connection.
    let mut under_way: [Option<Instant>; CONNECTIONS] = [None; CONNECTIONS];
    let mut latencies = Vec::with_capacity(count);
    let (mut sent, mut off_core, mut looked) = (0, false, start);
    while latencies.len() < count {
        let now = Instant::now();
        off_core |= now - looked > OFF_CORE;
        looked = now;
        let free = under_way.iter().position(Option::is_none);
        if let Some(free) = free.filter(|_| sent < count && turn(sent) <= now)
            && let Some(request) = requests.next()
        {
            setup.clients[free].write(request)?;
            under_way[free] = Some(turn(sent));
            sent += 1;
        }
        for (client, slot) in setup.clients.iter_mut().zip(&mut under_way) {
            if let Some(turn) = *slot
                && client.answered(setup.status)?.is_some()
            {
                latencies.push(turn.elapsed().as_secs_f64() * 1e6);
                *slot = None;
            }
        }
    }
    let (took, after) = (start.elapsed(), cpu(setup.envoy.pid()));
    for client in &mut setup.clients {
        client.set_blocking(true)?;
    }
    Ok(Stretch {
        latencies,
        disturbed: off_core || after.waited - before.waited > WAITED,
        busy: (after.spent - before.spent) as f64 / 1e9 / took.as_secs_f64(),
    })
}

/// What the scheduler counts of all threads of a process, in ns.
#[derive(Clone, Copy)]
struct Cpu {
    /// On a core.
    spent: u64,
    /// Ready, while others had the core.
    waited: u64,
}

fn cpu(pid: u32) -> Cpu {
    let mut cpu = Cpu {
        spent: 0,
        waited: 0,
    };
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let line = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let mut numbers = line
            .split(' ')
            .map_while(|number| number.parse::<u64>().ok());
        cpu.spent += numbers.next().unwrap_or(0);
        cpu.waited += numbers.next().unwrap_or(0);
    }
    cpu
}
