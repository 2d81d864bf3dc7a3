//! How often an idle process wakes.

use std::fs;
use std::time::Instant;

/// Wake-ups a second at most of a process that waits.
const MOST: f64 = 11.0;

/// A process that is watched while it is idle.
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

    /// What wakes more often than it may, in words.
    pub(crate) fn too_many(&self) -> Option<String> {
        let count = sleeps(self.pid) - self.before;
        // Later than the count: a slow machine makes the bound wider, and never narrower.
        let seconds = self.start.elapsed().as_secs_f64();
        // One sleep begins before the time and one behind it.
        let is_much = count as f64 > MOST * seconds + 2.0;
        is_much.then(|| format!("{} woke {count} times in {seconds:.2} s", self.what))
    }
}

/// How often the threads of a process have gone to sleep.
fn sleeps(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives");
    let statuses = threads.map(|thread| {
        let status = thread.expect("a thread").path().join("status");
        fs::read_to_string(status).expect("its status")
    });
    statuses.map(|status| voluntary(&status)).sum()
}

fn voluntary(status: &str) -> u64 {
    let mut lines = status.lines();
    let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    let count = count.expect("a count").trim().parse();
    count.expect("a number")
}
