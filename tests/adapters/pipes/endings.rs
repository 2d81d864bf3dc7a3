//! End of file, and streams without a reader.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use quoit::{FrameConsumer, FrameProducer, RingOptions};

use crate::common::PATIENCE;
use crate::common::child::{Child, hold, say};
use crate::common::names::RingName;

crate::common::suite::tests! {
    reading_ends_when_the_writer_closes,
    reading_ends_when_the_writer_is_killed,
    reading_continues_with_another_writer,
    a_pipe_breaks_when_its_reader_closes,
    a_pipe_breaks_when_its_reader_is_killed,
    a_pipe_without_a_peer_ends_or_breaks_when_it_is_unlinked;
    parts: writer, idle_reader
}

const CAPACITY: u64 = 256;

fn ring(test: &str) -> RingName {
    let name = RingName::new(test);
    let ring = RingOptions::new(CAPACITY).create::<[u8]>(&name);
    ring.expect("a ring");
    name
}

/// Writes its second argument, and then exits, or waits until it is killed.
fn writer(arguments: &[String]) {
    let mut producer = FrameProducer::open(&arguments[0]).expect("the role is free");
    let written = producer.writer().write_all(arguments[1].as_bytes());
    written.expect("there is room");
    match arguments[2].as_str() {
        "leaves" => drop(producer),
        _ => hold(),
    }
}

/// Reads everything up to the end of file.
fn rest(consumer: &mut FrameConsumer) -> String {
    let mut text = String::new();
    let mut reader = consumer.reader();
    reader.set_timeout(Some(PATIENCE));
    let read = reader.read_to_string(&mut text);
    read.expect("the end of file is reached");
    text
}

fn reading_ends_when_the_writer_closes() {
    let name = ring("left");
    let mut consumer = FrameConsumer::open(&name).expect("the role is free");
    // No producer has attached yet: that is not the end of file.
    let mut reader = consumer.reader();
    reader.set_timeout(Some(Duration::from_millis(200)));
    let error = reader.read(&mut [0]).expect_err("there is no writer");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let child = Child::start("writer", &[name.as_str(), "all bytes", "leaves"]);
    assert_eq!(rest(&mut consumer), "all bytes");
    assert_eq!(rest(&mut consumer), "", "the end of file is reported again");
    child.succeeds();
}

fn reading_ends_when_the_writer_is_killed() {
    let name = ring("killed");
    let mut consumer = FrameConsumer::open(&name).expect("the role is free");
    let mut child = Child::start("writer", &[name.as_str(), "all bytes", "stays"]);
    child.expect("ready");
    let mut three = [0; 3];
    let mut reader = consumer.reader();
    reader.read_exact(&mut three).expect("it was written");
    // A silent producer is not the end of file.
    reader.set_timeout(Some(Duration::from_millis(200)));
    let read = reader.read_to_end(&mut Vec::new());
    assert_eq!(
        read.expect_err("there may be more").kind(),
        ErrorKind::TimedOut
    );
    child.kill();
    let read = reader.read_to_end(&mut Vec::new());
    assert_eq!(read.expect("the end"), 0);
}

fn reading_continues_with_another_writer() {
    let name = ring("next-writer");
    let mut consumer = FrameConsumer::open(&name).expect("the role is free");
    for text in ["first", "second", "third"] {
        Child::start("writer", &[name.as_str(), text, "leaves"]).succeeds();
        assert_eq!(rest(&mut consumer), text);
    }
    // If no read notices the close between two writers, they are one stream.
    for text in ["fourth", "fifth"] {
        Child::start("writer", &[name.as_str(), text, "leaves"]).succeeds();
    }
    assert_eq!(rest(&mut consumer), "fourthfifth");
}

/// Takes the role, reads everything, and then exits or keeps running.
fn idle_reader(arguments: &[String]) {
    let mut consumer = FrameConsumer::open(&arguments[0]).expect("the role is free");
    let mut word = [0; 8];
    consumer.reader().read_exact(&mut word).expect("a word");
    say(String::from_utf8_lossy(&word));
    match arguments[1].as_str() {
        "leaves" => drop(consumer),
        _ => hold(),
    }
}

/// The number of words that can be written before the broken pipe.
fn fill_until_broken(producer: &mut FrameProducer) -> u64 {
    let mut writer = producer.writer();
    for written in 0.. {
        if let Err(error) = writer.write(b"nobody's") {
            assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error}");
            return written;
        }
    }
    unreachable!("the ring is finite")
}

/// The words, with their headers, that fit into the ring.
const WORDS: u64 = CAPACITY / 16;

fn a_pipe_breaks_when_its_reader_closes() {
    let name = ring("reader-left");
    let mut producer = FrameProducer::open(&name).expect("the role is free");
    for _ in 0..3 {
        let child = Child::start("idle_reader", &[name.as_str(), "leaves"]);
        // After the first round: this reader gets the words that remained in the ring.
        if producer.is_empty() {
            producer.writer().write_all(b"nobody's").expect("room");
        }
        child.expect("nobody's");
        child.succeeds();
        let left = producer.len() / 16;
        assert_eq!(fill_until_broken(&mut producer), WORDS - left);
        assert_eq!(fill_until_broken(&mut producer), 0, "it stays broken");
    }
}

fn a_pipe_breaks_when_its_reader_is_killed() {
    let name = ring("reader-killed");
    let mut producer = FrameProducer::open(&name).expect("the role is free");
    let mut child = Child::start("idle_reader", &[name.as_str(), "stays"]);
    producer.writer().write_all(b"nobody's").expect("room");
    child.expect("nobody's");
    child.expect("ready");
    // An idle reader has not closed.
    let mut writer = producer.writer();
    writer.set_timeout(Some(Duration::from_millis(200)));
    let error = (0..=WORDS).find_map(|_| writer.write(b"nobody's").err());
    let error = error.expect("the ring is full");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    child.kill();
    assert_eq!(fill_until_broken(&mut producer), 0);
    let successor = Child::start("idle_reader", &[name.as_str(), "leaves"]);
    successor.expect("nobody's");
    successor.succeeds();
    producer.writer().write_all(b"more!").expect("room again");
}

fn a_pipe_without_a_peer_ends_or_breaks_when_it_is_unlinked() {
    let name = ring("superseded");
    let mut producer = FrameProducer::open(&name).expect("the role is free");
    fs::remove_file(name.file()).expect("the name");
    assert_eq!(fill_until_broken(&mut producer), WORDS);

    let name = ring("superseded");
    let mut consumer = FrameConsumer::open(&name).expect("the role is free");
    fs::remove_file(name.file()).expect("the name");
    assert_eq!(rest(&mut consumer), "");
}
