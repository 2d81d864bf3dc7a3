//! Whether a peer lives, as the locks and the kernel say.

use std::fs;

use crate::error::Role;
use crate::header::{byte, header, other, state};
use crate::layout::CLOSED;
use crate::segment::Segment;
use crate::sync::{LEFT, PLAIN};

/// Whether the peer is gone, or never came and cannot: the ring has no name left by
/// which it would come. `role` is the caller's own.
pub(crate) fn is_left_alone(segment: &Segment, role: Role) -> bool {
    let came = state(header(segment), other(role)).state.load(PLAIN) != 0;
    if came {
        peer_gone(segment, role)
    } else {
        is_superseded(segment)
    }
}

/// Whether the ring was unlinked or replaced. A query that fails tells nothing, so the
/// ring counts as having its name. While the caller has a role no process may mark the
/// ring, so the mark tells nothing either.
pub(crate) fn is_superseded(segment: &Segment) -> bool {
    matches!(segment.is_nameless(), Ok(true))
}

/// Whether the peer came and is gone, closed or dead; `role` is one's own.
pub(crate) fn peer_gone(segment: &Segment, role: Role) -> bool {
    let peer = other(role);
    // close -> left, as above.
    let state = state(header(segment), peer).state.load(LEFT);
    if state & CLOSED != 0 {
        return true;
    }
    // death -> left: the kernel has freed the lock after the last store. A
    // query that fails tells nothing, so the peer counts as alive.
    let came = state >> 1 > 0;
    came && matches!(segment.is_locked(byte(peer)), Ok(false))
}

/// Whether a process is stopped (SIGSTOP, a debugger): it may be on its way to
/// a wake for as long as it likes.
pub(crate) fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    state.is_some_and(|state| state.starts_with(['T', 't']))
}
