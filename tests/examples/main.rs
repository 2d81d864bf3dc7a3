//! The examples as users run them: real processes that are killed and restarted,
//! interrupted, in a pipe and on a terminal.
//!
//! `cargo test` builds them; `cargo test --test examples` alone does not.

mod alone;
#[path = "../common/mod.rs"]
mod common;
mod example;
mod latency;
mod network;
mod readme;
mod sleeping;
mod streaming;
mod working;

use std::fs;

use quoit::{Observer, RingOptions, Role};

use common::names::RingName;
use common::rings::sleeps_at;
use common::segment_file::{DATA, SegmentFile};
use common::terminal::{SIZE, Terminal};
use example::*;

/// The ring's tail and head; 0 before there is a ring.
fn positions(ring: &RingName) -> (u64, u64) {
    Observer::open(ring).map_or((0, 0), |ring| {
        let positions = ring.positions();
        (positions.tail, positions.head)
    })
}

fn wait_for_ring(ring: &RingName) {
    until("there is a ring", || Observer::open(ring).is_ok());
}

/// Waits until this many messages were sent.
fn wait_for_tail(ring: &RingName, tail: u64) {
    until("the messages are sent", || positions(ring).0 >= tail);
}

/// Waits until this many messages were read.
fn wait_for_head(ring: &RingName, head: u64) {
    until("the messages are read", || positions(ring).1 >= head);
}

/// The line of a consumer that has verified these messages.
fn verified(first: u64, end: u64) -> String {
    let (count, last) = (end - first, end - 1);
    format!("verified {count} messages ({first} to {last}), 0 lost, 0 torn\n")
}

#[test]
fn producer_and_consumer_with_closed_outputs_end_with_success() {
    let ring = RingName::new("unread");
    let ends = ["producer", "consumer"].map(|role| {
        let words = format!("{role} --count 5000 --name {ring}");
        start_on(closed(), &words)
    });
    ends.into_iter().for_each(|end| drop(end.end().quietly()));
    assert!(!ring.file().exists());
}

#[test]
fn killed_producers_leave_no_gap() {
    let ring = RingName::new("killed-producers");
    let consumer = end_of(&ring, "consumer");
    wait_for_ring(&ring);
    let mut sent = 0;
    for rate in ["0", "1000000", "0", "20000"] {
        let mut producer = end_of(&ring, &format!("producer --rate {rate}"));
        wait_for_tail(&ring, sent + 3000);
        producer.kill();
        sent = positions(&ring).0;
    }
    let count = sent + 20_000;
    let producer = end_of(&ring, &format!("producer --count {count}")).end();
    let said = format!("sent 20000 messages ({sent} to {}), all read\n", count - 1);
    producer.is(0, &said, "");
    consumer.signal(libc::SIGINT);
    consumer.end().is(130, &verified(0, count), "");
    assert!(!ring.file().exists());
}

#[test]
fn killed_consumers_leave_no_gap() {
    let ring = RingName::new("killed-consumers");
    let producer = end_of(&ring, "producer --rate 0");
    wait_for_ring(&ring);
    let mut read = 0;
    for _ in 0..4 {
        let mut consumer = end_of(&ring, "consumer");
        wait_for_head(&ring, read + 30_000);
        consumer.kill();
        read = positions(&ring).1;
    }
    // No consumer reads any more, so the ring becomes full.
    until("the ring is full", || positions(&ring).0 == read + 4096);
    producer.signal(libc::SIGTERM);
    let sent = read + 4096;
    let sum = format!("sent {sent} messages (0 to {}), 4096 unread\n", sent - 1);
    producer.end().is(143, &sum, "");
    let consumer = end_of(&ring, &format!("consumer --count {sent}")).end();
    consumer.is(0, &verified(read, sent), "");
    assert!(!ring.file().exists());
}

/// As after `nohup`: the terminal may close, and the example continues.
#[test]
fn an_ignored_signal_does_not_end_an_example() {
    let ring = RingName::new("nohup");
    let ends = ["consumer", "producer"].map(|role| {
        let mut command = command(&format!("{role} --name {ring}"));
        on_hang_up(&mut command, libc::SIG_IGN);
        Program::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
    });
    wait_for_head(&ring, 1000);
    ends.iter().for_each(|end| end.signal(libc::SIGHUP));
    let (tail, _) = positions(&ring);
    wait_for_head(&ring, tail + 50_000);
    ends.into_iter().for_each(|end| end.ends_by(libc::SIGTERM));
}

/// The process that exits last removes the name, unless a message is unread.
#[test]
fn an_interrupt_ends_both_at_once_and_drops_no_message() {
    for _ in 0..10 {
        let ring = RingName::new("interrupt-both");
        let ends = ["producer", "consumer"].map(|role| end_of(&ring, role));
        wait_for_head(&ring, 10_000);
        ends.iter().for_each(|end| end.signal(libc::SIGINT));
        let [producer, consumer] = ends.map(Program::end);
        let read = if ring.file().exists() {
            let (tail, head) = positions(&ring);
            assert_ne!(tail, head, "an empty ring stays: {producer:?}");
            head
        } else {
            let sent = producer.said().split(' ').nth(1);
            sent.and_then(|sent| sent.parse().ok()).expect("a number")
        };
        producer.with(130, "");
        consumer.is(130, &verified(0, read), "");
    }
}

#[test]
fn the_consumer_fails_if_a_message_is_lost_or_torn() {
    let ring = RingName::new("flaws");
    let producer = end_of(&ring, "producer");
    wait_for_tail(&ring, 4096);
    producer.signal(libc::SIGINT);
    let sum = "sent 4096 messages (0 to 4095), 4096 unread\n";
    producer.end().is(130, sum, "");

    let segment = SegmentFile::open(&ring.file());
    let slot = |number: u64| DATA + number * 32;
    segment.write(slot(100) + 8, segment.read(slot(100) + 8) ^ 1);
    for word in [0, 8, 16, 24] {
        segment.write(slot(6) + word, segment.read(slot(7) + word));
    }
    let found = "verified 4094 messages (0 to 4095), 1 lost, 1 torn, 1 repeated\n";
    end_of(&ring, "consumer --count 4096")
        .end()
        .is(1, found, "");
    assert!(!ring.file().exists());
}

/// The process that exits last removes only the ring that it held.
#[test]
fn the_last_process_keeps_a_new_ring_of_the_same_name() {
    let [ring, moved] = ["renamed", "renamed-to"].map(RingName::new);
    let consumer = end_of(&ring, "consumer");
    wait_for_ring(&ring);
    sleeps_at(&Observer::open(&ring).expect("a ring"), Role::Consumer, 1);
    fs::rename(ring.file(), moved.file()).expect("our ring");
    let other = RingOptions::new(64).create::<u64>(&ring);
    // It was used, no process has it, and nothing is unread.
    drop(other.expect("the name is free").producer());
    consumer.signal(libc::SIGINT);
    consumer.end().with(1, "has a name elsewhere");
    assert!(
        ring.file().exists(),
        "the ring of other processes is removed"
    );
}

#[test]
fn each_endpoint_shows_one_line_on_a_terminal() {
    let ring = RingName::new("terminal");
    let on_terminal = |role: &str| {
        let command = command(&format!("{role} --name {ring}"));
        Terminal::start(SIZE, command)
    };
    let mut consumer = on_terminal("consumer");
    consumer.shows("no producer yet");
    let mut producer = end_of(&ring, "producer");
    consumer.shows("/s  fill [");
    consumer.shows(" good");
    producer.kill();
    consumer.shows("no producer, waiting");

    let mut producer = on_terminal("producer");
    producer.shows("checksum ");
    consumer.signal(libc::SIGKILL);
    consumer.end();
    producer.shows("[##########] 100 %  no consumer, waiting");
    producer.signal(libc::SIGINT);
    producer.shows("4096 unread");
}
