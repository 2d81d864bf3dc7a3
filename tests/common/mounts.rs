//! Private mounts of this process.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, mount_change};
use rustix::process::{getgid, getuid};
use rustix::thread::{UnshareFlags, unshare_unsafe};

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
    let flags = MountFlags::from_bits_retain(flags as u32);
    Ok(rustix::mount::mount(from, to, kind, flags, options)?)
}

/// Hides later mounts of this process from other processes. In a new user namespace, with the same
/// user, any process may mount.
pub(crate) fn own_mounts() -> io::Result<()> {
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    // SAFETY: no descriptor is involved.
    if unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.is_err() {
        // SAFETY: as above.
        unsafe { unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS) }?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    }
    let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    Ok(mount_change("/", private)?)
}
