//! Frame headers that cannot be.

use quoit::{ClaimError, Consumer, PopError};

use super::{corrupt, ring, while_it_changes};
use crate::common::names::RingName;
use crate::common::sample::mix;
use crate::common::segment_file::{DATA, HEAD, SegmentFile, TAIL};

/// The length that marks padding.
const PADDING: u64 = 0xffff_ffff;

/// The consumer of a ring of 128 bytes whose positions are these.
fn published(head: u64, tail: u64) -> (FrameConsumer, SegmentFile, RingName) {
    let (ring, file, name) = ring::<[u8]>("headers", 128);
    file.write(HEAD, head);
    file.write(TAIL, tail);
    let consumer = ring.consumer().expect("the positions are sound");
    (consumer, file, name)
}

/// Every way to read gives this error, twice.
fn is_corrupt(consumer: &mut FrameConsumer, field: &'static str, found: u64) {
    let expected = PopError::Corrupt(corrupt(field, found));
    let mut buffer = [0; 128];
    for _ in 0..2 {
        assert_eq!(consumer.try_pop(&mut buffer), Err(expected));
        assert_eq!(consumer.pop(&mut buffer), Err(expected));
        assert_eq!(consumer.try_peek().map(drop), Err(expected));
        assert_eq!(consumer.peek().map(drop), Err(expected));
        assert_eq!(
            consumer.try_pop_each(|_, _| panic!("there is no frame")),
            Err(expected)
        );
    }
    assert_eq!(buffer, [0; 128]);
}

#[test]
fn a_frame_longer_than_what_is_published_is_corrupt() {
    for len in [9, 17, 100, 1 << 20, 0x7fff_ffff, 0xffff_fff0, 0xffff_fffe] {
        let (mut consumer, file, _name) = published(0, 16);
        file.write(DATA, len);
        is_corrupt(&mut consumer, "frame length", len);
        assert_eq!(file.read(HEAD), 0, "it touches the ring no more");
    }
}

#[test]
fn a_frame_that_runs_past_the_lap_is_corrupt() {
    // Sixteen bytes of the lap are left, and 64 are published.
    let (mut consumer, file, _name) = published(112, 176);
    file.write(DATA + 112, 9);
    is_corrupt(&mut consumer, "frame length", 9);
}

#[test]
fn padding_without_a_frame_is_corrupt() {
    // To the end of the lap, and not even that far.
    for tail in [128, 120] {
        let (mut consumer, file, _name) = published(112, tail);
        file.write(DATA + 112, PADDING);
        is_corrupt(&mut consumer, "padding", PADDING);
    }
}

#[test]
fn padding_after_padding_is_corrupt() {
    let (mut consumer, file, _name) = published(112, 176);
    file.write(DATA + 112, PADDING);
    file.write(DATA, PADDING);
    is_corrupt(&mut consumer, "frame length", PADDING);
}

#[test]
fn a_frame_after_padding_that_is_too_long_is_corrupt() {
    let (mut consumer, file, _name) = published(112, 144);
    file.write(DATA + 112, PADDING);
    file.write(DATA, 9); // sixteen bytes are left
    is_corrupt(&mut consumer, "frame length", 9);
}

#[test]
fn a_tail_between_words_is_corrupt() {
    // Too few bytes for any header: what is left of them is what is shown.
    let (mut consumer, _file, _name) = published(0, 4);
    is_corrupt(&mut consumer, "tail", 4);
}

#[test]
fn a_drain_releases_the_sound_frames_and_then_believes_nothing() {
    let (ring, file, _name) = ring::<[u8]>("half-sound", 128);
    let mut producer = ring.producer().expect("the role is free");
    let mut consumer = ring.consumer().expect("the role is free");
    producer
        .try_push_slice(&["one", "two", "three"])
        .expect("there is room");
    file.write(DATA + 32, 40); // the header of "three"

    let mut seen = Vec::new();
    let drained = consumer.try_pop_each(|_, payload| seen.push(payload.to_vec()));
    let expected = PopError::Corrupt(corrupt("frame length", 40));
    assert_eq!(drained, Err(expected));
    assert_eq!(seen, [b"one", b"two"]);
    assert_eq!((consumer.position(), file.read(HEAD)), (32, 32));
    is_corrupt(&mut consumer, "frame length", 40);
    assert_eq!(file.read(HEAD), 32, "it touches the ring no more");

    drop(consumer);
    file.write(DATA + 32, 5);
    let mut successor = ring.consumer().expect("the role is free");
    let frame = successor.try_peek().expect("the header is sound again");
    assert_eq!(&*frame, b"three");
}

#[test]
fn visited_frames_can_be_released_after_a_corrupt_one() {
    let (ring, file, _name) = ring::<[u8]>("visited", 128);
    let mut producer = ring.producer().expect("the role is free");
    let mut consumer = ring.consumer().expect("the role is free");
    producer
        .try_push_slice(&["one", "two"])
        .expect("there is room");
    file.write(DATA + 16, 40); // the header of "two"
    let mut frames = consumer.try_peek_many().expect("there are frames");
    assert_eq!(frames.next_frame(), Ok(Some((0, &b"one"[..]))));
    let expected = PopError::Corrupt(corrupt("frame length", 40));
    assert_eq!(frames.next_frame(), Err(expected));
    frames.release();
    assert_eq!(file.read(HEAD), 16);
    is_corrupt(&mut consumer, "frame length", 40);
}

#[test]
fn frames_that_met_a_corrupt_one_stay_with_it() {
    let (ring, file, _name) = ring::<[u8]>("frames-sticky", 128);
    let mut producer = ring.producer().expect("the role is free");
    let mut consumer = ring.consumer().expect("the role is free");
    producer.try_push(b"one").expect("there is room");
    file.write(DATA, 40);
    let expected = PopError::Corrupt(corrupt("frame length", 40));
    let mut frames = consumer.try_peek_many().expect("there are frames");
    assert_eq!(frames.next_frame(), Err(expected));
    file.write(DATA, 3);
    assert_eq!(frames.next_frame(), Err(expected), "though it is restored");
    frames.release();
    is_corrupt(&mut consumer, "frame length", 40);
}

#[test]
fn a_batch_that_met_a_corrupt_head_publishes_what_it_holds_and_no_more() {
    let (ring, file, _name) = ring::<[u8]>("batch", 128);
    let mut producer = ring.producer().expect("the role is free");
    let expected = ClaimError::Corrupt(corrupt("head", 72));
    let mut batch = producer.batch();
    batch.try_claim(40).expect("there is room").fill(7);
    batch.try_claim(40).expect("there is room").fill(7);
    file.write(HEAD, 72);
    assert_eq!(batch.try_claim(40).map(drop), Err(expected));
    assert_eq!(batch.commit(), 2);
    assert_eq!(file.read(TAIL), 96);
    for len in [0, 24, 56] {
        assert_eq!(producer.try_push(&[9; 56][..len]), Err(expected));
    }
    assert_eq!(file.read(TAIL), 96, "it touches the ring no more");
}

#[test]
fn a_poisoned_consumer_does_not_go_on_with_the_frame_that_it_carries() {
    let (ring, file, _name) = ring::<[u8]>("carried", 128);
    let mut producer = ring.producer().expect("the role is free");
    let mut consumer = ring.consumer().expect("the role is free");
    for _ in 0..2 {
        for _ in 0..16 {
            assert_eq!(consumer.try_pop(&mut []), Err(PopError::Empty));
        }
        producer.try_push(&[]).expect("there is room");
        assert_eq!(consumer.try_pop(&mut []), Ok(0));
    }
    producer.try_push(b"ride").expect("there is room");
    assert!(file.rides());
    assert_eq!(
        consumer.try_peek().map(|frame| frame.to_vec()),
        Ok(b"ride".to_vec())
    );
    file.write(DATA + 16, 40); // its header in the ring
    let expected = PopError::Corrupt(corrupt("frame length", 40));
    assert_eq!(
        consumer.try_pop_each(|_, _| panic!("there is no frame")),
        Err(expected)
    );
    is_corrupt(&mut consumer, "frame length", 40);
    assert_eq!(file.read(HEAD), 16, "it touches the ring no more");
}

#[test]
fn a_header_is_read_once() {
    let (ring, file, _name) = ring::<[u8]>("header-once", 128);
    file.write(DATA, 24);
    for nonsense in [57, PADDING, 1 << 20 | 24] {
        let (mut sound, mut unsound) = (0, 0);
        while_it_changes(&file, DATA, [24, nonsense], 3_000, || {
            file.write(HEAD, 0);
            file.write(TAIL, 64);
            let mut consumer = ring.consumer().expect("the positions are sound");
            while let Ok(frame) = consumer.try_peek() {
                assert_eq!(frame.len(), 24);
                sound += 1;
            }
            unsound += 1;
            sound > 100 && unsound > 100
        });
    }
}

/// Whatever lies in the ring: each call returns, and what it returns lies
/// within what is published.
#[test]
fn no_bytes_whatever_lead_a_reader_astray() {
    let (ring, file, _name) = ring::<[u8]>("any-bytes", 128);
    let mut number = 0;
    let mut random = || {
        number += 1;
        mix(number)
    };
    // Short lengths, padding and nonsense, each with a kind.
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
        file.write(HEAD, head);
        file.write(TAIL, head.wrapping_add(unread));
        let mut consumer = ring.consumer().expect("the positions are sound");
        let mut buffer = [0; 128];
        loop {
            let before = consumer.position();
            match consumer.try_pop(&mut buffer) {
                Ok(len) => assert!(len <= 120),
                Err(PopError::TooShort { needed }) => panic!("no frame has {needed} bytes"),
                Err(_) => break,
            }
            sound += 1;
            let released = consumer.position().wrapping_sub(before);
            assert!(released >= 8 && released % 8 == 0);
            assert!(consumer.position().wrapping_sub(head) <= unread);
        }
    }
    assert!(sound > 1000, "too few frames were sound");
}
