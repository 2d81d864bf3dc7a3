//! Impossible frame headers. `hostile` finds them in any call; it cannot see a release that
//! should not have been, or a second read.

use quoit::{FrameConsumer, FrameProducer, PopError};

use super::ends::{any_call_finds_it, is_poisoned};
use super::{corrupt, publish, ring, while_it_changes};
use crate::common::names::RingName;
use crate::common::rings::ends;
use crate::common::segment_file::{DATA, HEAD, SegmentFile, TAIL};

crate::common::suite::tests! {
    a_frame_longer_than_what_is_published_is_corrupt,
    frames_and_padding_at_the_end_of_the_lap_are_checked,
    a_tail_between_words_is_corrupt,
    a_skip_to_the_latest_frame_stops_at_a_corrupt_one,
    frames_whose_headers_have_changed_since_are_not_released,
    a_header_is_read_once,
}

/// The length that marks padding.
const PADDING: u64 = 0xffff_ffff;

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
    cannot_be(([112, 176], &[(112, 9)], "frame length", 9));
    cannot_be(([112, 128], &[padding], "padding", PADDING));
    cannot_be(([112, 120], &[padding], "padding", PADDING));
    let twice = &[padding, (0, PADDING)];
    cannot_be(([112, 176], twice, "frame length", PADDING));
    cannot_be(([112, 144], &[padding, (0, 9)], "frame length", 9));
}

/// Too few bytes for a header: the error shows the remaining bytes.
fn a_tail_between_words_is_corrupt() {
    cannot_be(([0, 4], &[], "tail", 4));
}

/// With one corrupt frame among them, no frame is the latest.
fn a_skip_to_the_latest_frame_stops_at_a_corrupt_one() {
    let (_producer, mut consumer, file, name) = published(&["one", "two", "three"]);
    file.write(DATA + 32, 40); // the header of "three"
    assert_eq!(consumer.skip_to_latest(), Err(PopError::Corrupt));
    assert_eq!((consumer.position(), file.read(HEAD)), (0, 0));
    drop(is_poisoned(consumer, &name, corrupt("frame length", 40)));

    file.write(DATA + 32, 5);
    let mut successor = FrameConsumer::open(&name).expect("the role is free");
    assert_eq!(successor.skip_to_latest(), Ok(2));
    let frame = successor.try_peek().expect("the header is valid again");
    assert_eq!(frame.to_vec(), b"three");
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
