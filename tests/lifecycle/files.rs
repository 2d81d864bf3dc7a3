//! A flush writes a ring in a file to the disk.

use std::fs;
use std::path::Path;

use crate::common::fork::in_a_child;
use crate::common::mappings::mapped;
use crate::common::names::file_directory;
use crate::common::rings::ends;
use quoit::{Ring, RingOptions};
use rustix::fs::{CWD, FileType, Mode, mknodat};

crate::common::suite::tests! {
    a_flush_leaves_nothing_to_write,
    the_name_is_flushed_once,
}

/// Dirty kilobytes of this process's mappings.
fn dirty(path: &Path) -> u64 {
    mapped(path, "Shared_Dirty:") + mapped(path, "Private_Dirty:")
}

/// Whether `directory` is on a file system without a disk.
fn is_memory(directory: &Path) -> bool {
    let stat = rustix::fs::statfs(directory).expect("the directory is there");
    stat.f_type as i64 == libc::TMPFS_MAGIC
}

/// Cargo's directory for tests is on a disk more often than `/tmp` is.
fn a_flush_leaves_nothing_to_write() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let path = directory.path().join("ring");
    RingOptions::new(1 << 16)
        .create::<u64>(&path)
        .expect("a ring");
    let ring = Ring::<u64>::open(&path).expect("it opens");
    let (mut producer, mut consumer) = ends(&ring);
    for end in 0..4 {
        // The pushed messages and both positions are on separate pages. The kernel may
        // write them immediately, but not in every round.
        let write = |_| {
            producer.try_push_slice(&[7; 5000]).expect("there is room");
            consumer.try_pop().expect("a word");
            dirty(&path)
        };
        let before = (0..4).map(write).find(|&dirty| dirty >= 40 + 8);
        let before = before.expect("there is something to flush");
        let flush = || match end {
            0 => ring.sync_all(),
            1 => producer.sync_all(),
            _ => consumer.sync_all(),
        };
        let flushes = || flush().expect("the disk works");
        // A child, which has a copy, flushes the ring.
        if end == 3 {
            in_a_child(flushes);
        } else {
            flushes();
        }
        let expected = if is_memory(directory.path()) {
            before
        } else {
            0
        };
        assert_eq!(dirty(&path), expected);
    }
}

/// Flushing it each time would double the time of a flush.
fn the_name_is_flushed_once() {
    let directory = file_directory();
    let path = directory.path().join("sub").join("ring");
    let parent = path.parent().expect("a directory");
    fs::create_dir(parent).expect("a directory");
    let ring = RingOptions::new(64).create::<u64>(&path).expect("a ring");
    let late = Ring::<u64>::open(&path).expect("it opens");
    ring.sync_all().expect("the disk works");
    fs::remove_dir_all(parent).expect("our directory");
    ring.sync_all().expect("the name was flushed before");
    // Its end is awaited by no call.
    mknodat(CWD, parent, FileType::Fifo, Mode::RUSR, 0).expect("a FIFO");
    in_a_child(|| drop(late.sync_all().expect_err("there is no directory")));
}
