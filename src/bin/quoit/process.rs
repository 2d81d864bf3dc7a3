//! What the kernel says of a process.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use procfs::process::Process;
use quoit::Observer;
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
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
    size: u64,
    /// Bytes in the tables of the process: what it has touched.
    pub(crate) mapped: u64,
    /// Of these, bytes in huge pages.
    pub(crate) huge: u64,
}

/// Something of producer and consumer, as far as it is known.
pub(crate) type Ends<T> = [Option<T>; 2];

/// The memory of a ring: where it is, and what its endpoints have mapped, if this process may
/// know.
pub(crate) struct Memory {
    pub(crate) device: Device,
    pub(crate) pages: Ends<Pages>,
}

#[derive(Clone)]
pub(crate) struct Device {
    /// In mappings, where it may be another one than stat(2) says.
    number: (i32, i32),
    /// As `tmpfs` or `ext4`.
    pub(crate) file_system: Option<String>,
    pub(crate) page_bytes: u64,
}

/// What the kernel says of the memory of many rings: it is asked once for each device, and
/// once for each process.
#[derive(Default)]
pub(crate) struct Memories {
    /// By the number that stat(2) has.
    devices: BTreeMap<u64, Device>,
    processes: BTreeMap<u32, Mappings>,
}

/// By device and inode, as the kernel shows them there.
type Mappings = BTreeMap<((i32, i32), u64), Pages>;

impl Memories {
    /// Of the ring in this file, and of the processes that have its roles.
    pub(crate) fn of(&mut self, path: &Path, file: &Metadata, pids: Ends<u32>) -> Option<Memory> {
        let known = self.devices.get(&file.dev()).cloned();
        let device = known.or_else(|| Device::of(path, file))?;
        self.devices.insert(file.dev(), device.clone());
        let pages = pids.map(|pid| {
            let process = self.processes.entry(pid?);
            let mappings = process.or_insert_with_key(|&pid| mappings(pid).unwrap_or_default());
            mappings.get(&(device.number, file.ino())).copied()
        });
        Some(Memory { device, pages })
    }
}

impl Device {
    /// Of the ring in this file, which this process maps for that.
    fn of(path: &Path, file: &Metadata) -> Option<Self> {
        let _mapped = Observer::open(path).ok()?;
        let mut own = mappings(std::process::id())?.into_iter();
        let ((number, _), pages) = own.find(|&((_, inode), _)| inode == file.ino())?;
        Some(Self {
            number,
            file_system: file_system(path),
            page_bytes: pages.size,
        })
    }
}

/// What a process has mapped of each file.
fn mappings(pid: u32) -> Option<Mappings> {
    let process = Process::new(pid.try_into().ok()?).ok()?;
    let mut all = Mappings::new();
    for map in process.smaps().ok()? {
        let bytes = |field| map.extension.map.get(field).copied().unwrap_or(0);
        // Pages of hugetlbfs are in no other sum.
        let hugetlb = bytes("Shared_Hugetlb") + bytes("Private_Hugetlb");
        let pages = all.entry((map.dev, map.inode)).or_default();
        pages.size = bytes("KernelPageSize");
        pages.mapped += bytes("Rss") + hugetlb;
        pages.huge += bytes("ShmemPmdMapped") + bytes("FilePmdMapped") + hugetlb;
    }
    Some(all)
}

/// What is mounted where this file is. The path alone would not tell which of
/// several mounts is on top.
fn file_system(path: &Path) -> Option<String> {
    let file = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
    let mounts = Process::myself().ok()?.mountinfo().ok()?;
    let mut mounts = mounts.into_iter();
    let mount = mounts.find(|mount| u64::try_from(mount.mnt_id) == Ok(file.stx_mnt_id))?;
    Some(mount.fs_type)
}
