//! Waits and other work in a separate thread, and the threads of a process.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::Duration;

use super::PATIENCE;

/// Runs `wait` in a separate thread and, shortly after, `act` in this one. Returns the
/// result of `wait`. The wait may begin before or after `act`. A wait that hangs fails the
/// test.
pub(crate) fn while_waiting<R: Send + 'static>(
    wait: impl FnOnce() -> R + Send + 'static,
    act: impl FnOnce(),
) -> R {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // The receiver exists unless the test has failed already.
        let _ = sender.send(wait());
    });
    thread::sleep(Duration::from_millis(10));
    act();
    receiver.recv_timeout(PATIENCE).expect("the wait ends")
}

/// Repeats `act` in another thread while `work` runs in this one.
pub(crate) fn while_repeating<R>(mut act: impl FnMut() + Send, work: impl FnOnce() -> R) -> R {
    let (end, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while is_over.try_recv() == Err(TryRecvError::Empty) {
                act();
            }
        });
        let _end = end; // also if the work fails
        work()
    })
}

/// The directories in `/proc` of the threads of a process.
pub(crate) fn tasks(pid: u32) -> Vec<PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives");
    tasks.flatten().map(|task| task.path()).collect()
}

/// This process's threads with this name. A new thread sets its name itself, a moment later.
pub(crate) fn threads_named(name: &str) -> Vec<PathBuf> {
    let is_it = |task: &PathBuf| {
        let found = fs::read_to_string(task.join("comm")); // it may have ended
        found.is_ok_and(|found| found.trim_end() == name)
    };
    let all = tasks(std::process::id()).into_iter();
    all.filter(is_it).collect()
}
