//! A ring on a disk: a flush writes it, and an observer reads a sparse copy, which takes no room.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::common::fork::in_a_child;
use crate::common::mappings::mapped;
use crate::common::names::file_directory;
use crate::common::rings::ends;
use crate::common::segment_file::DATA;
use quoit::{Observer, Ring, RingOptions};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

crate::common::suite::tests! {
    a_flush_leaves_nothing_to_write,
    the_name_is_flushed_once,
    an_observer_opens_a_sparse_copy_on_a_disk,
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
fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

fn a_flush_leaves_nothing_to_write() {
    let directory = directory();
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

/// In memory it is refused: `room.rs` has that.
fn an_observer_opens_a_sparse_copy_on_a_disk() {
    let directory = directory();
    let path = directory.path().join("ring");
    let ring = RingOptions::new(1 << 16).create::<u64>(&path);
    drop(ring.expect("a ring"));
    let length = fs::metadata(&path).expect("it exists").len();
    let file = File::options().write(true).open(&path);
    let file = file.expect("the file of this process");
    file.set_len(DATA).expect("no process has it open");
    file.set_len(length).expect("it takes no room");
    let observer = Observer::open(&path);
    assert_eq!(observer.is_err(), is_memory(directory.path()));
    let taken = file.metadata().expect("it is open").blocks() * 512;
    assert!(taken < length, "{taken} bytes");
}
