//! The liveness check, by the locks of the kernel.

use std::fs;

use crate::error::Role;
use crate::header::{byte, header, other, peer_state};
use crate::peer::State;
use crate::segment::Segment;

/// Whether the peer has closed or crashed, or never attached and cannot: the ring has no name left.
/// `role` is the caller's own.
pub(crate) fn is_left_alone(segment: &Segment, role: Role, state: State) -> bool {
    state.closed_or_crashed(|| is_peer_held(segment, role))
        || state.epoch() == 0 && is_superseded(segment)
}

/// Whether the ring was unlinked or replaced. If the query fails, the ring counts as having its
/// name. While the caller holds a role no process may mark the ring, so the mark is not checked.
pub(crate) fn is_superseded(segment: &Segment) -> bool {
    matches!(segment.is_nameless(), Ok(true))
}

/// Whether the peer attached and has closed or crashed; `role` is the caller's own.
pub(crate) fn peer_closed_or_crashed(segment: &Segment, role: Role) -> bool {
    let state = State::poll(peer_state(header(segment), role));
    state.closed_or_crashed(|| is_peer_held(segment, role))
}

/// Whether a process holds the peer's role. If the query fails, the peer counts as alive.
pub(crate) fn is_peer_held(segment: &Segment, role: Role) -> bool {
    !matches!(segment.is_locked(byte(other(role))), Ok(false))
}

/// Whether a process is stopped (SIGSTOP, a debugger): it may be about to wake for any length of
/// time.
pub(crate) fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    state.is_some_and(|state| state.starts_with(['T', 't']))
}
