//! What is going on now with one identity, as one VM saw it: the open window of routes and the counters of the last minutes.
//! May use: profiles and rates.
//! Must not: be stored in a page, or judge with more than the judgement of the profile.
//!
//! A request changes this value and nothing else. A window closes after 100 requests or when nothing was asked for half an
//! hour; only then is the profile written. At most 640 bytes.

use super::decay::is_ahead;
use super::profile::{Closed, Judgement, MINUTES, TURNS, WINDOW};
use super::rate::Rate;

/// Distinct routes kept of an open window.
pub const PENDING: usize = 64;
/// Seconds without a request after which a window closes.
pub const IDLE: u32 = 1_800;
/// Seconds of a turn; the last two count.
const TURN: u32 = 300;

/// Prior probability that other hands take over between two windows: the score's prior.
const ENTER: f64 = 0.01;
/// Probability that other hands stay for the next window: none is known, so even odds.
const STAY: f64 = 0.5;
/// Nats of a full window per mean nat of its requests: the weight of the prior, so that a window one nat per request closer
/// to everybody than to the identity lifts the prior to even odds.
pub const SCALE: f64 = 4.595;
/// Step of the running median per full window: an identity whose work has changed is not held for another for ever.
const PACE: f64 = 0.02;
/// Windows learned without being judged.
pub const YOUNG: f32 = 10.0;

impl Judgement {
    /// Whether the windows so far are too few to judge by.
    #[must_use]
    pub fn is_young(&self) -> bool {
        self.windows < YOUNG
    }

    /// Log-odds that a piece of `requests` whose log-likelihood ratios add up to `sum` is other hands.
    #[must_use]
    pub fn log_odds(&self, requests: u16, sum: f64) -> f64 {
        let part = f64::from(requests) / f64::from(WINDOW);
        let before = f64::from(self.belief);
        let turn = ENTER * (1.0 - before) + STAY * before - before;
        let prior = (before + part.min(1.0) * turn).clamp(1e-9, 1.0 - 1e-9);
        let level = f64::from(self.level);
        libm::log(prior / (1.0 - prior)) + SCALE * (sum / f64::from(WINDOW) - part * level)
    }

    /// The judgement after such a piece.
    #[must_use]
    fn after(self, requests: u16, sum: f64) -> Self {
        if requests == 0 || self.is_young() {
            return self;
        }
        let part = f64::from(requests) / f64::from(WINDOW);
        let mean = sum / f64::from(requests);
        let level = f64::from(self.level);
        let step = if mean > level { PACE } else { -PACE };
        Self {
            belief: (1.0 / (1.0 + libm::exp(-self.log_odds(requests, sum)))) as f32,
            level: (level + step * part).max(0.0) as f32,
            ..self
        }
    }
}

/// One request as it enters the window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    /// When.
    pub now: u32,
    /// Session; 0: none.
    pub session: u32,
    /// Route or command; 0: none.
    pub route: u32,
    /// The thing asked for; 0: none.
    pub object: u32,
    /// `ln p(route | everybody) - ln p(route | identity)`.
    pub ratio: f64,
    /// The judgement of the profile, taken over when the window opens.
    pub judgement: Judgement,
    /// It was allowed and done: it may be learned.
    pub learned: bool,
    /// On a privileged route.
    pub privileged: bool,
    /// On a sensitive route.
    pub sensitive: bool,
    /// Links of the chain that takes an account over.
    pub takeover: u8,
    /// Refused by the upstream: 401, 403 or 404.
    pub refused: bool,
    /// Response bytes.
    pub bytes: u64,
    /// Known from outside: the owner's, or not.
    pub verdict: Option<bool>,
    /// The minute is above what is learned of minutes.
    pub loud: bool,
    /// A route that was never used before.
    pub strange: bool,
}

/// Counters of five minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Turn {
    requests: u16,
    refused: u16,
    sensitive: u16,
    /// Links of the chain that takes an account over.
    takeover: u8,
    /// Linear counting of objects in 128 bits (Whang et al. 1990): good to 300.
    objects: u128,
}

/// Totals of the last five to ten minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lately {
    /// Requests.
    pub requests: f64,
    /// Of these refused by the upstream.
    pub refused: f64,
    /// Of these on sensitive routes.
    pub sensitive: f64,
    /// Links of the chain that takes an account over, as bits.
    pub takeover: u8,
    /// Distinct objects.
    pub objects: f64,
}

/// What is going on with one identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ongoing {
    seen: u32,
    judgement: Judgement,
    session: u32,
    piece: u16,
    sum: f64,
    requests: u16,
    learned: u16,
    privileged: u16,
    strange: u16,
    verdict: Option<bool>,
    pending: Vec<(u32, u16)>,
    minute: u32,
    in_minute: u16,
    loud: bool,
    loud_minutes: u8,
    minutes: Rate,
    turn: u32,
    turns: [Turn; 2],
    objects: Rate,
    hour: u32,
    in_hour: u64,
    hours: Vec<f32>,
}

impl Ongoing {
    /// Judgement, requests and sum of the piece as they are with one more request: a piece ends where a session does.
    #[must_use]
    pub fn with(&self, session: u32, ratio: f64, profile: Judgement) -> (Judgement, u16, f64) {
        let judgement = if self.requests == 0 {
            profile
        } else {
            self.judgement
        };
        if self.piece > 0 && self.session != session {
            (judgement.after(self.piece, self.sum), 1, ratio)
        } else {
            (judgement, self.piece.saturating_add(1), self.sum + ratio)
        }
    }

    /// When the identity last asked for something.
    #[must_use]
    pub const fn seen(&self) -> u32 {
        self.seen
    }

    /// Requests on privileged routes in this window.
    #[must_use]
    pub fn privileged(&self) -> f64 {
        f64::from(self.privileged)
    }

    /// Requests in this window on routes that were never used before.
    #[must_use]
    pub fn strange(&self) -> f64 {
        f64::from(self.strange)
    }

    /// Requests in the minute of `now` with one more, and the minutes before in a row that were loud.
    #[must_use]
    pub fn minute(&self, now: u32) -> (f64, u8) {
        let minute = now / 60;
        if minute == self.minute {
            return (f64::from(self.in_minute) + 1.0, self.loud_minutes);
        }
        let in_a_row = minute == self.minute + 1 && self.loud;
        (
            1.0,
            if in_a_row {
                self.loud_minutes.saturating_add(1)
            } else {
                0
            },
        )
    }

    /// Bytes in the hour of `now`.
    #[must_use]
    pub fn bytes(&self, now: u32) -> f64 {
        if now / 3600 == self.hour {
            self.in_hour as f64
        } else {
            0.0
        }
    }

    /// Bytes of the hours that have ended since a window last closed.
    pub fn hours(&self) -> impl Iterator<Item = f64> {
        self.hours.iter().map(|bytes| f64::from(*bytes))
    }

    /// Totals of the last five to ten minutes.
    #[must_use]
    pub fn lately(&self, now: u32) -> Lately {
        let turns = self.turned(now / TURN);
        let sum = |of: fn(&Turn) -> u16| turns.iter().map(|turn| f64::from(of(turn))).sum();
        Lately {
            requests: sum(|turn| turn.requests),
            refused: sum(|turn| turn.refused),
            sensitive: sum(|turn| turn.sensitive),
            takeover: turns.iter().fold(0, |all, turn| all | turn.takeover),
            objects: distinct(turns.iter().fold(0, |all, turn| all | turn.objects)),
        }
    }

    fn turned(&self, turn: u32) -> [Turn; 2] {
        let [current, _] = self.turns;
        match turn.wrapping_sub(self.turn) {
            0 => self.turns,
            1 => [Turn::default(), current],
            _ => [Turn::default(); 2],
        }
    }

    /// Takes in one request. Returns what a window teaches that this request closed.
    pub fn take(&mut self, step: &Step) -> Option<Closed> {
        if is_ahead(self.seen, step.now) {
            self.set_back(step.now);
        }
        self.count(step);
        self.seen = self.seen.max(step.now);
        if step.route == 0 {
            if self.requests == 0 {
                self.judgement = step.judgement;
            }
        } else {
            self.follow(step);
        }
        self.requests = self.requests.saturating_add(1);
        (self.requests >= WINDOW).then(|| self.close())
    }

    /// Begins anew what was counted while the clock was wrong; the window of routes goes on.
    fn set_back(&mut self, now: u32) {
        self.seen = now;
        (self.minute, self.turn, self.hour) = (now / 60, now / TURN, now / 3600);
        (self.in_minute, self.loud, self.loud_minutes, self.in_hour) = (0, false, 0, 0);
        self.turns = [Turn::default(); 2];
    }

    /// Counts the route.
    fn follow(&mut self, step: &Step) {
        let (judgement, piece, sum) = self.with(step.session, step.ratio, step.judgement);
        (self.judgement, self.piece, self.sum) = (judgement, piece, sum);
        self.session = step.session;
        self.privileged = self.privileged.saturating_add(u16::from(step.privileged));
        self.strange = self.strange.saturating_add(u16::from(step.strange));
        self.verdict = match (self.verdict, step.verdict) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (known, more) => more.or(known),
        };
        if step.learned {
            self.learned = self.learned.saturating_add(1);
            match self.pending.binary_search_by_key(&step.route, |row| row.0) {
                Ok(index) => {
                    if let Some(row) = self.pending.get_mut(index) {
                        row.1 = row.1.saturating_add(1);
                    }
                }
                Err(index) if self.pending.len() < PENDING => {
                    self.pending.insert(index, (step.route, 1));
                }
                Err(_) => {}
            }
        }
    }

    /// Counters that do not depend on routes.
    fn count(&mut self, step: &Step) {
        let (in_minute, loud_minutes) = self.minute(step.now);
        if step.now / 60 > self.minute {
            // Loud minutes teach nothing: a flood must not become normal.
            if self.in_minute > 0 && !self.loud {
                self.minutes.learn(f64::from(self.in_minute), MINUTES);
            }
            self.minute = step.now / 60;
        }
        self.in_minute = in_minute as u16;
        self.loud_minutes = loud_minutes;
        self.loud = step.loud;
        let turn = step.now / TURN;
        if turn > self.turn {
            let [ended, _] = self.turns;
            if ended.objects != 0 {
                self.objects.learn(distinct(ended.objects), TURNS);
            }
            self.turns = self.turned(turn);
            self.turn = turn;
        }
        let [current, _] = &mut self.turns;
        current.requests = current.requests.saturating_add(1);
        current.refused = current.refused.saturating_add(u16::from(step.refused));
        current.sensitive = current.sensitive.saturating_add(u16::from(step.sensitive));
        current.takeover |= step.takeover;
        if step.object != 0 {
            current.objects |= 1 << (step.object.wrapping_mul(0x9e37_79b9) >> 25);
        }
        if step.now / 3600 > self.hour {
            if self.in_hour > 0 {
                self.hours.push(self.in_hour as f32);
            }
            self.hour = step.now / 3600;
            self.in_hour = 0;
        }
        self.in_hour = self.in_hour.saturating_add(step.bytes);
    }

    /// Whether the window has been left alone for so long that it is to be closed.
    #[must_use]
    pub fn is_idle(&self, now: u32) -> bool {
        self.requests > 0 && now.saturating_sub(self.seen) > IDLE
    }

    /// Closes the window: what it teaches, and nothing of its routes unless it is judged the owner's.
    pub fn close(&mut self) -> Closed {
        let log_odds = self.judgement.log_odds(self.piece, self.sum);
        let own = self
            .verdict
            .unwrap_or(self.judgement.is_young() || log_odds < 0.0);
        let closed = Closed {
            now: self.seen,
            judgement: self.judgement.after(self.piece, self.sum),
            routes: if own {
                std::mem::take(&mut self.pending)
            } else {
                Vec::new()
            },
            requests: if own { self.learned } else { 0 },
            privileged: if own { self.privileged } else { 0 },
            minutes: std::mem::take(&mut self.minutes),
            objects: std::mem::take(&mut self.objects),
            hours: std::mem::take(&mut self.hours),
        };
        self.pending.clear();
        self.requests = 0;
        self.learned = 0;
        self.privileged = 0;
        self.strange = 0;
        self.piece = 0;
        self.sum = 0.0;
        self.verdict = None;
        closed
    }
}

/// Distinct objects behind a bitmap.
fn distinct(bits: u128) -> f64 {
    let zeros = f64::from(bits.count_zeros()).max(1.0);
    128.0 * libm::log(128.0 / zeros)
}

#[cfg(test)]
#[path = "ongoing_tests.rs"]
mod tests;
