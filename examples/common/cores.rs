//! Which processor core a process runs on.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Cores that this process may use.
pub(crate) fn allowed() -> io::Result<Vec<usize>> {
    let cores = sched_getaffinity(None)?;
    let has = |&core: &usize| cores.is_set(core);
    Ok((0..CpuSet::MAX_CPU).filter(has).collect())
}

/// Keeps this process on one core.
pub(crate) fn stay_on(core: usize) -> io::Result<()> {
    stay_on_any(&[core])
}

/// Keeps this process on these cores.
pub(crate) fn stay_on_any(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core));
    Ok(sched_setaffinity(None, &set)?)
}
