//! What the kernel says of a process.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use procfs::process::{MemoryMaps, Process};
use quoit::Observer;
use serde::Serialize;

/// A process at a moment; nothing is known of most.
#[derive(Default, Serialize)]
pub(crate) struct Running {
    pub(crate) command: Option<String>,
    /// As proc_pid_stat(5) has it, of the main thread.
    state: Option<char>,
    /// The function of the kernel in which it waits, if this user may know.
    waits_in: Option<String>,
    /// Where its main thread ran last.
    pub(crate) core: Option<i32>,
    #[serde(skip)]
    threads: i64,
}

impl Running {
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let process = Process::new(pid.try_into().ok()?).ok()?;
        let stat = process.stat().ok()?;
        let command = process.cmdline().ok();
        let waits_in = process.wchan().ok();
        Some(Self {
            command: command.map(|words| words.join(" ").trim_end().to_owned()),
            state: Some(stat.state),
            waits_in: waits_in.filter(|name| !matches!(&**name, "" | "0")),
            core: stat.processor,
            threads: stat.num_threads,
        })
    }

    /// By SIGSTOP, or by a debugger.
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.state, Some('T' | 't'))
    }

    /// What it does, as in "; it sleeps (S) in futex_do_wait".
    pub(crate) fn words(&self) -> String {
        let Some(state) = self.state else {
            return String::new();
        };
        let does = match state {
            'R' => "runs",
            'S' => "sleeps",
            'D' => "waits for a device or a lock of the kernel",
            'T' | 't' => "is stopped",
            'Z' | 'X' => "has ended",
            _ => "is idle",
        };
        let what = match self.threads {
            ..=1 => "it",
            _ => "its main thread",
        };
        let function = self.waits_in.iter().map(|name| format!(" in {name}"));
        let waits_in: String = function.collect();
        format!("; {what} {does} ({state}){waits_in}")
    }
}

/// What a process has mapped of a file.
#[derive(Default, Clone, Copy)]
pub(crate) struct Pages {
    /// Bytes of a page, leaving transparent huge ones aside.
    pub(crate) size: u64,
    /// Bytes in the tables of the process: what it has touched.
    pub(crate) mapped: u64,
    /// Of these, bytes in huge pages.
    pub(crate) huge: u64,
}

/// Device and inode, as the kernel shows them in mappings.
type Mapped = ((i32, i32), u64);

/// The memory of a ring that this process has mapped.
pub(crate) struct Memory {
    /// As `tmpfs` or `ext4`.
    pub(crate) file_system: Option<String>,
    file: Mapped,
    /// What this process has mapped.
    pub(crate) own: Pages,
}

impl Memory {
    /// Of the ring in this file; nothing if the file was removed.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let inode = fs::metadata(path).ok()?.ino();
        let _mapped = Observer::open(path).ok()?;
        let maps = Process::myself().ok()?.smaps().ok()?;
        // The device may be another one than stat(2) says.
        let mapping = maps.iter().find(|mapping| mapping.inode == inode)?;
        let file = (mapping.dev, inode);
        Some(Self {
            file_system: file_system(path),
            file,
            own: pages(&maps, file)?,
        })
    }

    /// As another process has, if this one may know.
    pub(crate) fn pages_of(&self, pid: u32) -> Option<Pages> {
        let process = Process::new(pid.try_into().ok()?).ok()?;
        pages(&process.smaps().ok()?, self.file)
    }
}

fn pages(maps: &MemoryMaps, file: Mapped) -> Option<Pages> {
    let mut all: Option<Pages> = None;
    for map in maps.iter().filter(|map| (map.dev, map.inode) == file) {
        let bytes = |field| map.extension.map.get(field).copied().unwrap_or(0);
        // Pages of hugetlbfs are in no other sum.
        let hugetlb = bytes("Shared_Hugetlb") + bytes("Private_Hugetlb");
        let pages = all.get_or_insert_default();
        pages.size = bytes("KernelPageSize");
        pages.mapped += bytes("Rss") + hugetlb;
        pages.huge += bytes("ShmemPmdMapped") + bytes("FilePmdMapped") + hugetlb;
    }
    all
}

/// What is mounted where this file is. The path alone would not tell which of
/// several mounts is on top.
fn file_system(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
    let mut lines = about.lines();
    let id = lines.find_map(|line| line.strip_prefix("mnt_id:"))?;
    let id: i32 = id.trim().parse().ok()?;
    let mounts = Process::myself().ok()?.mountinfo().ok()?;
    let mount = mounts.iter().find(|mount| mount.mnt_id == id)?;
    Some(mount.fs_type.clone())
}
