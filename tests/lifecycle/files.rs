//! Rings in files: they outlive both processes and continue at their positions, and a flush
//! writes them to the disk.

use std::fs;
use std::path::Path;

use crate::common::child::{Child, hear, say};
use crate::common::forbid::forbid;
use crate::common::mappings::mapped;
use crate::common::names::{RingName, file_directory, shared_memory_directory};
use crate::common::rings::ends;
use crate::common::sample::{bytes, mix};
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};
use quoit::{Consumer, Error, FrameConsumer, FrameProducer, PopError, Producer, Ring, RingOptions};

crate::common::suite::tests! {
    what_a_killed_writer_has_published_is_drained_later,
    positions_continue_over_many_runs,
    a_flush_leaves_nothing_to_write,
    a_flush_without_a_disk_is_a_success,
    a_flush_that_fails_is_an_error,
    the_name_is_flushed_once;
    parts: endless_writer, run, flusher_without_msync, flusher_without_fsync
}

/// A path as an argument for a child.
fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The ring's tail and head, from its file.
fn positions(path: &Path) -> (u64, u64) {
    let segment = SegmentFile::open(path);
    (segment.read(TAIL), segment.read(HEAD))
}

/// The frame that begins at this position.
fn frame(position: u64) -> Vec<u8> {
    bytes(position, mix(position) as usize % 100)
}

fn what_a_killed_writer_has_published_is_drained_later() {
    let directory = file_directory();
    let path = directory.path().join("journal");
    let mut child = Child::start("endless_writer", &[text(&path)]);
    child.expect("some");
    child.kill();
    let (tail, head) = positions(&path);
    assert!(tail > 0 && head == 0, "tail {tail}, head {head}");

    let mut consumer = FrameConsumer::open(&path).expect("the ring is there");
    let mut count = 0;
    loop {
        let position = consumer.position();
        match consumer.peek() {
            Ok(found) => {
                assert_eq!(found.to_vec(), frame(position));
                found.release();
                count += 1;
            }
            Err(PopError::Abandoned) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(count >= 1000, "{count} frames");
    assert_eq!(positions(&path), (tail, tail));
}

/// Writes until it is killed; reports the first messages.
fn endless_writer(arguments: &[String]) {
    let mut producer = FrameProducer::create(&arguments[0], 1 << 22).expect("a ring");
    for number in 0.. {
        let position = producer.position();
        producer.push(&frame(position)).expect("there is room");
        if number == 1000 {
            say("some");
        }
    }
}

fn positions_continue_over_many_runs() {
    let directory = file_directory();
    let path = directory.path().join("ring");
    let (mut tail, mut head) = (0, 0);
    let run = |role: &str, count: u64| {
        let count = count.to_string();
        let mut child = Child::start("run", &[text(&path), role, &count]);
        let position = child.says().parse::<u64>().expect("a number");
        child.expect("done");
        child.kill();
        position
    };
    // More than one lap of the ring's 64 slots.
    for (pushed, popped) in [(40, 10), (30, 60), (1, 0), (50, 40), (13, 20)] {
        assert_eq!(run("producer", pushed), tail);
        tail += pushed;
        assert_eq!(run("consumer", popped), head);
        head += popped;
        assert_eq!(positions(&path), (tail, head));
    }
}

/// One run of one endpoint: reports its first position, pushes or pops this many, and waits
/// until it is killed.
fn run(arguments: &[String]) {
    let count: u64 = arguments[2].parse().expect("a number");
    if arguments[1] == "producer" {
        let mut producer = Producer::<u64>::open_or_create(&arguments[0], 64).expect("a ring");
        say(producer.position());
        for _ in 0..count {
            let position = producer.position();
            producer.try_push(mix(position)).expect("there is room");
        }
        say("done");
        hear();
    } else {
        let mut consumer = Consumer::<u64>::open(&arguments[0]).expect("a ring");
        say(consumer.position());
        for _ in 0..count {
            let position = consumer.position();
            assert_eq!(consumer.try_pop(), Ok(mix(position)));
        }
        say("done");
        hear();
    }
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
    for end in 0..3 {
        // The pushed messages and both positions are on separate pages. The kernel may
        // write them immediately, but not in every round.
        let write = |_| {
            producer.try_push_slice(&[7; 5000]).expect("there is room");
            consumer.try_pop().expect("a word");
            dirty(&path)
        };
        let before = (0..4).map(write).find(|&dirty| dirty >= 40 + 8);
        let before = before.expect("there is something to flush");
        let flushed = match end {
            0 => ring.sync_all(),
            1 => producer.sync_all(),
            _ => consumer.sync_all(),
        };
        flushed.expect("the disk works");
        let expected = if is_memory(directory.path()) {
            before
        } else {
            0
        };
        assert_eq!(dirty(&path), expected);
    }
}

fn a_flush_without_a_disk_is_a_success() {
    let name = RingName::new("flush");
    let directory = shared_memory_directory();
    let (producer, consumer) = RingOptions::new(64).heap::<u64>().expect("a ring");
    let mut pairs = vec![(producer, consumer)];
    for path in [name.as_ref(), &directory.path().join("ring")] {
        let ring = RingOptions::new(64).create::<u64>(path).expect("a ring");
        ring.sync_all().expect("nothing to do");
        let producer = ring.producer().expect("the role is free");
        pairs.push((producer, ring.consumer().expect("the role is free")));
    }
    for (producer, consumer) in &mut pairs {
        producer.try_push(7).expect("there is room");
        producer.sync_all().expect("nothing to do");
        consumer.sync_all().expect("nothing to do");
        assert_eq!(consumer.try_pop(), Ok(7));
    }
}

fn a_flush_that_fails_is_an_error() {
    let directory = file_directory();
    let path = directory.path().join("ring");
    for part in ["flusher_without_msync", "flusher_without_fsync"] {
        Child::start(part, &[text(&path)]).succeeds();
        fs::remove_file(&path).expect("the ring's file");
    }
}

/// The errors of the three ways to flush this ring.
fn refused_flushes(path: &str) -> [&'static str; 3] {
    let ring = RingOptions::new(64).create::<u64>(path).expect("a ring");
    let (producer, consumer) = ends(&ring);
    [ring.sync_all(), producer.sync_all(), consumer.sync_all()].map(|flushed| match flushed {
        Err(Error::Io {
            doing,
            name,
            source,
        }) => {
            assert_eq!(
                (name.as_str(), source.raw_os_error()),
                (path, Some(libc::ENOSYS))
            );
            doing
        }
        other => panic!("the wrong error: {other:?}"),
    })
}

fn flusher_without_msync(arguments: &[String]) {
    forbid(libc::SYS_msync);
    assert_eq!(refused_flushes(&arguments[0]), ["flush"; 3]);
}

fn flusher_without_fsync(arguments: &[String]) {
    forbid(libc::SYS_fsync);
    assert_eq!(
        refused_flushes(&arguments[0]),
        ["flush the directory of"; 3]
    );
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
    late.sync_all().expect_err("there is no directory");
}
