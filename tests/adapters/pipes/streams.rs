//! Streams between two processes.

use std::env;
use std::io::{self, Read};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use quoit::{FrameConsumer, FrameProducer};

use crate::common::PATIENCE;
use crate::common::fork::{forked, kill, succeeds};
use crate::common::rings::{anonymous, consumer, producer};
use crate::pipes::stream::{Stream, Sum};

crate::common::suite::tests! {
    a_long_stream_is_copied_between_two_processes,
    gzip_says_whether_a_stream_is_complete,
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
