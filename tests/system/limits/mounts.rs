//! A read-only file system, and a missing `/proc`.

use std::path::Path;

use quoit::{Consumer, Error, Producer, Ring, RingOptions, StalePolicy};

use crate::common::fork::in_a_directory;
use crate::common::mounts::{mount, mount_a_megabyte, own_mounts};
use crate::common::names::{RingName, files_in};
use crate::common::refused::is;
use crate::common::rings::anonymous;
use crate::limits::is_refused;

crate::common::suite::tests! {
    a_read_only_file_system_is_an_error,
    only_a_ring_without_a_name_needs_proc,
}

fn a_read_only_file_system_is_an_error() {
    in_a_directory(on_a_read_only_file_system);
}

fn on_a_read_only_file_system(directory: &Path) {
    if let Err(error) = mount_a_megabyte(directory) {
        return eprintln!("[no private mounts: {error}]  ");
    }
    let (there, new) = (directory.join("there"), directory.join("new"));
    let options = RingOptions::new(64);
    drop(options.create::<u64>(&there).expect("a ring"));
    let flags = libc::MS_REMOUNT | libc::MS_RDONLY;
    mount(c"none", directory, c"tmpfs", flags, c"size=1m").expect("this process mounted it");
    let refused = |result, doing| is_refused(result, libc::EROFS, [doing, "can be written"]);
    let replacing = options.clone().stale(StalePolicy::Replace);
    refused(options.open::<u64>(&there).map(drop), "open");
    refused(options.open_or_create::<u64>(&there).map(drop), "open");
    refused(quoit::unlink(&there), "open");
    refused(options.create::<u64>(&there).map(drop), "open");
    refused(replacing.create::<u64>(&there).map(drop), "open");
    refused(options.create::<u64>(&new).map(drop), "create");
    refused(options.open_or_create::<u64>(&new).map(drop), "create");
    assert_eq!(files_in(directory), ["there"]);
}

fn only_a_ring_without_a_name_needs_proc() {
    in_a_directory(without_proc);
}

/// A draft then has a name, because a nameless file cannot be linked.
fn without_proc(directory: &Path) {
    let mounted = own_mounts();
    let hidden = mounted.and_then(|()| mount(c"none", Path::new("/proc"), c"tmpfs", 0, c""));
    if let Err(error) = hidden {
        return eprintln!("[no private mounts: {error}]  ");
    }
    assert_eq!(files_in(Path::new("/proc")), [""; 0]);
    let plain = RingName::new("without-proc");
    let path = directory.join("ring");
    for name in [plain.as_ref(), path.as_path()] {
        let mut producer = Producer::<u64>::create(name, 64).expect("a ring");
        let mut consumer = Consumer::<u64>::open(name).expect("the role is free");
        producer.push(7).expect("the consumer is attached");
        assert_eq!(consumer.pop(), Ok(7));
        let again = Producer::<u64>::open(name).err();
        is!(again => Some(Error::InUse { .. }));
        let again = RingOptions::new(64).create::<u64>(name).err();
        is!(again => Some(Error::AlreadyExists { in_use: true, .. }));
        drop((producer, consumer));
        let replacing = RingOptions::new(64).stale(StalePolicy::Replace);
        replacing.create::<u64>(name).expect("no process holds it");
        Ring::<u64>::open(name).expect("the new one exists");
        assert!(files_in(directory).iter().all(|file| file == "ring"));
        quoit::unlink(name).expect("no process holds it");
    }
    assert_eq!(files_in(directory), [""; 0]);

    let ring = anonymous::<u64>(64);
    let refused = |result| is_refused(result, libc::ENOENT, ["reopen", "mount /proc"]);
    refused(ring.producer().map(drop));
    let descriptor = ring.descriptor().expect("it is anonymous");
    let again = RingOptions::default().open_descriptor::<u64>(descriptor);
    refused(again.map(drop));
}
