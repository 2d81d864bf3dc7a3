//! The processes of a bench: its own, a supervisor that cleans up after it, also after a panic or a
//! signal, and the partner of a comparison.

use std::error::Error;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, panic, thread};

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::io::retry_on_intr;
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process, set_parent_process_death_signal,
    waitpid,
};
use tempfile::TempDir;

/// The result of a part of a bench.
pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// From now on a panic of any thread, also of a child, kills this process. A lead whose partner has
/// failed would wait forever.
fn die_of_panics() {
    let (lead, report) = (getpid(), panic::take_hook());
    panic::set_hook(Box::new(move |panic| {
        report(panic);
        let _ = kill_process(lead, Signal::KILL);
    }));
}

/// A forked process. Dropping it waits until it ends. It also dies with its parent.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    /// The connection to the child, whose part gets the other side. Closing it ends the
    /// child.
    pub(crate) control: UnixStream,
}

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
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            let is_needed = getppid() == Some(parent);
            if let Some(Err(error)) = is_needed.then(|| part(own)) {
                // The sockets of a killed parent close just before the kernel kills this
                // process. Its death is then the cause, not this error.
                thread::sleep(Duration::from_millis(100));
                panic!("{error}");
            }
            // SAFETY: this process has finished; exit handlers belong to the parent.
            unsafe { libc::_exit(0) }
        }
        let pid = Pid::from_raw(pid.max(0)).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { pid, control })
    }

    /// Waits until the process ends; whether it has succeeded.
    fn succeeds(&self) -> bool {
        let ended = retry_on_intr(|| waitpid(Some(self.pid), WaitOptions::empty()));
        matches!(ended, Ok(Some((_, status))) if status.exit_status() == Some(0))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.control.shutdown(Shutdown::Write);
        self.succeeds();
    }
}

/// Runs `bench` in a separate process, with a temporary directory in each of these places.
/// This process forwards signals to it, and removes the directories when it has ended,
/// normally or not.
pub(crate) fn supervise(places: &[&Path], bench: impl FnOnce(Vec<PathBuf>) -> Outcome) -> Outcome {
    // Until the handler that forwards them is installed.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let directory = |place| TempDir::with_prefix_in("quoit-bench-", place);
    let directories = places.iter().map(directory);
    let directories = directories.collect::<Result<Vec<TempDir>, _>>()?;
    let paths = || directories.iter().map(|it| it.path().to_owned()).collect();
    let bench = Child::fork(|_| {
        SigSet::empty().thread_set_mask()?;
        die_of_panics();
        bench(paths())
    })?;
    let pid = bench.pid;
    ctrlc::set_handler(move || _ = kill_process(pid, Signal::TERM))?;
    mask.thread_set_mask()?;
    let succeeded = bench.succeeds();
    // Some crates leave files next to a directory, whose names begin with its name.
    for (place, directory) in places.iter().zip(&directories) {
        for entry in fs::read_dir(place)? {
            let path = entry?.path();
            let names = [&path, directory.path()].map(|path| path.to_string_lossy());
            if names[0].starts_with(&*names[1]) && path.is_file() {
                fs::remove_file(path)?;
            }
        }
    }
    succeeded.then_some(()).ok_or("the bench failed".into())
}
