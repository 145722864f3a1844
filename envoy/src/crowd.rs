//! This VM's copy of the population: read on every decision, refreshed and flushed on ticks.
//! May use: memory and the engine's population.
//! Must not: write per request, or lose a lesson to a conflict.
//!
//! Each version of the module has a value of its own: what it cannot read it would take for nothing, and write over.

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;

use stepgate::baseline::page::VERSION;
use stepgate::baseline::population::{Lesson, Population};

use crate::memory::Memory;
use crate::metrics::{Count, Metrics};

/// Between two looks at what other VMs learned, in milliseconds: the value is large and its half-life is months.
const PERIOD: i64 = 10_000;
/// Lessons that do not wait for the period to end.
const MANY: usize = 1_000;
/// Lessons kept for the next flush; later ones only raise this VM's own copy.
const MOST: usize = 4_096;
/// Bytes that the lessons of one flush may add beyond an eighth of the value.
const GROWTH: usize = 64 << 10;
/// How often a flush is tried on one tick.
const TRIES: usize = 3;

/// The copy and what it does not yet share.
#[derive(Debug)]
pub(crate) struct Crowd {
    memory: Rc<Memory>,
    copy: RefCell<Population>,
    pending: RefCell<Vec<Lesson>>,
    /// CAS number of the mark this copy is from.
    mark: Cell<u32>,
    due: Cell<i64>,
    /// Lessons there was no room for since the last tick.
    dropped: Cell<i64>,
}

impl Crowd {
    pub(crate) fn new(memory: Rc<Memory>) -> Self {
        Self {
            memory,
            copy: RefCell::default(),
            pending: RefCell::default(),
            mark: Cell::new(0),
            due: Cell::new(0),
            dropped: Cell::new(0),
        }
    }

    /// What is known of everybody.
    pub(crate) fn population(&self) -> Ref<'_, Population> {
        self.copy.borrow()
    }

    /// Learns a lesson: now in this VM's copy, with the next flush in everybody's.
    pub(crate) fn learn(&self, lesson: Lesson) {
        self.copy.borrow_mut().learn(&lesson);
        let mut pending = self.pending.borrow_mut();
        if pending.len() < MOST {
            pending.push(lesson);
        } else {
            self.dropped.set(self.dropped.get().saturating_add(1));
        }
    }

    /// Flushes and refreshes, when there is something to flush or refresh.
    pub(crate) fn tick(&self, metrics: &Metrics, now: i64) {
        metrics.add(Count::LessonsDropped, self.dropped.take());
        let pending = self.pending.borrow().len();
        // A time that is further away than the period is of another clock.
        let due = self.due.get();
        let early = (due.saturating_sub(PERIOD)..due).contains(&now);
        if early && pending < MANY {
            return;
        }
        self.due.set(now.saturating_add(PERIOD));
        // A few bytes tell whether the value, of about a mebibyte, has changed.
        let mark = self.memory.get(format_args!("population{VERSION}-mark"));
        let mark = mark.map_or(0, |(_, mark)| mark);
        if pending > 0 {
            self.flush(metrics);
        } else if mark != self.mark.get() {
            let (value, _) = self.memory.open_sealed(format_args!("population{VERSION}"));
            if let Some(value) = value {
                self.copy.replace(self.decoded(value));
            }
            self.mark.set(mark);
        }
    }

    /// Begins with a trained population, unless more is known already.
    pub(crate) fn seed(&self, trained: Population, metrics: &Metrics) {
        self.change(metrics, |shared| {
            if shared.events() < trained.events() {
                *shared = trained.clone();
            }
        });
    }

    /// Everybody's population in the place of the copy, which goes first: memory that was taken is never given back, so the two are
    /// not held at once. One that cannot be read, though its seal holds, is as none.
    fn decoded(&self, value: Vec<u8>) -> Population {
        drop(self.copy.take());
        Population::decode(&value).unwrap_or_default()
    }

    /// Teaches everybody's population the pending lessons, and takes it over.
    fn flush(&self, metrics: &Metrics) {
        let taught = self.change(metrics, |shared| {
            for lesson in self.pending.borrow().iter() {
                shared.learn(lesson);
            }
        });
        if taught {
            self.pending.borrow_mut().clear();
        }
    }

    /// Changes the shared value and takes it over, if no other VM is faster every time.
    fn change(&self, metrics: &Metrics, change: impl Fn(&mut Population)) -> bool {
        for _ in 0..TRIES {
            let (value, cas) = self.memory.open_sealed(format_args!("population{VERSION}"));
            // Room for what is to come, but not for twice as much.
            let room = value.as_ref().map_or(0, Vec::len) / 8 * 9 + GROWTH;
            let found = value.is_some();
            let mut shared = value.map_or_else(Population::default, |value| self.decoded(value));
            change(&mut shared);
            let name = format_args!("population{VERSION}");
            let encode = |bytes: &mut Vec<u8>| shared.encode(bytes);
            let written = self.memory.set_written(name, cas, room, encode);
            // Where there was none, and it cannot be written, this VM keeps what it has.
            if found || written.is_ok() {
                self.copy.replace(shared);
            }
            if written.is_ok() {
                // After the value: who sees the new mark finds the new value. This VM looks once more than it needs to.
                let mark = format_args!("population{VERSION}-mark");
                let _unmarked = self.memory.set(mark, b"1", 0);
                return true;
            }
            metrics.count(Count::CasRetry);
        }
        false
    }
}
