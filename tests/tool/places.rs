//! Files that are not what they seem: of other programs, and in layers.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use quoit::{FrameProducer, RingOptions};

use crate::common::child::Child;
use crate::common::mounts::{mount, mount_a_megabyte, own_mounts};
use crate::common::names::{RingName, shared_memory_directory};
use crate::tool::Tool;

pub(crate) fn a_foreign_file_kills_no_command_and_takes_no_memory() {
    Child::start("on_a_full_dev_shm", &[]).succeeds();
}

/// Has a /dev/shm of its own, with another program's file that no process has touched yet and
/// no memory left.
pub(crate) fn on_a_full_dev_shm(_: &[String]) {
    let shm = Path::new("/dev/shm");
    if let Err(error) = mount_a_megabyte(shm) {
        return eprintln!("[no mounts of its own: {error}] ");
    }
    let foreign = shm.join("foreign");
    let file = File::create(&foreign).expect("room for a name");
    file.set_len(1 << 20).expect("it takes no memory");
    let mut rest = File::create(shm.join("rest")).expect("room for a name");
    while rest.write_all(&[0; 4096]).is_ok() {}
    let no_ring = [
        &["stat", "foreign"][..],
        &["rm", "foreign"],
        &["rm", "--stale", "foreign"],
        &["rm", "--dry-run", "foreign"],
        &["tail", "foreign"],
        &["tail", "--follow", "foreign"],
        &["top", "--count", "1", "foreign"],
        &["send", "foreign"],
        &["recv", "foreign"],
        &["record", "foreign", "/dev/shm/recording"],
    ];
    for command in no_ring {
        Tool::run(command, b"x\n").with(3, "is not a quoit ring");
    }
    for command in [
        &["list"][..],
        &["list", "/dev/shm/."],
        &["top", "--count", "1", "--interval", "10ms"],
        &["rm", "--stale"],
    ] {
        Tool::run(command, b"").quietly();
    }
    let examined = Tool::run(&["doctor"], b"");
    assert!(examined.code.is_some(), "{examined:?}");
    assert_eq!(fs::metadata(&foreign).expect("the file exists").blocks(), 0);
}

pub(crate) fn a_follower_continues_in_a_copied_up_file() {
    let directory = shared_memory_directory();
    let path = directory.path().to_str().expect("UTF-8");
    Child::start("follower_over_a_layer", &[path]).succeeds();
}

/// The first process that opens a file of a lower layer to write gets a copy.
pub(crate) fn follower_over_a_layer(arguments: &[String]) {
    let directory = Path::new(&arguments[0]);
    let mounted = own_mounts().and_then(|()| mount(c"none", directory, c"tmpfs", 0, c""));
    for layer in ["lower", "upper", "work", "merged"] {
        fs::create_dir(directory.join(layer)).expect("our directory");
    }
    let ring = RingOptions::new(1024).create::<[u8]>(directory.join("lower/ring"));
    let mut producer = ring.expect("a ring").producer().expect("the role is free");
    producer.try_push(b"in the layer").expect("room");
    drop(producer);
    std::env::set_current_dir(directory).expect("the directory exists");
    let options = c"lowerdir=lower,upperdir=upper,workdir=work";
    let merged = directory.join("merged");
    let mounted = mounted.and_then(|()| mount(c"overlay", &merged, c"overlay", 0, options));
    if let Err(error) = mounted {
        return eprintln!("[no overlay: {error}] ");
    }
    let mut follower = Tool::start(&["tail", "--follow", "merged/ring"]);
    follower.reads_until("in the layer");
    let mut producer = FrameProducer::open("merged/ring").expect("the role is free");
    producer.try_push(b"in the copy").expect("room");
    let said = follower.reads_until("in the copy");
    assert!(
        !said.contains("in the layer"),
        "it was printed again: {said}"
    );
    drop(producer);
    quoit::unlink("merged/ring").expect("no process holds it");
    follower.end().with(3, "was removed");
}

/// Not that of the producer that died in the ring that has the name now.
pub(crate) fn a_receiver_reports_the_death_of_its_own_producer_only() {
    let name = RingName::new("another");
    let mut producer = FrameProducer::create(&name, 1024).expect("a ring");
    let mut receiver = Tool::start(&["recv", name.as_str()]);
    producer.try_push(b"one").expect("room");
    receiver.reads_until("one\n");
    fs::remove_file(name.file()).expect("the file exists");
    drop(
        RingOptions::new(1024)
            .create::<[u8]>(&name)
            .expect("a ring"),
    );
    let idler = Child::start("idler", &[name.as_str()]);
    assert_eq!(idler.says(), "here");
    drop(idler); // kill -9
    drop(producer);
    receiver.end().quietly();
}
