//! A thread of the library: it handles no signal, and inherits neither a pin nor a
//! scheduling class.

use core::ptr;
use std::io;
use std::thread;

/// Words of an affinity mask: more processors than any kernel has.
const MASK: usize = 128;

/// Starts a thread that blocks all signals, may run on every processor of the
/// process's cpuset, and is scheduled as an ordinary thread.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // The new thread inherits the mask, so no signal finds it without.
    let _mask = SignalMask::block_all()?;
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(|| {
        unpin();
        leave_class();
        work();
    })?;
    Ok(())
}

/// The calling thread's signal mask, restored on drop.
struct SignalMask(libc::sigset_t);

impl SignalMask {
    fn block_all() -> io::Result<Self> {
        // SAFETY: all zero bytes are a signal set.
        let mut all: libc::sigset_t = unsafe { core::mem::zeroed() };
        // SAFETY: the set lives through the call.
        unsafe { libc::sigfillset(&raw mut all) };
        let mut old = all;
        // SAFETY: both sets live through the call.
        match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut old) } {
            0 => Ok(Self(old)),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl Drop for SignalMask {
    fn drop(&mut self) {
        let old = &raw const self.0;
        // SAFETY: the set lives through the call, and no old one is asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, old, ptr::null_mut()) };
    }
}

/// Gives this thread every processor that the cpuset has: the kernel leaves out the
/// others. A refusal leaves the affinity as it is.
fn unpin() {
    let all = [u64::MAX; MASK];
    let mask = all.as_ptr().cast::<libc::cpu_set_t>();
    // SAFETY: the mask lives through the call and is as long as it says.
    unsafe { libc::sched_setaffinity(0, size_of_val(&all), mask) };
}

/// Gives this thread the ordinary scheduling class: the thread that started it may have
/// a real-time one, or one that hardly ever runs. A refusal leaves the class as it is.
fn leave_class() {
    // The kernel's parameter is the priority alone. musl's own call only fails.
    let ordinary: libc::c_int = 0;
    let call = libc::SYS_sched_setscheduler;
    // SAFETY: the parameter lives through the call.
    unsafe { libc::syscall(call, 0, libc::SCHED_OTHER, &raw const ordinary) };
}
