//! Whether there is memory for a ring, checked before the OOM killer would act.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::memory_limit::MemoryLimit;
use crate::error::Error;

/// Smaller rings are not checked: the check takes 0.1 ms, a tenth of the time that the kernel takes
/// to reserve this much.
const ASKED: u64 = 4 << 20;

/// Fails if this much memory would trigger the OOM killer.
pub(super) fn survives(wanted: u64) -> Result<(), Error> {
    if wanted < ASKED {
        return Ok(());
    }
    for attempt in 0..=COUNTED {
        let limits = MemoryLimit::all(Path::new("/proc"));
        let Some(limit) = limits.into_iter().min_by_key(|limit| limit.free) else {
            break;
        };
        if wanted <= limit.free {
            break;
        }
        if !may_be_free(&limit, wanted) || attempt == COUNTED {
            return Err(Error::NotEnoughMemory {
                wanted,
                available: limit.free,
                hint: way_out(&limit).into(),
            });
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Whether this much may be free once the kernel has counted what is in use.
fn may_be_free(limit: &MemoryLimit, wanted: u64) -> bool {
    wanted <= limit.free.saturating_add(limit.unsure)
}

/// Fails if the file is in memory, and its file system has no room for this length, or the memory
/// would trigger the OOM killer. A reservation that fails fills the file system for a moment, and
/// then other programs find it full.
pub(super) fn survives_in(file: &File, length: u64) -> Result<(), Error> {
    let in_memory = |stat: &libc::statfs| matches!(magic(stat), TMPFS_MAGIC | RAMFS_MAGIC);
    let Some(stat) = file_system(file).filter(in_memory) else {
        return Ok(());
    };
    // The memory that the file has is counted already.
    let has = file.metadata().map_or(0, |data| data.blocks() * 512);
    let missing = length.saturating_sub(has);
    // The kernel's internal file systems, of memfds, have no size.
    if stat.f_blocks != 0 && missing > stat.f_bavail.saturating_mul(stat.f_bsize as u64) {
        return Err(not_enough(file, length));
    }
    survives(missing)
}

/// What is free where `file` is.
pub(super) fn not_enough(file: &File, wanted: u64) -> Error {
    // SAFETY: all zero bytes are a `statvfs`.
    let mut stat: libc::statvfs = unsafe { core::mem::zeroed() };
    // SAFETY: `stat` outlives the call.
    let known = unsafe { libc::fstatvfs(file.as_raw_fd(), &raw mut stat) } == 0;
    let available = match stat.f_blocks {
        // A hugetlbfs without a size option counts nothing.
        0 if known => free_huge_pages(stat.f_bsize),
        _ => stat.f_bavail.saturating_mul(stat.f_frsize),
    };
    Error::NotEnoughMemory {
        wanted,
        available,
        hint: "make the ring smaller, remove stale rings, or enlarge the file system \
               (mount -o remount,size=1G /dev/shm; docker run --shm-size=1g; \
               vm.nr_hugepages and the limit of the hugetlb control group for huge pages)"
            .into(),
    }
}

/// Bytes in the machine's huge pages of this size that are free.
fn free_huge_pages(size: u64) -> u64 {
    let kilobytes = size / 1024;
    let path = format!("/sys/kernel/mm/hugepages/hugepages-{kilobytes}kB/free_hugepages");
    let free = fs::read_to_string(path).ok();
    let free = free.and_then(|free| free.trim().parse::<u64>().ok());
    free.unwrap_or(0).saturating_mul(size)
}

/// Whether the file is on a disk: its pages in memory are a cache, which the kernel can
/// drop until they are locked.
pub(super) fn is_on_a_disk(file: &File) -> bool {
    let in_memory = [TMPFS_MAGIC, RAMFS_MAGIC, HUGETLBFS_MAGIC];
    file_system(file).is_some_and(|stat| !in_memory.contains(&magic(&stat)))
}

#[allow(clippy::unnecessary_cast, reason = "musl has another type for it")]
fn magic(stat: &libc::statfs) -> i64 {
    stat.f_type as i64
}

fn file_system(file: &File) -> Option<libc::statfs> {
    // SAFETY: all zero bytes are a `statfs`.
    let mut stat: libc::statfs = unsafe { core::mem::zeroed() };
    // SAFETY: `stat` outlives the call.
    let known = unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut stat) } == 0;
    known.then_some(stat)
}

const TMPFS_MAGIC: i64 = 0x0102_1994;
const RAMFS_MAGIC: i64 = 0x8584_58f6;
const HUGETLBFS_MAGIC: i64 = 0x9584_58f6;

/// After this many times 10 ms the kernel has counted what is in use.
const COUNTED: u32 = 250;

fn way_out(limit: &MemoryLimit) -> String {
    let MemoryLimit {
        file, limit: set, ..
    } = limit;
    let file = file.display();
    if limit.is_of_a_group() {
        format!(
            "beyond the limit of this process's control group, {set} bytes in {file}, the kernel \
             kills; make the ring smaller, remove rings, or raise the limit (docker run --memory; \
             MemoryMax= in a unit of systemd; resources.limits.memory in Kubernetes)"
        )
    } else {
        format!(
            "this machine has {set} bytes of memory ({file}), and beyond them the kernel kills; \
             make the ring smaller, remove rings, or stop other programs"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_may_be_free_is_waited_for() {
        let limit = |free, unsure| MemoryLimit {
            file: "/proc/meminfo".into(),
            limit: u64::MAX,
            free,
            unsure,
        };
        assert!(may_be_free(&limit(5, 2), 7));
        assert!(!may_be_free(&limit(5, 2), 8));
        assert!(may_be_free(&limit(5, u64::MAX), 8));
    }
}
