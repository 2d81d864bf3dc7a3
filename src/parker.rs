//! Sleeping: who sleeps, who wakes.
//!
//! Each end has a *sleep word* in the segment. It is the end's own: the end
//! changes it by swap, and its peer only ever replaces `PARKED` by `DROWSY`.
//!
//! | state | set by | what the waker does after its position store |
//! |---|---|---|
//! | `DROWSY` | its owner, before it may park; the waker, when it wakes; a fresh page | full fence, load again |
//! | `AWAKE` | its owner, after many messages without parking | compiler fence, one load: done |
//! | `PARKED` | its owner, right before it sleeps | full fence, load again, replace by `DROWSY`, wake |
//!
//! # No wake-up is lost
//!
//! ```text
//! sleeper                             waker
//! word = PARKED                       position = new      (publish, reclaim, close)
//! fence                    (PARK)     fence                             (WAKE)
//! look again; nothing?                word == PARKED?
//! sleep while word == PARKED          word = DROWSY, wake
//! ```
//!
//! Each side stores, fences, and loads what the other stores, as in Dekker's
//! algorithm (Dijkstra, 1965). The two fences are totally ordered. If the sleeper's comes first, the waker
//! sees `PARKED`; if the waker's comes first, the second look sees the
//! position. The waker changes the word before it wakes, so a wake is not lost
//! to a sleep that has not begun: the kernel compares the word again.
//!
//! # No fence while awake
//!
//! A full fence after every publish costs a stream of small messages most of
//! its speed. So a waker that sees `AWAKE` is done without one. This is right
//! because the owner, before it parks, stores `DROWSY` and has the kernel run a
//! barrier on every processor that runs a registered process: after it, every
//! publish either is visible to the owner or is followed by a load that sees
//! `DROWSY`. A waker whose process is not registered never takes this path, and
//! an owner that cannot have barriers run never stores `AWAKE`.
//! (The asymmetric fence of Dice, Huang and Yang, 2001; `membarrier(2)`.)
//!
//! A new owner of a word runs one barrier before its first sleep, because its
//! predecessor may have died right before its own. A new waker wakes in any
//! case, because its predecessor may have died right before the wake.
//!
//! This file makes no syscall and follows no pointer; `loom-tests/` compiles
//! it as it stands.

use core::cell::Cell;

use super::sync::{AtomicU32, PARK, WAKE, WORD, fence, light_fence};

/// The owner may park soon; the waker fences.
pub(crate) const DROWSY: u32 = 0;
/// The owner is at work; the waker need not fence.
pub(crate) const AWAKE: u32 = 1;
/// The owner sleeps, or is about to; the waker wakes it.
pub(crate) const PARKED: u32 = 2;
/// In a forked child's copy, in the place of the peer's word: nobody hears of what moves.
/// No word of a ring has it.
pub(crate) const DETACHED: u32 = 3;
/// The states' bits in the word.
const STATE: u32 = 0xff;
/// The owner has caught up: a ride would spare it a cache miss. Never beside
/// `PARKED`.
pub(crate) const HINT: u32 = 1 << 8;

/// What no word holds: an unregistered waker's `AWAKE`.
const NO_STATE: u32 = STATE;

/// How long a sleep may last that no barrier protects.
pub(crate) const UNPROTECTED: u64 = 1_000_000;
/// How long a wake that is under way may take, before it counts as lost.
pub(crate) const UNDER_WAY: u64 = 20_000_000;
/// So many wakes in a row that do not arrive are no accident.
const UNHEARD: u32 = 8;

/// What an end sleeps on; times are nanoseconds on the kernel's monotonic clock.
pub(crate) trait Doorbell {
    /// Forgets wakes that came too late for an earlier sleep.
    fn drain(&self);
    /// Sleeps while `word` is `PARKED`, and may return early.
    fn wait(&self, word: &AtomicU32, until: u64) -> Rest;
    /// Wakes who sleeps on `word`.
    fn wake(&self, word: &AtomicU32);
}

/// How a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// By a wake that arrived, for the word at this index.
    Woken(usize),
    /// By a word that was changed before, by a signal, or for no reason.
    Ended,
    /// By its deadline.
    TimedOut,
}

/// The end that changes a position and wakes who waits for it.
#[derive(Debug)]
pub(crate) struct Waker {
    /// `AWAKE` if barriers reach this process, and otherwise no state at all.
    awake: u32,
    /// The word as it was last seen with its owner awake: the same again asks
    /// for nothing.
    calm: Cell<u32>,
    /// The owner's hint, as last seen.
    hint: Cell<bool>,
}

impl Waker {
    pub(crate) fn new(registered: bool) -> Self {
        let awake = if registered { AWAKE } else { NO_STATE };
        Self {
            awake,
            calm: Cell::new(awake),
            hint: Cell::new(false),
        }
    }

    /// Whether a ride would help the owner of the word, as last seen.
    #[inline(always)]
    pub(crate) fn hint(&self) -> bool {
        self.hint.get()
    }

    /// The word that asks for nothing, as last seen: for a waker in another language.
    pub(crate) fn calm(&self) -> u32 {
        self.calm.get()
    }

    /// After a position's store: the word, if it may ask for something.
    #[inline(always)]
    pub(crate) fn news(&self, word: &AtomicU32) -> Option<u32> {
        // awake -> drowsy: the position is stored before the word is loaded, or
        // the owner's barrier comes between.
        light_fence();
        let seen = word.load(WORD);
        // Nothing is stored while nothing changes: a stream that runs into the
        // consumer is as fast as its stores are few.
        (seen != self.calm.get()).then_some(seen)
    }

    /// Does what the word asks for: wakes its owner if it sleeps. `false` if the word is
    /// [`DETACHED`].
    #[inline(always)]
    pub(crate) fn heed(&self, seen: u32, word: &AtomicU32, bell: &impl Doorbell) -> bool {
        if seen & STATE == self.awake {
            self.calm.set(seen);
            self.hint.set(seen & HINT != 0);
            return true;
        }
        if seen == DETACHED {
            return false;
        }
        // park <-> wake: the position is visible before the word is loaded.
        fence(WAKE);
        let seen = word.load(WORD);
        self.hint.set(seen & HINT != 0);
        // park <-> wake: changed first, so that a sleep that has not begun does
        // not begin; and a token is posted only for a sleep.
        if seen == PARKED && word.replace(PARKED, DROWSY, WORD) {
            bell.wake(word);
        }
        true
    }

    /// On taking a role and on leaving it: wakes the process that sleeps on `word`, or
    /// was to be woken by a waker that died first.
    pub(crate) fn rouse(&self, word: &AtomicU32, bell: &impl Doorbell) {
        // park <-> wake: epoch or goodbye are visible before the word is seen.
        // death -> left: and all stores before the lock that `LockFile`'s drop frees.
        fence(WAKE);
        word.replace(PARKED, DROWSY, WORD);
        bell.wake(word);
    }
}

/// The end that waits for a position; the owner of its sleep word.
#[derive(Debug)]
pub(crate) struct Sleeper {
    /// `DROWSY` or `AWAKE`, as last stored.
    state: u32,
    /// The hint, as last stored.
    hint: u32,
    /// A barrier must run before the next sleep.
    barrier_due: bool,
    /// How far a position moves without a sleep until the owner is awake;
    /// `u64::MAX` for never.
    stretch: u64,
    /// The position at the last sleep.
    rested: u64,
    /// Wakes in a row that the peer owed, and that had not arrived at the deadline.
    unheard: u32,
}

impl Sleeper {
    /// Takes the word over from a predecessor. An end that never sleeps is
    /// awake at once.
    pub(crate) fn new(word: &AtomicU32, sleeps: bool, stretch: u64, position: u64) -> Self {
        let state = if sleeps { DROWSY } else { AWAKE };
        word.swap(state, WORD);
        Self {
            state,
            hint: 0,
            barrier_due: true,
            stretch,
            rested: position,
            unheard: 0,
        }
    }

    /// After a look that found something: whether this end has been at work
    /// for long enough to spare its peer the fence.
    #[inline(always)]
    pub(crate) fn is_due(&self, position: u64) -> bool {
        self.state != AWAKE && position.wrapping_sub(self.rested) >= self.stretch
    }

    /// Spares the peer the fence, if barriers reach it. Another stretch goes
    /// by before the next try.
    #[cold]
    pub(crate) fn grant(&mut self, word: &AtomicU32, position: u64, peer_registered: bool) {
        self.rested = position;
        if peer_registered {
            self.set(word, AWAKE, self.hint);
        }
    }

    /// Tells the peer whether a ride would help.
    #[cold]
    pub(crate) fn hint(&mut self, word: &AtomicU32, hint: bool) {
        self.set(word, self.state, if hint { HINT } else { 0 });
    }

    /// First step down, at this position: the peer fences from now on. Returns
    /// whether a barrier must run before the next step.
    pub(crate) fn drowse(&mut self, word: &AtomicU32, position: u64) -> bool {
        self.rested = position;
        if self.state == AWAKE {
            // awake -> drowsy: the word first, then the barrier.
            self.set(word, DROWSY, self.hint);
            self.barrier_due = true;
        }
        self.barrier_due
    }

    /// After the barrier, or the failure of one: then this sleep must be short,
    /// and the peer is not spared a fence again.
    pub(crate) fn shielded(&mut self, barrier: bool) -> bool {
        self.barrier_due = false;
        if !barrier {
            self.stretch = u64::MAX;
        }
        barrier
    }

    /// Second step down: the peer wakes this end from now on. The second look
    /// comes next.
    pub(crate) fn lie_down(&self, word: &AtomicU32) {
        word.swap(PARKED, WORD);
        // park <-> wake: the word is visible before the second look.
        fence(PARK);
    }

    /// Ends the sleep; returns whether the peer had ended it.
    pub(crate) fn get_up(&self, word: &AtomicU32) -> bool {
        word.swap(self.state | self.hint, WORD) != PARKED
    }

    /// A wake of the peer's has arrived.
    pub(crate) fn heard(&mut self) {
        self.unheard = 0;
    }

    /// The peer has changed the word, and the deadline ended the sleep. Whether the peer's
    /// wakes do not arrive: one may be on its way at a deadline, but not each time.
    pub(crate) fn is_deaf(&mut self) -> bool {
        self.unheard = self.unheard.saturating_add(1);
        self.unheard >= UNHEARD
    }

    fn set(&mut self, word: &AtomicU32, state: u32, hint: u32) {
        self.state = state;
        self.hint = hint;
        word.swap(state | hint, WORD);
    }
}
