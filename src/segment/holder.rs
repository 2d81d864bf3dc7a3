//! Which process holds a lock: from the kernel, not from the segment.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;

use super::{Memory, Segment};
use crate::error::Holder;

impl Segment {
    /// The process with a lock on this byte: the one that the segment names if it has one, or else
    /// any that this process may inspect. Reads through `/proc`.
    pub(crate) fn holder(&self, byte: u64, named: u32) -> Holder {
        let Memory::Mapped { file, .. } = &self.memory else {
            return Holder::Known(process::id());
        };
        // The main thread may have ended, or have other descriptors than the holder's.
        let threads = fs::read_dir(format!("/proc/{named}/task"));
        let mut threads = threads.into_iter().flatten().flatten();
        if threads.any(|thread| holds(&thread.path(), file, byte)) {
            return Holder::Known(named);
        }
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let holder = processes.find(|&process| {
            process != named && holds(format!("/proc/{process}").as_ref(), file, byte)
        });
        holder.map_or(Holder::Unknown(named), Holder::Known)
    }
}

/// Whether a descriptor of the process or thread with this directory is that of the lock.
fn holds(directory: &Path, file: &File, byte: u64) -> bool {
    let entries = fs::read_dir(directory.join("fdinfo"));
    let names = entries.into_iter().flatten().flatten();
    let mut names = names.map(|entry| entry.file_name());
    names.any(|name| {
        let about = fs::read_to_string(directory.join("fdinfo").join(&name));
        // The file is opened only if it has such a lock: it may be on a server that does not
        // answer.
        about.is_ok_and(|about| has_lock(&about, byte))
            && is_same(&directory.join("fd").join(&name), file)
    })
}

/// Whether proc_pid_fdinfo(5) shows an open-file-description lock of this byte.
fn has_lock(about: &str, byte: u64) -> bool {
    about.lines().any(|line| {
        // lock: 1: OFDLCK ADVISORY WRITE -1 00:1b:1234 4096 4096
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let ["lock:", _, "OFDLCK", _, _, _, _, first, last] = words[..] else {
            return false;
        };
        let first = first.parse().unwrap_or(u64::MAX);
        let last = last.parse().unwrap_or(u64::MAX); // EOF
        (first..=last).contains(&byte)
    })
}

fn is_same(path: &Path, file: &File) -> bool {
    let identity = |data: fs::Metadata| (data.dev(), data.ino());
    match (fs::metadata(path), file.metadata()) {
        (Ok(theirs), Ok(ours)) => identity(theirs) == identity(ours),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::has_lock;

    #[test]
    fn a_lock_is_read_as_the_kernel_writes_it() {
        let about = "pos:\t0\nlock:\t1: OFDLCK  ADVISORY  WRITE -1 00:1b:1234 4096 4096\n\
                     lock:\t2: POSIX  ADVISORY  WRITE 7 00:1b:1234 0 0\n";
        assert_eq!(
            [0, 4096, 8192].map(|byte| has_lock(about, byte)),
            [false, true, false]
        );
        let all = "lock:\t1: OFDLCK  ADVISORY  READ -1 00:1b:1234 4096 EOF\n";
        assert_eq!(
            [0, 4096, 8192].map(|byte| has_lock(all, byte)),
            [false, true, true]
        );
        assert!(!has_lock("lock:\nlock: 1: OFDLCK\n", 0));
    }
}
