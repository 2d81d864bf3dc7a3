//! Safe code of the same process writes to the ring's file during a peek: every read loads
//! again, and returns the current content of the file.
//!
//! An optimiser could fold two loads into one; `cargo test --release` checks that it does
//! not.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process;

use crate::common::rings::ends;
use quoit::{
    Consumer, FrameConsumer, FrameProducer, PopError, Producer, Record, Ring, RingOptions,
};

crate::common::suite::tests! {
    a_peeked_record_is_read_again_each_time,
    a_write_of_the_whole_file_is_visible,
    a_write_through_a_descriptor_is_visible,
    a_record_from_an_inline_copy_is_private,
    a_claim_reads_the_content_of_the_file,
    a_peeked_frame_is_read_again_each_time,
    a_changed_header_does_not_change_a_found_frame,
}

/// The offset of the data.
const DATA: u64 = 16384;

/// The file of a ring. Dropping it removes the file.
struct RingFile(PathBuf);

impl RingFile {
    fn new(test: &str) -> Self {
        let name = format!("quoit-test-{}-{test}", process::id());
        Self(Path::new("/dev/shm").join(name))
    }

    fn name(&self) -> &str {
        let name = self.0.file_name().expect("a name");
        name.to_str().expect("a name in UTF-8")
    }

    /// Writes with the file's positioned write.
    fn write_at(&self, bytes: &[u8], offset: u64) {
        let file = OpenOptions::new().write(true).open(&self.0);
        let written = file.expect("the file opens").write_all_at(bytes, offset);
        written.expect("the file is writable");
    }
}

impl Drop for RingFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Two records, so that the first one has no inline copy.
fn two_records<T: Record>(ring: &Ring<T>, value: T) -> (Producer<T>, Consumer<T>) {
    let (mut producer, consumer) = ends(ring);
    let pushed = producer.try_push_slice(&[value, value]);
    assert_eq!(pushed, Ok(2));
    (producer, consumer)
}

fn two_frames(ring: &Ring<[u8]>, payload: &[u8]) -> (FrameProducer, FrameConsumer) {
    let (mut producer, consumer) = ends(ring);
    let pushed = producer.try_push_slice(0, &[payload, payload]);
    assert_eq!(pushed, Ok(2));
    (producer, consumer)
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
fn reads_again<T: Record + PartialEq + std::fmt::Debug>(test: &str, old: T, new: T) {
    let file = RingFile::new(test);
    let ring = RingOptions::new(8).create::<T>(file.name());
    let (_producer, mut consumer) = two_records(&ring.expect("a new name"), old);
    let peek = consumer.try_peek().expect("a record");
    let write = || file.write_at(new.as_bytes(), DATA);
    assert_eq!(around(&peek, |peek| peek.read(), write), (old, new));
    peek.release();

    let many = consumer.try_peek_many().expect("a record");
    let before = many.read(0);
    file.write_at(new.as_bytes(), DATA + size_of::<T>() as u64);
    assert_eq!((before, many.read(0)), (Some(old), Some(new)));
    assert_eq!(many.iter().next(), Some(new));
    let mut values = [old];
    assert_eq!(many.copy_to_slice(&mut values), 1);
    assert_eq!(values, [new]);
}

fn a_peeked_record_is_read_again_each_time() {
    reads_again("u8", 7_u8, 99);
    reads_again("u16", [7_u16; 3], [99; 3]);
    reads_again("u32", 7_u32, 99);
    reads_again("u64", 7_u64, 99);
    reads_again("48", [7_u64; 6], [99; 6]);
    reads_again("64", [7_u64; 8], [99; 8]);
    reads_again("63", [7_u8; 63], [99; 63]);
    reads_again("300", [7_u32; 75], [99; 75]);
}

fn a_write_of_the_whole_file_is_visible() {
    let file = RingFile::new("whole");
    let ring = RingOptions::new(8).create::<u64>(file.name());
    let (_producer, mut consumer) = two_records(&ring.expect("a new name"), 7);
    let peek = consumer.try_peek().expect("a record");
    let mut bytes = fs::read(&file.0).expect("the file can be read");
    bytes[DATA as usize..][..8].copy_from_slice(&99_u64.to_le_bytes());
    let before = peek.read();
    // The file is truncated first, and no page may be accessed until it has its length again.
    fs::write(&file.0, &bytes).expect("the file can be written");
    assert_eq!((before, peek.read()), (7, 99));
}

fn a_write_through_a_descriptor_is_visible() {
    let ring = RingOptions::new(8).create_anonymous::<u64>();
    let ring = ring.expect("an anonymous ring");
    let (_producer, mut consumer) = two_records(&ring, 7);
    let descriptor = ring.descriptor().expect("an anonymous ring has one");
    let file = File::from(descriptor.try_clone_to_owned().expect("a descriptor"));
    let peek = consumer.try_peek().expect("a record");
    let before = peek.read();
    let written = file.write_all_at(&99_u64.to_le_bytes(), DATA);
    written.expect("the memory is writable");
    assert_eq!((before, peek.read()), (7, 99));
}

fn a_record_from_an_inline_copy_is_private() {
    let file = RingFile::new("inline");
    let ring = RingOptions::new(8).create::<u64>(file.name());
    let ring = ring.expect("a new name");
    let (mut producer, mut consumer) = ends(&ring);
    // A consumer that finds nothing for a while requests inline copies, and the producer
    // sees the request with the next record.
    for _ in 0..2 {
        for _ in 0..1000 {
            assert_eq!(consumer.try_pop(), Err(PopError::Empty));
        }
        producer.try_push(1).expect("room");
        assert_eq!(consumer.try_pop(), Ok(1));
    }
    producer.try_push(7).expect("room");
    let peek = consumer.try_peek().expect("a record");
    let before = peek.read();
    // Overwrites every place that could contain it.
    file.write_at(&[0xff; 64], DATA);
    file.write_at(&[0xff; 48], 4112);
    assert_eq!((before, peek.read()), (7, 7));
}

fn a_claim_reads_the_content_of_the_file() {
    let file = RingFile::new("claim");
    let ring = RingOptions::new(8).create::<[u64; 8]>(file.name());
    let mut producer = ring.expect("a new name").producer().expect("a free role");
    let mut claim = producer.try_claim().expect("room");
    claim.write([7; 8]);
    let before = claim.read();
    file.write_at([99_u64; 8].map(u64::to_le_bytes).as_flattened(), DATA);
    assert_eq!((before, claim.read()), ([7; 8], [99; 8]));
}

fn a_peeked_frame_is_read_again_each_time() {
    for len in [3, 8, 40, 41, 200, 1000] {
        let file = RingFile::new(&format!("frame-{len}"));
        let ring = RingOptions::new(4096).create::<[u8]>(file.name());
        let (_producer, mut consumer) = two_frames(&ring.expect("a new name"), &vec![7; len]);
        let frame = consumer.try_peek().expect("a frame");
        let mut before = vec![0; len];
        frame.copy_to(&mut before);
        let new = vec![99; len];
        file.write_at(&new, DATA + 8);
        let (mut after, mut end) = (vec![0; len], [0; 1]);
        frame.copy_to(&mut after);
        frame.read_at(len - 1, &mut end);
        assert_eq!(before, vec![7; len]);
        assert_eq!((after, end), (new.clone(), [99]));
        assert_eq!(frame.to_vec(), new);
    }
}

fn a_changed_header_does_not_change_a_found_frame() {
    let file = RingFile::new("header");
    let ring = RingOptions::new(4096).create::<[u8]>(file.name());
    let (_producer, mut consumer) = two_frames(&ring.expect("a new name"), &[7; 200]);
    let frame = consumer.try_peek().expect("a frame");
    file.write_at(&u64::MAX.to_le_bytes(), DATA);
    assert_eq!((frame.len(), frame.kind()), (200, 0));
    assert_eq!(frame.to_vec(), [7; 200]);
    frame.release();
    assert_eq!(consumer.position(), 208);
    assert_eq!(consumer.try_peek().expect("the other").to_vec(), [7; 200]);
}
