//! Safe code of the same process writes to the ring's file during a peek: every read loads
//! again, for each size of a message. `hostile` does the same with random writes.
//!
//! An optimiser could fold two loads into one; `cargo test --release` checks that it does
//! not.

use std::fmt::Debug;

use quoit::{Record, RingOptions};

use crate::common::rings::{ends, named};
use crate::common::segment_file::{DATA, SegmentFile};

crate::common::suite::tests! {
    a_peeked_record_is_read_again_each_time,
    a_peeked_frame_is_read_again_each_time,
}

/// Reads twice, with `write` in between. With a `&u64` an optimiser would keep the first
/// value, because the target of a reference does not change.
#[inline(never)]
fn around<P, T>(place: &P, read: impl Fn(&P) -> T, write: impl FnOnce()) -> (T, T) {
    let before = read(place);
    write();
    (before, read(place))
}

/// Reads a record, writes other bytes to the file, and reads it again.
fn reads_again<T: Record + PartialEq + Debug>(old: T, new: T) {
    let (ring, name) = named::<T>("again", &RingOptions::new(8));
    let file = SegmentFile::open(&name.file());
    let (mut producer, mut consumer) = ends(&ring);
    // Two, so that the first one has no inline copy.
    assert_eq!(producer.try_push_slice(&[old, old]), Ok(2));
    let peek = consumer.try_peek().expect("a record");
    let write = || file.write_bytes(DATA, new.as_bytes());
    assert_eq!(around(&peek, |peek| peek.read(), write), (old, new));
    peek.release();

    let many = consumer.try_peek_many().expect("a record");
    let write = || file.write_bytes(DATA + size_of::<T>() as u64, new.as_bytes());
    let read = around(&many, |many| many.read(0), write);
    assert_eq!(read, (Some(old), Some(new)));
    assert_eq!(many.iter().next(), Some(new));
    let mut values = [old];
    assert_eq!(many.copy_to_slice(&mut values), 1);
    assert_eq!(values, [new]);
}

fn a_peeked_record_is_read_again_each_time() {
    reads_again(7_u8, 99);
    reads_again([7_u16; 3], [99; 3]);
    reads_again(7_u32, 99);
    reads_again(7_u64, 99);
    reads_again([7_u64; 6], [99; 6]);
    reads_again([7_u64; 8], [99; 8]);
    reads_again([7_u8; 63], [99; 63]);
    reads_again([7_u32; 75], [99; 75]);
}

fn a_peeked_frame_is_read_again_each_time() {
    for len in [3, 8, 40, 41, 200, 1000] {
        let (ring, name) = named::<[u8]>("frame-again", &RingOptions::new(4096));
        let file = SegmentFile::open(&name.file());
        let (mut producer, mut consumer) = ends(&ring);
        let (old, new) = (vec![7; len], vec![99; len]);
        assert_eq!(producer.try_push_slice(0, &[&old, &old]), Ok(2));
        let frame = consumer.try_peek().expect("a frame");
        let copy = |frame: &quoit::Frame<'_>| {
            let mut copy = vec![0; len];
            frame.copy_to(&mut copy);
            copy
        };
        let read = around(&frame, copy, || file.write_bytes(DATA + 8, &new));
        assert_eq!(read, (old, new.clone()));
        let mut end = [0; 1];
        frame.read_at(len - 1, &mut end);
        assert_eq!((end, frame.to_vec()), ([99], new));
    }
}
