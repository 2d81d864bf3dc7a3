//! Private mounts of this process.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Mounts a tmpfs of one megabyte on `directory`, visible only to this process.
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
    // SAFETY: all arguments are C strings.
    done(unsafe { libc::mount(from, to.as_ptr(), kind, flags, options.as_ptr().cast()) })
}

fn done(result: libc::c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Hides later mounts of this process from other processes.
pub(crate) fn own_mounts() -> io::Result<()> {
    // SAFETY: the process has a single thread, and gets a private mount namespace.
    let moved = done(unsafe { libc::unshare(libc::CLONE_NEWNS) });
    moved.or_else(|_| enter_user_namespace())?;
    mount(
        c"none",
        Path::new("/"),
        c"none",
        libc::MS_REC | libc::MS_PRIVATE,
        c"",
    )
}

/// Enters a new user namespace, in which this process may mount, with the same user.
fn enter_user_namespace() -> io::Result<()> {
    // SAFETY: the call only reads.
    let user = unsafe { libc::getuid() };
    // SAFETY: the call only reads.
    let group = unsafe { libc::getgid() };
    // SAFETY: the process has a single thread, and gets a private user namespace.
    done(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) })?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

pub(crate) fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("no zero byte")
}
