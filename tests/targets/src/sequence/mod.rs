//! Whole hostile request sequences against the built module: the bytes choose what happens, in which order, to whom.
//! May use the wasm host of the test kit; the module is found by `STEPGATE_WASM`, else where `make wasm` puts it.
//! Must not look into the module: what holds is seen from outside only.
//!
//! What holds whatever happens: the VM never traps; its memory, the number of shared values and their sizes are bounded; no
//! decision header of a client reaches the upstream; every request is either passed with one decision, or refused with one
//! reply, or waits for a body of at most 16 KiB.

mod documents;
mod grammar;
mod oracle;
mod story;
mod words;
mod world;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use stepgate_testkit::host::{Exchange, Host, Process};

use grammar::Setting;
use oracle::Oracle;

/// What happens in one sequence at most: libFuzzer reaches no more with longer inputs, only later.
const EVENTS: usize = 64;
/// Streams that are open at a time.
const OPEN: usize = 6;

static MODULE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/stepgate.wasm");
    let path = std::env::var("STEPGATE_WASM").unwrap_or_else(|_| place.into());
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("no module at `{path}` ({error}): run `make wasm` first"))
});

thread_local! {
    /// The module is read and validated once: every sequence takes a fresh VM of it.
    static TEMPLATE: Host = Host::new(&MODULE).unwrap();
}

/// What a sequence came to, so that a run can say what it reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Requests that went on to the upstream.
    pub passed: u64,
    /// Requests that were answered by the filter.
    pub refused: u64,
    /// Requests that waited for their body.
    pub held: u64,
    /// Requests that waited, and then went on to the upstream with the whole of it.
    pub continued: u64,
    /// What was learned.
    pub learned: u64,
    /// Requests whose owner was asked to step up.
    pub challenged: u64,
    /// Requests that were denied, or sent away for a while.
    pub denied: u64,
    /// Callouts that were answered.
    pub answered: u64,
    /// Ticks.
    pub ticks: u64,
    /// Records of a snapshot that were taken.
    pub trained: u64,
    /// Documents of feeds that were taken.
    pub fed: u64,
    /// Pages and records that somebody else had damaged.
    pub damaged: u64,
    /// Policies that were refused.
    pub policies_refused: u64,
}

impl std::ops::AddAssign for Played {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.refused += other.refused;
        self.held += other.held;
        self.continued += other.continued;
        self.learned += other.learned;
        self.challenged += other.challenged;
        self.denied += other.denied;
        self.answered += other.answered;
        self.ticks += other.ticks;
        self.trained += other.trained;
        self.fed += other.fed;
        self.damaged += other.damaged;
        self.policies_refused += other.policies_refused;
    }
}

/// Plays the sequence that these bytes mean.
///
/// # Panics
/// Where something does not hold.
pub fn play(data: &[u8]) -> Played {
    let mut input = Unstructured::new(data);
    let mut game = Game::begin(&mut input);
    for _ in 0..EVENTS {
        if input.is_empty() || game.event(&mut input).is_err() {
            break;
        }
        game.oracle.bounded(&game.hosts);
    }
    game.end()
}

/// One stream that has begun and not ended.
struct Open {
    host: usize,
    id: u32,
    body: usize,
}

struct Game {
    hosts: Vec<Host>,
    open: Vec<Open>,
    setting: Setting,
    oracle: Oracle,
    played: Played,
}

/// A callback that must not trap.
fn alive<T>(result: std::result::Result<T, stepgate_testkit::host::Trap>) -> T {
    result.unwrap_or_else(|trap| panic!("the VM stopped: {trap}"))
}

impl Game {
    fn begin(input: &mut Unstructured<'_>) -> Self {
        let setting = Setting::choose(input);
        let mut first = TEMPLATE.with(Host::sibling);
        first.state_mut().process = Rc::new(RefCell::new(Process::default()));
        let two = input.ratio(1, 4).unwrap_or(false);
        let second = two.then(|| first.sibling());
        let mut hosts: Vec<Host> = [Some(first), second].into_iter().flatten().collect();
        for host in &mut hosts {
            setting.prepare(host);
            assert!(
                alive(host.start(&setting.policy().to_string())),
                "{:?}",
                host.state().logs
            );
        }
        let oracle = Oracle::of(&hosts);
        Self {
            hosts,
            open: Vec::new(),
            setting,
            oracle,
            played: Played::default(),
        }
    }

    fn event(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        match input.int_in_range(0..=39u8)? {
            0..=11 => self.request(input),
            12..=14 => self.body(input),
            15 => self.trailers(input),
            16..=19 => self.response(input),
            20 | 21 => self.close(input),
            22 => self.unseen(input),
            23 | 24 => self.tick(input),
            25 | 26 => self.answer(input),
            27 => self.clock(input),
            28 => self.corrupt(input),
            29 => self.configure(input),
            30 => self.property(input),
            31 => self.fault(input),
            _ => self.story(input),
        }
    }

    fn host(&self, input: &mut Unstructured<'_>) -> Result<usize> {
        input.choose_index(self.hosts.len())
    }

    /// An open stream becomes the current one of its VM.
    fn stream(&mut self, input: &mut Unstructured<'_>) -> Result<Option<usize>> {
        if self.open.is_empty() {
            return Ok(None);
        }
        let index = input.choose_index(self.open.len())?;
        let open = &self.open[index];
        self.hosts[open.host].select(open.id);
        Ok(Some(index))
    }

    fn request(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let at = self.host(input)?;
        let host = &mut self.hosts[at];
        let headers = self
            .setting
            .request(input, host.state().now / 1_000_000_000)?;
        let ended = input.ratio(2, 3)?;
        let before = self.oracle.decisions(host);
        let exchange = alive(host.open(&headers, ended));
        let after = self.oracle.decisions(host);
        self.oracle
            .after_headers(&exchange, ended, after.wrapping_sub(before), &self.setting);
        self.count(&exchange);
        self.open.push(Open {
            host: at,
            id: exchange.id,
            body: 0,
        });
        if self.open.len() > OPEN {
            let oldest = self.open.remove(0);
            self.hosts[oldest.host].select(oldest.id);
            alive(self.hosts[oldest.host].finish());
        }
        Ok(())
    }

    fn count(&mut self, exchange: &Exchange) {
        if let Some(reply) = &exchange.reply {
            let asked = reply.headers.text("www-authenticate").unwrap_or_default();
            let asked = asked.contains("insufficient_user_authentication") || reply.status == 302;
            self.played.challenged += u64::from(asked);
            self.played.denied += u64::from([403, 429].contains(&reply.status));
        }
        match &exchange.reply {
            Some(_) => self.played.refused += 1,
            None if exchange.request.paused => self.played.held += 1,
            None => self.played.passed += 1,
        }
    }

    fn body(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let Some(index) = self.stream(input)? else {
            return Ok(());
        };
        let piece = self.setting.body(input)?;
        let end = input.arbitrary()?;
        let open = &mut self.open[index];
        open.body += piece.len();
        let host = &mut self.hosts[open.host];
        let exchange = alive(host.body(piece, end));
        self.oracle.after_body(&exchange, end);
        Ok(())
    }

    fn trailers(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let Some(index) = self.stream(input)? else {
            return Ok(());
        };
        let trailers = self.setting.headers(input)?;
        let host = &mut self.hosts[self.open[index].host];
        let exchange = alive(host.trailers(&trailers));
        self.oracle.after_body(&exchange, true);
        Ok(())
    }

    fn response(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let Some(index) = self.stream(input)? else {
            return Ok(());
        };
        let mut headers = self.setting.headers(input)?;
        let status = input.choose(&[
            "200", "302", "401", "403", "500", "304", "", "\u{0}", "99999",
        ])?;
        headers.push((b":status".to_vec(), status.as_bytes().to_vec()));
        let host = &mut self.hosts[self.open[index].host];
        let exchange = alive(host.response(&headers));
        assert!(!exchange.response.paused, "a response is never held");
        if input.arbitrary()? {
            alive(host.response_body("body", true));
            alive(host.response_trailers(&headers));
        }
        if input.arbitrary()? {
            self.open.remove(index);
            alive(host.finish());
        }
        Ok(())
    }

    /// The end of a stream, in whatever phase it is: logged or not, and never twice.
    fn close(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let Some(index) = self.stream(input)? else {
            return Ok(());
        };
        let logged = input.arbitrary()?;
        let open = self.open.remove(index);
        let host = &mut self.hosts[open.host];
        if logged {
            alive(host.log());
        }
        assert!(alive(host.done()), "a stream that is over is given up");
        Ok(())
    }

    /// Refused before any filter saw it, or answered by a filter before this one.
    fn unseen(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let at = self.host(input)?;
        let headers = self.setting.headers(input)?;
        let host = &mut self.hosts[at];
        alive(host.log_unseen(&headers));
        if input.arbitrary()? {
            alive(host.response(&[(":status", "429")]));
        }
        alive(host.done());
        Ok(())
    }

    fn tick(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let at = self.host(input)?;
        let host = &mut self.hosts[at];
        let later = input.int_in_range(0..=40_000u64)?;
        host.state_mut().now = host.state().now.saturating_add(later * 1_000_000);
        let roots: Vec<u32> = host.state().roots.iter().map(|root| root.id).collect();
        if input.ratio(1, 4)? {
            // Those of older configurations tick on until they are drained.
            alive(host.tick_on(*input.choose(&roots)?));
        } else {
            alive(host.tick());
        }
        self.played.ticks += 1;
        Ok(())
    }

    /// What a key set, a feed or a snapshot answers.
    fn answer(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let at = self.host(input)?;
        let host = &mut self.hosts[at];
        let waiting: Vec<(u32, String)> = host
            .state()
            .calls
            .iter()
            .filter(|call| !call.answered)
            .map(|call| (call.token, call.upstream.clone()))
            .collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let (token, cluster) = input.choose(&waiting)?.clone();
        let (headers, body) = self.setting.answer(input, &cluster)?;
        alive(host.answer(token, &headers, body));
        self.played.answered += 1;
        Ok(())
    }

    /// Every stream ends, all faults are over, and the filter decides as it should.
    fn end(mut self) -> Played {
        for open in std::mem::take(&mut self.open) {
            self.hosts[open.host].select(open.id);
            alive(self.hosts[open.host].finish());
        }
        for host in &mut self.hosts {
            host.state_mut().fixed.clear();
            alive(host.tick());
            let exchange = alive(host.request(&grammar::honest()));
            assert!(
                exchange.reply.is_some() || !exchange.request.paused,
                "a request without a body waits for none"
            );
            alive(host.finish());
            assert!(host.dead().is_none());
        }
        self.oracle.bounded(&self.hosts);
        let host = &self.hosts[0];
        self.played.learned = host.metric("stepgate_learned_total");
        self.played.trained = host.metric("stepgate_snapshot_records_total");
        self.played.fed = self.oracle.counted(host, "stepgate_feeds_fetched_total");
        self.played.damaged =
            host.metric("stepgate_bad_pages_total") + host.metric("stepgate_bad_records_total");
        self.played
    }
}
