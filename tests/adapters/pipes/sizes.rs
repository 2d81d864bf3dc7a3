//! Writes and reads of every size, and which bytes are in the ring in between.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, ErrorKind, IoSlice, Read, Write};
use std::thread;
use std::time::Duration;

use quoit::RingOptions;

use super::kind_of;
use crate::common::dice::Dice;
use crate::common::rings::{ends, heap, named};
use crate::common::sample::bytes;
use crate::common::segment_file::{DATA, HEAD, SegmentFile, TAIL};

crate::common::suite::tests! {
    a_ring_is_a_stream_of_bytes,
    owned_streams_move_between_threads_and_return_their_endpoints,
    a_broken_ring_is_invalid_data,
}

/// Random writes and reads against a queue of frames. A write is one frame of at most a quarter
/// of the ring, and an empty one is none. A read takes bytes of the first frame that has some,
/// and releases each frame with its last byte; what fits nowhere is a timeout.
fn is_a_stream(capacity: u64, dice: &mut Dice) {
    let (ring, name) = named::<[u8]>("stream", &RingOptions::new(capacity));
    let (mut producer, mut consumer) = ends(&ring);
    let file = SegmentFile::open(&name.file());
    let most = capacity as usize / 4 - 8;
    // The bytes of each unread frame, and the position of its end.
    let mut frames: VecDeque<(Vec<u8>, u64)> = VecDeque::new();
    let (mut head, mut number, mut timeouts) = (0, 0, 0);
    for _ in 0..300 {
        let mut reader = consumer.reader();
        // What this reader has consumed of the first frame.
        let (mut consumed, mut is_buffered) = (0, false);
        for _ in 0..dice.roll(8) {
            let room = producer.vacant();
            number += 1;
            let longest = [most, 2 * capacity as usize][dice.roll(2)] as u64;
            let sent = bytes(number, dice.roll(longest + 1));
            match dice.roll(6) {
                0..=2 => {
                    let mut writer = producer.writer();
                    writer.set_timeout(Some(Duration::ZERO));
                    let cuts = [dice.roll(sent.len() as u64 + 1), sent.len()];
                    let (front, back) = sent.split_at(cuts[dice.roll(2)]);
                    let written = match back {
                        [] => writer.write(front),
                        _ => writer.write_vectored(&[front, &[], back].map(IoSlice::new)),
                    };
                    let len = sent.len().min(most);
                    if len == 0 || room.is_some_and(|room| room >= len) {
                        assert_eq!(written.expect("there is room"), len);
                        if len > 0 {
                            frames.push_back((sent[..len].to_vec(), producer.position()));
                        }
                    } else {
                        assert_eq!(kind_of(written), ErrorKind::TimedOut);
                        timeouts += 1;
                    }
                }
                // A frame of another writer, of any length.
                3 => {
                    let len = [0, sent.len()][dice.roll(2)].min(producer.max_frame_len());
                    if producer.try_push_kind(7, &sent[..len]).is_ok() {
                        frames.push_back((sent[..len].to_vec(), producer.position()));
                    }
                }
                way => {
                    reader.set_timeout(Some(Duration::ZERO));
                    let mut buffer = vec![0; dice.roll(longest + 1)];
                    if way == 4 && buffer.is_empty() {
                        assert_eq!(reader.read(&mut buffer).expect("nothing to do"), 0);
                        continue;
                    }
                    // Frames without bytes are skipped.
                    while !is_buffered && frames.front().is_some_and(|(bytes, _)| bytes.is_empty())
                    {
                        head = frames.pop_front().map_or(head, |(_, end)| end);
                    }
                    let read = match way {
                        4 => reader.read(&mut buffer),
                        _ => reader.fill_buf().map(|found| {
                            let count = found.len().min(buffer.len());
                            buffer[..count].copy_from_slice(&found[..count]);
                            is_buffered = true;
                            assert_eq!(found, &frames[0].0[consumed..]);
                            count
                        }),
                    };
                    let Some((first, end)) = frames.front() else {
                        assert_eq!(kind_of(read), ErrorKind::TimedOut);
                        timeouts += 1;
                        continue;
                    };
                    let count = buffer.len().min(first.len() - consumed);
                    assert_eq!(read.expect("bytes"), count);
                    assert_eq!(buffer[..count], first[consumed..][..count]);
                    if way == 5 {
                        // What fill_buf has returned is a private copy.
                        let kept = fs::read(name.file()).expect("the segment");
                        file.write_bytes(DATA, &vec![0xee; capacity as usize]);
                        assert_eq!(reader.fill_buf().expect("it"), &first[consumed..]);
                        file.write_bytes(DATA, &kept[DATA as usize..]);
                        reader.consume(count);
                    }
                    consumed += count;
                    if consumed == first.len() {
                        (head, consumed, is_buffered) = (*end, 0, false);
                        frames.pop_front();
                    }
                }
            }
            assert_eq!(producer.len(), producer.position() - head);
        }
        // A frame that a dropped reader has not read to its end stays.
    }
    assert!(timeouts > 100, "too few timeouts: {timeouts}");
    drop(producer);
    let mut rest = Vec::new();
    let read = consumer.reader().read_to_end(&mut rest);
    let frames: Vec<_> = frames.into_iter().map(|(bytes, _)| bytes).collect();
    assert_eq!(
        (read.expect("the end"), &rest),
        (rest.len(), &frames.concat())
    );
    assert!(consumer.is_empty());
}

fn a_ring_is_a_stream_of_bytes() {
    let mut dice = Dice(1);
    for round in 0..40 {
        is_a_stream(64 << (round % 5), &mut dice);
    }
}

fn owned_streams_move_between_threads_and_return_their_endpoints() {
    let (producer, consumer) = heap::<[u8]>(64);
    let mut writer: quoit::Writer = producer.into_writer();
    let mut reader: quoit::Reader = consumer.into_reader();
    let sent = bytes(3, 10_000);
    let (mut producer, mut consumer) = thread::scope(|scope| {
        let writing = scope.spawn(|| writer.write_all(&sent).map(|()| writer.into_inner()));
        let mut received = vec![0; sent.len()];
        reader.read_exact(&mut received).expect("it is written");
        assert!(received == sent);
        let writing = writing.join().expect("no panic");
        (writing.expect("a reader"), reader.into_inner())
    });
    producer.try_push(b"rest").expect("there is room");
    assert_eq!(consumer.try_pop(&mut [0; 4]).expect("a frame").len, 4);
}

fn a_broken_ring_is_invalid_data() {
    let (ring, name) = named::<[u8]>("broken", &RingOptions::new(64));
    let (mut producer, mut consumer) = ends(&ring);
    let file = SegmentFile::open(&name.file());
    file.write(TAIL, 1 << 40);
    let read = consumer.reader().read(&mut [0]);
    assert_eq!(kind_of(read), ErrorKind::InvalidData);
    file.write(HEAD, 1 << 40);
    let mut writer = producer.writer();
    let error = (0..9).find_map(|_| writer.write(&[0; 8]).err());
    assert_eq!(error.expect("no such head").kind(), ErrorKind::InvalidData);
}
