//! Which processor core a process runs on.

use std::io;

/// Cores that this process may use.
pub(crate) fn allowed() -> io::Result<Vec<usize>> {
    let set = affinity()?;
    let has = |core: &usize| {
        // SAFETY: the number is below the set's size.
        unsafe { libc::CPU_ISSET(*core, &set) }
    };
    Ok((0..libc::CPU_SETSIZE as usize).filter(has).collect())
}

/// Keeps this process on one core.
pub(crate) fn stay_on(core: usize) -> io::Result<()> {
    let mut set = empty();
    // SAFETY: a core of `allowed` is below the set's size.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: `set` is a set of the size that is given.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    answer(result)
}

fn affinity() -> io::Result<libc::cpu_set_t> {
    let mut set = empty();
    // SAFETY: `set` is a set of the size that is given.
    let result = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    answer(result).map(|()| set)
}

fn empty() -> libc::cpu_set_t {
    // SAFETY: a set is an array of words, and zeros are the empty one.
    unsafe { std::mem::zeroed() }
}

fn answer(result: libc::c_int) -> io::Result<()> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
