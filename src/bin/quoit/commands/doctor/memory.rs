//! Where rings live, and how large they may be.

use std::io;
use std::mem::MaybeUninit;

use super::{Finding, Machine};
use crate::progress::bytes;

/// Descriptors that a program with some rings may use up.
const FEW: u64 = 256;
/// What docker gives a container.
const DOCKERS: u64 = 64 << 20;

pub(super) fn findings(machine: &Machine) -> Vec<Finding> {
    vec![
        shared_memory(machine),
        locked_memory(),
        file_size(),
        open_files(),
    ]
}

fn shared_memory(machine: &Machine) -> Finding {
    let check = "/dev/shm";
    let path = machine.root.join("dev/shm");
    let mut path = path.into_os_string().into_encoded_bytes();
    path.push(0);
    let mut stat = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path ends with a zero, and the result has its size.
    let failed = unsafe { libc::statvfs(path.as_ptr().cast(), stat.as_mut_ptr()) } != 0;
    if failed {
        let error = io::Error::last_os_error();
        let fix = "mount -t tmpfs tmpfs /dev/shm, or give rings paths of files";
        return Finding::warning(check, format!("is not there: {error}"), fix);
    }
    // SAFETY: all zeroes are a value of it, and so is what the kernel wrote.
    let stat = unsafe { stat.assume_init() };
    let (size, free) = (stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize);
    let found = format!("{}, {} free", bytes(size), bytes(free));
    if size <= DOCKERS {
        let fix = "docker run --shm-size=1g, or mount -o remount,size=1g /dev/shm";
        Finding::warning(check, found, fix)
    } else if free < DOCKERS {
        let fix = "remove rings that nobody holds, or mount -o remount,size=1g /dev/shm";
        Finding::warning(check, found, fix)
    } else {
        Finding::good(check, found)
    }
}

/// A soft limit of this process; none if there is none. The
/// resource's number is signed in musl alone.
fn limit(resource: impl Into<i64>) -> Option<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the result is a place of the right size.
    unsafe { libc::getrlimit(resource.into() as _, &raw mut limit) };
    (limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

fn locked_memory() -> Finding {
    let check = "memlock limit";
    match limit(libc::RLIMIT_MEMLOCK) {
        None => Finding::good(check, "unlimited"),
        Some(limit) => Finding::note(
            check,
            format!("{} for RingOptions::lock_memory", bytes(limit)),
            "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit of systemd",
        ),
    }
}

fn open_files() -> Finding {
    let check = "open files";
    match limit(libc::RLIMIT_NOFILE) {
        None => Finding::good(check, "unlimited"),
        Some(limit @ ..FEW) => Finding::note(
            check,
            format!("{limit}, and each end takes two"),
            "ulimit -n 1024, or LimitNOFILE= in the unit of systemd",
        ),
        Some(limit) => Finding::good(check, format!("{limit}, and each end takes two")),
    }
}

fn file_size() -> Finding {
    let check = "file limit";
    match limit(libc::RLIMIT_FSIZE) {
        None => Finding::good(check, "unlimited"),
        Some(limit) => Finding::warning(
            check,
            format!("no ring larger than {} with its header", bytes(limit)),
            "ulimit -f unlimited, or LimitFSIZE=infinity in the unit of systemd",
        ),
    }
}
