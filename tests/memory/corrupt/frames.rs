//! Impossible frame headers. `hostile` finds them in any call; it cannot see a release that
//! should not have been, or a second read.

use quoit::{FrameConsumer, FrameProducer, PopError};

use super::{Consuming, any_call_finds, corrupt, is_poisoned, ring, while_it_changes};
use crate::common::rings::ends;
use crate::hostile::body::memory::{DATA, HEAD};
use crate::hostile::body::oracle::{Scene, Watched};
use crate::hostile::body::rings::Set;

crate::common::suite::tests! {
    impossible_headers_are_corrupt,
    a_skip_to_the_latest_frame_stops_at_a_corrupt_one,
    frames_whose_headers_have_changed_since_are_not_released,
    a_header_is_read_once,
}

/// The length that marks padding.
const PADDING: u64 = 0xffff_ffff;

/// The published range, the headers at these offsets, and their fault.
type Headers = ([u64; 2], &'static [(usize, u64)], &'static str, u64);

/// In a ring of 128 bytes. At 112 the lap has sixteen bytes left.
const IMPOSSIBLE: [Headers; 13] = [
    // Longer than what is published.
    ([0, 16], &[(0, 9)], "frame length", 9),
    ([0, 16], &[(0, 17)], "frame length", 17),
    ([0, 16], &[(0, 100)], "frame length", 100),
    ([0, 16], &[(0, 1 << 20)], "frame length", 1 << 20),
    ([0, 16], &[(0, 0x7fff_ffff)], "frame length", 0x7fff_ffff),
    ([0, 16], &[(0, 0xffff_fff0)], "frame length", 0xffff_fff0),
    ([0, 16], &[(0, 0xffff_fffe)], "frame length", 0xffff_fffe),
    // At the end of the lap.
    ([112, 176], &[(112, 9)], "frame length", 9),
    ([112, 128], &[(112, PADDING)], "padding", PADDING),
    ([112, 120], &[(112, PADDING)], "padding", PADDING),
    (
        [112, 176],
        &[(112, PADDING), (0, PADDING)],
        "frame length",
        PADDING,
    ),
    ([112, 144], &[(112, PADDING), (0, 9)], "frame length", 9),
    // Too few bytes for a header: the error shows the remaining bytes.
    ([0, 4], &[], "tail", 4),
];

fn impossible_headers_are_corrupt() {
    for ([head, tail], headers, field, found) in IMPOSSIBLE {
        let ring = ring::<[u8]>(128);
        for (offset, header) in headers {
            ring.0.memory.put(DATA + offset, *header);
        }
        let found = corrupt(field, found);
        any_call_finds::<[u8], Consuming>(&ring, found, [head, tail], || ());
        let (set, scene) = ring;
        let mut consumer = Watched::new(set.ring.consumer().expect("valid positions"), None);
        assert_eq!(consumer.end.try_peek().map(drop), Err(PopError::Corrupt));
        is_poisoned::<[u8], Consuming>(&mut consumer, &scene, found);
    }
}

/// A ring of 128 bytes in which these frames are published.
fn published(frames: &[&str]) -> (FrameProducer, Watched<FrameConsumer>, Set<[u8]>, Scene) {
    let (set, scene) = ring::<[u8]>(128);
    let (mut producer, consumer) = ends(&set.ring);
    let pushed = producer.try_push_slice(0, frames);
    assert_eq!(pushed, Ok(frames.len()));
    (producer, Watched::new(consumer, None), set, scene)
}

/// With one corrupt frame among them, no frame is the latest.
fn a_skip_to_the_latest_frame_stops_at_a_corrupt_one() {
    let (_producer, mut consumer, set, scene) = published(&["one", "two", "three"]);
    set.memory.put(DATA + 32, 40); // the header of "three"
    assert_eq!(consumer.end.skip_to_latest(), Err(PopError::Corrupt));
    assert_eq!((consumer.end.position(), set.memory.word(HEAD)), (0, 0));
    is_poisoned::<[u8], Consuming>(&mut consumer, &scene, corrupt("frame length", 40));
    drop(consumer);

    set.memory.put(DATA + 32, 5);
    let mut successor = set.ring.consumer().expect("the role is free");
    assert_eq!(successor.skip_to_latest(), Ok(2));
    let frame = successor.try_peek().expect("the header is valid again");
    assert_eq!(frame.to_vec(), b"three");
}

fn frames_whose_headers_have_changed_since_are_not_released() {
    let (_producer, mut consumer, set, scene) = published(&["one", "two"]);
    let mut frames = consumer.end.peek_many().expect("there are frames");
    while let Ok(Some(_)) = frames.next_frame() {}
    set.memory.put(DATA + 16, 40); // the header of "two"
    frames.release_first(2);
    assert_eq!(set.memory.word(HEAD), 0);
    is_poisoned::<[u8], Consuming>(&mut consumer, &scene, corrupt("frame length", 40));
}

fn a_header_is_read_once() {
    let (set, _scene) = ring::<[u8]>(128);
    for nonsense in [57, PADDING, 1 << 20 | 24] {
        set.memory.put(DATA, 24);
        let (mut sound, mut unsound) = (0, 0);
        while_it_changes(set.memory, DATA, [24, nonsense], 3_000, || {
            set.publish(0, 64);
            let mut consumer = set.ring.consumer().expect("the positions are valid");
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
