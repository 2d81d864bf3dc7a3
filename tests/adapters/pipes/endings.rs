//! End of file, and streams without a reader. `tests/waits` has peers that are killed.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use quoit::{FrameConsumer, FrameProducer, Ring, RingOptions};

use super::kind_of;
use crate::common::PATIENCE;
use crate::common::names::RingName;
use crate::common::rings::{consumer, named, producer};

crate::common::suite::tests! {
    reading_ends_with_the_writer,
    a_pipe_breaks_with_its_reader,
    reading_continues_with_another_writer,
    a_pipe_without_a_peer_ends_or_breaks_when_it_is_unlinked,
}

const CAPACITY: u64 = 256;
/// Longer than a liveness check.
const SOON: Option<Duration> = Some(Duration::from_millis(200));

fn ring() -> (Ring<[u8]>, RingName) {
    named::<[u8]>("ends", &RingOptions::new(CAPACITY))
}

fn write(producer: &mut FrameProducer, text: &str) {
    let written = producer.writer().write_all(text.as_bytes());
    written.expect("there is room");
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

/// The bytes that are there; the stream does not end yet.
fn now(consumer: &mut FrameConsumer) -> String {
    let mut bytes = Vec::new();
    let mut reader = consumer.reader();
    reader.set_timeout(SOON);
    assert_eq!(kind_of(reader.read_to_end(&mut bytes)), ErrorKind::TimedOut);
    String::from_utf8(bytes).expect("text")
}

fn reading_ends_with_the_writer() {
    let (ring, _name) = ring();
    let mut consumer = consumer(&ring);
    // No producer has attached yet: that is not the end of file.
    assert_eq!(now(&mut consumer), "");
    for text in ["", "first", "second"] {
        write(&mut producer(&ring), text);
        assert_eq!(rest(&mut consumer), text);
        assert_eq!(rest(&mut consumer), "", "the end of file is reported again");
    }
    let _silent = producer(&ring);
    assert_eq!(
        now(&mut consumer),
        "",
        "a silent producer is not the end of file"
    );
}

/// If no read notices the close between two writers, they are one stream.
fn reading_continues_with_another_writer() {
    let (ring, _name) = ring();
    for text in ["fourth", "fifth"] {
        write(&mut producer(&ring), text);
    }
    assert_eq!(rest(&mut consumer(&ring)), "fourthfifth");
}

const WORD: &str = "nobody's";
/// The words, with their headers, that fit into the ring.
const WORDS: u64 = CAPACITY / 16;

/// The number of words that can be written before this error.
fn words_before(producer: &mut FrameProducer, expected: ErrorKind) -> u64 {
    let mut writer = producer.writer();
    if expected == ErrorKind::TimedOut {
        writer.set_timeout(SOON);
    }
    let writes = std::iter::repeat_with(|| writer.write(WORD.as_bytes()));
    let written = writes.take_while(Result::is_ok).count();
    assert_eq!(kind_of(writer.write(WORD.as_bytes())), expected);
    written as u64
}

fn read_word(consumer: &mut FrameConsumer) {
    let mut word = [0; 8];
    consumer.reader().read_exact(&mut word).expect("a word");
    assert_eq!(word, WORD.as_bytes());
}

fn a_pipe_breaks_with_its_reader() {
    let (ring, _name) = ring();
    let mut producer = producer(&ring);
    write(&mut producer, WORD);
    for left in [0, WORDS - 1, WORDS - 1] {
        // Later, a reader gets one of the words that remained in the ring.
        read_word(&mut consumer(&ring));
        let written = words_before(&mut producer, ErrorKind::BrokenPipe);
        assert_eq!(written, WORDS - left);
    }
    let mut idle = consumer(&ring);
    read_word(&mut idle);
    // An idle reader has not closed.
    assert_eq!(words_before(&mut producer, ErrorKind::TimedOut), 1);
    idle.skip(1).expect("a word");
    write(&mut producer, "more!");
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
