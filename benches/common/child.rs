//! A child process for the partner of a comparison.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process, set_parent_process_death_signal,
    waitpid,
};

/// A forked process. Dropping it kills and reaps it. It also dies with its parent.
#[derive(Debug)]
pub(crate) struct Child {
    /// `None` once it is reaped.
    pid: Option<Pid>,
    /// The connection to the child, whose part gets the other side. Closing it ends the
    /// child.
    pub(crate) control: UnixStream,
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
        let pid = Pid::from_raw(pid.max(0)).ok_or_else(io::Error::last_os_error)?;
        let pid = Some(pid);
        Ok(Self { pid, control })
    }

    /// Waits until it exits, and fails if it failed.
    pub(crate) fn succeed(mut self) -> Outcome {
        let _ = self.control.shutdown(Shutdown::Write);
        let reaped = retry_on_intr(|| waitpid(self.pid, WaitOptions::empty()))?;
        self.pid = None;
        match reaped.and_then(|(_, status)| status.exit_status()) {
            Some(0) => Ok(()),
            _ => Err("a process of the bench failed".into()),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            let _ = kill_process(pid, Signal::KILL);
            let _ = retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
        }
    }
}

/// The child's code.
fn play(parent: Pid, control: UnixStream, part: impl FnOnce(UnixStream) -> Outcome) -> ! {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // Values that a panic has interrupted are dropped unused.
    let part = AssertUnwindSafe(|| match getppid() == Some(parent) {
        true => part(control),
        false => Err("the parent has ended".into()),
    });
    let status = match panic::catch_unwind(part) {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            // The sockets of a killed parent close just before the kernel kills this
            // process. Its death is then the cause, not this error.
            thread::sleep(Duration::from_millis(100));
            eprintln!("{error}");
            1
        }
        Err(_) => 101,
    };
    // SAFETY: this process has finished; exit handlers belong to the parent.
    unsafe { libc::_exit(status) }
}
