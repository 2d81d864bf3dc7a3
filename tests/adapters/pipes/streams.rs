//! Streams between two processes.

use std::env;
use std::io::{self, BufWriter, Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use quoit::{FrameConsumer, FrameProducer, RingOptions};
use serde_json::{Deserializer, Value, json};

use crate::common::PATIENCE;
use crate::common::child::{Child, say};
use crate::common::names::RingName;
use crate::common::rings::{consumer, named};
use crate::common::sample::mix;
use crate::pipes::stream::{Stream, Sum};

crate::common::suite::tests! {
    a_long_stream_is_copied_between_two_processes,
    writes_of_every_length_are_one_stream,
    gzip_says_whether_a_stream_is_complete,
    json_values_are_streamed;
    parts: copier, ragged_writer, gzip_writer, json_writer
}

/// A child that writes into a new ring of this capacity, and the ring's reader.
fn fed_by(part: &str, capacity: u64, length: u64) -> (RingName, Child, FrameConsumer) {
    let (ring, name) = named::<[u8]>(part, &RingOptions::new(capacity));
    let child = Child::start(part, &[name.as_str(), &length.to_string()]);
    (name, child, consumer(&ring))
}

/// In a child: the ring's producer and the stream to write.
fn feed(arguments: &[String]) -> (FrameProducer, Stream) {
    let producer = FrameProducer::open(&arguments[0]).expect("the role is free");
    let length = arguments[1].parse().expect("a number");
    (producer, Stream::new(length))
}

/// The length and the checksum of a whole stream.
fn text_of(length: u64) -> String {
    let mut sum = Sum::default();
    io::copy(&mut Stream::new(length), &mut sum).expect("the stream always has bytes");
    sum.text()
}

fn a_long_stream_is_copied_between_two_processes() {
    let length = match env::var("QUOIT_SOAK") {
        Ok(_) => 8 << 30,
        Err(_) => 1 << 30,
    };
    let (_name, child, mut consumer) = fed_by("copier", 1 << 20, length);
    let mut sum = Sum::default();
    let copied = io::copy(&mut consumer.reader(), &mut sum);
    assert_eq!(copied.expect("the stream is read"), length);
    child.expect(&sum.text());
    child.succeeds();
}

fn copier(arguments: &[String]) {
    let (mut producer, mut stream) = feed(arguments);
    io::copy(&mut stream, &mut producer.writer()).expect("the stream is written");
    drop(producer);
    say(stream.sum.text());
}

/// Pseudo-random lengths below `most`, the same each time.
fn lengths(most: usize) -> impl Iterator<Item = usize> {
    (0..).map(move |number| mix(number) as usize % most)
}

fn writes_of_every_length_are_one_stream() {
    for capacity in [64, 256, 4096] {
        let length = capacity << 10;
        let (_name, child, mut consumer) = fed_by("ragged_writer", capacity, length);
        let mut reader = consumer.reader();
        let mut buffer = vec![0; capacity as usize];
        let mut sum = Sum::default();
        for length in lengths(buffer.len()) {
            let count = reader.read(&mut buffer[..=length]).expect("bytes");
            if count == 0 {
                break;
            }
            sum.write_all(&buffer[..count]).expect("a write");
        }
        assert_eq!(sum.text(), text_of(length));
        child.succeeds();
    }
}

/// Writes pieces that are shorter and longer than the longest frame.
fn ragged_writer(arguments: &[String]) {
    let (mut producer, mut stream) = feed(arguments);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("a stream has bytes");
    let mut rest = &bytes[..];
    let most = producer.capacity() as usize * 2;
    let mut writer = producer.writer();
    for length in lengths(most) {
        let (piece, others) = rest.split_at(length.min(rest.len()));
        writer.write_all(piece).expect("the reader is there");
        rest = others;
        if rest.is_empty() {
            break;
        }
    }
}

/// The end of file does not show whether the writer had finished; gzip does.
fn gzip_says_whether_a_stream_is_complete() {
    let length = 8 << 20;
    for is_killed in [false, true] {
        let (_name, mut child, mut consumer) = fed_by("gzip_writer", 1 << 16, length);
        let mut reader = consumer.reader();
        reader.set_timeout(Some(PATIENCE));
        let (mut decoder, mut sum) = (GzDecoder::new(reader), Sum::default());
        let begun = io::copy(&mut decoder.by_ref().take(4096), &mut sum);
        assert_eq!(begun.expect("it has begun"), 4096);
        if is_killed {
            child.kill();
            let error = io::copy(&mut decoder, &mut sum).expect_err("the end is missing");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        } else {
            io::copy(&mut decoder, &mut sum).expect("it is unpacked");
            assert_eq!(sum.text(), text_of(length));
            child.succeeds();
        }
    }
}

fn gzip_writer(arguments: &[String]) {
    let (mut producer, mut stream) = feed(arguments);
    let mut encoder = GzEncoder::new(producer.writer(), Compression::fast());
    io::copy(&mut stream, &mut encoder).expect("the stream is written");
    encoder.finish().expect("the end is written");
}

/// The value with this number.
fn value(number: u64) -> Value {
    json!({ "number": number, "text": "quoit ".repeat(number as usize % 9), "list": [number, null] })
}

fn json_values_are_streamed() {
    let count = 5000;
    let (_name, child, mut consumer) = fed_by("json_writer", 4096, count);
    let values = Deserializer::from_reader(consumer.reader()).into_iter::<Value>();
    let mut found = 0;
    for (number, found_value) in (0..).zip(values) {
        assert_eq!(found_value.expect("a value"), value(number));
        found += 1;
    }
    assert_eq!(found, count);
    child.succeeds();
}

/// The first half in many small frames, the second half buffered.
fn json_writer(arguments: &[String]) {
    let (mut producer, _) = feed(arguments);
    let count: u64 = arguments[1].parse().expect("a number");
    for number in 0..count / 2 {
        serde_json::to_writer(producer.writer(), &value(number)).expect("it is written");
    }
    let mut buffered = BufWriter::new(producer.writer());
    for number in count / 2..count {
        serde_json::to_writer(&mut buffered, &value(number)).expect("it is written");
    }
    buffered.flush().expect("the rest is written");
}
