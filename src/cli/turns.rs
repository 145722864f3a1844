//! One thing that several threads use in turns: in an order that does not depend on which of them is faster.
//! May use: std's atomics, mutex and condition variable.
//! Must not: know what is done in a turn.

use std::hint::spin_loop;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// How often a thread whose turn is soon looks whether it has come, before it sleeps again: about a tenth of a millisecond.
const LOOKS: u32 = 1 << 12;

/// What is used in turns. Turns are numbered from 0.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    /// The turn that has come, and the last one whose coming was announced.
    now: AtomicU64,
    soon: AtomicU64,
    broken: AtomicBool,
    /// Used by the thread whose turn it is, and by no other.
    thing: Mutex<T>,
    /// How many threads sleep until something changes.
    asleep: Mutex<usize>,
    changed: Condvar,
}

/// Ends all turns if its thread panics: the others would wait for it for ever.
#[derive(Debug)]
pub(crate) struct Taker<'t, T>(&'t Turns<T>);

/// A turn that is being taken.
#[derive(Debug)]
pub(crate) struct Turn<'t, T>(&'t Turns<T>, u64);

impl<T> Turns<T> {
    pub(crate) fn new(thing: T) -> Self {
        Self {
            now: AtomicU64::new(0),
            soon: AtomicU64::new(0),
            broken: AtomicBool::new(false),
            thing: Mutex::new(thing),
            asleep: Mutex::new(0),
            changed: Condvar::new(),
        }
    }

    /// For one thread that will take turns.
    pub(crate) fn taker(&self) -> Taker<'_, T> {
        Taker(self)
    }

    /// What is left when nobody takes turns any more.
    pub(crate) fn into_inner(self) -> T {
        self.thing
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // Who is about to sleep has looked before, or looks after.
        let asleep = *self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        if asleep > 0 {
            self.changed.notify_all();
        }
    }

    fn end(&self) {
        self.broken.store(true, Ordering::Release);
        self.wake();
    }

    fn has_come(&self, turn: u64) -> bool {
        self.now.load(Ordering::Acquire) == turn || self.broken.load(Ordering::Acquire)
    }

    fn sleep_until(&self, come: impl Fn() -> bool) {
        let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        *asleep += 1;
        let awake = self.changed.wait_while(asleep, |_| !come());
        *awake.unwrap_or_else(PoisonError::into_inner) -= 1;
    }

    /// Waits for a turn. Waking up takes longer than taking some dozens of events: who is called in time is awake when it comes.
    fn wait(&self, turn: u64) {
        let called = || self.has_come(turn) || self.soon.load(Ordering::Acquire) == turn;
        if !called() {
            self.sleep_until(called);
        }
        for _ in 0..LOOKS {
            if self.has_come(turn) {
                return;
            }
            spin_loop();
        }
        self.sleep_until(|| self.has_come(turn));
    }
}

impl<T> Turn<'_, T> {
    /// Says that the turn will be over soon.
    pub(crate) fn is_nearly_over(&self) {
        self.0.soon.store(self.1 + 1, Ordering::Release);
        self.0.wake();
    }
}

impl<T> Taker<'_, T> {
    /// Waits for a turn, works, and gives the next one its turn. Break, and there are no more turns: then nothing is done.
    pub(crate) fn take(
        &self,
        turn: u64,
        work: impl FnOnce(&mut T, &Turn<'_, T>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let turns = self.0;
        turns.wait(turn);
        let mut thing = turns.thing.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.broken.load(Ordering::Acquire) {
            return ControlFlow::Break(());
        }
        let flow = work(&mut thing, &Turn(turns, turn));
        drop(thing);
        if flow.is_break() {
            turns.end();
        } else {
            turns.now.store(turn + 1, Ordering::Release);
            turns.wake();
        }
        flow
    }
}

impl<T> Drop for Taker<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    /// Three threads draw numbers and take their turns with them; what each turn does is `work`.
    fn drawn(work: impl Fn(u64) -> ControlFlow<()> + Sync) -> Vec<u64> {
        let drawn = AtomicU64::new(0);
        let turns = Turns::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let taker = turns.taker();
                    loop {
                        let turn = drawn.fetch_add(1, Ordering::Relaxed);
                        if turn >= 100 {
                            return;
                        }
                        let taken = taker.take(turn, |list, taken| {
                            list.push(turn);
                            if !turn.is_multiple_of(3) {
                                taken.is_nearly_over();
                            }
                            work(turn)
                        });
                        if taken.is_break() {
                            return;
                        }
                    }
                });
            }
        });
        turns.into_inner()
    }

    #[test]
    fn turns_are_taken_in_their_order() {
        let all: Vec<u64> = (0..100).collect();
        assert_eq!(drawn(|_| ControlFlow::Continue(())), all);
    }

    #[test]
    fn after_a_break_nothing_is_done() {
        let broken = drawn(|turn| match turn {
            41 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        assert_eq!(broken, (0..=41).collect::<Vec<_>>());
    }

    #[test]
    fn nobody_waits_for_a_thread_that_panicked() {
        let ended = std::panic::catch_unwind(|| {
            drawn(|turn| {
                assert!(turn != 41, "on purpose");
                ControlFlow::Continue(())
            })
        });
        assert!(ended.is_err());
    }
}
