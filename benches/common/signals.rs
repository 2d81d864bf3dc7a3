//! Real-time signals with a value, which the receiver waits for.

use std::io::{self, Read, Write};
use std::mem::{MaybeUninit, zeroed};
use std::os::unix::net::UnixStream;
use std::ptr;

use super::contest::Side;
use super::link::Link;

/// An end that knows the other process.
pub(crate) struct Signals {
    peer: libc::pid_t,
    awaited: libc::sigset_t,
}

/// Blocks the signal, in this process and the one that is to be forked: nobody
/// handles it.
pub(crate) fn wire() -> io::Result<impl FnMut(Side) -> Signals> {
    let awaited = awaited();
    // SAFETY: the set lives through the call.
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
            peer: introduce(introduction).expect("the other process says who it is"),
            awaited,
        }
    })
}

/// The set of the one signal.
fn awaited() -> libc::sigset_t {
    // SAFETY: all zero bytes are an empty set.
    let mut set = unsafe { zeroed() };
    // SAFETY: the set lives through the call, which cannot fail.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGRTMIN()) };
    set
}

/// Says who this process is, and hears who the other one is.
fn introduce(mut stream: &UnixStream) -> io::Result<libc::pid_t> {
    // SAFETY: the call takes no memory.
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
        // SAFETY: the value is a number for the other process, where it leads
        // nowhere.
        let error = unsafe { libc::sigqueue(self.peer, libc::SIGRTMIN(), value) };
        assert_eq!(error, 0, "the signal is queued");
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
        // SAFETY: the set and the room for the answer live through the call.
        while unsafe { libc::sigwaitinfo(&raw const self.awaited, info.as_mut_ptr()) } < 0 {
            let error = io::Error::last_os_error();
            assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{error}");
        }
        // SAFETY: the call has filled it in.
        let info = unsafe { info.assume_init() };
        // SAFETY: a queued signal has a value.
        let value = unsafe { info.si_value() };
        value.sival_ptr.addr() as u64
    }
}
