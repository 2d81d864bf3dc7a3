//! Cleans up after the bench, also after a panic or a signal.

use std::mem::zeroed;
use std::path::Path;
use std::process::ExitCode;
use std::ptr;

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

use super::child::{Child, Outcome};

/// Runs `bench` in a separate process, with a temporary directory in each of these places.
/// This process forwards signals to it, and removes the directories when it has ended,
/// normally or not.
pub(crate) fn supervise<const N: usize>(
    places: [&Path; N],
    bench: impl FnOnce([&Path; N]) -> Outcome,
) -> ExitCode {
    let run = || -> Outcome {
        // Until the handler that forwards them is installed.
        let held = BlockedSignals::new();
        let directories = places.map(|place| TempDir::with_prefix_in("quoit-bench-", place));
        let directories = directories.into_iter().collect::<Result<Vec<_>, _>>()?;
        let paths = std::array::from_fn(|place| directories[place].path());
        let worker = Child::fork(|_| {
            held.release();
            bench(paths)
        })?;
        let pid = worker.pid();
        // The handler's process ends as soon as the worker is reaped.
        ctrlc::set_handler(move || _ = kill_process(pid, Signal::TERM))?;
        drop(held);
        worker.succeed()
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Until this is dropped or released, no signal ends this process. A child that is forked
/// in between inherits the blocked signals.
pub(crate) struct BlockedSignals {
    before: libc::sigset_t,
}

impl BlockedSignals {
    pub(crate) fn new() -> Self {
        // SAFETY: a zeroed set is empty.
        let [mut all, mut before] = [(); 2].map(|()| unsafe { zeroed() });
        // SAFETY: the set outlives the call, which cannot fail.
        unsafe { libc::sigfillset(&raw mut all) };
        // SAFETY: both sets outlive the call, which cannot fail.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
        Self { before }
    }

    pub(crate) fn release(&self) {
        let before = &raw const self.before;
        // SAFETY: the set outlives the call, which cannot fail.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, ptr::null_mut()) };
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        self.release();
    }
}
