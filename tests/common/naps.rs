//! How often an idle process wakes.

use std::time::Instant;

use procfs::process::Process;

/// The most wake-ups per second of a waiting process.
const MOST: f64 = 11.0;

/// The wake-ups of an idle process.
pub(crate) struct Naps {
    what: String,
    pid: u32,
    start: Instant,
    before: u64,
}

impl Naps {
    pub(crate) fn count(what: impl Into<String>, pid: u32) -> Self {
        Self {
            what: what.into(),
            pid,
            start: Instant::now(),
            before: sleeps(pid),
        }
    }

    /// A message, if the process wakes too often.
    pub(crate) fn too_many(&self) -> Option<String> {
        let count = sleeps(self.pid) - self.before;
        // Read after the count: a slow machine can only raise the bound.
        let seconds = self.start.elapsed().as_secs_f64();
        // One sleep may begin before the measured time, and one may end after it.
        let is_much = count as f64 > MOST * seconds + 2.0;
        is_much.then(|| format!("{} woke {count} times in {seconds:.2} s", self.what))
    }
}

/// How often the threads of a process have slept.
pub(crate) fn sleeps(pid: u32) -> u64 {
    let tasks = Process::new(pid as i32).and_then(|process| process.tasks());
    let statuses = tasks.expect("it lives").map(|task| task?.status());
    let counts = statuses.map(|status| status.expect("its status").voluntary_ctxt_switches);
    counts.map(|count| count.expect("a count")).sum()
}
