//! Impossible frame headers. `hostile` finds them in any call; it cannot see a release that
//! should not have been.

use quoit::{Error, Observer};

use super::{any_call_finds, corrupt, is_poisoned, reads, ring};
use crate::common::refused::refused;
use crate::common::rings::ends;
use crate::hostile::body::memory::{DATA, HEAD};
use crate::hostile::body::oracle::Watched;

crate::common::suite::tests! {
    impossible_headers_are_corrupt,
    frames_whose_headers_have_changed_since_are_not_released,
}

/// The length that marks padding.
const PADDING: u64 = 0xffff_ffff;

/// The published range, the headers at these offsets, and their fault.
type Headers = ([u64; 2], &'static [(usize, u64)], &'static str, u64);

/// In a ring of 128 bytes. At 112 the lap has sixteen bytes left.
const IMPOSSIBLE: [Headers; 17] = [
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
        "padding",
        PADDING,
    ),
    ([112, 144], &[(112, PADDING), (0, 9)], "frame length", 9),
    // The kind is no part of the length.
    ([0, 16], &[(0, 7 << 32 | 100)], "frame length", 100),
    ([112, 128], &[(112, 7 << 32 | PADDING)], "padding", PADDING),
    // Too few bytes for a header.
    ([0, 4], &[], "tail", 4),
    ([8, 12], &[], "tail", 12),
    ([112, 132], &[(112, PADDING)], "tail", 132),
];

fn impossible_headers_are_corrupt() {
    for ([head, tail], headers, field, found) in IMPOSSIBLE {
        let (set, scene) = ring::<[u8]>(128);
        for (offset, header) in headers {
            set.memory.put(DATA + offset, *header);
        }
        any_call_finds(&scene, &reads::<[u8]>(), corrupt(field, found), || {
            set.publish(head, tail);
            let end = set.ring.consumer().expect("the positions are valid");
            assert_eq!(end.corruption(), None);
            Watched::new(end, Some(set.base))
        });
        // An observer finds the same.
        let observer = Observer::open(&set.name).expect("a ring");
        let refusal = observer.unread(1, drop).err();
        refused!(refusal => Error::Corrupt(seen));
        assert_eq!(seen, corrupt(field, found));
    }
}

fn frames_whose_headers_have_changed_since_are_not_released() {
    let (set, scene) = ring::<[u8]>(128);
    let (mut producer, mut consumer) = ends(&set.ring);
    assert_eq!(producer.try_push_slice(0, &["one", "two"]), Ok(2));
    let mut frames = consumer.peek_many().expect("there are frames");
    while let Ok(Some(_)) = frames.next_frame() {}
    set.memory.put(DATA + 16, 40); // the header of "two"
    frames.release_first(2);
    assert_eq!(set.memory.word(HEAD), 0);
    let found = corrupt("frame length", 40);
    is_poisoned(
        Watched::new(consumer, None),
        &scene,
        &reads::<[u8]>(),
        found,
    );
}
