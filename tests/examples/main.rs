//! The examples as users run them: real processes that are killed and restarted,
//! interrupted, in a pipe and on a terminal.
//!
//! `cargo test` builds them; `cargo test --test examples` alone does not.

mod calling;
#[path = "../common/mod.rs"]
mod common;
mod example;
mod latency;
mod network;
mod readme;
mod recovering;
#[cfg(feature = "shared_memory")]
mod shmem;
mod sleeping;
mod streaming;
mod terminal;
mod unread;
mod working;

use std::fs;
use std::path::{Path, PathBuf};

use common::names::RingName;
use common::segment_file::{DATA, HEAD, SegmentFile, TAIL};
use example::{Example, signal_to, wait_until};
use terminal::Terminal;

/// The ring's tail and head, from its segment.
fn positions(ring: &RingName) -> (u64, u64) {
    let segment = SegmentFile::open(&ring.file());
    (segment.read(TAIL), segment.read(HEAD))
}

fn wait_for_ring(ring: &RingName) {
    wait_until("there is a ring", || ring.file().exists());
}

/// Waits until this many messages were sent.
fn wait_for_tail(ring: &RingName, tail: u64) {
    wait_for_ring(ring);
    wait_until("the messages are sent", || positions(ring).0 >= tail);
}

/// Waits until this many messages were read.
fn wait_for_head(ring: &RingName, head: u64) {
    wait_for_ring(ring);
    wait_until("the messages are read", || positions(ring).1 >= head);
}

fn assert_removed(ring: &RingName) {
    assert!(!ring.file().exists(), "{ring} still exists");
}

/// The line of a consumer that has verified these messages.
fn verified(first: u64, end: u64) -> String {
    let (count, last) = (end - first, end - 1);
    format!("verified {count} messages ({first} to {last}), 0 lost, 0 torn")
}

#[test]
fn the_producer_may_start_first() {
    let ring = RingName::new("producer-first");
    let count = ["--count", "50000"];
    let producer = Example::end_of(&ring, "producer", &count);
    wait_for_tail(&ring, 1000);
    let consumer = Example::end_of(&ring, "consumer", &count);
    consumer.says(&verified(0, 50_000));
    producer.says("sent 50000 messages (0 to 49999), all read");
    assert_removed(&ring);
}

#[test]
fn the_consumer_may_start_first() {
    let ring = RingName::new("consumer-first");
    let count = ["--count", "50000"];
    let consumer = Example::end_of(&ring, "consumer", &count);
    wait_for_ring(&ring);
    let producer = Example::end_of(&ring, "producer", &count);
    consumer.says(&verified(0, 50_000));
    producer.says("sent 50000 messages (0 to 49999), all read");
    assert_removed(&ring);
}

#[test]
fn killed_producers_leave_no_gap() {
    let ring = RingName::new("killed-producers");
    let consumer = Example::end_of(&ring, "consumer", &[]);
    wait_for_ring(&ring);
    let mut sent = 0;
    for rate in ["0", "1000000", "0", "20000"] {
        let producer = Example::end_of(&ring, "producer", &["--rate", rate]);
        wait_for_tail(&ring, sent + 3000);
        producer.kill();
        sent = positions(&ring).0;
    }
    let count = sent + 20_000;
    let producer = Example::end_of(&ring, "producer", &["--count", &count.to_string()]);
    let last = count - 1;
    producer.says(&format!("sent 20000 messages ({sent} to {last}), all read"));
    consumer.signal(libc::SIGINT);
    consumer.dies_saying(libc::SIGINT, &verified(0, count));
    assert_removed(&ring);
}

#[test]
fn killed_consumers_leave_no_gap() {
    let ring = RingName::new("killed-consumers");
    let producer = Example::end_of(&ring, "producer", &["--rate", "0"]);
    wait_for_ring(&ring);
    let mut read = 0;
    for _ in 0..4 {
        let consumer = Example::end_of(&ring, "consumer", &[]);
        wait_for_head(&ring, read + 30_000);
        consumer.kill();
        read = positions(&ring).1;
    }
    // No consumer reads any more, so the ring becomes full.
    wait_until("the ring is full", || positions(&ring).0 == read + 4096);
    producer.signal(libc::SIGTERM);
    let (sent, last) = (read + 4096, read + 4095);
    let sum = format!("sent {sent} messages (0 to {last}), 4096 unread");
    producer.dies_saying(libc::SIGTERM, &sum);
    let consumer = Example::end_of(&ring, "consumer", &["--count", &sent.to_string()]);
    consumer.says(&verified(read, sent));
    assert_removed(&ring);
}

#[test]
fn an_interrupt_ends_one_and_then_the_other() {
    let ring = RingName::new("interrupt");
    let producer = Example::end_of(&ring, "producer", &[]);
    let consumer = Example::end_of(&ring, "consumer", &[]);
    wait_for_head(&ring, 10_000);
    producer.signal(libc::SIGINT);
    let ended = producer.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let sent = positions(&ring).0;
    wait_for_head(&ring, sent);
    consumer.signal(libc::SIGINT);
    consumer.dies_saying(libc::SIGINT, &verified(0, sent));
    assert_removed(&ring);
}

/// As after `nohup`: the terminal may close, and the example continues.
#[test]
fn an_ignored_signal_does_not_end_an_example() {
    let ring = RingName::new("nohup");
    let name = ["--name", ring.as_str()];
    let consumer = Example::start_ignoring(libc::SIGHUP, "consumer", &name);
    let producer = Example::start_ignoring(libc::SIGHUP, "producer", &name);
    wait_for_head(&ring, 1000);
    for end in [&producer, &consumer] {
        end.signal(libc::SIGHUP);
    }
    let (tail, _) = positions(&ring);
    wait_for_head(&ring, tail + 50_000);
    for end in [producer, consumer] {
        end.signal(libc::SIGTERM);
        let ended = end.end();
        assert_eq!(ended.code, Some(143), "{ended:?}");
    }
}

/// The process that exits last removes the name, unless a message is unread.
#[test]
fn an_interrupt_ends_both_at_once_and_drops_no_message() {
    for _ in 0..10 {
        let ring = RingName::new("interrupt-both");
        let producer = Example::end_of(&ring, "producer", &[]);
        let consumer = Example::end_of(&ring, "consumer", &[]);
        wait_for_head(&ring, 10_000);
        producer.signal(libc::SIGINT);
        consumer.signal(libc::SIGINT);
        let (producer, consumer) = (producer.end(), consumer.end());
        assert_eq!((producer.code, consumer.code), (Some(130), Some(130)));
        if ring.file().exists() {
            let (tail, head) = positions(&ring);
            assert_ne!(
                tail, head,
                "an empty ring stays: {producer:?}, {consumer:?}"
            );
            assert_eq!(consumer.output, format!("{}\n", verified(0, head)));
        } else {
            let sent = producer.output.split(' ').nth(1).expect("a number");
            let sent: u64 = sent.parse().expect("a number");
            assert_eq!(consumer.output, format!("{}\n", verified(0, sent)));
        }
    }
}

#[test]
fn the_consumer_fails_if_a_message_is_lost_or_torn() {
    let ring = RingName::new("flaws");
    let producer = Example::end_of(&ring, "producer", &[]);
    wait_for_tail(&ring, 4096);
    producer.signal(libc::SIGINT);
    producer.dies_saying(libc::SIGINT, "sent 4096 messages (0 to 4095), 4096 unread");

    let segment = SegmentFile::open(&ring.file());
    let slot = |number: u64| DATA + number * 32;
    segment.write(slot(100) + 8, segment.read(slot(100) + 8) ^ 1);
    for word in [0, 8, 16, 24] {
        segment.write(slot(6) + word, segment.read(slot(7) + word));
    }
    let ended = Example::end_of(&ring, "consumer", &["--count", "4096"]).end();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(1), ""));
    assert_eq!(
        ended.output,
        "verified 4094 messages (0 to 4095), 1 lost, 1 torn, 1 repeated\n"
    );
    assert_removed(&ring);
}

/// The process that exits last removes only the ring that it held.
#[test]
fn the_last_process_keeps_a_new_ring_of_the_same_name() {
    let ring = RingName::new("renamed");
    let moved = RingName::new("renamed-to");
    let consumer = Example::end_of(&ring, "consumer", &[]);
    wait_until("it is the consumer", || {
        quoit::Observer::open(&ring)
            .is_ok_and(|ring| ring.endpoint(quoit::Role::Consumer).parks > 0)
    });
    fs::rename(ring.file(), moved.file()).expect("our ring");
    let other = quoit::RingOptions::new(64).create::<u64>(&ring);
    // It was used, no process has it, and nothing is unread.
    drop(other.expect("the name is free").producer());
    consumer.signal(libc::SIGINT);
    let ended = consumer.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("has a name elsewhere"), "{ended:?}");
    assert!(
        ring.file().exists(),
        "the ring of other processes is removed"
    );
}

#[test]
fn there_is_one_producer() {
    let ring = RingName::new("one-producer");
    let first = Example::end_of(&ring, "producer", &[]);
    wait_for_tail(&ring, 1);
    let second = Example::end_of(&ring, "producer", &[]).end();
    assert_eq!((second.code, second.output.as_str()), (Some(1), ""));
    let pid = first.pid();
    assert_eq!(
        second.errors,
        format!(
            "error: the ring already has a producer (process {pid}); stop that process first\n"
        )
    );
}

#[test]
fn invalid_arguments_are_refused_with_advice() {
    let ring = RingName::new("advice");
    let holder = Example::end_of(&ring, "consumer", &["--capacity", "64"]);
    wait_for_ring(&ring);
    let name = ["--name", ring.as_str()];
    for (example, arguments, advice) in [
        ("producer", &name[..], "ask for 64"),
        ("consumer", &["--capacity", "1000"], "power of two"),
        ("producer", &["--name", ""], "cannot name a ring"),
        ("producer", &["--rate", "fast"], "--rate <MESSAGES>"),
        ("consumer", &["--rate", "5"], "try '--help'"),
        ("demo", &["--count", "0"], "not in 1.."),
        ("demo", &["fast"], "try '--help'"),
    ] {
        let ended = Example::start(example, arguments).end();
        assert!(ended.code.is_some_and(|code| code > 0), "{ended:?}");
        assert_eq!(ended.output, "");
        assert!(ended.errors.starts_with("error: "), "{ended:?}");
        assert!(ended.errors.contains(advice), "{ended:?}");
    }
    drop(holder);
}

#[test]
fn help_is_enough() {
    for (example, options) in [
        (
            "producer",
            &["--name", "--capacity", "--count", "--rate"][..],
        ),
        ("consumer", &["--name", "--capacity", "--count"]),
        ("demo", &["--count"]),
    ] {
        let ended = Example::start(example, &["--help"]).end();
        assert_eq!(ended.code, Some(0));
        for option in options {
            assert!(ended.output.contains(option), "{example} {option}");
        }
        let longest = ended.output.lines().map(str::len).max();
        assert!(longest < Some(100), "{}", ended.output);
    }
}

#[test]
fn each_endpoint_shows_one_line_on_a_terminal() {
    let ring = RingName::new("terminal");
    let name = ["--name", ring.as_str()];
    let (output, mut terminal) = Terminal::open();
    let consumer = Example::start_on(output, "consumer", &name);
    terminal.shows("no producer yet");
    let producer = Example::end_of(&ring, "producer", &[]);
    terminal.shows("/s  fill [");
    terminal.shows(" good");
    producer.kill();
    terminal.shows("no producer, waiting");

    let (output, mut terminal) = Terminal::open();
    let producer = Example::start_on(output, "producer", &name);
    terminal.shows("checksum ");
    consumer.kill();
    terminal.shows("[##########] 100 %  no consumer, waiting");
    producer.signal(libc::SIGINT);
    terminal.shows("4096 unread");
}

/// The directory of an example's process, while it exists.
fn directory_of(example: &str, process: u32) -> Option<PathBuf> {
    let prefix = format!("quoit-{example}-{process}-");
    let entries = fs::read_dir("/dev/shm").expect("/dev/shm can be read");
    entries
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
}

#[test]
fn the_demo_verifies_what_it_sends() {
    let demo = Example::start("demo", &["--count", "20000"]);
    let process = demo.pid();
    let ended = demo.end();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    assert!(!ended.output.contains('\x1b'), "{}", ended.output);
    let lines: Vec<_> = ended.output.lines().collect();
    for (line, start) in [
        "records    20000 sent     20000 verified ",
        "frames     20000 sent     20000 verified ",
        "pipe        2000 sent      2000 verified ",
        "socket      2000 sent      2000 verified ",
    ]
    .iter()
    .enumerate()
    {
        assert!(lines[line + 1].starts_with(start), "{}", ended.output);
    }
    for (line, start) in [
        "round trip, ns   trips     p50     p90     p99   p99.9       max",
        "records           1990 ",
        "frames            1990 ",
        "pipe                90 ",
        "socket              90 ",
    ]
    .iter()
    .enumerate()
    {
        assert!(lines[line + 6].starts_with(start), "{}", ended.output);
    }
    assert!(lines.iter().all(|line| line.len() < 80), "{}", ended.output);
    assert_eq!(directory_of("demo", process), None);
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let demo = Example::start("demo", &[]);
    let process = demo.pid();
    wait_until("the demo has begun", || {
        directory_of("demo", process).is_some()
    });
    demo.signal(libc::SIGINT);
    let ended = demo.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert_eq!(
        (ended.output.as_str(), ended.errors.as_str()),
        ("", "interrupted\n")
    );
    assert_eq!(directory_of("demo", process), None);
}

#[test]
fn a_demo_whose_child_is_killed_fails_and_leaves_nothing() {
    let demo = Example::start("demo", &[]);
    let process = demo.pid();
    wait_until("both endpoints have begun", || {
        children_of(process).len() == 2
    });
    signal_to(children_of(process)[0], libc::SIGKILL);
    let ended = demo.end();
    assert_eq!((ended.code, ended.output.as_str()), (Some(1), ""));
    assert!(ended.errors.contains("error: end ended with "), "{ended:?}");
    assert_eq!(directory_of("demo", process), None);
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("/proc can be read");
    processes
        .flatten()
        .filter(|entry| parent_of(&entry.path()) == Some(parent))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The parent of the process with this directory in /proc.
fn parent_of(process: &Path) -> Option<u32> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}
