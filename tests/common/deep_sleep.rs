//! A child's sleep that only a wake can end.
//!
//! A sleeper checks its peer ten times per second, which would hide a missing wake. So a
//! tracer removes the deadline when the sleep begins, and reads the result of the system
//! call at its end.

use std::time::Duration;

use super::child::is_asleep;
use super::clock::{now, until};
use super::tracer::{Stop, attach, next_stop, request, resume};

/// A traced child. It is stopped, or in a sleep without a deadline.
pub(crate) struct DeepSleeper {
    pid: u32,
    stop: Stop,
}

impl DeepSleeper {
    /// Traces a child that does not sleep on a doorbell yet. The tracer is this thread.
    pub(crate) fn new(pid: u32) -> Self {
        attach(pid);
        let stop = patiently(|| next_stop(pid, libc::WNOHANG));
        Self { pid, stop }
    }

    /// Lets the child continue until it sleeps on a doorbell. Returns the timeout of that
    /// sleep.
    pub(crate) fn runs_into_sleep(&mut self) -> Duration {
        let mut waits = None;
        resume(self.pid, self.stop);
        patiently(|| {
            let Some(stop) = next_stop(self.pid, libc::WNOHANG) else {
                return waits.filter(|_| is_asleep(self.pid));
            };
            waits = match stop {
                Stop::Before(number, arguments) => self.prolong(number, &arguments),
                _ => None,
            };
            resume(self.pid, stop);
            None
        })
    }

    /// The result of the sleep's system call, or `None` if the child still sleeps. Call it
    /// when the waker's call has returned: a woken thread sleeps no longer then.
    pub(crate) fn woken(&mut self) -> Option<i64> {
        if is_asleep(self.pid) {
            return None;
        }
        self.stop = patiently(|| next_stop(self.pid, libc::WNOHANG));
        match self.stop {
            Stop::After(result) => Some(result),
            stop => panic!("the sleep is interrupted by {stop:?}"),
        }
    }

    /// If this system call waits for one or many futexes, removes its timeout, and returns
    /// it.
    fn prolong(&self, number: libc::c_long, arguments: &[u64; 6]) -> Option<Duration> {
        const COMMAND: u64 = 0x7f; // without private and clock flags
        let is_wait = match number {
            libc::SYS_futex => {
                let waits = [libc::FUTEX_WAIT, libc::FUTEX_WAIT_BITSET];
                waits.contains(&((arguments[1] & COMMAND) as libc::c_int))
            }
            libc::SYS_futex_waitv => true,
            _ => false,
        };
        let deadline = arguments[3];
        if !is_wait || deadline == 0 {
            return None;
        }
        let until = peek(self.pid, deadline) * 1_000_000_000 + peek(self.pid, deadline + 8);
        // Its seconds, on any clock: far in the future.
        request(libc::PTRACE_POKEDATA, self.pid, deadline, 1 << 40);
        Some(Duration::from_nanos(until.saturating_sub(now())))
    }
}

impl Drop for DeepSleeper {
    fn drop(&mut self) {
        request(libc::PTRACE_DETACH, self.pid, 0, 0);
    }
}

/// A word of the child's memory.
fn peek(pid: u32, place: u64) -> u64 {
    // SAFETY: the request has no pointer to this process's memory.
    let word = unsafe { libc::ptrace(libc::PTRACE_PEEKDATA, pid, place, 0) };
    word as u64
}

fn patiently<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    until("the child reaches this point", || {
        found = look();
        found.is_some()
    });
    found.expect("it is found")
}
