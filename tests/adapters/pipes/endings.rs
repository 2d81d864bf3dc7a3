//! End of file, and streams without a reader.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use quoit::{FrameConsumer, FrameProducer, RingOptions};

use super::kind_of;
use crate::common::PATIENCE;
use crate::common::child::{Child, hold, say};
use crate::common::names::RingName;
use crate::common::rings::{consumer, named, producer};

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
/// Longer than a liveness check.
const SOON: Option<Duration> = Some(Duration::from_millis(200));

fn writer_end() -> (RingName, FrameProducer) {
    let (ring, name) = named::<[u8]>("writer", &RingOptions::new(CAPACITY));
    (name, producer(&ring))
}

fn reader_end() -> (RingName, FrameConsumer) {
    let (ring, name) = named::<[u8]>("reader", &RingOptions::new(CAPACITY));
    (name, consumer(&ring))
}

/// Writes its second argument, and then exits, or waits until it is killed.
fn writer(arguments: &[String]) {
    let mut producer = FrameProducer::open(&arguments[0]).expect("the role is free");
    let written = producer.writer().write_all(arguments[1].as_bytes());
    written.expect("there is room");
    if arguments[2] == "stays" {
        hold();
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
    let (name, mut consumer) = reader_end();
    // No producer has attached yet: that is not the end of file.
    let mut reader = consumer.reader();
    reader.set_timeout(SOON);
    assert_eq!(kind_of(reader.read(&mut [0])), ErrorKind::TimedOut);
    let child = Child::start("writer", &[name.as_str(), "all bytes", "leaves"]);
    assert_eq!(rest(&mut consumer), "all bytes");
    assert_eq!(rest(&mut consumer), "", "the end of file is reported again");
    child.succeeds();
}

fn reading_ends_when_the_writer_is_killed() {
    let (name, mut consumer) = reader_end();
    let mut child = Child::start("writer", &[name.as_str(), "all bytes", "stays"]);
    child.expect("ready");
    let mut reader = consumer.reader();
    reader.read_exact(&mut [0; 3]).expect("it was written");
    // A silent producer is not the end of file.
    reader.set_timeout(SOON);
    let read = reader.read_to_end(&mut Vec::new());
    assert_eq!(kind_of(read), ErrorKind::TimedOut);
    child.kill();
    let read = reader.read_to_end(&mut Vec::new());
    assert_eq!(read.expect("the end"), 0);
}

fn reading_continues_with_another_writer() {
    let (name, mut consumer) = reader_end();
    let write = |text| Child::start("writer", &[name.as_str(), text, "leaves"]).succeeds();
    for text in ["first", "second", "third"] {
        write(text);
        assert_eq!(rest(&mut consumer), text);
    }
    // If no read notices the close between two writers, they are one stream.
    write("fourth");
    write("fifth");
    assert_eq!(rest(&mut consumer), "fourthfifth");
}

/// Takes the role, reads a word, and then exits or keeps running.
fn idle_reader(arguments: &[String]) {
    let mut consumer = FrameConsumer::open(&arguments[0]).expect("the role is free");
    let mut word = [0; 8];
    consumer.reader().read_exact(&mut word).expect("a word");
    say(String::from_utf8_lossy(&word));
    if arguments[1] == "stays" {
        hold();
    }
}

const WORD: &[u8] = b"nobody's";
/// The words, with their headers, that fit into the ring.
const WORDS: u64 = CAPACITY / 16;

/// The number of words that can be written before this error.
fn words_before(producer: &mut FrameProducer, expected: ErrorKind) -> u64 {
    let mut writer = producer.writer();
    writer.set_timeout(SOON);
    let writes = std::iter::repeat_with(|| writer.write(WORD));
    let written = writes.take_while(Result::is_ok).count();
    assert_eq!(kind_of(writer.write(WORD)), expected);
    written as u64
}

fn a_pipe_breaks_when_its_reader_closes() {
    let (name, mut producer) = writer_end();
    for _ in 0..3 {
        let child = Child::start("idle_reader", &[name.as_str(), "leaves"]);
        // After the first round: this reader gets the words that remained in the ring.
        if producer.is_empty() {
            producer.writer().write_all(WORD).expect("room");
        }
        child.expect("nobody's");
        child.succeeds();
        let left = producer.len() / 16;
        let written = words_before(&mut producer, ErrorKind::BrokenPipe);
        assert_eq!(written, WORDS - left);
    }
}

fn a_pipe_breaks_when_its_reader_is_killed() {
    let (name, mut producer) = writer_end();
    let mut child = Child::start("idle_reader", &[name.as_str(), "stays"]);
    producer.writer().write_all(WORD).expect("room");
    child.expect("nobody's");
    child.expect("ready");
    // An idle reader has not closed.
    assert_eq!(words_before(&mut producer, ErrorKind::TimedOut), WORDS);
    child.kill();
    assert_eq!(words_before(&mut producer, ErrorKind::BrokenPipe), 0);
    let successor = Child::start("idle_reader", &[name.as_str(), "leaves"]);
    successor.expect("nobody's");
    successor.succeeds();
    producer.writer().write_all(b"more!").expect("room again");
}

fn a_pipe_without_a_peer_ends_or_breaks_when_it_is_unlinked() {
    let (name, mut producer) = writer_end();
    fs::remove_file(name.file()).expect("the name");
    let mut writer = producer.writer();
    let writes = std::iter::repeat_with(|| writer.write(WORD));
    assert_eq!(writes.take_while(Result::is_ok).count() as u64, WORDS);
    assert_eq!(kind_of(writer.write(WORD)), ErrorKind::BrokenPipe);

    let (name, mut consumer) = reader_end();
    fs::remove_file(name.file()).expect("the name");
    assert_eq!(rest(&mut consumer), "");
}
