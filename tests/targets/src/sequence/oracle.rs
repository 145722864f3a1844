//! What must hold after every event of a sequence.
//! May use what the wasm host shows.
//! Must not be stricter with a broken host than its status codes allow: a header that cannot be removed stays.

use stepgate_testkit::host::{Exchange, Host};

use super::grammar::{SPOOFED, Setting, Update};

/// Longest body that is waited for, in bytes.
const HELD: usize = 16 * 1024;
/// Most memory of a VM, in bytes: what it starts with and room for one policy, feed and key set of the largest kind here.
const MEMORY: usize = 24 << 20;
/// What a page, a key set or a piece of a feed takes in shared data at most.
const VALUE: usize = 128 * 1024;
/// Pages of the default policy, the largest that a sequence can come to.
const PAGES: usize = 16_384;
/// Statuses that the filter answers.
const STATUSES: [u32; 5] = [302, 401, 403, 408, 429];
/// Header names that the upstream may get of us.
const OURS: [&str; 7] = [
    "x-stepgate-decision",
    "x-stepgate-would",
    "x-stepgate-mode",
    "x-stepgate-score",
    "x-stepgate-reasons",
    "x-stepgate-id",
    "x-stepgate-signature",
];

/// What is known of a sequence so far.
pub(super) struct Oracle {
    /// A host function fails, or failed: what it should have done may be missing.
    degraded: bool,
    /// The host lost all it was given, and with it how many pages there are: another number of them may be taken.
    forgotten: bool,
    /// Keys of shared data that the start made, and room for those that come later.
    keys: usize,
    /// The largest value somebody else wrote.
    foreign: usize,
}

impl Oracle {
    pub(super) fn of(hosts: &[Host]) -> Self {
        let keys = hosts[0].state().process.borrow().data.entries.len();
        Self {
            degraded: false,
            forgotten: false,
            // Populations, leases, key sets, pieces of feeds: one for each update at most.
            keys: keys + 256,
            foreign: 0,
        }
    }

    pub(super) const fn degraded(&mut self) {
        self.degraded = true;
    }

    pub(super) const fn forgotten(&mut self) {
        self.forgotten = true;
        self.keys += PAGES;
    }

    /// A policy may be refused that is fine by itself.
    pub(super) const fn may_refuse(&self) -> bool {
        self.degraded || self.forgotten
    }

    pub(super) fn foreign(&mut self, size: usize) {
        self.foreign = self.foreign.max(size);
    }

    /// Another policy may have other feeds and issuers, each with its keys.
    pub(super) const fn updated(&mut self, _: &Update) {
        self.keys += 64;
    }

    /// Decisions counted so far, of whatever kind.
    pub(super) fn decisions(&self, host: &Host) -> u64 {
        self.counted(host, "stepgate_requests_total")
    }

    /// What a counter has come to, whatever its labels.
    pub(super) fn counted(&self, host: &Host, name: &str) -> u64 {
        use stepgate_testkit::host::Metric;
        let process = host.state().process.borrow();
        let counted = process
            .metrics
            .all
            .iter()
            .filter_map(|(of, metric)| match metric {
                Metric::Counter(count) if of.starts_with(name) => Some(*count),
                _ => None,
            });
        counted.sum()
    }

    pub(super) fn bounded(&self, hosts: &[Host]) {
        for host in hosts {
            let memory = host.memory();
            assert!(memory <= MEMORY, "{memory} bytes of memory");
        }
        let process = hosts[0].state().process.borrow();
        let entries = &process.data.entries;
        assert!(entries.len() <= self.keys, "{} keys", entries.len());
        let longest = entries.values().map(|(value, _)| value.len()).max();
        let most = VALUE.max(self.foreign);
        assert!(longest.is_none_or(|longest| longest <= most), "{longest:?}");
    }

    /// A request whose headers were seen: passed with one decision, refused with one reply, or waiting for a body.
    pub(super) fn after_headers(
        &self,
        exchange: &Exchange,
        ended: bool,
        decisions: u64,
        setting: &Setting,
    ) {
        self.shape(exchange);
        let waits = exchange.request.paused && exchange.reply.is_none();
        assert!(!waits || !ended, "a request without a body waits for none");
        if self.degraded {
            return;
        }
        let told = exchange.request.headers.has("x-stepgate-decision");
        let expected = if waits {
            assert!(!told, "decided and waiting");
            0
        } else if exchange.reply.is_some() || told {
            1
        } else {
            assert!(
                setting.may_pass_undecided(exchange),
                "passed without a decision: {:?}",
                exchange.request.headers
            );
            0
        };
        assert_eq!(decisions, expected, "{exchange:?}");
    }

    /// A piece of a body: nothing waits for more than is read.
    pub(super) fn after_body(&self, exchange: &Exchange, ended: bool) {
        self.shape(exchange);
        if exchange.request.paused && exchange.reply.is_none() {
            assert!(!ended, "a body that is whole is waited for no more");
            assert!(
                exchange.request.held.len() <= HELD,
                "{} bytes are held",
                exchange.request.held.len()
            );
        }
    }

    /// What the upstream and the client get.
    fn shape(&self, exchange: &Exchange) {
        if !exchange.request.paused && exchange.reply.is_none() && !self.degraded {
            for (name, value) in &exchange.request.headers.0 {
                if !stepgate::headers::is_ours(name) {
                    continue;
                }
                let name = String::from_utf8_lossy(name);
                assert!(OURS.contains(&&*name), "`{name}` reaches the upstream");
                assert!(
                    !value.windows(SPOOFED.len()).any(|part| part == SPOOFED),
                    "`{name}` of a client reaches the upstream"
                );
                assert_eq!(
                    exchange.request.headers.all(&*name).len(),
                    1,
                    "`{name}` twice"
                );
            }
        }
        if let Some(reply) = &exchange.reply {
            assert!(STATUSES.contains(&reply.status), "status {}", reply.status);
            for (name, value) in &reply.headers.0 {
                let both = name.iter().chain(value);
                assert!(
                    both.clone().all(|byte| !byte.is_ascii_control()),
                    "{reply:?}"
                );
                let told: &[&[u8]] = &[b"x-stepgate-score", b"x-stepgate-reasons"];
                assert!(!told.contains(&name.as_slice()), "a client is not told why");
            }
        }
    }
}
