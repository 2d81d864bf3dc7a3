//! The one thread that sleeps for all async ends of the process.
//!
//! Each end has a [`Bed`] in the thread's table. An end that goes to sleep
//! stores `PARKED` in its sleep word as ever, lies down in its bed with a task
//! waker, and the thread waits for the words of all who lie there, with one
//! `futex_waitv`. It wakes the task of each end whose word its peer has changed.
//!
//! The first of those words is the thread's own, in this process's memory:
//! whoever changes the table takes it from `PARKED` to `DROWSY` under the
//! table's lock. The thread stores `PARKED` under the same lock, before it lists
//! the words: a change either is on that list or ends the sleep.
//!
//! At each endpoint's `peer_check` the thread sees whether the peers still live,
//! those with the same interval at the same tick, and wakes the tasks of those ends whose peer is gone. A task
//! whose peer lives and is silent is not woken.
//!
//! Task wakers are foreign code: they are cloned, woken and dropped while the
//! table is not locked, and a panic in one ends nobody else's sleep.

use std::io;
use std::iter;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use crate::cursor::Awaited;
use crate::doorbell::{MOST_WORDS, now, wait_any, wake_one};
use crate::parker::{DROWSY, PARKED, UNDER_WAY, UNPROTECTED};
use crate::ring::Watch;
use crate::segment::Entry;
use crate::sync::{AtomicU32, LOCKED, WORD};

/// All words but the thread's own.
pub(super) const MOST_ENDS: usize = MOST_WORDS - 1;
/// A time that does not come.
const NEVER: u64 = u64::MAX / 2;

static REACTOR: Reactor = Reactor {
    word: AtomicU32::new(DROWSY),
    table: Mutex::new(Table {
        beds: [const { None }; MOST_ENDS],
        runs: false,
    }),
};

struct Reactor {
    /// `PARKED` while the thread sleeps on a list that holds.
    word: AtomicU32,
    table: Mutex<Table>,
}

struct Table {
    beds: [Option<Place>; MOST_ENDS],
    /// There is a thread, and it will look at the table again.
    runs: bool,
}

struct Place {
    watch: Watch,
    sleep: Sleep,
}

enum Sleep {
    /// The end is up.
    Up,
    Deep {
        waker: Waker,
        /// What the end's second poll looked for.
        awaited: Awaited,
        until: u64,
        due: Due,
    },
    /// The task was woken and has not come yet.
    Over(Ending),
}

/// What is done when a sleep's time has come.
#[derive(Clone, Copy)]
enum Due {
    /// Look whether the peer lives.
    Look,
    /// End the sleep: no barrier protects it.
    End,
    /// End the sleep: the peer has moved, and its wake does not come.
    Late,
}

/// How a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The peer ended it.
    Woken,
    /// It was time to look whether the peer lives.
    Expired,
    /// As `Expired`, but there was something to do, and no wake for it.
    Late,
}

/// Why there is no bed.
#[derive(Debug)]
pub(super) enum NoBed {
    AllTaken,
    NoThread(io::Error),
}

/// An end's place in the table. The thread lives while there is one.
///
/// In a child of `fork` there is no thread, and the table may be locked for
/// ever: there a bed of the parent's touches neither.
#[derive(Debug)]
pub(super) struct Bed {
    index: usize,
    fork: Entry,
}

impl Bed {
    /// Takes a place for this end, and starts the thread if it does not run.
    pub(super) fn take(watch: Watch) -> Result<Self, NoBed> {
        let fork = Entry::mark().map_err(NoBed::NoThread)?;
        let mut table = REACTOR.lock();
        let free = table.beds.iter().position(Option::is_none);
        let index = free.ok_or(NoBed::AllTaken)?;
        if !table.runs {
            let thread = thread::Builder::new().name("quoit-reactor".to_owned());
            thread.spawn(run).map_err(NoBed::NoThread)?;
            table.runs = true;
        }
        table.beds[index] = Some(Place {
            watch,
            sleep: Sleep::Up,
        });
        Ok(Self { index, fork })
    }

    /// Lies down: the word is `PARKED`, and the second poll has not found what is
    /// `awaited`. The sleep may last until `limit`.
    pub(super) fn lie_down(&self, waker: &Waker, awaited: Awaited, limit: u64) {
        if self.fork.is_inherited() {
            return;
        }
        let waker = waker.clone();
        let old = REACTOR.change(|table| {
            let place = table.place(self.index);
            let (until, due) = match limit {
                u64::MAX => (next_check(now(), &place.watch), Due::Look),
                limit => (limit, Due::End),
            };
            let sleep = Sleep::Deep {
                waker,
                awaited,
                until,
                due,
            };
            mem::replace(&mut place.sleep, sleep)
        });
        drop(old);
    }

    /// Sleeps on, now for this task; `false` if the sleep is over.
    pub(super) fn sleep_on(&self, task: &Waker) -> bool {
        if self.fork.is_inherited() {
            return false;
        }
        let mut old = task.clone();
        let mut table = REACTOR.lock();
        let Sleep::Deep { waker, .. } = &mut table.place(self.index).sleep else {
            return false;
        };
        mem::swap(waker, &mut old);
        drop(table);
        true
    }

    /// Gets up; returns how the sleep ended if it had ended.
    pub(super) fn get_up(&self) -> Option<Ending> {
        if self.fork.is_inherited() {
            return None;
        }
        let mut table = REACTOR.lock();
        let sleep = mem::replace(&mut table.place(self.index).sleep, Sleep::Up);
        drop(table);
        match sleep {
            Sleep::Over(ending) => Some(ending),
            _ => None,
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if self.fork.is_inherited() {
            return;
        }
        // The thread forgets the ring, and ends after the last.
        drop(REACTOR.change(|table| table.beds[self.index].take()));
    }
}

impl Reactor {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the table, and has the thread look at it.
    fn change<R>(&self, change: impl FnOnce(&mut Table) -> R) -> R {
        let mut table = self.lock();
        let result = change(&mut table);
        let sleeps = self.word.replace(PARKED, DROWSY, LOCKED);
        drop(table);
        if sleeps {
            wake_one(&self.word);
        }
        result
    }
}

impl Table {
    fn place(&mut self, index: usize) -> &mut Place {
        self.beds[index].as_mut().expect("a bed that is taken")
    }

    /// Ends the sleeps that are over and lists the others; returns when the
    /// next of those is due.
    fn round(&mut self, over: &mut Vec<Waker>, asleep: &mut Vec<Watch>) -> u64 {
        let now = now();
        let mut next = NEVER;
        for place in self.beds.iter_mut().flatten() {
            if let Some(ending) = place.look(now) {
                let sleep = mem::replace(&mut place.sleep, Sleep::Over(ending));
                if let Sleep::Deep { waker, .. } = sleep {
                    over.push(waker);
                }
            } else if let Sleep::Deep { until, .. } = place.sleep {
                asleep.push(place.watch.clone());
                next = next.min(until);
            }
        }
        next
    }
}

impl Place {
    /// Whether and how the sleep is over now.
    fn look(&mut self, now: u64) -> Option<Ending> {
        let Sleep::Deep {
            awaited,
            until,
            due,
            ..
        } = &mut self.sleep
        else {
            return None;
        };
        // park <-> wake: the peer changes the word before it wakes.
        if self.watch.word().load(WORD) != PARKED {
            return Some(Ending::Woken);
        }
        if now < *until {
            return None;
        }
        match due {
            Due::End => return Some(Ending::Expired),
            Due::Late => return Some(Ending::Late),
            Due::Look if self.watch.has_work(*awaited) => {
                // The waker may be on its way between position and word.
                (*until, *due) = (now + UNDER_WAY, Due::Late);
            }
            Due::Look if self.watch.is_left_alone() => return Some(Ending::Expired),
            Due::Look => *until = next_check(now, &self.watch),
        }
        None
    }
}

/// What the thread does.
fn run() {
    let mut over = Vec::with_capacity(MOST_ENDS);
    let mut asleep = Vec::with_capacity(MOST_ENDS);
    loop {
        let mut table = REACTOR.lock();
        if table.beds.iter().all(Option::is_none) {
            table.runs = false;
            return;
        }
        REACTOR.word.swap(PARKED, LOCKED);
        let until = table.round(&mut over, &mut asleep);
        drop(table);
        for waker in over.drain(..) {
            // The panic's message is out, and its task is the task's own affair.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
        let words = iter::once(&REACTOR.word).chain(asleep.iter().map(Watch::word));
        if wait_any(words, until).is_err() {
            // No memory for a wait, perhaps: look again soon.
            thread::sleep(Duration::from_nanos(UNPROTECTED));
        }
        asleep.clear();
    }
}

/// The next tick: the same for all endpoints that check as often, so that they
/// need one wake together.
fn next_check(now: u64, watch: &Watch) -> u64 {
    let interval = watch.peer_check();
    (now / interval + 1) * interval
}
