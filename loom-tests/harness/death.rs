//! Death: a thread that stops between two steps and never continues.
//!
//! A step is an operation on a shared word, or a word of payload. A sweep runs a model once
//! for each step at which its mortal can die. It ends with the first run in which the
//! mortal finishes. No cleanup runs after a death: the thread holds no value whose drop
//! accesses the ring.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use loom::thread::{self, ThreadId};

use super::reached::{State, reach};

/// The number of threads of one model that can die: an endpoint, and the next holder.
pub(crate) const MORTALS: usize = 2;

/// A mortal that is running.
#[derive(Clone, Copy)]
struct Life {
    thread: ThreadId,
    mortal: usize,
    steps_left: u32,
}

thread_local! {
    // Loom's threads are coroutines of one thread: they share these variables.
    static APPOINTED: Cell<[Option<u32>; MORTALS]> = const { Cell::new([None; MORTALS]) };
    static DIED: Cell<[bool; MORTALS]> = const { Cell::new([false; MORTALS]) };
    static LIFE: Cell<Option<Life>> = const { Cell::new(None) };
}

/// The panic payload that unwinds a mortal.
struct Killed;

/// Sets the step before which each mortal dies; `None` for no death.
pub(super) fn appoint(steps: &[u32]) {
    let mut appointed = [None; MORTALS];
    for (slot, &step) in appointed.iter_mut().zip(steps) {
        *slot = Some(step);
    }
    APPOINTED.set(appointed);
    DIED.set([false; MORTALS]);
    LIFE.set(None);
}

/// Which mortals died in any execution since the last [`appoint`].
pub(super) fn died() -> [bool; MORTALS] {
    DIED.get()
}

/// Runs the work of a thread that can die. Returns `None` if it died at its appointed step.
pub(crate) fn mortal<R>(mortal: usize, work: impl FnOnce() -> R) -> Option<R> {
    let appointed = APPOINTED.get().get(mortal).copied().flatten();
    LIFE.set(appointed.map(|steps_left| Life {
        thread: thread::current().id(),
        mortal,
        steps_left,
    }));
    let end = catch_unwind(AssertUnwindSafe(work));
    LIFE.set(None);
    match end {
        Ok(result) => Some(result),
        Err(cause) if cause.is::<Killed>() => None,
        Err(cause) => resume_unwind(cause),
    }
}

/// Called before every step. A thread that is to die stops here.
pub(crate) fn step() {
    let Some(mut life) = LIFE.get() else { return };
    if life.thread != thread::current().id() {
        return;
    }
    if life.steps_left == 0 {
        let mut died = DIED.get();
        died[life.mortal] = true;
        DIED.set(died);
        LIFE.set(None);
        reach(State::Died);
        // Without the panic hook: a death is no failure.
        resume_unwind(Box::new(Killed));
    }
    life.steps_left -= 1;
    LIFE.set(Some(life));
}
