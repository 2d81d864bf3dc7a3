//! Cleans up, however the bench ends.

use std::path::Path;
use std::process::ExitCode;

use tempfile::TempDir;

use super::child::{Child, Outcome};
use super::held::Held;

/// Runs `bench` in a process of its own, with a directory in each of these
/// places. They are removed when that process has ended: well, by a panic, or
/// by a signal, which this process passes on.
pub(crate) fn supervise<const N: usize>(
    places: [&Path; N],
    bench: impl FnOnce([&Path; N]) -> Outcome,
) -> ExitCode {
    let run = || -> Result<bool, Box<dyn std::error::Error>> {
        // Until there is somebody to pass them on.
        let held = Held::new();
        let directories = places.map(|place| TempDir::with_prefix_in("quoit-bench-", place));
        let directories = directories.into_iter().collect::<Result<Vec<_>, _>>()?;
        let paths = std::array::from_fn(|place| directories[place].path());
        let worker = Child::fork(|_| {
            held.release();
            bench(paths)
        })?;
        let pid = worker.pid();
        ctrlc::set_handler(move || {
            // SAFETY: the call takes no memory. The handler's process ends as
            // soon as the worker is reaped.
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
