//! Real-time signals with a value, for which the receiver waits.

use std::io::{self, Read, Write};
use std::mem::{MaybeUninit, zeroed};
use std::os::unix::net::UnixStream;
use std::ptr;

use super::exchange::Link;
use super::interleaved::Side;

/// An endpoint that knows the pid of its peer.
pub(crate) struct Signals {
    peer: libc::pid_t,
    awaited: libc::sigset_t,
}

/// Blocks the signal, in this process and its later child: no handler runs.
pub(crate) fn wire() -> io::Result<impl FnMut(Side) -> Signals> {
    // SAFETY: a zeroed set is empty.
    let mut awaited = unsafe { zeroed() };
    // SAFETY: the set outlives the call, which cannot fail.
    unsafe { libc::sigaddset(&raw mut awaited, libc::SIGRTMIN()) };
    // SAFETY: the set outlives the call, which cannot fail.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const awaited, ptr::null_mut()) };
    let (lead, partner) = UnixStream::pair()?;
    Ok(move |side: Side| {
        let [own, _] = side.ways([&lead, &partner]);
        let peer = exchange_pids(own).expect("the peer sends its pid");
        Signals { peer, awaited }
    })
}

fn exchange_pids(mut stream: &UnixStream) -> io::Result<libc::pid_t> {
    stream.write_all(&std::process::id().to_ne_bytes())?;
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
