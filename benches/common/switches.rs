//! How often a process left its processor, as the kernel counts.

use std::fs;
use std::io;

/// How often a process gave the processor away by itself.
pub(crate) fn voluntary(pid: libc::pid_t) -> io::Result<u64> {
    read(pid, "voluntary_ctxt_switches:")
}

/// How often others took the processor from a process.
pub(crate) fn involuntary(pid: libc::pid_t) -> io::Result<u64> {
    read(pid, "nonvoluntary_ctxt_switches:")
}

fn read(pid: libc::pid_t, field: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let count = status.lines().find_map(|line| line.strip_prefix(field));
    let count = count.and_then(|count| count.trim().parse().ok());
    count.ok_or_else(|| io::Error::other("the kernel does not count a process's switches"))
}
