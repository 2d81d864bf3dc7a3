//! Cleans up after the bench, also after a panic or a signal.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use tempfile::TempDir;

use super::child::{Outcome, die_of_panics};

/// Has the directories of a bench, in the environment of its process.
const DIRECTORIES: &str = "QUOIT_BENCH_DIRECTORIES";

/// Runs `bench` in a separate process, with a temporary directory in each of these places.
/// This process forwards signals to it, and removes the directories when it has ended,
/// normally or not.
pub(crate) fn supervise(places: &[&Path], bench: impl FnOnce(Vec<PathBuf>) -> Outcome) -> Outcome {
    let Some(directories) = env::var_os(DIRECTORIES) else {
        return watch(places);
    };
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    die_of_panics();
    bench(env::split_paths(&directories).collect())
}

fn watch(places: &[&Path]) -> Outcome {
    // Until the handler that forwards them is installed. The bench starts without blocked signals.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let directory = |place| TempDir::with_prefix_in("quoit-bench-", place);
    let directories = places.iter().map(directory);
    let directories = directories.collect::<Result<Vec<TempDir>, _>>()?;
    let mut bench = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(
            DIRECTORIES,
            env::join_paths(directories.iter().map(TempDir::path))?,
        )
        .spawn()?;
    let pid = Pid::from_child(&bench);
    ctrlc::set_handler(move || _ = kill_process(pid, Signal::TERM))?;
    mask.thread_set_mask()?;
    let status = bench.wait()?;
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
    match status.success() {
        true => Ok(()),
        false => Err("the bench failed".into()),
    }
}
