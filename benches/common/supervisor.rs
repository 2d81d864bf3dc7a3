//! Cleans up after the bench, also after a panic or a signal.

use std::path::Path;
use std::process::ExitCode;

use tempfile::TempDir;

use super::blocked_signals::BlockedSignals;
use super::child::{Child, Outcome};

/// Runs `bench` in a separate process, with a temporary directory in each of these places.
/// This process forwards signals to it, and removes the directories when it has ended,
/// normally or not.
pub(crate) fn supervise<const N: usize>(
    places: [&Path; N],
    bench: impl FnOnce([&Path; N]) -> Outcome,
) -> ExitCode {
    let run = || -> Result<bool, Box<dyn std::error::Error>> {
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
        ctrlc::set_handler(move || {
            // SAFETY: the call has no pointers. The handler's process ends as soon as the
            // worker is reaped.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        })?;
        drop(held);
        Ok(worker.wait()?)
    };
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
