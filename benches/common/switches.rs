//! Context switches of a process, counted by the kernel.

use std::fs;
use std::io;

/// Voluntary context switches.
pub(crate) fn voluntary(pid: libc::pid_t) -> io::Result<u64> {
    read(pid, "voluntary_ctxt_switches:")
}

/// Involuntary context switches.
pub(crate) fn involuntary(pid: libc::pid_t) -> io::Result<u64> {
    read(pid, "nonvoluntary_ctxt_switches:")
}

fn read(pid: libc::pid_t, field: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let count = status.lines().find_map(|line| line.strip_prefix(field));
    let count = count.and_then(|count| count.trim().parse().ok());
    count.ok_or_else(|| io::Error::other("the kernel does not count a process's switches"))
}
