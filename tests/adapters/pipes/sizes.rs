//! Writes and reads of every size, and which bytes are in the ring in between.

use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::thread;
use std::time::Duration;

use quoit::RingOptions;

use super::kind_of;
use crate::common::PATIENCE;
use crate::common::flood::{FLOOD, flooded};
use crate::common::rings::{consumer, ends, heap, named, producer};
use crate::common::sample::bytes;
use crate::common::segment_file::{DATA, HEAD, SegmentFile, TAIL};

crate::common::suite::tests! {
    a_write_is_one_frame_of_at_most_a_quarter_of_the_ring,
    an_empty_write_publishes_nothing,
    a_tiny_buffer_takes_a_frame_piece_by_piece,
    lines_may_span_frames,
    a_reader_takes_the_frames_of_any_producer,
    a_frame_stays_in_the_ring_until_its_buffer_is_consumed,
    endless_empty_frames_do_not_extend_a_deadline,
    a_read_after_its_deadline_skips_a_bounded_number_of_empty_frames,
    a_zero_timeout_skips_the_empty_frames_in_the_ring,
    owned_streams_move_between_threads_and_return_their_endpoints,
    a_timeout_is_an_error_that_loses_no_bytes,
    a_broken_ring_is_invalid_data,
}

/// The next bytes of a stream, which has as many.
fn next<const N: usize>(mut reader: impl Read) -> [u8; N] {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).expect("bytes");
    bytes
}

/// A write of each size, and vectored ones, by the capacity of a ring.
fn a_write_is_one_frame_of_at_most_a_quarter_of_the_ring() {
    for capacity in [64, 128, 256, 1024] {
        let (mut producer, mut consumer) = heap::<[u8]>(capacity);
        let most = capacity as usize / 4 - 8;
        let mut writes: Vec<_> = (0..=2 * capacity as usize).map(|size| vec![size]).collect();
        writes.extend([vec![], vec![0, 0], vec![3, 0, 4], vec![most - 1, 0, 1, 7]]);
        writes.extend([
            vec![1; most + 1],
            vec![most / 2, most, most],
            vec![0, 2 * most],
        ]);
        for lens in writes {
            let parts: Vec<_> = (0..).zip(&lens).map(|(i, &len)| bytes(i, len)).collect();
            let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let (all, before) = (parts.concat(), producer.position());
            let count = match &parts[..] {
                [part] => producer.writer().write(part),
                _ => producer.writer().write_vectored(&slices),
            };
            let count = count.expect("the ring is empty");
            assert_eq!(count, all.len().min(most), "{lens:?}");
            if count == 0 {
                assert_eq!(producer.position(), before, "nothing was published");
                continue;
            }
            let frame = consumer.try_peek().expect("a frame");
            assert_eq!(frame.to_vec(), all[..count]);
            let mut read = vec![0; count];
            consumer.reader().read_exact(&mut read).expect("the frame");
            assert_eq!(read, all[..count]);
            assert!(consumer.is_empty(), "there was one frame");
        }
        // Three of the longest fit at any offset.
        let three = bytes(0, most * 3);
        producer.writer().write_all(&three).expect("there is room");
        // In a full ring it waits, and publishes nothing at the timeout.
        while producer.try_push(&[]).is_ok() {}
        let unread = producer.len();
        let mut writer = producer.writer();
        writer.set_timeout(Some(Duration::from_millis(1)));
        let written = writer.write_vectored(&[IoSlice::new(b"more")]);
        assert_eq!(kind_of(written), ErrorKind::TimedOut);
        assert_eq!(producer.len(), unread);
    }
}

fn an_empty_write_publishes_nothing() {
    let (mut producer, mut consumer) = heap::<[u8]>(64);
    let mut writer = producer.writer();
    assert_eq!(writer.write(b"").expect("nothing to do"), 0);
    writer.write_all(b"").expect("nothing to do");
    writer.flush().expect("nothing to do");
    assert_eq!((producer.position(), consumer.len()), (0, 0));
    // It does not wait in a full ring either. A read into an empty buffer does not wait in an empty ring.
    let read = consumer.reader().read(&mut []);
    assert_eq!(read.expect("nothing to do"), 0);
    while producer.try_push(&[]).is_ok() {}
    let written = producer.writer().write(b"");
    assert_eq!(written.expect("nothing to do"), 0);
}

fn a_tiny_buffer_takes_a_frame_piece_by_piece() {
    let (mut producer, mut consumer) = heap::<[u8]>(1024);
    for buffer_len in 1..=9 {
        let sent = bytes(buffer_len as u64, 200);
        for piece in sent.chunks(67) {
            producer.writer().write_all(piece).expect("there is room");
        }
        let mut reader = consumer.reader();
        reader.set_timeout(Some(PATIENCE));
        let mut received = Vec::new();
        let mut buffer = vec![0; buffer_len];
        while received.len() < sent.len() {
            let count = reader.read(&mut buffer).expect("there are bytes");
            received.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(received, sent);
        assert_eq!(consumer.len(), 0, "every frame is released");
    }
}

fn lines_may_span_frames() {
    let text = "the first\nsecond\n\nfourth, which is longer than the others\nlast";
    for size in 1..=text.len() {
        let (mut producer, mut consumer) = heap::<[u8]>(4096);
        for piece in text.as_bytes().chunks(size) {
            producer.writer().write_all(piece).expect("there is room");
        }
        drop(producer);
        let lines: Result<Vec<_>, _> = consumer.reader().lines().collect();
        assert_eq!(lines.expect("text"), text.lines().collect::<Vec<_>>());
    }
}

fn a_reader_takes_the_frames_of_any_producer() {
    let (mut producer, mut consumer) = heap::<[u8]>(256);
    let longest = bytes(1, producer.max_frame_len());
    producer.try_push(b"").expect("there is room");
    producer.try_push_kind(7, b"one").expect("there is room");
    producer.try_push(b"").expect("there is room");
    producer.try_push(b"two").expect("there is room");
    assert_eq!(&next(consumer.reader()), b"onetwo");
    producer.try_push(&longest).expect("there is room");
    producer.try_push(b"").expect("there is room");
    drop(producer);
    let mut rest = Vec::new();
    let read = consumer.reader().read_to_end(&mut rest);
    assert_eq!(read.expect("bytes"), longest.len());
    assert_eq!(rest, longest);
    assert_eq!(consumer.len(), 0, "empty frames are released, too");
}

/// The buffer itself is a private copy.
fn a_frame_stays_in_the_ring_until_its_buffer_is_consumed() {
    let (ring, name) = named::<[u8]>("buffer", &RingOptions::new(1024));
    let file = SegmentFile::open(&name.file());
    let (mut producer, mut consumer) = ends(&ring);
    for number in 0..2 {
        let written = producer.writer().write(&bytes(number, 100));
        assert_eq!(written.expect("there is room"), 100);
    }
    let unread = consumer.len();
    let mut reader = consumer.reader();
    for consumed in 0..100 {
        let buffer = reader.fill_buf().expect("the rest of the frame");
        assert_eq!(buffer, &bytes(0, 100)[consumed..]);
        // Nothing is released before the whole frame was consumed.
        assert_eq!(producer.len(), unread);
        reader.consume(1);
        file.write(DATA + 8 + 8 * (consumed as u64 % 12), u64::MAX);
    }
    assert_eq!(producer.len(), unread / 2);
    assert_eq!(reader.fill_buf().expect("the next frame"), bytes(1, 100));
}

fn endless_empty_frames_do_not_extend_a_deadline() {
    type Attempt = fn(&mut dyn BufRead) -> io::Result<()>;
    let attempts: [Attempt; 2] = [
        |reader| reader.read(&mut [0; 8]).map(drop),
        |reader| reader.fill_buf().map(drop),
    ];
    for attempt in attempts {
        let (ring, name) = named::<[u8]>("flood", &RingOptions::new(FLOOD));
        let mut reader = consumer(&ring).into_reader();
        reader = flooded(&name, move || {
            for timeout in [Duration::ZERO, Duration::from_millis(20)].repeat(2) {
                reader.set_timeout(Some(timeout));
                assert_eq!(kind_of(attempt(&mut reader)), ErrorKind::TimedOut);
            }
            reader
        });
        let mut writer = producer(&ring).into_writer();
        reader.set_timeout(Some(PATIENCE));
        let sender = thread::spawn(move || writer.write_all(b"at last"));
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("the stream ends");
        assert_eq!(text, "at last");
        sender.join().expect("no panic").expect("there is room");
    }
}

/// In a very large ring, skipping everything would take seconds.
fn a_read_after_its_deadline_skips_a_bounded_number_of_empty_frames() {
    const CAPACITY: u64 = 1 << 20;
    const LATE: u64 = 64 << 10;
    let (mut producer, mut consumer) = heap::<[u8]>(CAPACITY);
    while producer.try_push(b"").is_ok() {}
    for turn in 1..=3 {
        let mut reader = consumer.reader();
        reader.set_timeout(Some(Duration::ZERO));
        assert_eq!(kind_of(reader.read(&mut [0; 8])), ErrorKind::TimedOut);
        assert_eq!(consumer.len(), CAPACITY - turn * LATE);
    }
}

fn a_zero_timeout_skips_the_empty_frames_in_the_ring() {
    let (mut producer, mut consumer) = heap::<[u8]>(1024);
    for buffered in [false, true] {
        let pushed = producer.try_push_slice(0, &["", "", "", "word", ""]);
        assert_eq!(pushed, Ok(5));
        let mut reader = consumer.reader();
        reader.set_timeout(Some(Duration::ZERO));
        if buffered {
            assert_eq!(reader.fill_buf().expect("it exists"), b"word");
            reader.consume(4);
        } else {
            assert_eq!(&next(&mut reader), b"word");
        }
        assert_eq!(kind_of(reader.read(&mut [0])), ErrorKind::TimedOut);
        assert!(consumer.is_empty());
    }
}

fn owned_streams_move_between_threads_and_return_their_endpoints() {
    let (producer, consumer) = heap::<[u8]>(64);
    let mut writer: quoit::Writer = producer.into_writer();
    let mut reader: quoit::Reader = consumer.into_reader();
    let (sent, copy) = (bytes(3, 10_000), bytes(3, 10_000));
    let writing = thread::spawn(move || {
        writer.write_all(&copy).expect("the reader is attached");
        writer.into_inner()
    });
    let reading = thread::spawn(move || (next(&mut reader), reader.into_inner()));
    let (received, mut consumer): ([u8; 10_000], _) = reading.join().expect("no panic");
    assert!(received[..] == sent);
    let mut producer = writing.join().expect("no panic");
    producer.try_push(b"rest").expect("there is room");
    assert_eq!(consumer.try_pop(&mut [0; 4]).expect("a frame").len, 4);
}

/// Each write is published at once, and a reader that is dropped within a frame does not
/// release it.
fn a_timeout_is_an_error_that_loses_no_bytes() {
    let (mut producer, mut consumer) = heap::<[u8]>(64);
    let soon = Some(Duration::from_millis(1));
    let mut reader = consumer.reader();
    reader.set_timeout(soon);
    assert_eq!(kind_of(reader.read(&mut [0; 8])), ErrorKind::TimedOut);
    let mut writer = producer.writer();
    writer.set_timeout(soon);
    for number in 0..4 {
        writer.write_all(&bytes(number, 8)).expect("there is room");
    }
    assert_eq!(kind_of(writer.write(&[0; 8])), ErrorKind::TimedOut);
    for number in 0..4 {
        for _ in 0..2 {
            let part: [u8; 3] = next(consumer.reader());
            assert_eq!(part, bytes(number, 8)[..3]);
        }
        let whole: [u8; 8] = next(consumer.reader());
        assert_eq!(whole[..], bytes(number, 8));
    }
    writer.set_timeout(None);
    writer.write_all(b"more").expect("there is room again");
    assert_eq!(&next(consumer.reader()), b"more");
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
