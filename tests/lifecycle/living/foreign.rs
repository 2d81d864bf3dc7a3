//! Files of other programs: the library reads them, and never maps them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use quoit::{Error, Observer, Ring, RingOptions, StalePolicy};

use crate::common::fork::in_a_directory;
use crate::common::mounts::mount_a_megabyte;
use crate::common::refused::{is, refused};
use crate::common::segment_file::DATA;

crate::common::suite::tests! {
    a_foreign_file_takes_no_memory_and_causes_no_signal,
    a_foreign_memfd_takes_no_memory,
    a_sparse_copy_gets_its_memory_or_is_refused
}

/// Writes zeros until the file system is full.
fn fill(directory: &Path) {
    let mut file = File::create(directory.join("rest")).expect("room for a name");
    let full = loop {
        if let Err(error) = file.write_all(&[0; 4096]) {
            break error;
        }
    };
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
}

/// The errors of every call that opens a ring, for this file.
fn answers(name: &Path) -> Vec<Error> {
    let options = RingOptions::new(64);
    let [replace, fail] = [StalePolicy::Replace, StalePolicy::Fail].map(|stale| {
        let options = options.clone().stale(stale);
        [options.create::<u64>(name), options.open_or_create(name)]
    });
    let rings = [
        options.open::<u64>(name),
        options.create::<u64>(name),
        options.open_or_create::<u64>(name),
    ];
    let rings = rings.into_iter().chain(replace).chain(fail);
    let others = [
        quoit::unlink(name),
        quoit::unlink_if_stale(name).map(drop),
        quoit::unlink_if_read(name).map(drop),
        Observer::open(name).map(drop),
    ];
    let answers = rings.map(|ring| ring.map(drop)).chain(others);
    answers
        .map(|answer| answer.expect_err("it is taken for a ring"))
        .collect()
}

fn a_foreign_file_takes_no_memory_and_causes_no_signal() {
    in_a_directory(with_a_foreign_file);
}

fn with_a_foreign_file(directory: &Path) {
    let mounted = mount_a_megabyte(directory);
    let name = directory.join("foreign");
    let file = File::create(&name).expect("room for a name");
    file.set_len(1 << 16).expect("it takes no memory");
    match mounted {
        Ok(()) => fill(directory),
        Err(error) => eprintln!("[no full file system: {error}] "),
    }
    for answer in answers(&name) {
        refused!(answer is Error::NotARing { reason, .. });
        assert_eq!(reason, "it does not begin with quoit's magic");
    }
    let metadata = fs::metadata(&name).expect("it exists");
    assert_eq!((metadata.len(), metadata.blocks()), (1 << 16, 0));
}

fn a_foreign_memfd_takes_no_memory() {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a C string.
    let descriptor = unsafe { libc::memfd_create(c"foreign".as_ptr(), flags) };
    assert_ne!(descriptor, -1, "{}", io::Error::last_os_error());
    // SAFETY: the descriptor was just opened and has no other owner.
    let file = unsafe { File::from_raw_fd(descriptor) };
    file.set_len(1 << 16).expect("it takes no memory");
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW;
    // SAFETY: the descriptor is open, and no memory is involved.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) };
    assert_eq!(sealed, 0);
    let refusal = RingOptions::default().open_descriptor::<u64>(&file);
    refused!(refusal is Err(Error::WrongDescriptor { reason }));
    assert_eq!(reason, "it does not begin with quoit's magic");
    assert_eq!(file.metadata().expect("it is open").blocks(), 0);
}

/// A sparse copy of a ring without blocks for its data, as `cp` creates it.
fn a_sparse_copy_gets_its_memory_or_is_refused() {
    in_a_directory(with_a_sparse_copy);
}

fn with_a_sparse_copy(directory: &Path) {
    if let Err(error) = mount_a_megabyte(directory) {
        return eprintln!("[no private file system: {error}]  ");
    }
    let (name, copy) = (directory.join("ring"), directory.join("copy"));
    let ring = RingOptions::new(4096).create::<u64>(&name).expect("a ring");
    let header = fs::read(&name).expect("it exists");
    let file = File::create(&copy).expect("room for a name");
    let length = DATA + 8 * 4096;
    file.write_all_at(&header[..DATA as usize], 0)
        .expect("there is room");
    file.set_len(length).expect("it takes no memory");
    let taken = || fs::metadata(&copy).expect("it exists").blocks() * 512;
    let observed = Observer::open(&copy);
    is!(observed => Err(Error::NotARing { .. }));
    assert_eq!(taken(), DATA, "an observer takes no memory");

    fill(directory);
    let opened = Ring::<u64>::open(&copy);
    let lacks = matches!(opened, Err(Error::NotEnoughMemory { .. }));
    assert!(lacks, "{opened:?}");
    assert_eq!(file.metadata().expect("it is open").len(), length);
    fs::remove_file(directory.join("rest")).expect("it exists");
    let opened = Ring::<u64>::open(&copy).expect("there is room");
    assert_eq!(taken(), length);
    assert_eq!(opened.incarnation(), ring.incarnation());
    Observer::open(&copy).expect("all its memory is reserved now");

    // A ring that cannot be opened can be removed.
    drop(opened);
    file.set_len(DATA).expect("this process holds it");
    file.set_len(length).expect("this process holds it");
    fill(directory);
    quoit::unlink(&copy).expect("no process holds it");
}
