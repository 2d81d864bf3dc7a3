//! Rings as byte streams: writes and reads of every size, which bytes are in the ring in between,
//! and the end of a stream. `tests/waits` has peers that are killed.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::fs;
use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use quoit::rpc::{CallError, Client};
use quoit::{FrameConsumer, FrameProducer, Reader, Ring, RingOptions};

use crate::common::PATIENCE;
use crate::common::dice::Dice;
use crate::common::names::RingName;
use crate::common::rings::{consumer, ends, heap, named, producer};
use crate::common::sample::bytes;
use crate::common::segment_file::{DATA, SegmentFile};

crate::common::suite::tests! {
    a_ring_is_a_stream_of_bytes,
    a_read_after_its_deadline_skips_a_bounded_number_of_frames,
    reading_ends_with_the_writer,
    a_pipe_breaks_with_its_reader,
    reading_continues_with_another_writer,
    a_pipe_without_a_peer_ends_or_breaks_when_it_is_unlinked,
}

/// The kind of error of a read or a write.
fn kind_of<T: Debug>(result: io::Result<T>) -> ErrorKind {
    result.expect_err("an error").kind()
}

/// The unread frames of a ring, each with the position of its end.
struct Unread {
    frames: VecDeque<(Vec<u8>, u64)>,
    head: u64,
    /// The reader's part of the first frame, and whether the reader has a copy of the frame.
    consumed: usize,
    is_buffered: bool,
    timeouts: u64,
    file: SegmentFile,
    path: PathBuf,
}

impl Unread {
    /// A write is one frame of at most a quarter of the ring, and an empty one is none.
    fn writes(&mut self, producer: &mut FrameProducer, bytes: &[u8], cut: usize) {
        let most = producer.capacity() as usize / 4 - 8;
        let (room, len) = (producer.vacant(), bytes.len().min(most));
        let mut writer = producer.writer();
        writer.set_timeout(Some(Duration::ZERO));
        let written = match bytes.split_at(cut) {
            (_, []) => writer.write(bytes),
            (front, back) => writer.write_vectored(&[front, &[], back].map(IoSlice::new)),
        };
        if len > 0 && room.is_none_or(|room| room < len) {
            assert_eq!(kind_of(written), ErrorKind::TimedOut);
            self.timeouts += 1;
        } else {
            assert_eq!(written.expect("there is room"), len);
            writer.flush().expect("nothing to do");
            let frame = (bytes[..len].to_vec(), producer.position());
            self.frames.extend((len > 0).then_some(frame));
        }
    }

    /// A frame of another writer, of any length.
    fn pushes(&mut self, producer: &mut FrameProducer, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(producer.max_frame_len())];
        let pushed = producer.try_push_kind(7, bytes);
        let frame = pushed.map(|()| (bytes.to_vec(), producer.position()));
        self.frames.extend(frame);
    }

    /// A read takes bytes of the first frame that has some, and releases each frame with its last
    /// byte.
    fn reads(&mut self, reader: &mut Reader<&mut FrameConsumer>, len: usize, is_buffered: bool) {
        reader.set_timeout(Some(Duration::ZERO));
        let mut buffer = vec![0; len];
        if len == 0 && !is_buffered {
            assert_eq!(reader.read(&mut buffer).expect("nothing to do"), 0);
            return;
        }
        while !self.is_buffered && self.frames.front().is_some_and(|first| first.0.is_empty()) {
            self.head = self.frames.pop_front().map_or(self.head, |(_, end)| end);
        }
        let read = match is_buffered {
            true => reader
                .fill_buf()
                .map(|found| found.take(len as u64).read(&mut buffer)),
            false => reader.read(&mut buffer).map(Ok),
        };
        let Some((first, end)) = self.frames.front() else {
            assert_eq!(kind_of(read), ErrorKind::TimedOut);
            self.timeouts += 1;
            return;
        };
        let rest = &first[self.consumed..];
        let count = len.min(rest.len());
        assert_eq!(read.expect("bytes").expect("a slice"), count);
        assert_eq!(buffer[..count], rest[..count]);
        self.is_buffered |= is_buffered;
        if is_buffered {
            // What fill_buf returns is a private copy.
            let kept = fs::read(&self.path)
                .expect("the segment")
                .split_off(DATA as usize);
            self.file.write_bytes(DATA, &vec![0xee; kept.len()]);
            assert_eq!(reader.fill_buf().expect("bytes"), rest);
            self.file.write_bytes(DATA, &kept);
            reader.consume(count);
        }
        self.consumed += count;
        if self.consumed == first.len() {
            (self.head, self.consumed, self.is_buffered) = (*end, 0, false);
            self.frames.pop_front();
        }
    }
}

fn is_a_stream(capacity: u64, dice: &mut Dice) {
    let (ring, name) = named::<[u8]>("stream", &RingOptions::new(capacity));
    let (mut producer, mut consumer) = ends(&ring);
    let mut unread = Unread {
        frames: VecDeque::new(),
        head: 0,
        consumed: 0,
        is_buffered: false,
        timeouts: 0,
        file: SegmentFile::open(&name.file()),
        path: name.file(),
    };
    for number in 0..300 {
        // Of a frame that a reader does not read to its end, the next reader reads everything.
        let mut reader = consumer.reader();
        (unread.consumed, unread.is_buffered) = (0, false);
        for _ in 0..dice.roll(8) {
            let most = [capacity / 4, 2 * capacity][dice.roll(2)];
            let sent = bytes(number, dice.roll(most));
            match dice.roll(6) {
                0..3 => unread.writes(&mut producer, &sent, dice.roll(sent.len() as u64 + 1)),
                3 => unread.pushes(&mut producer, &sent[..[0, sent.len()][dice.roll(2)]]),
                way => unread.reads(&mut reader, sent.len(), way == 4),
            }
            assert_eq!(producer.len(), producer.position() - unread.head);
        }
    }
    assert!(
        unread.timeouts > 50,
        "too few timeouts: {}",
        unread.timeouts
    );
    drop(producer);
    let mut rest = Vec::new();
    consumer.reader().read_to_end(&mut rest).expect("the end");
    let left: Vec<_> = unread.frames.into_iter().map(|(bytes, _)| bytes).collect();
    assert_eq!((rest, consumer.len()), (left.concat(), 0));
}

fn a_ring_is_a_stream_of_bytes() {
    let mut dice = Dice(1);
    for round in 0..40 {
        is_a_stream(64 << (round % 5), &mut dice);
    }
}

/// Over when the first frame was skipped, although it began in time.
const SHORT: Duration = Duration::from_nanos(1);

fn reads(consumer: FrameConsumer, read: fn(&mut Reader) -> io::Result<()>) -> FrameConsumer {
    let mut reader = consumer.into_reader();
    reader.set_timeout(Some(SHORT));
    assert_eq!(kind_of(read(&mut reader)), ErrorKind::TimedOut);
    reader.into_inner()
}

fn calls(consumer: FrameConsumer) -> FrameConsumer {
    let (requests, _requests_in) = heap::<[u8]>(1024);
    let mut client = Client::new(requests, consumer);
    let called = client.call(b"hello", &mut Vec::new(), SHORT);
    assert_eq!((called, client.in_flight()), (Err(CallError::TimedOut), 0));
    client.into_inner().1
}

/// In a very large ring, skipping everything would take seconds. `tests/waits/deadlines` has a peer
/// that sends such frames while the call waits.
fn a_read_after_its_deadline_skips_a_bounded_number_of_frames() {
    const CAPACITY: u64 = 1 << 20;
    const LATE: u64 = 64 << 10;
    let ways: [fn(FrameConsumer) -> FrameConsumer; 3] = [
        |consumer| reads(consumer, |reader| reader.read(&mut [0; 8]).map(drop)),
        |consumer| reads(consumer, |reader| reader.fill_buf().map(drop)),
        calls,
    ];
    for way in ways {
        let (mut producer, mut consumer) = heap::<[u8]>(CAPACITY);
        while producer.try_push(b"").is_ok() {}
        for turn in 1..=3 {
            consumer = way(consumer);
            assert_eq!(producer.len(), CAPACITY - turn * LATE);
        }
    }
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
