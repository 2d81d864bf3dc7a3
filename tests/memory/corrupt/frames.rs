//! Impossible frame headers.

use std::ops::ControlFlow;

use quoit::{ClaimError, Deadline, FrameBatch, FrameConsumer, FrameProducer, Frames, PopError};

use super::ends::{any_call_finds_it, is_poisoned};
use super::{corrupt, publish, ring, while_it_changes};
use crate::common::names::RingName;
use crate::common::rings::ends;
use crate::common::sample::mix;
use crate::common::segment_file::{DATA, HEAD, SegmentFile, TAIL};

crate::common::suite::tests! {
    a_frame_longer_than_what_is_published_is_corrupt,
    frames_and_padding_at_the_end_of_the_lap_are_checked,
    a_tail_between_words_is_corrupt,
    a_drain_releases_the_valid_frames_and_then_reports_corrupt,
    a_drain_that_ends_before_the_corrupt_frame_finds_nothing,
    a_corrupt_frame_stops_every_release,
    frames_whose_headers_have_changed_since_are_not_released,
    a_batch_with_a_corrupt_head_publishes_nothing,
    a_poisoned_consumer_does_not_use_its_inline_frame,
    a_header_is_read_once,
    a_reader_stays_within_what_is_published_for_any_bytes,
}

/// The length that marks padding.
const PADDING: u64 = 0xffff_ffff;

/// With its header it takes 48 bytes.
const FORTY: &str = "a text of exactly forty bytes, no more..";

/// A ring of 128 bytes in which these frames are published.
fn published(frames: &[&str]) -> (FrameProducer, FrameConsumer, SegmentFile, RingName) {
    let (ring, file, name) = ring::<[u8]>("frames", 128);
    let (mut producer, consumer) = ends(&ring);
    let pushed = producer.try_push_slice(0, frames);
    assert_eq!(pushed, Ok(frames.len()));
    (producer, consumer, file, name)
}

/// The published range, the headers at these offsets, and their fault.
type Headers<'a> = ([u64; 2], &'a [(u64, u64)], &'static str, u64);

fn cannot_be(([head, tail], headers, field, found): Headers<'_>) {
    let (ring, file, name) = ring::<[u8]>("headers", 128);
    publish(&file, head, tail);
    for (offset, header) in headers {
        file.write(DATA + offset, *header);
    }
    let take = || ring.consumer().expect("the positions are valid");
    let found = corrupt(field, found);
    any_call_finds_it(&name, found, take, || ());
    let mut consumer = take();
    assert_eq!(consumer.try_peek().map(drop), Err(PopError::Corrupt));
    drop(is_poisoned(consumer, &name, found));
    assert_eq!((file.read(HEAD), file.read(TAIL)), (head, tail));
}

fn a_frame_longer_than_what_is_published_is_corrupt() {
    for len in [9, 17, 100, 1 << 20, 0x7fff_ffff, 0xffff_fff0, 0xffff_fffe] {
        cannot_be(([0, 16], &[(0, len)], "frame length", len));
    }
}

/// At 112 the lap has sixteen bytes left.
fn frames_and_padding_at_the_end_of_the_lap_are_checked() {
    let padding = (112, PADDING);
    let past_the_lap: Headers<'_> = ([112, 176], &[(112, 9)], "frame length", 9);
    let without_a_frame: Headers<'_> = ([112, 128], &[padding], "padding", PADDING);
    let and_shorter: Headers<'_> = ([112, 120], &[padding], "padding", PADDING);
    let twice = &[padding, (0, PADDING)];
    let after_padding: Headers<'_> = ([112, 176], twice, "frame length", PADDING);
    let too_long = &[padding, (0, 9)];
    let frame_too_long: Headers<'_> = ([112, 144], too_long, "frame length", 9);
    for headers in [
        past_the_lap,
        without_a_frame,
        and_shorter,
        after_padding,
        frame_too_long,
    ] {
        cannot_be(headers);
    }
}

/// Too few bytes for a header: the error shows the remaining bytes.
fn a_tail_between_words_is_corrupt() {
    cannot_be(([0, 4], &[], "tail", 4));
}

fn a_drain_releases_the_valid_frames_and_then_reports_corrupt() {
    type Drain = fn(&mut FrameConsumer) -> Result<usize, PopError>;
    let visit: Drain = |consumer| {
        let mut seen = Vec::new();
        let drained = consumer.drain_with(|frame| {
            seen.push(frame.to_vec());
            ControlFlow::Continue(())
        });
        assert_eq!(seen, [b"one", b"two"]);
        drained
    };
    let drains: [(Drain, u64); 5] = [
        (visit, 32),
        (|consumer| consumer.skip(2), 32), // it reads the header of the third
        (|consumer| consumer.skip(3), 32),
        (|consumer| consumer.skip(usize::MAX), 32),
        // With one corrupt frame among them, no frame is the latest.
        (|consumer| consumer.skip_to_latest(), 0),
    ];
    for (drain, released) in drains {
        let (_producer, mut consumer, file, name) = published(&["one", "two", "three"]);
        file.write(DATA + 32, 40); // the header of "three"
        assert_eq!(drain(&mut consumer), Err(PopError::Corrupt));
        assert_eq!((consumer.position(), file.read(HEAD)), (released, released));
        let found = corrupt("frame length", 40);
        drop(is_poisoned(consumer, &name, found));
        assert_eq!(file.read(HEAD), released);

        file.write(DATA + 32, 5);
        let successor = FrameConsumer::open(&name);
        let mut successor = successor.expect("the role is free");
        assert_eq!(successor.skip_to_latest(), Ok((2 - released / 16) as usize));
        let frame = successor.try_peek().expect("the header is valid again");
        assert_eq!(frame.to_vec(), b"three");
    }
}

fn a_drain_that_ends_before_the_corrupt_frame_finds_nothing() {
    let (_producer, mut consumer, file, name) = published(&["one", "two", "three"]);
    file.write(DATA + 32, 40); // the header of "three"
    let drained = consumer.drain_with(|frame| match &frame.to_vec()[..] {
        b"one" => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    assert_eq!((drained, file.read(HEAD)), (Ok(1), 16));
    assert_eq!(consumer.corruption(), None);
    assert_eq!(
        consumer.try_pop(&mut [0; 3]).map(|popped| popped.len),
        Ok(3)
    );
    assert_eq!(consumer.try_pop(&mut [0; 5]), Err(PopError::Corrupt));
    drop(is_poisoned(consumer, &name, corrupt("frame length", 40)));
    assert_eq!(file.read(HEAD), 32);
}

fn a_corrupt_frame_stops_every_release() {
    type End = fn(Frames<'_>);
    let ends: [End; 4] = [
        |frames| frames.release(),
        |frames| frames.release_first(1),
        |frames| frames.release_first(0),
        |frames| drop(frames),
    ];
    for end in ends {
        // The later header of a visited frame has no effect.
        for first in [3, 99] {
            let (_producer, mut consumer, file, name) = published(&["one", "two"]);
            file.write(DATA + 16, 40); // the header of "two"
            let mut frames = consumer.try_peek_many().expect("there are frames");
            let one = frames.next_frame().expect("it is valid");
            assert_eq!(one.expect("a frame").to_vec(), b"one");
            assert_eq!(frames.next_frame().map(drop), Err(PopError::Corrupt));
            file.write(DATA + 16, 3);
            let again = frames.next_frame().map(drop);
            assert_eq!(again, Err(PopError::Corrupt), "though it is restored");
            file.write(DATA, first);
            end(frames);
            assert_eq!((consumer.position(), file.read(HEAD)), (0, 0));
            drop(is_poisoned(consumer, &name, corrupt("frame length", 40)));
        }
    }
}

fn frames_whose_headers_have_changed_since_are_not_released() {
    let (_producer, mut consumer, file, name) = published(&["one", "two"]);
    let mut frames = consumer.peek_many().expect("there are frames");
    while let Ok(Some(_)) = frames.next_frame() {}
    file.write(DATA + 16, 40); // the header of "two"
    frames.release_first(2);
    assert_eq!(file.read(HEAD), 0);
    drop(is_poisoned(consumer, &name, corrupt("frame length", 40)));
}

fn a_batch_with_a_corrupt_head_publishes_nothing() {
    type Add = fn(&mut FrameBatch<'_>) -> Result<(), ClaimError>;
    let adds: [Add; 4] = [
        |batch| batch.try_push(0, &[9; 40]),
        |batch| batch.try_claim(0, 40).map(drop),
        |batch| batch.claim(0, 40).map(drop),
        |batch| batch.claim_timeout(0, 40, Deadline::NEVER).map(drop),
    ];
    for add in adds {
        let (mut producer, _consumer, file, name) = published(&[FORTY]);
        let mut batch = producer.batch();
        batch.try_push(0, &[7; 40]).expect("there is room");
        file.write(HEAD, 56);
        // With padding it takes 80 bytes; the cached head gives room for 32.
        assert_eq!(add(&mut batch), Err(ClaimError::Corrupt));
        assert!(batch.is_empty());
        file.write(HEAD, 0);
        let again = add(&mut batch);
        assert_eq!(again, Err(ClaimError::Corrupt), "though it is restored");
        assert_eq!((batch.len(), batch.commit()), (0, 0));
        assert_eq!((producer.position(), file.read(TAIL)), (48, 48));
        drop(is_poisoned(producer, &name, corrupt("head", 56)));
    }
}

fn a_poisoned_consumer_does_not_use_its_inline_frame() {
    let (mut producer, mut consumer, file, name) = published(&[]);
    for _ in 0..2 {
        for _ in 0..64 {
            assert_eq!(consumer.try_pop(&mut []), Err(PopError::Empty));
        }
        producer.try_push(&[]).expect("there is room");
        assert_eq!(consumer.try_pop(&mut []).map(|popped| popped.len), Ok(0));
    }
    producer.try_push(b"copy").expect("there is room");
    assert!(file.has_inline_copy());
    let frame = consumer.try_peek().expect("there is a frame");
    assert_eq!(frame.to_vec(), b"copy");
    file.write(DATA + 16, 40); // its header in the ring
    let drained = consumer.drain_with(|_| panic!("there is no frame"));
    assert_eq!(drained, Err(PopError::Corrupt));
    drop(is_poisoned(consumer, &name, corrupt("frame length", 40)));
    assert_eq!(file.read(HEAD), 16);
}

fn a_header_is_read_once() {
    let (ring, file, _name) = ring::<[u8]>("header-once", 128);
    for nonsense in [57, PADDING, 1 << 20 | 24] {
        file.write(DATA, 24);
        let (mut sound, mut unsound) = (0, 0);
        while_it_changes(&file, DATA, [24, nonsense], 3_000, || {
            publish(&file, 0, 64);
            let mut consumer = ring.consumer().expect("the positions are valid");
            while let Ok(frame) = consumer.try_peek() {
                assert_eq!(frame.len(), 24);
                sound += 1;
            }
            let found = consumer.corruption().expect("it is poisoned");
            assert_eq!(found.found, nonsense, "the error shows the refused value");
            unsound += 1;
            sound > 100 && unsound > 100
        });
    }
}

/// With any bytes in the ring, each call returns, and its result is within the published
/// range.
fn a_reader_stays_within_what_is_published_for_any_bytes() {
    let (ring, file, _name) = ring::<[u8]>("any-bytes", 128);
    let mut number = 0;
    let mut random = || {
        number += 1;
        mix(number)
    };
    // Short lengths, padding and random values, each with a kind.
    let mut header = || match random() % 4 {
        0 => random() % 32,
        1 => (random() % 128) | (7 << 32),
        2 => PADDING,
        _ => random(),
    };
    let mut sound = 0;
    for _ in 0..20_000 {
        for word in 0..16 {
            file.write(DATA + word * 8, header());
        }
        let head = header() & !7;
        let unread = (header() % 129) & !7;
        publish(&file, head, head.wrapping_add(unread));
        let mut consumer = ring.consumer().expect("the positions are valid");
        let mut buffer = [0; 128];
        loop {
            let before = consumer.position();
            match consumer.try_pop(&mut buffer) {
                Ok(popped) => assert!(popped.len <= 120),
                Err(PopError::TooShort { needed }) => panic!("no frame has {needed} bytes"),
                Err(error) => {
                    let is_corrupt = error == PopError::Corrupt;
                    assert_eq!(consumer.corruption().is_some(), is_corrupt);
                    assert_eq!(file.read(HEAD), consumer.position());
                    break;
                }
            }
            sound += 1;
            let released = consumer.position().wrapping_sub(before);
            assert!(released >= 8 && released % 8 == 0);
            assert!(consumer.position().wrapping_sub(head) <= unread);
        }
    }
    assert!(sound > 1000, "too few frames were valid");
}
