//! A child process for a part of a bench.

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, getppid, kill_process,
    set_parent_process_death_signal, waitpid,
};

/// A forked process. Dropping it kills and reaps it. It also dies with its parent.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    /// The connection to the child, whose part gets the other side. Closing it ends the
    /// child.
    pub(crate) control: UnixStream,
    is_reaped: bool,
}

/// The result of a part.
pub(crate) type Outcome = Result<(), Box<dyn Error>>;

impl Child {
    /// Starts a process that runs `part` and exits. The caller must be single-threaded: the
    /// child would inherit the locks of other threads.
    pub(crate) fn fork(part: impl FnOnce(UnixStream) -> Outcome) -> io::Result<Self> {
        let threads = fs::read_dir("/proc/self/task")?.count();
        assert_eq!(threads, 1, "only a single-threaded process forks");
        // Flushed, so that the child does not write it again. A failed write is ignored here.
        let _ = io::stdout().flush();
        let (control, own) = UnixStream::pair()?;
        let parent = getpid();
        // SAFETY: there is one thread, so the child is a complete process.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            drop(control);
            play(parent, own, part);
        }
        Ok(Self {
            pid: Pid::from_raw(pid.max(0)).ok_or_else(io::Error::last_os_error)?,
            control,
            is_reaped: false,
        })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it sleeps in the kernel.
    pub(crate) fn is_sleeping(&self) -> io::Result<bool> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let after_name = stat.rsplit_once(") ").map(|(_, rest)| rest);
        Ok(after_name.is_some_and(|rest| rest.starts_with('S')))
    }

    /// Waits for a byte from the child.
    pub(crate) fn hear(&mut self) -> io::Result<()> {
        self.control.read_exact(&mut [0])
    }

    /// Waits for numbers from the child.
    pub(crate) fn hear_numbers<const N: usize>(&mut self) -> io::Result<[f64; N]> {
        let mut numbers = [0.0; N];
        for number in &mut numbers {
            let mut bytes = [0; 8];
            self.control.read_exact(&mut bytes)?;
            *number = f64::from_ne_bytes(bytes);
        }
        Ok(numbers)
    }

    /// Waits until it exits, and fails if it failed.
    pub(crate) fn succeed(mut self) -> Outcome {
        let _ = self.control.shutdown(Shutdown::Write);
        match self.reap()?.exit_status() {
            Some(0) => Ok(()),
            _ => Err("a process of the bench failed".into()),
        }
    }

    fn reap(&mut self) -> io::Result<WaitStatus> {
        let reaped = retry_on_intr(|| waitpid(Some(self.pid), WaitOptions::empty()))?;
        let (_, status) = reaped.expect("it waits");
        self.is_reaped = true;
        Ok(status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_reaped {
            let _ = kill_process(self.pid, Signal::KILL);
            let _ = self.reap();
        }
    }
}

/// The child's side of [`Child::hear_numbers`].
pub(crate) fn tell_numbers(control: &mut UnixStream, numbers: &[f64]) -> io::Result<()> {
    let mut numbers = numbers.iter();
    numbers.try_for_each(|number| control.write_all(&number.to_ne_bytes()))
}

/// The child's code.
fn play(parent: Pid, control: UnixStream, part: impl FnOnce(UnixStream) -> Outcome) -> ! {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let status = if getppid() == Some(parent) {
        // Values that a panic has interrupted are dropped unused.
        match panic::catch_unwind(AssertUnwindSafe(|| part(control))) {
            Ok(Ok(())) => 0,
            Ok(Err(error)) => {
                // The sockets of a killed parent close just before the kernel kills this
                // process. Its death is then the cause, not this error.
                thread::sleep(Duration::from_millis(100));
                eprintln!("{error}");
                1
            }
            Err(_) => 101,
        }
    } else {
        1
    };
    let _ = io::stdout().flush();
    // SAFETY: this process has finished; exit handlers belong to the parent.
    unsafe { libc::_exit(status) }
}
