//! Streams between two processes.

use std::env;
use std::io::{self, BufWriter, Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use quoit::{FrameConsumer, FrameProducer};
use serde_json::{Deserializer, Value, json};

use crate::common::PATIENCE;
use crate::common::fork::{forked, kill, succeeds};
use crate::common::rings::{anonymous, consumer, producer};
use crate::common::sample::mix;
use crate::pipes::stream::{Stream, Sum};

crate::common::suite::tests! {
    a_long_stream_is_copied_between_two_processes,
    writes_of_every_length_are_one_stream,
    gzip_says_whether_a_stream_is_complete,
    json_values_are_streamed,
}

/// A child that writes into a new ring of this capacity, and the ring's consumer.
fn fed_by(capacity: u64, feed: impl FnOnce(FrameProducer)) -> (libc::pid_t, FrameConsumer) {
    let ring = anonymous::<[u8]>(capacity);
    let child = forked(|| feed(producer(&ring)));
    (child, consumer(&ring))
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
    let sums = anonymous::<[u8]>(256);
    let (child, mut reader) = fed_by(1 << 20, |mut writer| {
        let mut stream = Stream::new(length);
        io::copy(&mut stream, &mut writer.writer()).expect("the stream is written");
        let sent = producer(&sums).push(stream.sum.text().as_bytes());
        sent.expect("there is room");
    });
    let mut sum = Sum::default();
    let copied = io::copy(&mut reader.reader(), &mut sum);
    assert_eq!(copied.expect("the stream is read"), length);
    succeeds(child);
    let mut sent = Vec::new();
    consumer(&sums).pop_into(&mut sent).expect("the sum");
    assert_eq!(sum.text().as_bytes(), sent);
}

/// Pseudo-random lengths below `most`, the same each time.
fn lengths(most: usize) -> impl Iterator<Item = usize> {
    (0..).map(move |number| mix(number) as usize % most)
}

/// Of pieces that are shorter and longer than the longest frame.
fn writes_of_every_length_are_one_stream() {
    for capacity in [64, 256, 4096] {
        let length = capacity << 10;
        let (child, mut consumer) = fed_by(capacity, |mut producer| {
            let mut bytes = Vec::new();
            let read = Stream::new(length).read_to_end(&mut bytes);
            read.expect("a stream has bytes");
            let (mut rest, mut lengths) = (&bytes[..], lengths(2 * capacity as usize));
            while let (false, Some(length)) = (rest.is_empty(), lengths.next()) {
                let (piece, others) = rest.split_at(length.min(rest.len()));
                producer.writer().write_all(piece).expect("a reader");
                rest = others;
            }
        });
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
        succeeds(child);
    }
}

/// The end of file does not show whether the writer had finished; gzip does.
fn gzip_says_whether_a_stream_is_complete() {
    let length = 8 << 20;
    for is_killed in [false, true] {
        let (child, mut consumer) = fed_by(1 << 16, |mut producer| {
            let mut encoder = GzEncoder::new(producer.writer(), Compression::fast());
            io::copy(&mut Stream::new(length), &mut encoder).expect("the stream is written");
            encoder.finish().expect("the end is written");
        });
        let mut reader = consumer.reader();
        reader.set_timeout(Some(PATIENCE));
        let (mut decoder, mut sum) = (GzDecoder::new(reader), Sum::default());
        let begun = io::copy(&mut decoder.by_ref().take(4096), &mut sum);
        assert_eq!(begun.expect("it has begun"), 4096);
        if is_killed {
            kill(child);
            let error = io::copy(&mut decoder, &mut sum).expect_err("the end is missing");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        } else {
            io::copy(&mut decoder, &mut sum).expect("it is unpacked");
            assert_eq!(sum.text(), text_of(length));
            succeeds(child);
        }
    }
}

/// The value with this number.
fn value(number: u64) -> Value {
    json!({ "number": number, "text": "quoit ".repeat(number as usize % 9), "list": [number, null] })
}

/// The first half in many small frames, the second half buffered.
fn json_values_are_streamed() {
    const COUNT: u64 = 5000;
    let (child, mut consumer) = fed_by(4096, |mut producer| {
        for number in 0..COUNT / 2 {
            serde_json::to_writer(producer.writer(), &value(number)).expect("it is written");
        }
        let mut buffered = BufWriter::new(producer.writer());
        for number in COUNT / 2..COUNT {
            serde_json::to_writer(&mut buffered, &value(number)).expect("it is written");
        }
        buffered.flush().expect("the rest is written");
    });
    let values = Deserializer::from_reader(consumer.reader()).into_iter::<Value>();
    let values: Vec<_> = values.map(|value| value.expect("a value")).collect();
    assert!(values.into_iter().eq((0..COUNT).map(value)));
    succeeds(child);
}
