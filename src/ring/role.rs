//! A role, taken: the lock, the state word, and the look at the peer.

use core::ptr::NonNull;
use std::process;
use std::sync::Arc;

use super::{Shared, hold, in_use, now};
use crate::error::{Error, Role};
use crate::layout::{CLOSED, CONSUMER_BYTE, Header, PRODUCER_BYTE, RoleState};
use crate::segment::LockFile;
use crate::sync::{CLOSE, LEFT, PLAIN};

/// One end's hold on its role. While it lives, nobody else has the role, and
/// header and data stay mapped.
#[derive(Debug)]
pub(crate) struct RoleGuard {
    role: Role,
    /// Of `shared`'s header, at hand for the hot path.
    header: NonNull<Header>,
    /// `None` on the heap, where the pair is made once.
    lock: Option<LockFile>,
    shared: Arc<Shared>,
}

// SAFETY: the header belongs to `shared`, which may be sent, and is atomics.
unsafe impl Send for RoleGuard {}

impl RoleGuard {
    /// Locks the role, then makes sure that the segment is still the one that
    /// the name leads to, then opens a new epoch.
    pub(super) fn take(shared: &Arc<Shared>, role: Role) -> Result<Self, Error> {
        let segment = &shared.segment;
        let lock = segment.lock_file()?;
        if let Some(lock) = &lock {
            let locked = lock.try_lock(byte(role));
            if !locked.map_err(|source| segment.failed("lock a role of", source))? {
                return Err(in_use(segment, role));
            }
        }
        let header = shared.header();
        if header.fixed.superseded.load(PLAIN) != 0 || !segment.is_named()? {
            return Err(segment.superseded());
        }
        let guard = Self {
            role,
            header: NonNull::from(header),
            lock,
            shared: Arc::clone(shared),
        };
        let own = guard.own();
        let epoch = (own.state.load_own() >> 1) + 1;
        own.pid.store(process::id(), PLAIN);
        own.since.store(now(), PLAIN);
        // close -> left: the peer's `Abandoned` ends here.
        own.state.store(epoch << 1, CLOSE);
        Ok(guard)
    }

    #[inline(always)]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: `shared` keeps the header alive.
        unsafe { self.header.as_ref() }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Whether the peer came and closed its end. What it published before is
    /// visible to the caller's next look.
    pub(crate) fn peer_closed(&self) -> bool {
        // close -> left: the peer's last messages are visible after this.
        self.peer().state.load(LEFT) & CLOSED != 0
    }

    /// Whether the peer came and is gone, closed or dead. Makes a syscall. What
    /// it published before is visible to the caller's next look.
    pub(crate) fn peer_gone(&self) -> bool {
        // close -> left, as above.
        let state = self.peer().state.load(LEFT);
        if state & CLOSED != 0 {
            return true;
        }
        // death -> left: the kernel has freed the lock after the last store. A
        // query that fails tells nothing, so the peer counts as alive.
        let peer = byte(match self.role {
            Role::Producer => Role::Consumer,
            Role::Consumer => Role::Producer,
        });
        let came = state >> 1 > 0;
        let mapped = self.lock.is_some();
        came && mapped && matches!(self.shared.segment.is_locked(peer), Ok(false))
    }

    fn own(&self) -> &RoleState {
        match self.role {
            Role::Producer => &self.header().producer.state,
            Role::Consumer => &self.header().consumer.state,
        }
    }

    fn peer(&self) -> &RoleState {
        match self.role {
            Role::Producer => &self.header().consumer.state,
            Role::Consumer => &self.header().producer.state,
        }
    }
}

impl Drop for RoleGuard {
    fn drop(&mut self) {
        let state = self.own().state.load_own();
        // close -> left: everything published is visible before the goodbye.
        self.own().state.store(state | CLOSED, CLOSE);
        if self.shared.unlink_on_drop {
            let segment = &self.shared.segment;
            // The other end may be there still, or the name be another's by
            // now: then it is not ours to remove.
            if self
                .lock
                .as_ref()
                .is_some_and(|lock| hold(segment, lock).is_ok())
            {
                self.header().fixed.superseded.store(1, PLAIN);
                let _ = segment.unlink();
            }
        }
    }
}

fn byte(role: Role) -> u64 {
    match role {
        Role::Producer => PRODUCER_BYTE,
        Role::Consumer => CONSUMER_BYTE,
    }
}
