//! Sleeping and waking.
//!
//! Each endpoint has a *sleep word* in the segment. Its owner changes it by swap, and the
//! peer only replaces `PARKED` by `DROWSY`.
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
//! poll again; nothing?                word == PARKED?
//! sleep while word == PARKED          word = DROWSY, wake
//! ```
//!
//! Each side stores, fences, and loads what the other stores, as in Dekker's algorithm
//! (Dijkstra, 1965). The two fences are totally ordered. If the sleeper's comes first, the
//! waker sees `PARKED`; if the waker's comes first, the second poll sees the position. The
//! waker changes the word before it wakes, so a wake is not lost to a sleep that has not
//! begun: the kernel compares the word again.
//!
//! # No fence while AWAKE
//!
//! A full fence after every publish costs a stream of small messages most of its speed. So
//! a waker that sees `AWAKE` omits it. This is correct because the owner, before it parks,
//! stores `DROWSY` and has the kernel run a barrier on every processor that runs a
//! registered process: after it, every publish either is visible to the owner or is
//! followed by a load that sees `DROWSY`. A waker whose process is not registered never
//! takes this path, and an owner without barriers never stores `AWAKE`. (The asymmetric
//! fence of Dice, Huang and Yang, 2001; `membarrier(2)`.)
//!
//! A new owner of a word runs one barrier before its first sleep, because the previous
//! owner may have crashed just before its own barrier. A new waker wakes unconditionally,
//! because the previous waker may have crashed just before its wake.
//!
//! This file makes no syscall and follows no pointer; `loom-tests/` compiles it unchanged.

use core::cell::Cell;

use super::sync::{AtomicU32, PARK, WAKE, WORD, fence, light_fence};

/// The owner may park soon; the waker runs a fence.
pub(crate) const DROWSY: u32 = 0;
/// The owner is at work; the waker may omit the fence.
pub(crate) const AWAKE: u32 = 1;
/// The owner sleeps, or is about to; the waker wakes it.
pub(crate) const PARKED: u32 = 2;
/// In a forked child's copy, in place of the peer's word: no process sees a change there.
/// No word of a ring has this value.
pub(crate) const DETACHED: u32 = 3;
/// The states' bits in the word.
const STATE: u32 = 0xff;
/// The owner has caught up: an inline copy would save it a cache miss. Never together with
/// `PARKED`.
pub(crate) const HINT: u32 = 1 << 8;

/// A value that no word has: the `AWAKE` of an unregistered waker.
const NO_STATE: u32 = STATE;

/// The longest sleep without a barrier.
pub(crate) const UNFENCED_PARK_NS: u64 = 1_000_000;
/// The time after which a wake that has not arrived counts as lost.
pub(crate) const WAKE_GRACE_NS: u64 = 20_000_000;
/// After this many consecutive wakes that do not arrive, the peer's wakes are considered faulty.
const MISSED_WAKES_LIMIT: u32 = 8;

/// What an endpoint sleeps on. Times are nanoseconds on the kernel's monotonic clock.
pub(crate) trait Doorbell {
    /// Discards wakes that arrived too late for an earlier sleep.
    fn drain(&self);
    /// Sleeps while `word` is `PARKED`, and may return early.
    fn wait(&self, word: &AtomicU32, until: u64) -> Rest;
    /// Wakes the sleeper on `word`.
    fn wake(&self, word: &AtomicU32);
}

/// How a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// By a wake that arrived, for the word at this index.
    Woken(usize),
    /// By an earlier change of the word, by a signal, or for no reason.
    Ended,
    /// By its deadline.
    TimedOut,
}

/// The endpoint that changes a position and wakes its peer.
#[derive(Debug)]
pub(crate) struct Waker {
    /// `AWAKE` if this process is registered for barriers, otherwise a value that is no state.
    awake: u32,
    /// The word of an owner that is AWAKE, with the hint as last seen: this value requires
    /// no wake, and says nothing new.
    expected: Cell<u32>,
}

impl Waker {
    pub(crate) fn new(registered: bool) -> Self {
        let awake = if registered { AWAKE } else { NO_STATE };
        Self {
            awake,
            expected: Cell::new(awake),
        }
    }

    /// Whether an inline copy would help the owner of the word, as last seen.
    #[inline(always)]
    pub(crate) fn hint(&self) -> bool {
        self.expected.get() & HINT != 0
    }

    /// The value of the word that requires no wake, as last seen: for a waker in another language.
    pub(crate) fn expected_word(&self) -> u32 {
        self.expected.get()
    }

    /// After the store of a position: the word, if it may require a wake.
    #[inline(always)]
    pub(crate) fn news(&self, word: &AtomicU32) -> Option<u32> {
        // `awake -> drowsy`: the position is stored before the word is loaded, or the
        // owner's barrier is between the two.
        light_fence();
        let seen = word.load(WORD);
        // Nothing is stored while nothing changes: fewer stores make a stream faster when
        // it catches up with the consumer.
        (seen != self.expected.get()).then_some(seen)
    }

    /// The slow path: wakes the owner of the word if it sleeps. `false` if the word is
    /// [`DETACHED`].
    #[inline(always)]
    pub(crate) fn slow_path(&self, seen: u32, word: &AtomicU32, bell: &impl Doorbell) -> bool {
        if seen & STATE == self.awake {
            self.expected.set(seen);
            return true;
        }
        if seen == DETACHED {
            return false;
        }
        // park <-> wake: the position is visible before the word is loaded.
        fence(WAKE);
        let seen = word.load(WORD);
        self.expected.set(self.awake | seen & HINT);
        // park <-> wake: changed first, so that a sleep that has not begun does not begin.
        // A token is posted only for a sleep.
        if seen == PARKED && word.replace(PARKED, DROWSY, WORD) {
            bell.wake(word);
        }
        true
    }

    /// After taking a role and before releasing it: wakes the process that sleeps on
    /// `word`, also one that a crashed waker should have woken.
    pub(crate) fn wake_unconditionally(&self, word: &AtomicU32, bell: &impl Doorbell) {
        // park <-> wake: the epoch or the close is visible before the word is loaded. death
        // -> left: all stores precede the release of the lock in `LockFile`'s drop.
        fence(WAKE);
        word.replace(PARKED, DROWSY, WORD);
        bell.wake(word);
    }
}

/// The endpoint that waits for a position; the owner of its sleep word.
#[derive(Debug)]
pub(crate) struct Sleeper {
    /// `DROWSY` or `AWAKE`, as last stored.
    state: u32,
    /// The hint, as last stored.
    hint: u32,
    /// Whether a barrier must run before the next sleep.
    barrier_due: bool,
    /// How far a position moves without a sleep until the owner is AWAKE; `u64::MAX` for
    /// never.
    grant_interval: u64,
    /// The position at the last sleep.
    last_park: u64,
    /// Consecutive due wakes of the peer that had not arrived at the deadline.
    missed_wakes: u32,
}

impl Sleeper {
    /// Takes the word over from the previous owner. An endpoint that never sleeps is AWAKE
    /// immediately.
    pub(crate) fn new(word: &AtomicU32, sleeps: bool, grant_interval: u64, position: u64) -> Self {
        let state = if sleeps { DROWSY } else { AWAKE };
        word.swap(state, WORD);
        Self {
            state,
            hint: 0,
            barrier_due: true,
            grant_interval,
            last_park: position,
            missed_wakes: 0,
        }
    }

    /// After a poll that found something: whether this endpoint has worked long enough to
    /// let its peer omit the fence.
    #[inline(always)]
    pub(crate) fn is_due(&self, position: u64) -> bool {
        self.state != AWAKE && position.wrapping_sub(self.last_park) >= self.grant_interval
    }

    /// Lets the peer omit the fence, if it is registered for barriers. The next attempt
    /// follows after another interval.
    #[cold]
    pub(crate) fn grant(&mut self, word: &AtomicU32, position: u64, peer_registered: bool) {
        self.last_park = position;
        if peer_registered {
            self.set(word, AWAKE, self.hint);
        }
    }

    /// Tells the peer whether an inline copy would help.
    #[cold]
    pub(crate) fn hint(&mut self, word: &AtomicU32, hint: bool) {
        self.set(word, self.state, if hint { HINT } else { 0 });
    }

    /// The first step of a park, at this position: the peer runs the fence from now on.
    /// Returns whether a barrier must run before the next step.
    pub(crate) fn begin_park(&mut self, word: &AtomicU32, position: u64) -> bool {
        self.last_park = position;
        if self.state == AWAKE {
            // `awake -> drowsy`: the word first, then the barrier.
            self.set(word, DROWSY, self.hint);
            self.barrier_due = true;
        }
        self.barrier_due
    }

    /// After the barrier, or its failure: then the peer does not omit the fence again.
    pub(crate) fn barrier_done(&mut self, barrier: bool) {
        self.barrier_due = false;
        if !barrier {
            self.grant_interval = u64::MAX;
        }
    }

    /// The second step of a park: the peer wakes this endpoint from now on. The second poll
    /// follows.
    pub(crate) fn set_parked(&self, word: &AtomicU32) {
        word.swap(PARKED, WORD);
        // park <-> wake: the word is visible before the second poll.
        fence(PARK);
    }

    /// Ends the sleep; returns whether the peer had ended it.
    pub(crate) fn clear_parked(&self, word: &AtomicU32) -> bool {
        word.swap(self.state | self.hint, WORD) != PARKED
    }

    /// A wake of the peer has arrived.
    pub(crate) fn note_wake(&mut self) {
        self.missed_wakes = 0;
    }

    /// The peer has changed the word, but the deadline ended the sleep. Returns whether the
    /// peer's wakes are considered faulty: a single wake may still arrive after a deadline,
    /// but not each time.
    pub(crate) fn note_missed_wake(&mut self) -> bool {
        self.missed_wakes = self.missed_wakes.saturating_add(1);
        self.missed_wakes >= MISSED_WAKES_LIMIT
    }

    fn set(&mut self, word: &AtomicU32, state: u32, hint: u32) {
        self.state = state;
        self.hint = hint;
        word.swap(state | hint, WORD);
    }
}
