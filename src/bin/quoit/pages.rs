//! Where a ring's memory lies, and how processes map it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::mounts::{Mount, SHARED_MEMORY};

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

/// The memory of a ring that this process has mapped once.
pub(crate) struct Memory {
    /// As `tmpfs` or `ext4`.
    pub(crate) file_system: Option<String>,
    /// Device and inode as the kernel writes them.
    file: [String; 2],
    /// What this process has mapped.
    pub(crate) own: Pages,
}

impl Memory {
    /// Of the ring of this name; nothing if the name has gone meanwhile.
    pub(crate) fn of(name: &Path) -> Option<Self> {
        let path = match name.as_os_str().as_bytes().contains(&b'/') {
            true => name.to_owned(),
            false => Path::new(SHARED_MEMORY).join(name),
        };
        let path = fs::canonicalize(path).ok()?;
        let mappings = mappings("self")?;
        let mapping = mappings.into_iter().find(|mapping| mapping.path == path)?;
        Some(Self {
            file_system: file_system(&path),
            file: mapping.file,
            own: mapping.pages,
        })
    }

    /// As another one has, if this one may know.
    pub(crate) fn pages_of(&self, pid: u32) -> Option<Pages> {
        let mappings = mappings(&pid.to_string())?;
        let ours = mappings
            .iter()
            .filter(|mapping| mapping.file == self.file)
            .map(|mapping| mapping.pages);
        ours.reduce(|sum, more| Pages {
            size: more.size,
            mapped: sum.mapped + more.mapped,
            huge: sum.huge + more.huge,
        })
    }
}

/// What is mounted where this file lies. The path alone would not tell which of
/// several mounts is on top.
fn file_system(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
    let id = about
        .lines()
        .find_map(|line| line.strip_prefix("mnt_id:"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = Mount::all(&mounts).find(|mount| mount.id == id.trim())?;
    Some(mount.kind.to_owned())
}

/// A stretch of a process's addresses.
struct Mapping {
    file: [String; 2],
    path: PathBuf,
    pages: Pages,
}

/// Where a mapping's file is, in which the kernel writes newlines as `\012`.
fn path(line: &[u8]) -> PathBuf {
    let start = line.iter().position(|&byte| byte == b'/');
    let mut rest = &line[start.unwrap_or(line.len())..];
    let mut path = Vec::new();
    while let [byte, more @ ..] = rest {
        let (byte, more) = match rest {
            [b'\\', b'0', b'1', b'2', more @ ..] => (b'\n', more),
            _ => (*byte, more),
        };
        path.push(byte);
        rest = more;
    }
    PathBuf::from(OsString::from_vec(path))
}

/// proc_pid_smaps(5): a line for each mapping, and under it lines as `Rss: 4 kB`.
fn mappings(process: &str) -> Option<Vec<Mapping>> {
    let smaps = fs::read(format!("/proc/{process}/smaps")).ok()?;
    let mut mappings: Vec<Mapping> = Vec::new();
    for bytes in smaps.split(|&byte| byte == b'\n') {
        // All but a path is ASCII.
        let line = String::from_utf8_lossy(bytes);
        let mut words = line.split_ascii_whitespace();
        let Some(first) = words.next() else {
            break;
        };
        let Some(field) = first.strip_suffix(':') else {
            mappings.push(Mapping {
                // After the addresses, the rights and the offset.
                file: [words.nth(2)?.to_owned(), words.next()?.to_owned()],
                path: path(bytes),
                pages: Pages::default(),
            });
            continue;
        };
        let (Some(kilobytes), Some(mapping)) = (words.next(), mappings.last_mut()) else {
            continue;
        };
        let bytes = kilobytes.parse::<u64>().unwrap_or_default() * 1024;
        let pages = &mut mapping.pages;
        match field {
            "KernelPageSize" => pages.size = bytes,
            "Rss" => pages.mapped += bytes,
            // Of hugetlbfs, which are in no other sum.
            "Shared_Hugetlb" | "Private_Hugetlb" => {
                pages.mapped += bytes;
                pages.huge += bytes;
            }
            "ShmemPmdMapped" | "FilePmdMapped" => pages.huge += bytes,
            _ => {}
        }
    }
    Some(mappings)
}
