//! One thing that several threads use in turns: in an order that does not depend on which of them is faster.
//! May use: std's mutex and condition variable.
//! Must not: know what is done in a turn.

use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What is used in turns. Turns are numbered from 0.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    next: u64,
    broken: bool,
    thing: T,
}

/// Ends all turns if its thread panics: the others would wait for it for ever.
#[derive(Debug)]
pub(crate) struct Taker<'t, T>(&'t Turns<T>);

impl<T> Turns<T> {
    pub(crate) fn new(thing: T) -> Self {
        Self {
            state: Mutex::new(State {
                next: 0,
                broken: false,
                thing,
            }),
            changed: Condvar::new(),
        }
    }

    /// For one thread that will take turns.
    pub(crate) fn taker(&self) -> Taker<'_, T> {
        Taker(self)
    }

    /// What is left when nobody takes turns any more.
    pub(crate) fn into_inner(self) -> T {
        self.state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .thing
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Taker<'_, T> {
    /// Waits for a turn, works, and gives the next one its turn. Break, and there are no more turns: then nothing is done.
    pub(crate) fn take(
        &self,
        turn: u64,
        work: impl FnOnce(&mut T) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let turns = self.0;
        let mut state = turns
            .changed
            .wait_while(turns.lock(), |state| state.next != turn && !state.broken)
            .unwrap_or_else(PoisonError::into_inner);
        if state.broken || state.next != turn {
            return ControlFlow::Break(());
        }
        let flow = work(&mut state.thing);
        state.next += 1;
        state.broken = flow.is_break();
        drop(state);
        turns.changed.notify_all();
        flow
    }
}

impl<T> Drop for Taker<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().broken = true;
            self.0.changed.notify_all();
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
                        let taken = taker.take(turn, |list| {
                            list.push(turn);
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
