//! Real-time signals with a value, for which the receiver waits.

use std::io::{self, Read, Write};
use std::mem::{MaybeUninit, zeroed};
use std::os::unix::net::UnixStream;
use std::ptr;

use super::interleaved::Side;
use super::link::Link;

/// An endpoint that knows the pid of its peer.
pub(crate) struct Signals {
    peer: libc::pid_t,
    awaited: libc::sigset_t,
}

/// Blocks the signal, in this process and its later child: no handler runs.
pub(crate) fn wire() -> io::Result<impl FnMut(Side) -> Signals> {
    let awaited = awaited();
    // SAFETY: the set outlives the call.
    let error =
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const awaited, ptr::null_mut()) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    let (lead, partner) = UnixStream::pair()?;
    Ok(move |side| {
        let introduction = match side {
            Side::Lead => &lead,
            Side::Partner => &partner,
        };
        Signals {
            peer: introduce(introduction).expect("the peer sends its pid"),
            awaited,
        }
    })
}

/// The set of this one signal.
fn awaited() -> libc::sigset_t {
    // SAFETY: a zeroed set is empty.
    let mut set = unsafe { zeroed() };
    // SAFETY: the set outlives the call, which cannot fail.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGRTMIN()) };
    set
}

/// Exchanges the pids of the two processes.
fn introduce(mut stream: &UnixStream) -> io::Result<libc::pid_t> {
    // SAFETY: the call has no pointers.
    let own = unsafe { libc::getpid() };
    stream.write_all(&own.to_ne_bytes())?;
    let mut peer = [0; size_of::<libc::pid_t>()];
    stream.read_exact(&mut peer)?;
    Ok(libc::pid_t::from_ne_bytes(peer))
}

impl Link for Signals {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        let value = libc::sigval {
            sival_ptr: ptr::without_provenance_mut(message as usize),
        };
        // SAFETY: the value is only a number to the peer, which does not dereference it.
        let error = unsafe { libc::sigqueue(self.peer, libc::SIGRTMIN(), value) };
        assert_eq!(error, 0, "the signal is queued");
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
        // SAFETY: the set and the answer outlive the call.
        while unsafe { libc::sigwaitinfo(&raw const self.awaited, info.as_mut_ptr()) } < 0 {
            let error = io::Error::last_os_error();
            assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{error}");
        }
        // SAFETY: the call has initialized it.
        let info = unsafe { info.assume_init() };
        // SAFETY: a queued signal has a value.
        let value = unsafe { info.si_value() };
        value.sival_ptr.addr() as u64
    }
}
