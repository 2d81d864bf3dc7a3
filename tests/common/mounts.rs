//! File systems of this process's own.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Mounts a megabyte of memory on `directory`, which only this process sees.
pub(crate) fn mount_a_megabyte(directory: &Path) -> io::Result<()> {
    own_mounts()?;
    mount(c"none", directory, c"tmpfs", 0, c"size=1m")
}

pub(crate) fn mount(
    from: &CStr,
    to: &Path,
    kind: &CStr,
    flags: u64,
    options: &CStr,
) -> io::Result<()> {
    let (from, to, kind) = (from.as_ptr(), c_string(to), kind.as_ptr());
    // SAFETY: all are C strings, the options too.
    done(unsafe { libc::mount(from, to.as_ptr(), kind, flags, options.as_ptr().cast()) })
}

fn done(result: libc::c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What this process mounts from now on, no other process sees.
pub(crate) fn own_mounts() -> io::Result<()> {
    // SAFETY: the process has a single thread, and gets mounts of its own.
    let moved = done(unsafe { libc::unshare(libc::CLONE_NEWNS) });
    moved.or_else(|_| move_among_own_users())?;
    mount(
        c"none",
        Path::new("/"),
        c"none",
        libc::MS_REC | libc::MS_PRIVATE,
        c"",
    )
}

/// Moves among users of its own, where anybody may mount, and stays who it is.
fn move_among_own_users() -> io::Result<()> {
    // SAFETY: the call only asks.
    let user = unsafe { libc::getuid() };
    // SAFETY: the call only asks.
    let group = unsafe { libc::getgid() };
    // SAFETY: the process has a single thread, and gets users of its own.
    done(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) })?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

pub(crate) fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("no zero byte")
}
