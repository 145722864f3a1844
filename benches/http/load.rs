//! Sending requests: as fast as the answers come, or at a fixed rate; and what that cost Envoy.
//! May use the test kit's client.
//! Must not know which set-up it measures, or count its own time as Envoy's.

#![allow(clippy::disallowed_methods, reason = "latency is what the clock says")]

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stepgate_testkit::http::Connection;

use crate::setups::Running;

/// Connections at a time, each with one request under way.
const CONNECTIONS: usize = 8;

/// One run at full speed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// CPU time of Envoy for one request, in µs.
    pub(crate) cpu: f64,
    /// Requests answered in a second.
    pub(crate) rate: f64,
}

/// Sends `count` requests, each as soon as the one before it on its connection is answered.
pub(crate) fn at_full_speed(setup: &mut Running, count: usize) -> Run {
    let requests = setup.next(count);
    let before = cpu_nanoseconds(setup.envoy.pid());
    let start = Instant::now();
    each_connection(setup, &requests, |connection, part, status| {
        for request in part {
            send(connection, request, status);
        }
        Vec::new()
    });
    let took = start.elapsed();
    let spent = cpu_nanoseconds(setup.envoy.pid()) - before;
    Run {
        cpu: spent as f64 / count as f64 / 1000.0,
        rate: count as f64 / took.as_secs_f64(),
    }
}

/// Sends `count` requests at so many in a second. The latency of each, in µs, counts from when its turn was, so that an answer that
/// comes late makes those behind it late as well (no coordinated omission).
pub(crate) fn at_rate(setup: &mut Running, count: usize, rate: f64) -> Vec<f64> {
    let requests = setup.next(count);
    let pause = Duration::from_secs_f64(CONNECTIONS as f64 / rate);
    each_connection(setup, &requests, |connection, part, status| {
        let start = Instant::now();
        let turns = (0..).map(|turn| start + pause * turn);
        let late = part.iter().zip(turns).map(|(request, turn)| {
            std::thread::sleep(turn.saturating_duration_since(Instant::now()));
            let turn = turn.max(start);
            send(connection, request, status);
            turn.elapsed().as_secs_f64() * 1e6
        });
        late.collect()
    })
}

fn each_connection(
    setup: &Running,
    requests: &[Vec<u8>],
    work: impl Fn(&mut Connection, &[Vec<u8>], u16) -> Vec<f64> + Sync,
) -> Vec<f64> {
    let (address, status, work): (SocketAddr, _, _) = (setup.envoy.address(), setup.status, &work);
    std::thread::scope(|scope| {
        let parts = requests.chunks(requests.len().div_ceil(CONNECTIONS));
        let threads: Vec<_> = parts
            .map(|part| {
                scope.spawn(move || {
                    let mut connection = Connection::open(address).unwrap();
                    work(&mut connection, part, status)
                })
            })
            .collect();
        let results = threads.into_iter().map(|thread| thread.join().unwrap());
        results.flatten().collect()
    })
}

fn send(connection: &mut Connection, request: &[u8], status: u16) {
    let response = connection.raw(request).unwrap();
    assert_eq!(response.status, status, "{}", response.text());
}

/// Time on a CPU of all threads of a process, as the scheduler counts it.
fn cpu_nanoseconds(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    tasks
        .map(|task| fs::read_to_string(task.path().join("schedstat")).unwrap_or_default())
        .filter_map(|line| line.split(' ').next()?.parse::<u64>().ok())
        .sum()
}
