//! Where rings are: file systems, pages, layers, and files that are not what they seem.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use crate::common::mappings::mapped;
use crate::runbook::held;
use crate::tool::*;

/// Has a /dev/shm of its own, with another program's file that no process has touched yet and
/// no memory left.
pub(crate) fn a_foreign_file_kills_no_command_and_takes_no_memory() {
    if !own_shm(c"size=1m") {
        return;
    }
    let shm = Path::new("/dev/shm");
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
        run(command, b"x\n").with(3, "is not a quoit ring");
    }
    for command in [
        &["list"][..],
        &["list", "/dev/shm/."],
        &["top", "--count", "1", "--interval", "10ms"],
        &["rm", "--stale"],
    ] {
        run(command, b"").quietly();
    }
    let examined = run(&["doctor"], b"");
    assert!(examined.code.is_some(), "{examined:?}");
    assert_eq!(fs::metadata(&foreign).expect("the file exists").blocks(), 0);
}

/// The first process that opens a file of a lower layer to write gets a copy. The layers are in a
/// /dev/shm of its own.
pub(crate) fn a_follower_continues_in_a_copied_up_file() {
    if !own_shm(c"") {
        return;
    }
    let shm = Path::new("/dev/shm");
    std::env::set_current_dir(shm).expect("our directory");
    for layer in ["lower", "upper", "work", "merged"] {
        fs::create_dir(layer).expect("our directory");
    }
    let mut producer = FrameProducer::create("/dev/shm/lower/ring", 1024).expect("a ring");
    producer.push(b"in the layer").expect("room");
    drop(producer);
    let options = c"lowerdir=lower,upperdir=upper,workdir=work";
    if let Err(error) = mount(c"overlay", &shm.join("merged"), c"overlay", 0, options) {
        return eprintln!("[no overlay: {error}] ");
    }
    let mut follower = start(&["tail", "--follow", "merged/ring"]);
    follower.reads_until("in the layer");
    let mut producer = FrameProducer::open("merged/ring").expect("the role is free");
    producer.push(b"in the copy").expect("room");
    let said = follower.reads_until("in the copy");
    // What was printed is not printed again.
    assert!(!said.contains("in the layer"), "{said}");
    drop(producer);
    quoit::unlink("merged/ring").expect("no process holds it");
    follower.end().with(3, "was removed");
}

/// Not that of the producer that crashed in the ring that has the name now.
pub(crate) fn a_receiver_reports_the_death_of_its_own_producer_only() {
    let (name, mut producer) = frames("another", 1024);
    let mut receiver = start(&["recv", &name]);
    producer.try_push(b"one").expect("room");
    receiver.reads_until("one\n");
    fs::remove_file(name.file()).expect("the file exists");
    drop(FrameProducer::create(&name, 1024).expect("a ring"));
    drop(held(&name, "producer")); // kill -9
    drop(producer);
    receiver.end().quietly();
}

pub(crate) fn a_ring_is_shown_with_the_file_system_it_is_on() {
    let directory = file_directory();
    let file = &*file_in(&directory, "ring");
    drop(Producer::<u64>::create(file, 64).expect("a ring"));
    let df = Command::new("df").args(["--output=fstype", file]).output();
    let df = String::from_utf8(df.expect("df runs").stdout).expect("text");
    let file_system = df.lines().nth(1).expect("a file system");

    // Of two rings in one answer each has its own: of the other one, tmpfs.
    let (name, _) = ring::<u64>("on-tmpfs", 64);
    let rings = &says_json(&["stat", "--json", file, &name])["rings"];
    is(&rings[0], &json!({"file_system": file_system}));
    is(&rings[1], &json!({"file_system": "tmpfs"}));
}

/// Has a /dev/shm of its own, which is removed with it.
pub(crate) fn the_pages_of_each_endpoint_are_shown() {
    if !own_shm(c"huge=always,size=64m") {
        return;
    }
    let shm = Path::new("/dev/shm");
    // Opened by its name, the mapping has that name.
    drop(FrameProducer::create("ring", 8 << 20).expect("a ring"));
    let mut producer = FrameProducer::open("ring").expect("the role is free");
    producer.push(&vec![7; 3 << 20]).expect("room");
    let _consumer = held("ring", "consumer");
    let stat = stat("ring");
    let kilobytes = |field| mapped(&shm.join("ring"), field);
    let (rss, huge) = (kilobytes("Rss:"), kilobytes("ShmemPmdMapped:"));
    // The kernel may lack memory for huge pages.
    assert!(rss >= 3 << 10 && huge <= rss, "{huge} of {rss} kB");
    let of_consumer = stat["consumer"]["mapped_bytes"].as_u64();
    assert!(of_consumer < Some(rss << 10), "{stat}");
    let pages = json!({"mapped_bytes": rss << 10, "huge_bytes": huge << 10});
    is(&stat, &json!({"file_system": "tmpfs", "producer": pages}));
    has(&says(&["stat", "ring"]), "\n          has mapped ");
}
