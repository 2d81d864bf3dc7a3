//! A role, taken: the lock, the state word, the two sleep words, and the liveness check.

use core::ptr::NonNull;
use core::slice;
use std::process;
use std::sync::Arc;

use super::lifetime::{handover, has_closed, in_use, lock_all, supersede, with_holder};
use super::{Fences, Shared};
use crate::cursor::Awaited;
use crate::deadline::Deadline;
use crate::doorbell::{self, Bell, DoorbellKind};
use crate::error::{Corrupt, Error, Holder, Role};
use crate::header::{bell, byte, now, other, peer_position, peer_state, state, word};
use crate::layout::{Header, NAME_BYTE, RoleState};
use crate::parker::{DROWSY, Doorbell, Sleeper, Waker};
use crate::peer::{self, Goal, State};
use crate::segment::LockFile;
use crate::sync::{AtomicU32, PLAIN};
use crate::wait::{
    self, Parkable, Step, System, WaitConfig, WaitHistory, WaitLoop, is_left_alone, is_peer_held,
    is_stopped, is_superseded, peer_closed_or_crashed,
};

/// One endpoint's hold on its role. While it exists, no other endpoint holds the role, and header and
/// data stay mapped.
#[derive(Debug)]
pub(crate) struct RoleGuard {
    role: Role,
    /// Of `shared`'s header, cached for the hot path.
    header: NonNull<Header>,
    peer_word: NonNull<AtomicU32>,
    own_word: NonNull<AtomicU32>,
    waker: Waker,
    sleeper: Sleeper,
    pub(crate) history: WaitHistory,
    /// What this endpoint sleeps on.
    own_bell: Bell,
    /// What the peer sleeps on.
    peer_bell: Bell,
    /// `None` on the heap, where the pair is made once.
    lock: Option<LockFile>,
    shared: Arc<Shared>,
}

// SAFETY: header and bells belong to `shared`, which may be sent; they are
// atomics and semaphores.
unsafe impl Send for RoleGuard {}

/// The sleep word of inherited endpoints, which no process wakes. The word in the child's copy stays
/// `DETACHED`: the child may have inherited the peer as well, whose pushes read it.
static NOWHERE: AtomicU32 = AtomicU32::new(DROWSY);

/// How a wait for the peer ended.
pub(crate) enum PeerWait {
    Present,
    TimedOut,
    /// The ring was unlinked or replaced.
    Superseded,
}

impl RoleGuard {
    /// Locks the role, then makes sure that the segment was not unlinked or replaced, then lets `resume` check the positions, and only then opens a new epoch: a
    /// caller that is refused leaves no trace. `resume` returns the cursor and the
    /// position that it checked, which is not read again.
    pub(crate) fn take<C>(
        shared: &Arc<Shared>,
        role: Role,
        resume: impl FnOnce(&Header) -> Result<(C, u64), Corrupt>,
    ) -> Result<(Self, C), Error> {
        let segment = &shared.segment;
        let lock = segment.lock_file()?;
        if let Some(lock) = &lock {
            let locked = || {
                let locked = lock.try_lock(byte(role));
                locked.map_err(|source| segment.failed("lock a role of", source))
            };
            // A process that holds the name's byte, or closes, holds the role's for a moment only.
            let may_take =
                || Ok(locked()? || !has_closed(segment, role) && !segment.is_locked(NAME_BYTE)?);
            if !handover().retry(may_take)? || !locked()? {
                return Err(with_holder(segment, in_use(segment, role)));
            }
        }
        let header = shared.header();
        if header.fixed.superseded.load(PLAIN) != 0 || segment.is_nameless()? {
            return Err(segment.superseded());
        }
        let (cursor, position) = resume(header)?;
        let config = shared.config;
        let asymmetric = config.fences == Fences::Asymmetric;
        let registered = asymmetric && doorbell::register();
        open_epoch(state(header, role), registered);
        let sleeps = config.wait.strategy.parks();
        let grant_interval = if asymmetric {
            config.grant_interval
        } else {
            u64::MAX
        };
        let guard = Self {
            role,
            header: NonNull::from(header),
            peer_word: NonNull::from(word(header, other(role))),
            own_word: NonNull::from(word(header, role)),
            waker: Waker::new(registered),
            sleeper: Sleeper::new(word(header, role), sleeps, grant_interval, position),
            history: WaitHistory::default(),
            own_bell: bell(header, shared.geometry.doorbell, role),
            peer_bell: bell(header, shared.geometry.doorbell, other(role)),
            lock,
            shared: Arc::clone(shared),
        };
        guard.wake_unconditionally();
        Ok((guard, cursor))
    }

    #[inline(always)]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: `shared` keeps the header alive.
        unsafe { self.header.as_ref() }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn wait_config(&self) -> WaitConfig {
        self.shared.config.wait
    }

    /// After a publish or a release: the peer's word, if it may ask for something.
    #[inline(always)]
    pub(crate) fn news(&self) -> Option<u32> {
        self.waker.news(self.word_of_peer())
    }

    /// Does what the peer's word asks for: wakes the peer if it sleeps. `false` if the word
    /// says that this is a forked child, whose peer is not woken.
    #[inline(always)]
    pub(crate) fn slow_path(&self, seen: u32) -> bool {
        self.waker
            .slow_path(seen, self.word_of_peer(), &self.peer_bell)
    }

    #[inline(always)]
    fn word_of_peer(&self) -> &AtomicU32 {
        // SAFETY: `shared` keeps the header alive.
        unsafe { self.peer_word.as_ref() }
    }

    /// Whether this process is a forked child, and the role is its parent's.
    #[cold]
    pub(crate) fn is_inherited(&self) -> bool {
        self.lock.as_ref().is_some_and(LockFile::is_inherited)
    }

    /// Whether the peer asks for inline copies.
    #[inline(always)]
    pub(crate) fn peer_hint(&self) -> bool {
        self.waker.hint()
    }

    /// The peer's word, and its value while it asks for nothing.
    pub(crate) fn peer_word(&self) -> (NonNull<AtomicU32>, u32) {
        (self.peer_word, self.waker.expected_word())
    }

    /// After a poll that found something, with the endpoint's own position.
    #[inline(always)]
    pub(crate) fn found(&mut self, position: u64) {
        if self.sleeper.is_due(position) {
            self.grant(position);
        }
    }

    #[cold]
    fn grant(&mut self, position: u64) {
        if self.is_inherited() {
            return; // the word tells the peer that it is detached
        }
        let header = self.shared.header();
        // Only advice: a waker that is not registered fences in any case.
        let registered = state(header, other(self.role)).registered.load(PLAIN) == 1;
        self.sleeper
            .grant(word(header, self.role), position, registered);
    }

    /// Tells the peer whether an inline copy would help.
    #[cold]
    pub(crate) fn hint(&mut self, hint: bool) {
        if self.is_inherited() {
            return; // as in `grant`
        }
        let header = self.shared.header();
        self.sleeper.hint(word(header, self.role), hint);
    }

    /// Sleeps until the peer has done what ends the wait, or `until`.
    #[cold]
    pub(crate) fn park(&mut self, position: u64, until: u64, goal: Goal) {
        let bell = self.own_bell;
        let mut alone = Alone {
            role: self,
            position,
            goal,
        };
        let ends = slice::from_mut(&mut alone);
        wait::park(ends, &System, until, |ends, until| {
            bell.wait(ends[0].role.own_word(), until)
        });
    }

    /// Whether the peer has done what ends the wait.
    pub(crate) fn is_reached(&self, goal: Goal) -> bool {
        let header = self.header();
        goal.is_reached(
            peer_position(header, self.role),
            peer_state(header, self.role),
        )
    }

    /// Waits until the peer is attached, or one has attached since the call, or the message is
    /// there.
    pub(crate) fn wait_for_peer(
        &mut self,
        position: u64,
        deadline: Deadline,
        awaited: Awaited,
    ) -> PeerWait {
        let is_held = || is_peer_held(&self.shared.segment, self.role);
        let Some(goal) = Goal::attachment(self.peer(), awaited, is_held) else {
            return PeerWait::Present;
        };
        // On the heap, and in a forked child's copy.
        let nobody_comes = self.lock.as_ref().is_none_or(LockFile::is_inherited);
        if nobody_comes && !self.is_reached(goal) {
            return PeerWait::Superseded;
        }
        let mut steps = WaitLoop::new(self.wait_config(), deadline);
        while !self.is_reached(goal) {
            match steps.step(&mut self.history) {
                Step::Retry => {}
                // A process that attaches opens its epoch, and then wakes in any case.
                Step::Park(until) => self.park(position, until, goal),
                Step::CheckPeer if self.is_superseded() => return PeerWait::Superseded,
                Step::CheckPeer => self.history.reset(),
                Step::TimedOut => return PeerWait::TimedOut,
            }
        }
        PeerWait::Present
    }

    /// Counts a missed wake-up, unless the waker is stopped or has crashed.
    pub(crate) fn count_rescue(&self) {
        let peer = other(self.role);
        let pid = state(self.header(), peer).pid.load(PLAIN);
        let stopped = || match self.shared.segment.holder(byte(peer), pid) {
            Holder::Known(pid) => is_stopped(pid),
            Holder::Unknown(_) => false,
        };
        if !self.peer_closed_or_crashed() && !stopped() {
            state(self.header(), self.role).rescues.increment();
        }
    }

    /// This endpoint's half of its sleep word, and the word.
    pub(crate) fn sleeper(&mut self) -> (&mut Sleeper, &AtomicU32) {
        if self.is_inherited() {
            self.own_word = NonNull::from(&NOWHERE);
        }
        // SAFETY: `shared` keeps the header alive, or the word is a static.
        let word: &AtomicU32 = unsafe { self.own_word.as_ref() };
        (&mut self.sleeper, word)
    }

    /// Drains wakes that arrived too late for an earlier sleep.
    pub(crate) fn drain(&self) {
        self.own_bell.drain();
    }

    /// Counts a sleep.
    pub(crate) fn count_sleep(&self) {
        state(self.header(), self.role).parks.increment();
    }

    /// This endpoint's sleep word.
    pub(crate) fn own_word(&self) -> &AtomicU32 {
        // SAFETY: as in `sleeper`.
        let word: &AtomicU32 = unsafe { self.own_word.as_ref() };
        word
    }

    /// Whether one wait can take many such endpoints.
    pub(crate) fn sleeps_on_futex(&self) -> bool {
        self.shared.geometry.doorbell == DoorbellKind::Futex
    }

    /// Whether the peer attached and closed. What it published before is visible to the caller's
    /// next poll.
    pub(crate) fn peer_closed(&self) -> bool {
        self.peer().is_closed()
    }

    fn peer(&self) -> State {
        State::poll(peer_state(self.header(), self.role))
    }

    /// Whether the peer attached and has closed or crashed. Makes a syscall. What it published
    /// before is visible to the caller's next poll.
    pub(crate) fn peer_closed_or_crashed(&self) -> bool {
        peer_closed_or_crashed(&self.shared.segment, self.role)
    }

    /// Adds to the messages that this role's processes refused or skipped; wraps.
    pub(crate) fn count_dropped(&self, n: u64) {
        let dropped = &state(self.header(), self.role).dropped;
        dropped.store(dropped.load_own().wrapping_add(n), PLAIN);
    }

    /// How often the peer's role was taken.
    pub(crate) fn peer_epoch(&self) -> u64 {
        self.peer().epoch()
    }

    /// Whether the ring was unlinked or replaced. Makes a syscall.
    pub(crate) fn is_superseded(&self) -> bool {
        is_superseded(&self.shared.segment)
    }

    /// The liveness check of a waiting endpoint: whether its peer has closed or crashed, or can no
    /// longer attach.
    pub(crate) fn is_left_alone(&mut self) -> bool {
        self.check_peer().is_some()
    }

    /// The liveness check: the epoch of the peer if that one has closed or crashed, or can no
    /// longer attach.
    pub(crate) fn check_peer(&mut self) -> Option<u64> {
        let peer = self.peer();
        if is_left_alone(&self.shared.segment, self.role, peer) {
            return Some(peer.epoch());
        }
        self.history.reset();
        None
    }

    /// What another thread needs to wait for this endpoint.
    pub(crate) fn watch(&self) -> super::Watch {
        super::Watch::new(Arc::clone(&self.shared), self.role)
    }

    /// Whether this endpoint was closed, and keeps its role.
    pub(crate) fn is_closed(&self) -> bool {
        peer::has_closed(&state(self.header(), self.role).state)
    }

    /// Tells the peer that this endpoint has closed.
    pub(crate) fn close(&self) {
        peer::close(&state(self.header(), self.role).state);
        self.wake_unconditionally();
    }

    /// Wakes the peer in any case: the last holder may have crashed between its position and its
    /// wake, and the peer may wait for a process to attach.
    fn wake_unconditionally(&self) {
        let word = word(self.header(), other(self.role));
        self.waker.wake_unconditionally(word, &self.peer_bell);
    }
}

impl Drop for RoleGuard {
    fn drop(&mut self) {
        if self.is_inherited() {
            return; // the role is the parent's
        }
        self.close();
        let segment = &self.shared.segment;
        // A ring without a name ends with its last holder.
        if self.shared.config.unlink_on_drop && segment.descriptor().is_none() {
            // If the peer is still attached, or another ring has the name, do not remove it. Free
            // the role first: of two endpoints that close at once, one may wait for the other's
            // role.
            let ours = |lock: &LockFile| {
                lock.unlock(byte(self.role));
                lock_all(segment, lock).is_ok()
            };
            if self.lock.as_ref().is_some_and(ours) {
                let _ = supersede(segment, || segment.unlink());
            }
        }
    }
}

/// An endpoint that sleeps alone.
struct Alone<'a> {
    role: &'a mut RoleGuard,
    position: u64,
    goal: Goal,
}

impl Parkable for Alone<'_> {
    fn sleeper(&mut self) -> (&mut Sleeper, &AtomicU32) {
        self.role.sleeper()
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn has_work(&self) -> bool {
        self.role.is_reached(self.goal)
    }

    fn drain(&self) {
        self.role.drain();
    }

    fn count_sleep(&self) {
        self.role.count_sleep();
    }

    fn count_rescue(&self) {
        self.role.count_rescue();
    }
}

fn open_epoch(own: &RoleState, registered: bool) {
    own.pid.store(process::id(), PLAIN);
    own.since.store(now(), PLAIN);
    own.registered.store(registered.into(), PLAIN);
    peer::attach(&own.state);
}
