//! What to do about an OS error, by operation and error number, and about a ring that differs.

use core::fmt;
use std::io::{self, ErrorKind};

use libc::{
    EACCES, EAGAIN, EBUSY, EDQUOT, EFAULT, EFBIG, EINVAL, EIO, EISDIR, ELOOP, EMFILE, EMLINK,
    ENAMETOOLONG, ENFILE, ENODEV, ENOENT, ENOLCK, ENOMEM, ENOSPC, ENOSYS, ENOTDIR, EOPNOTSUPP,
    EOVERFLOW, EPERM, EROFS, ESTALE, ETXTBSY, EXDEV,
};

/// The operations of a row: the words of [`Error::Io`](super::Error::Io).
type Doing = &'static [&'static str];

const LOCKS: Doing = &[
    "lock",
    "lock a role of",
    "lock the name of",
    "query the locks of",
];
const MEMFD: Doing = &["make the memfd of"];
const MODE: Doing = &["set the mode of"];
const RESERVE: Doing = &["reserve memory for"];
const SEAL: Doing = &["seal"];
const MAP: Doing = &["map"];
const PREFAULT: Doing = &["prefault"];
const LOCK_MEMORY: Doing = &["lock the memory of"];
const OPEN: Doing = &["open"];
const REOPEN: Doing = &["reopen"];
const CREATE: Doing = &["create"];
const LINK: Doing = &["link"];
const RENAME: Doing = &["replace", "unlink"];
const NAMES: Doing = &["link", "replace", "unlink"];
const FLUSH: Doing = &["flush", "flush the directory of"];
/// Any operation.
const ANY: Doing = &[];

/// The first row that fits operation and error number counts.
const TABLE: &[(Doing, &[i32], &str)] = &[
    (
        LOCKS,
        &[EINVAL, ENOSYS, EPERM],
        "this system refuses the locks that roles are made of (F_OFD_SETLK), as gVisor and some \
         seccomp profiles do; run on a kernel that has them, or allow fcntl; remove a ring that \
         was left here with rm (/dev/shm/NAME)",
    ),
    (
        LOCKS,
        &[EACCES],
        "a security module forbids to lock the file: allow \"lock\" in its SELinux or AppArmor policy",
    ),
    (
        LOCKS,
        &[ENOLCK, EOPNOTSUPP],
        "the file system of the ring has no locks; choose /dev/shm, or a directory on a local \
         file system",
    ),
    (
        MEMFD,
        &[ENOSYS, EPERM],
        "allow memfd_create in the seccomp profile, or create a ring with a name",
    ),
    (
        MEMFD,
        &[EACCES],
        "set sysctl vm.memfd_noexec to 0 or 1, or create a ring with a name",
    ),
    (
        MODE,
        &[EPERM, EACCES, EOPNOTSUPP],
        "the file system keeps no mode bits of its own; choose another directory, such as /dev/shm",
    ),
    (
        RESERVE,
        &[ENOSYS, EPERM],
        "allow fallocate in the seccomp profile",
    ),
    (
        RESERVE,
        &[EOPNOTSUPP, ENODEV, EINVAL],
        "the file system cannot reserve memory; choose /dev/shm, or a directory on tmpfs, ext4, \
         xfs or btrfs",
    ),
    (
        RESERVE,
        &[EFBIG],
        "its file system does not support a file of this size; make the ring smaller",
    ),
    (
        SEAL,
        &[EINVAL, ENOSYS, EPERM],
        "this system refuses seals (F_ADD_SEALS), which make a ring without a name safe; allow \
         fcntl in the seccomp profile, or create a ring with a name",
    ),
    (
        MAP,
        &[ENODEV, EINVAL, EOPNOTSUPP],
        "its file system maps no shared memory; choose /dev/shm, or a directory on a local file \
         system",
    ),
    (
        MAP,
        &[ENOMEM],
        "make the ring smaller, or raise the limit: ulimit -v, vm.max_map_count, or ulimit -l in a \
         process that locks all its memory (mlockall)",
    ),
    (
        MAP,
        &[EAGAIN],
        "this process locks all its memory (mlockall); raise the limit with ulimit -l",
    ),
    (
        MAP,
        &[EACCES, EPERM],
        "the file is append-only or sealed against writing; create the ring again",
    ),
    (
        LOCK_MEMORY,
        &[EPERM, ENOMEM, EAGAIN],
        "raise the limit with ulimit -l",
    ),
    (
        PREFAULT,
        &[EFAULT, ENOMEM],
        "its file is sparse and cannot be filled, or was truncated: make room in its file system, \
         or create the ring again",
    ),
    (
        OPEN,
        &[EROFS],
        "its file system is mounted read-only, and an endpoint writes; remount it, or choose a \
         directory whose file system can be written; an Observer only reads",
    ),
    (
        OPEN,
        &[EPERM],
        "the file is immutable, or a seccomp profile forbids to open it; see lsattr",
    ),
    (
        OPEN,
        &[EACCES],
        "each endpoint reads and writes: check the mode bits of the file and of its directory, and \
         RingOptions::mode",
    ),
    (
        OPEN,
        &[ETXTBSY],
        "the file is a program that is running; choose another name",
    ),
    (
        REOPEN,
        &[ENOENT],
        "mount /proc: the descriptor is reopened through it",
    ),
    (
        REOPEN,
        &[EACCES, EPERM],
        "the ring is another user's: create it with RingOptions::mode(0o666), or 0o660 for a group",
    ),
    (
        LINK,
        &[EPERM, EMLINK, EOPNOTSUPP, ENOSYS],
        "its file system has no hard links, or a seccomp profile forbids linkat; choose another \
         directory, such as /dev/shm",
    ),
    (
        LINK,
        &[EXDEV],
        "another file system was mounted over its directory; try again",
    ),
    (
        CREATE,
        &[EACCES, EPERM],
        "this user may not write in its directory: see the directory's mode bits, or choose \
         another one",
    ),
    (
        CREATE,
        &[EOVERFLOW],
        "this user has no id outside its user namespace: map it (unshare --map-root-user, \
         newuidmap)",
    ),
    (
        RENAME,
        &[EPERM],
        "in a sticky directory, such as /dev/shm, only its owner, the owner of its directory and root may \
         remove it: have one of them run `quoit rm`, or use another name",
    ),
    (
        NAMES,
        &[EACCES],
        "this user may not write in its directory: see the directory's mode bits, or use another \
         name",
    ),
    (
        RENAME,
        &[EBUSY, EISDIR],
        "something is mounted on the name: umount it",
    ),
    (
        FLUSH,
        &[EINVAL, EOPNOTSUPP],
        "its file system writes nothing to a disk; choose a directory on one that does",
    ),
    (
        ANY,
        &[EMFILE],
        "close other files, or raise the limit with ulimit -n",
    ),
    (
        ANY,
        &[ENFILE],
        "the system has too many files open: raise fs.file-max",
    ),
    (
        ANY,
        &[ENOMEM],
        "the kernel has no memory for it: stop other programs, or raise the limit of the control group",
    ),
    (
        ANY,
        &[EROFS],
        "choose a directory whose file system can be written",
    ),
    (
        ANY,
        &[ENOENT, ENOTDIR],
        "mount a tmpfs on /dev/shm for a name without a /, otherwise make its directory first",
    ),
    (
        ANY,
        &[ENAMETOOLONG],
        "choose a shorter path: the kernel takes 4095 bytes",
    ),
    (
        ANY,
        &[ELOOP],
        "the symbolic links of its directory form a cycle: fix them",
    ),
    (ANY, &[ENOSPC], "make room in its file system (df, df -i)"),
    (
        ANY,
        &[EDQUOT],
        "make room within this user's quota, or raise it (quota, setquota)",
    ),
    (
        ANY,
        &[EIO],
        "the disk or its file system failed: see dmesg, and restore the ring elsewhere",
    ),
    (
        ANY,
        &[ESTALE],
        "the server of its file system has lost the file: mount it again",
    ),
    (
        ANY,
        &[ENOSYS],
        "the kernel is too old, or a seccomp profile forbids the call: allow it",
    ),
    (
        ANY,
        &[EACCES, EPERM],
        "check the mode bits of the file and of its directory, and whether a seccomp profile forbids \
         the call",
    ),
];

/// What to do, where it does not go without saying.
pub(super) fn remedy(doing: &str, source: &io::Error) -> Option<&'static str> {
    let Some(answer) = source.raw_os_error() else {
        return match (doing, source.kind()) {
            ("lock the name of", ErrorKind::TimedOut) => {
                Some("another process holds its lock all the time: lslocks shows which; stop it")
            }
            ("lock, between forks,", ErrorKind::TimedOut) => {
                Some("this process forks all the time; try again between two forks")
            }
            (_, ErrorKind::OutOfMemory) => Some("this process has no memory for it"),
            _ => None,
        };
    };
    let row = TABLE.iter().find(|(operations, answers, _)| {
        (operations.is_empty() || operations.contains(&doing)) && answers.contains(&answer)
    });
    row.map(|(_, _, advice)| *advice)
}

/// What to do about a ring that differs: as its holder does, or without it.
pub(super) fn way_out(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    in_use: bool,
    agree: &'static str,
) -> fmt::Result {
    if in_use {
        write!(
            f,
            "a process holds the ring: {agree}, or stop that process first"
        )
    } else {
        write!(
            f,
            "no process holds the ring: remove it with `quoit rm {name:?}`, or use create with \
             RingOptions::stale(StalePolicy::Replace)"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_hidden_by_one_above() {
        for (operations, answers, text) in TABLE {
            for answer in *answers {
                // A row for any operation serves one that has no row of its own.
                let operations = if operations.is_empty() {
                    &["examine"]
                } else {
                    *operations
                };
                for doing in operations {
                    let source = io::Error::from_raw_os_error(*answer);
                    assert_eq!(remedy(doing, &source), Some(*text), "{doing} {answer}");
                }
            }
        }
    }
}
