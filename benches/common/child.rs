//! A child process for a part of a bench.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::Duration;

/// A forked process. Dropping it kills and reaps it. It also dies with its parent.
#[derive(Debug)]
pub(crate) struct Child {
    pid: libc::pid_t,
    /// The connection to the child, whose part gets the other side. Closing it ends the
    /// child.
    pub(crate) control: UnixStream,
    reaped: bool,
}

/// The result of a part.
pub(crate) type Outcome = Result<(), Box<dyn Error>>;

impl Child {
    /// Starts a process that runs `part` and exits. The caller must be single-threaded: the
    /// child would inherit the locks of other threads.
    pub(crate) fn fork(part: impl FnOnce(UnixStream) -> Outcome) -> io::Result<Self> {
        assert_eq!(
            fs::read_dir("/proc/self/task")?.count(),
            1,
            "only a single-threaded process forks"
        );
        // Flushed, so that the child does not write it again. A failed write is ignored here.
        let _ = io::stdout().flush();
        let (control, own) = UnixStream::pair()?;
        // SAFETY: as above.
        let parent = unsafe { libc::getpid() };
        // SAFETY: there is one thread, so the child is a complete process.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                drop(control);
                play(parent, own, part)
            }
            pid => Ok(Self {
                pid,
                control,
                reaped: false,
            }),
        }
    }

    pub(crate) fn pid(&self) -> libc::pid_t {
        self.pid
    }

    /// Whether it sleeps in the kernel.
    pub(crate) fn is_sleeping(&self) -> io::Result<bool> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let after_name = stat.rsplit_once(") ").map(|(_, rest)| rest);
        Ok(after_name.is_some_and(|rest| rest.starts_with('S')))
    }

    /// Waits until it exits; returns whether it succeeded.
    pub(crate) fn wait(mut self) -> io::Result<bool> {
        let _ = self.control.shutdown(std::net::Shutdown::Write);
        let status = self.reap()?;
        Ok(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0)
    }

    /// Waits until it exits, and panics if it failed.
    pub(crate) fn succeed(self) -> io::Result<()> {
        if self.wait()? {
            Ok(())
        } else {
            Err(io::Error::other("a process of the bench failed"))
        }
    }

    fn reap(&mut self) -> io::Result<libc::c_int> {
        let mut status = 0;
        loop {
            // SAFETY: the status outlives the call.
            let pid = unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
            if pid == self.pid {
                self.reaped = true;
                return Ok(status);
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            // SAFETY: the child is not reaped yet, so the pid still belongs to it.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            let _ = self.reap();
        }
    }
}

/// The child's code.
fn play(parent: libc::pid_t, control: UnixStream, part: impl FnOnce(UnixStream) -> Outcome) -> ! {
    // SAFETY: the call has no pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: as above.
    let orphan = unsafe { libc::getppid() } != parent;
    let status = if orphan {
        1
    } else {
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
    };
    let _ = io::stdout().flush();
    // SAFETY: this process has finished; exit handlers belong to the parent.
    unsafe { libc::_exit(status) }
}
