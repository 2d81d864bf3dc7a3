//! End of file, and streams without a reader.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use quoit::{FrameConsumer, FrameProducer, Ring, RingOptions};

use super::kind_of;
use crate::common::PATIENCE;
use crate::common::clock::until;
use crate::common::fork::{forked, kill, pause, succeeds};
use crate::common::names::RingName;
use crate::common::rings::{consumer, named, producer};

crate::common::suite::tests! {
    reading_ends_when_the_writer_closes,
    reading_ends_when_the_writer_is_killed,
    reading_continues_with_another_writer,
    a_pipe_breaks_when_its_reader_closes,
    a_pipe_breaks_when_its_reader_is_killed,
    a_pipe_without_a_peer_ends_or_breaks_when_it_is_unlinked,
}

const CAPACITY: u64 = 256;
/// Longer than a liveness check.
const SOON: Option<Duration> = Some(Duration::from_millis(200));

fn ring() -> (Ring<[u8]>, RingName) {
    named::<[u8]>("ends", &RingOptions::new(CAPACITY))
}

/// A child that writes, and exits, or waits until it is killed.
fn writer(ring: &Ring<[u8]>, text: &str, stays: bool) -> libc::pid_t {
    forked(|| {
        let mut producer = producer(ring);
        let written = producer.writer().write_all(text.as_bytes());
        written.expect("there is room");
        if stays {
            pause();
        }
    })
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
    let (ring, _name) = ring();
    let mut consumer = consumer(&ring);
    // No producer has attached yet: that is not the end of file.
    let mut reader = consumer.reader();
    reader.set_timeout(SOON);
    assert_eq!(kind_of(reader.read(&mut [0])), ErrorKind::TimedOut);
    drop(producer(&ring));
    assert_eq!(rest(&mut consumer), "");
    for text in ["first", "second", "third"] {
        let mut producer = producer(&ring);
        let written = thread::spawn(move || producer.writer().write_all(text.as_bytes()));
        assert_eq!(rest(&mut consumer), text);
        assert_eq!(rest(&mut consumer), "", "the end of file is reported again");
        written.join().expect("no panic").expect("there is room");
    }
}

fn reading_ends_when_the_writer_is_killed() {
    let (ring, _name) = ring();
    let child = writer(&ring, "all bytes", true);
    let mut consumer = consumer(&ring);
    let mut reader = consumer.reader();
    reader.read_exact(&mut [0; 3]).expect("it is written");
    // A silent producer is not the end of file.
    reader.set_timeout(SOON);
    let read = reader.read_to_end(&mut Vec::new());
    assert_eq!(kind_of(read), ErrorKind::TimedOut);
    kill(child);
    let read = reader.read_to_end(&mut Vec::new());
    assert_eq!(read.expect("the end"), 0);
}

/// If no read notices the close between two writers, they are one stream.
fn reading_continues_with_another_writer() {
    let (ring, _name) = ring();
    for text in ["fourth", "fifth"] {
        succeeds(writer(&ring, text, false));
    }
    assert_eq!(rest(&mut consumer(&ring)), "fourthfifth");
}

const WORD: &[u8] = b"nobody's";
/// The words, with their headers, that fit into the ring.
const WORDS: u64 = CAPACITY / 16;

/// A child that reads a word, and exits, or waits until it is killed.
fn reader(ring: &Ring<[u8]>, stays: bool) -> libc::pid_t {
    forked(|| {
        let mut consumer = consumer(ring);
        let mut word = [0; 8];
        consumer.reader().read_exact(&mut word).expect("a word");
        assert_eq!(word, WORD);
        if stays {
            pause();
        }
    })
}

/// The number of words that can be written before this error.
fn words_before(producer: &mut FrameProducer, expected: ErrorKind) -> u64 {
    let mut writer = producer.writer();
    if expected == ErrorKind::TimedOut {
        writer.set_timeout(SOON);
    }
    let writes = std::iter::repeat_with(|| writer.write(WORD));
    let written = writes.take_while(Result::is_ok).count();
    assert_eq!(kind_of(writer.write(WORD)), expected);
    written as u64
}

fn a_pipe_breaks_when_its_reader_closes() {
    let (ring, _name) = ring();
    for _ in 0..3 {
        let child = reader(&ring, false);
        let mut producer = producer(&ring);
        // After the first round: this reader gets the words that remained in the ring.
        if producer.is_empty() {
            producer.writer().write_all(WORD).expect("room");
        }
        succeeds(child);
        let left = producer.len() / 16;
        let written = words_before(&mut producer, ErrorKind::BrokenPipe);
        assert_eq!(written, WORDS - left);
    }
}

fn a_pipe_breaks_when_its_reader_is_killed() {
    let (ring, _name) = ring();
    let child = reader(&ring, true);
    let mut producer = producer(&ring);
    producer.writer().write_all(WORD).expect("room");
    until("it is read", || producer.is_empty());
    // An idle reader has not closed.
    assert_eq!(words_before(&mut producer, ErrorKind::TimedOut), WORDS);
    kill(child);
    assert_eq!(words_before(&mut producer, ErrorKind::BrokenPipe), 0);
    consumer(&ring).skip(1).expect("a word");
    producer.writer().write_all(b"more!").expect("room again");
}

fn a_pipe_without_a_peer_ends_or_breaks_when_it_is_unlinked() {
    let [(full, full_name), (out, out_name)] = [ring(), ring()];
    let (mut producer, mut consumer) = (producer(&full), consumer(&out));
    for name in [full_name, out_name] {
        fs::remove_file(name.file()).expect("the name");
    }
    assert_eq!(words_before(&mut producer, ErrorKind::BrokenPipe), WORDS);
    assert_eq!(rest(&mut consumer), "");
}
