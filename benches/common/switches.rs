//! Context switches of a task, counted by the kernel.

use std::{fs, io};

use rustix::process::Pid;

/// Voluntary context switches.
pub(crate) fn voluntary(task: Pid) -> io::Result<u64> {
    read(task, "voluntary_ctxt_switches:")
}

/// Involuntary context switches.
pub(crate) fn involuntary(task: Pid) -> io::Result<u64> {
    read(task, "nonvoluntary_ctxt_switches:")
}

fn read(task: Pid, field: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{task}/status"))?;
    let count = status.lines().find_map(|line| line.strip_prefix(field));
    let count = count.and_then(|count| count.trim().parse().ok());
    count.ok_or_else(|| io::Error::other("the kernel does not count a process's switches"))
}
