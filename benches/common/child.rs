//! A process that plays a part, and is gone when the bench is done with it.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::Duration;

/// A forked process. Killed and reaped when dropped; dies with its parent in
/// any case.
#[derive(Debug)]
pub(crate) struct Child {
    pid: libc::pid_t,
    /// To talk with it; its own end comes to its part. Closed, it tells the
    /// child that there is nothing more to do.
    pub(crate) control: UnixStream,
    reaped: bool,
}

/// How a part ends.
pub(crate) type Outcome = Result<(), Box<dyn Error>>;

impl Child {
    /// Starts a process that does `part` and ends. There is no other thread in
    /// this one, whose locks the child would inherit.
    pub(crate) fn fork(part: impl FnOnce(UnixStream) -> Outcome) -> io::Result<Self> {
        assert_eq!(
            fs::read_dir("/proc/self/task")?.count(),
            1,
            "only a process of one thread forks"
        );
        // The child is not to write it again; whether anybody reads is not asked here.
        let _ = io::stdout().flush();
        let (control, own) = UnixStream::pair()?;
        // SAFETY: as above.
        let parent = unsafe { libc::getpid() };
        // SAFETY: there is one thread, so the child is a whole process.
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
    pub(crate) fn is_asleep(&self) -> io::Result<bool> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let after_name = stat.rsplit_once(") ").map(|(_, rest)| rest);
        Ok(after_name.is_some_and(|rest| rest.starts_with('S')))
    }

    /// Waits for its end; whether it ended well.
    pub(crate) fn wait(mut self) -> io::Result<bool> {
        let _ = self.control.shutdown(std::net::Shutdown::Write);
        let status = self.reap()?;
        Ok(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0)
    }

    /// Waits for its end, which is to be a good one.
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
            // SAFETY: the status lives through the call.
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
            // SAFETY: the child is ours and not reaped, so the pid is still its.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            let _ = self.reap();
        }
    }
}

/// The child's life.
fn play(parent: libc::pid_t, control: UnixStream, part: impl FnOnce(UnixStream) -> Outcome) -> ! {
    // SAFETY: the call takes no memory.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: as above.
    let orphan = unsafe { libc::getppid() } != parent;
    let status = if orphan {
        1
    } else {
        // What unwinds is dropped; nobody sees it half done.
        match panic::catch_unwind(AssertUnwindSafe(|| part(control))) {
            Ok(Ok(())) => 0,
            Ok(Err(error)) => {
                // A parent that is killed closes its sockets a moment before the kernel
                // kills this process. Then its death is the error, and not this.
                thread::sleep(Duration::from_millis(100));
                eprintln!("{error}");
                1
            }
            Err(_) => 101,
        }
    };
    let _ = io::stdout().flush();
    // SAFETY: nothing of this process is needed any more; what runs at exit is
    // the parent's business.
    unsafe { libc::_exit(status) }
}
