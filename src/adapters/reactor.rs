//! The reactor: the one thread that waits for all async and pollable endpoints of the
//! process.
//!
//! Each registered endpoint has a slot in the reactor's table. To wait, an endpoint parks: it
//! stores `PARKED` in its sleep word, polls again, and leaves a task waker in its
//! slot. The thread waits for the words of all slots that hold a waker, with one
//! `futex_waitv`, and wakes the task of each endpoint whose word its peer has changed.
//!
//! The first of those words is the thread's own, in this process's memory: a thread that changes
//! the table replaces `PARKED` by `DROWSY` there, under the table's lock. The thread stores
//! `PARKED` under the same lock, before it lists the words: a change either is on that list or ends
//! the wait.
//!
//! An endpoint that is dropped waits until the thread has left the sleep that listed its word: after
//! the drop the process neither maps the ring nor takes a wake of the role's next holder. No task is
//! woken between the list and its end, so that no drop waits for the runtime's code. The same holds
//! for an endpoint that a guard of a pollable one takes out.
//!
//! At each endpoint's `peer_check` the thread makes the liveness check, for all endpoints with the
//! same interval at the same tick, and wakes the task of an endpoint whose peer has closed or
//! crashed, or cannot attach. It does not wake a task whose peer is alive and silent, or may still
//! attach.
//!
//! Task wakers are the runtime's code: they are cloned, woken and dropped while the table is
//! not locked. A panic in one is caught, and so is a panic in the drop of its payload.
//!
//! If the thread ends nevertheless, because the kernel keeps refusing its waits or by a
//! panic of this file, every waiting endpoint fires with [`Outcome::ReactorDied`]: its task is
//! woken and reports an error. The next park starts another thread.

mod error;
mod outcome;
mod thread;
mod wait;

use core::{ptr, slice};
use std::io;
use std::iter;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

pub(crate) use self::error::MOST_ENDS;
pub use self::error::{AsyncError, IntoAsyncError};
pub(super) use self::outcome::Outcome;
use self::wait::{NEVER, Wait};
use super::select::Sleeping;
use crate::doorbell::{Futex, now, wait_any};
use crate::parker::{DROWSY, Doorbell, PARKED, Rest, Sleeper, UNFENCED_PARK_NS};
use crate::peer::Goal;
use crate::ring::{RoleGuard, Watch};
use crate::segment::Entry;
use crate::sync::{AtomicU32, LOCKED};
use crate::wait::{Ending, Parkable, System, start_sleep, wake_up};

/// How long a drop waits at most for the thread to leave a sleep: it may have been killed alone.
const LEAVES: Duration = Duration::from_secs(1);
/// This many failed waits in a row, a millisecond apart, end the thread.
const MOST_REFUSALS: u32 = 100;

static REACTOR: Reactor = Reactor {
    word: AtomicU32::new(DROWSY),
    table: Mutex::new(Table {
        slots: [const { None }; MOST_ENDS],
        runs: false,
        list: 0,
        listed: 0,
    }),
    left: Condvar::new(),
    home: OnceLock::new(),
};

struct Reactor {
    /// `PARKED` while the thread waits for a list that is up to date.
    word: AtomicU32,
    table: Mutex<Table>,
    /// The thread has left a sleep.
    left: Condvar,
    /// Detects a child of `fork`, where there is no thread and the table may be locked
    /// forever.
    home: OnceLock<Entry>,
}

struct Table {
    slots: [Option<State>; MOST_ENDS],
    /// There is a thread, and it will scan the table again.
    runs: bool,
    /// How many lists of words the thread has made.
    list: u64,
    /// The slots of the last list, a bit for each, until the thread has left its sleep.
    listed: u128,
}

/// What a registered endpoint does.
enum State {
    /// It is not parked.
    Idle,
    Waiting(Wait),
    /// Its task was woken and has not polled yet.
    Fired(Outcome),
}

/// An endpoint's slot in the table. The thread runs while there is one.
///
/// A child of `fork` uses neither thread nor table.
#[derive(Debug)]
pub(super) struct Registration {
    index: usize,
    fork: Entry,
    /// What ends the park, while the endpoint is parked: its sleep word is `PARKED`, or was
    /// until the peer changed it.
    parked: Option<Goal>,
}

impl Registration {
    /// Registers an endpoint, and starts the thread if there is none.
    pub(super) fn new(role: &RoleGuard) -> Result<Self, AsyncError> {
        if !role.sleeps_on_futex() {
            return Err(AsyncError::NotAFutex);
        }
        // A kernel that has the call sees a word that is not `PARKED`.
        let awake = AtomicU32::new(DROWSY);
        wait_any([&awake].into_iter(), 0).map_err(AsyncError::Unsupported)?;
        let fork = Entry::mark().map_err(AsyncError::NoThread)?;
        if REACTOR.home.get().is_none() {
            let home = Entry::mark().map_err(AsyncError::NoThread)?;
            // Another thread may have been faster: its entry is the same.
            let _ = REACTOR.home.set(home);
        }
        if REACTOR.home.get().is_some_and(Entry::is_inherited) {
            return Err(AsyncError::Forked);
        }
        let mut table = REACTOR.lock();
        let free = table.slots.iter().position(Option::is_none);
        let index = free.ok_or(AsyncError::TooManyEnds)?;
        table.start_thread().map_err(AsyncError::NoThread)?;
        table.slots[index] = Some(State::Idle);
        Ok(Self {
            index,
            fork,
            parked: None,
        })
    }

    /// Whether this process is a child, forked since the endpoint was registered.
    pub(super) fn is_inherited(&self) -> bool {
        self.fork.is_inherited()
    }

    #[cfg(feature = "futures")]
    pub(super) fn is_parked(&self) -> bool {
        self.parked.is_some()
    }

    /// Parks an endpoint that found nothing to do: the first half of the park here, the wait
    /// in the reactor, and the second half in [`unpark`](Self::unpark). `false` if the
    /// second poll finds something, and then the endpoint is not parked.
    ///
    /// # Errors
    ///
    /// If the wait is impossible: the thread could not be restarted, or is the parent's.
    pub(super) fn park(
        &mut self,
        end: &mut dyn Sleeping,
        goal: Goal,
        waker: &Waker,
    ) -> Result<bool, AsyncError> {
        if self.is_inherited() {
            return Err(AsyncError::Forked);
        }
        let watch = end.role().watch();
        let mut parked = Parked {
            end,
            watch: &watch,
            goal,
        };
        let Some(limit) = start_sleep(slice::from_mut(&mut parked), &System) else {
            return Ok(false);
        };
        self.parked = Some(goal);
        // The runtime's code, which may panic.
        let waker = waker.clone();
        let started = self.wait(watch, waker, goal, limit);
        if started.is_err() {
            self.unpark(end);
        }
        started.map(|()| true).map_err(AsyncError::NoThread)
    }

    /// Leaves the waker in the slot. The wait may last until `limit`.
    fn wait(&self, watch: Watch, waker: Waker, goal: Goal, limit: u64) -> io::Result<()> {
        let mut state = State::Waiting(Wait::new(watch, waker, goal, limit));
        // What is left in `state` is dropped when the table is not locked: there is a waker in it.
        REACTOR.change(|table| {
            table.start_thread()?;
            mem::swap(table.slot(self.index), &mut state);
            Ok(())
        })
    }

    /// Continues to wait, now for this task; `false` if the wait has ended.
    #[cfg(feature = "futures")]
    pub(super) fn keep_waiting(&self, task: &Waker) -> bool {
        if self.is_inherited() {
            return false;
        }
        let mut old = task.clone();
        let mut table = REACTOR.lock();
        let State::Waiting(wait) = table.slot(self.index) else {
            return false;
        };
        mem::swap(&mut wait.waker, &mut old);
        drop(table);
        true
    }

    /// Ends the park, if there is one: before the endpoint does anything else. Returns how the
    /// wait ended, if it had ended.
    pub(super) fn unpark(&mut self, end: &mut dyn Sleeping) -> Option<Outcome> {
        let goal = self.parked.take()?;
        let outcome = self.stop_waiting();
        let watch = end.role().watch();
        let mut parked = Parked {
            end,
            watch: &watch,
            goal,
        };
        let ending = outcome.map_or(Ending::Untold, Outcome::ending);
        wake_up(slice::from_mut(&mut parked), ending);
        outcome
    }

    /// Waits until the thread has left the sleep that listed another endpoint of this slot, which
    /// is now the caller's.
    pub(super) fn forget_last(&self) {
        let list = REACTOR.change(|table| table.list_with(self.index));
        REACTOR.until_left(list);
    }

    fn stop_waiting(&self) -> Option<Outcome> {
        if self.is_inherited() {
            return None;
        }
        let mut table = REACTOR.lock();
        let state = mem::replace(table.slot(self.index), State::Idle);
        drop(table);
        match state {
            State::Fired(outcome) => Some(outcome),
            _ => None,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.is_inherited() {
            return;
        }
        // The thread forgets the ring, and ends after the last.
        let (state, list) = REACTOR.change(|table| {
            let list = table.list_with(self.index);
            (table.slots[self.index].take(), list)
        });
        REACTOR.until_left(list);
        drop(state);
    }
}

/// An endpoint that enters a park or leaves it.
struct Parked<'a> {
    end: &'a mut dyn Sleeping,
    watch: &'a Watch,
    goal: Goal,
}

impl Parkable for Parked<'_> {
    fn sleeper(&mut self) -> (&mut Sleeper, &AtomicU32) {
        self.end.role_mut().sleeper()
    }

    fn position(&self) -> u64 {
        self.end.position()
    }

    fn has_work(&self) -> bool {
        self.watch.is_reached(self.goal)
    }

    fn drain(&self) {
        self.end.role().drain();
    }

    fn count_sleep(&self) {
        self.end.role().count_sleep();
    }

    fn count_rescue(&self) {
        self.end.role().count_rescue();
    }
}

impl Reactor {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the table, and has the thread scan it.
    fn change<R>(&self, change: impl FnOnce(&mut Table) -> R) -> R {
        let mut table = self.lock();
        let result = change(&mut table);
        let waits = self.word.replace(PARKED, DROWSY, LOCKED);
        drop(table);
        if waits {
            Futex.wake(&self.word);
        }
        result
    }

    /// Waits until the thread has left the sleep with this list.
    fn until_left(&self, list: Option<u64>) {
        let in_it = |table: &mut Table| table.listed != 0 && Some(table.list) == list;
        let left = self.left.wait_timeout_while(self.lock(), LEAVES, in_it);
        drop(left.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Table {
    fn slot(&mut self, index: usize) -> &mut State {
        self.slots[index].as_mut().expect("a registered end")
    }

    /// The number of the last list, if it has this slot and the thread sleeps with it.
    fn list_with(&self, slot: usize) -> Option<u64> {
        (self.listed >> slot & 1 == 1).then_some(self.list)
    }

    /// Whether the endpoint of a slot waits here for this word.
    fn waits_for(&self, slot: usize, word: &AtomicU32) -> bool {
        let Some(State::Waiting(wait)) = &self.slots[slot] else {
            return false;
        };
        ptr::eq(wait.watch.word(), word)
    }

    /// Starts the thread if there is none.
    fn start_thread(&mut self) -> io::Result<()> {
        if !self.runs {
            thread::spawn("quoit-reactor", run)?;
            self.runs = true;
        }
        Ok(())
    }

    /// Ends the waits that are over; returns when the next of the others is due. `rest` is how the
    /// thread's sleep ended, by the slot.
    fn scan(&mut self, rest: Rest, fired: &mut Vec<Waker>) -> u64 {
        let now = now();
        let mut next = NEVER;
        for (slot, state) in self.slots.iter_mut().enumerate() {
            let Some(occupied) = state else { continue };
            let State::Waiting(wait) = occupied else {
                continue;
            };
            if let Some(outcome) = wait.check(now, rest, slot) {
                fired.extend(occupied.fire(outcome));
            } else {
                next = next.min(wait.until);
            }
        }
        next
    }

    /// The thread has left its sleep, and the list is empty.
    fn leave(&mut self) {
        self.listed = 0;
        REACTOR.left.notify_all();
    }

    /// Lists what waits, with the slots.
    fn list(&mut self, waiting: &mut Vec<(usize, Watch)>) {
        self.list += 1;
        for (slot, state) in self.slots.iter().enumerate() {
            if let Some(State::Waiting(wait)) = state {
                waiting.push((slot, wait.watch.clone()));
                self.listed |= 1 << slot;
            }
        }
    }
}

impl State {
    /// Ends a wait; returns the task to wake.
    fn fire(&mut self, outcome: Outcome) -> Option<Waker> {
        match mem::replace(self, Self::Fired(outcome)) {
            Self::Waiting(wait) => Some(wait.waker),
            other => {
                *self = other;
                None
            }
        }
    }
}

/// What the thread does.
fn run() {
    let death = Death;
    let mut fired = Vec::with_capacity(MOST_ENDS);
    let mut waiting = Vec::with_capacity(MOST_ENDS);
    let mut rest = Rest::Ended;
    let mut refusals = 0;
    while refusals < MOST_REFUSALS {
        let mut table = REACTOR.lock();
        if table.slots.iter().all(Option::is_none) {
            table.runs = false;
            return mem::forget(death);
        }
        let until = table.scan(rest, &mut fired);
        if !fired.is_empty() {
            drop(table);
            fired.drain(..).for_each(wake);
            rest = Rest::Ended;
            continue;
        }
        REACTOR.word.swap(PARKED, LOCKED);
        table.list(&mut waiting);
        drop(table);
        let words = waiting.iter().map(|(_, watch)| watch.word());
        rest = match wait_any(iter::once(&REACTOR.word).chain(words), until) {
            Ok(rest) => {
                refusals = 0;
                by_slot(rest, &waiting)
            }
            Err(_) => {
                // Perhaps no memory for a wait: scan again soon.
                refusals += 1;
                std::thread::sleep(Duration::from_nanos(UNFENCED_PARK_NS));
                Rest::Ended
            }
        };
        pass_on(&mut waiting);
    }
}

/// Empties the list. An endpoint that has stopped to wait here may sleep elsewhere, and the kernel
/// may have sent its wake here, to the earlier sleep. One that is being dropped continues then.
fn pass_on(listed: &mut Vec<(usize, Watch)>) {
    let table = REACTOR.lock();
    listed.retain(|(slot, watch)| !table.waits_for(*slot, watch.word()));
    drop(table);
    listed
        .drain(..)
        .for_each(|(_, watch)| Futex.wake(watch.word()));
    REACTOR.lock().leave();
}

/// How a sleep ended, by the slot of the endpoint that was woken. The first word is the
/// thread's own.
fn by_slot(rest: Rest, waiting: &[(usize, Watch)]) -> Rest {
    match rest {
        Rest::Woken(0) => Rest::Ended,
        Rest::Woken(index) => Rest::Woken(waiting[index - 1].0),
        other => other,
    }
}

/// Wakes a task. The message of a panic was printed; the task itself is not handled further.
fn wake(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        // Its drop may panic again.
        mem::forget(payload);
    }
}

/// The end of a thread that still has endpoints to wait for.
struct Death;

impl Drop for Death {
    fn drop(&mut self) {
        let mut table = REACTOR.lock();
        table.runs = false;
        table.leave();
        let states = table.slots.iter_mut().flatten();
        let is_waiting = |state: &&mut State| matches!(state, State::Waiting(_));
        let fired: Vec<_> = states
            .filter(is_waiting)
            .filter_map(|state| state.fire(Outcome::ReactorDied))
            .collect();
        drop(table);
        fired.into_iter().for_each(wake);
    }
}
