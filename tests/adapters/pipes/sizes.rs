//! Writes and reads of every size, and which bytes are in the ring in between.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, ErrorKind, IoSlice, Read, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use quoit::{FrameConsumer, FrameProducer, Reader, RingOptions, Writer};

use super::kind_of;
use crate::common::dice::Dice;
use crate::common::rings::{ends, heap, named};
use crate::common::sample::bytes;
use crate::common::segment_file::{DATA, SegmentFile};

crate::common::suite::tests! {
    a_ring_is_a_stream_of_bytes,
    owned_streams_return_their_endpoints,
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

fn owned_streams_return_their_endpoints() {
    let (producer, consumer) = heap::<[u8]>(64);
    let mut writer: Writer = producer.into_writer();
    let mut reader: Reader = consumer.into_reader();
    writer.write_all(b"sent").expect("there is room");
    writer.flush().expect("nothing to do");
    let mut producer = thread::spawn(move || writer.into_inner()).join();
    let producer = producer.as_mut().expect("no panic");
    reader.read_exact(&mut [0; 4]).expect("it is written");
    producer.try_push(b"rest").expect("there is room");
    let mut consumer = reader.into_inner();
    assert_eq!(consumer.try_pop(&mut [0; 4]).expect("a frame").len, 4);
}
