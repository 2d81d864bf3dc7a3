//! Opening checks everything: a file that is not the requested ring is refused with the
//! right error, and not changed.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::common::names::{RingName, file_directory};
use crate::common::refused::refused;
use crate::common::segment_file::{
    CAPACITY, DOORBELL, LAYOUT, LENGTH, MAGIC, SCHEMA, SHAPE, SLOT_ALIGN, SLOT_SIZE, SegmentFile,
};
use crate::common::threads::while_waiting;
use quoit::{Consumer, Corrupt, Error, Observer, Producer, Ring, RingOptions, StalePolicy};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use zerocopy::{FromBytes, Immutable, IntoBytes};

crate::common::suite::tests! {
    an_impossible_field_of_the_header_is_refused,
    a_file_that_is_too_short_is_not_a_ring,
    sizes_that_no_ring_has_are_corrupt,
    a_type_or_a_tag_of_another_name_is_another_schema,
    another_kind_of_file_is_not_a_ring_and_blocks_no_call,
}

/// A ring of 64 words that no process holds, and its file.
fn words(test: &str) -> (RingName, SegmentFile) {
    let name = RingName::new(test);
    RingOptions::new(64).create::<u64>(&name).expect("a ring");
    let file = SegmentFile::open(&name.file());
    (name, file)
}

/// Checks that every call that opens this name as words returns this error. What is not a ring is
/// neither replaced nor unlinked, unless it was one.
fn is_refused(name: &Path, expected: &Error) {
    let options = RingOptions::new(64);
    let mut refusals = vec![
        Ring::<u64>::open(name).err(),
        Producer::<u64>::open(name).err(),
        Consumer::<u64>::open(name).err(),
        options.open_or_create::<u64>(name).err(),
    ];
    if matches!(expected, Error::NotARing { reason, .. } if *reason != CUT) {
        let options = options.stale(StalePolicy::Replace);
        refusals.extend([options.create::<u64>(name).err(), quoit::unlink(name).err()]);
    }
    for refusal in refusals {
        let refusal = refusal.map(|error| error.to_string());
        assert_eq!(refusal, Some(expected.to_string()));
    }
    let file = fs::symlink_metadata(file_of(name));
    assert!(file.is_ok(), "it was removed");
}

fn file_of(name: &Path) -> PathBuf {
    Path::new("/dev/shm").join(name) // an absolute path is not changed
}

fn no_ring(name: &str, reason: &'static str) -> Error {
    Error::NotARing {
        name: name.to_owned(),
        reason,
    }
}

/// A field of the header, its bytes, values that it cannot have, and the error.
type Field = (u64, usize, &'static [u64], fn(&str, u64) -> Error);

const ALMOST: u64 = u64::from_le_bytes(*b"quoit\n\x1a\0");

#[rustfmt::skip]
const FIELDS: [Field; 11] = [
    (MAGIC, 8, &[0, 1, ALMOST],
        |name, _| no_ring(name, "it does not begin with quoit's magic")),
    (LAYOUT, 4, &[0, 2, 0xffff_ffff],
        |_, found| Error::VersionMismatch { found: found as u32, expected: 1 }),
    (DOORBELL, 4, &[2, 7, 0x100, 0x20_0401, 0x21_0101, 0xffff_ffff],
        |_, found| Error::DoorbellMismatch { found: found as u32 }),
    (SHAPE, 4, &[2], |name, _| shape_mismatch(name, "frames")),
    (SHAPE, 4, &[3], |name, _| shape_mismatch(name, "an unknown shape")),
    // Numbers that are not powers of two, and two that overflow in bytes.
    (CAPACITY, 8, &[0, 3, 63, 65, u64::MAX, 1 << 60, 1 << 63],
        |_, found| corrupt("capacity", found)),
    (SLOT_SIZE, 8, &[4], |_, found| corrupt("slot size", found)),
    (SLOT_ALIGN, 4, &[0, 4, 16, 0xffff_ffff], |_, found| corrupt("slot align", found)),
    (LENGTH, 8, &[0, 4096, 16384 + 64 * 8 - 1], |_, found| corrupt("length", found)),
    // More than the file has.
    (LENGTH, 8, &[20481, 1 << 40, u64::MAX], |name, _| no_ring(name, CUT)),
    (CAPACITY, 8, &[1 << 20, 1 << 40, 1 << 58], |name, _| no_ring(name, CUT)),
];

const CUT: &str = "it is shorter than its header says";

fn corrupt(field: &'static str, found: u64) -> Error {
    Error::Corrupt(Corrupt { field, found })
}

fn shape_mismatch(name: &str, found: &'static str) -> Error {
    Error::ShapeMismatch {
        name: name.to_owned(),
        found,
        expected: "records",
        in_use: false,
    }
}

fn an_impossible_field_of_the_header_is_refused() {
    for (field, width, values, error) in FIELDS {
        for &value in values {
            let (name, file) = words("field");
            file.write_bytes(field, &value.to_le_bytes()[..width]);
            let before = fs::read(name.file()).expect("a file");
            is_refused(name.as_ref(), &error(&name, value));
            assert!(fs::read(name.file()).expect("a file") == before, "{field}");
        }
    }
}

fn a_file_that_is_too_short_is_not_a_ring() {
    for length in [0, 1, 4095, 4096, 8192, 16384, 16384 + 64 * 8 - 1] {
        let (name, file) = words("short");
        file.truncate(length);
        let reason = if length > 16384 {
            CUT
        } else {
            "it is too short"
        };
        is_refused(name.as_ref(), &no_ring(&name, reason));
    }
}

/// An observer opens a ring of any shape: the error names the field that is wrong.
fn sizes_that_no_ring_has_are_corrupt() {
    let name = RingName::new("sizes");
    RingOptions::new(64).create::<[u8]>(&name).expect("a ring");
    let file = SegmentFile::open(&name.file());
    for (place, sound, size, field) in [
        (CAPACITY, 64, 32, "capacity"),
        (CAPACITY, 64, 1 << 63, "capacity"),
        (SLOT_SIZE, 1, 0, "slot size"),
        (SLOT_SIZE, 1, u64::MAX, "slot size"),
    ] {
        file.write(place, size);
        for refusal in [Ring::<[u8]>::open(&name).err(), Observer::open(&name).err()] {
            let refusal = refusal.map(|error| error.to_string());
            assert_eq!(refusal, Some(corrupt(field, size).to_string()));
        }
        file.write(place, sound);
    }
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(transparent)]
struct Price(u64);

/// A mismatch also says whether a process holds the ring.
fn a_type_or_a_tag_of_another_name_is_another_schema() {
    let tagged = |tag: &str| RingOptions::new(64).schema_tag(tag);
    let (name, file) = words("schema");
    let ring = Ring::<u64>::open(&name).expect("the right type opens");
    for is_held in [false, true] {
        let _producer = is_held.then(|| ring.producer().expect("the role is free"));
        let mismatches = [
            Ring::<[f32; 2]>::open(&name).err(),
            Ring::<[u8; 8]>::open(&name).err(),
            Ring::<i64>::open(&name).err(),
            Ring::<Price>::open(&name).err(),
            Ring::<u32>::open(&name).err(),
            tagged("tick/3").open::<u64>(&name).err(),
        ];
        for refusal in mismatches {
            refused!(refusal => Error::SchemaMismatch { found, expected, found_size, in_use, .. });
            assert_eq!((found, found_size), (file.read(SCHEMA), 8));
            assert_ne!(found, expected);
            assert_eq!(in_use, is_held);
        }
        let frames = Ring::<[u8]>::open(&name).err();
        refused!(frames => Error::ShapeMismatch { found: "records", expected: "frames", in_use, .. });
        assert_eq!(in_use, is_held);
    }

    let (name, frames) = (RingName::new("tag"), RingName::new("frames"));
    tagged("tick/3").create::<u64>(&name).expect("a ring");
    tagged("tick/3").create::<[u8]>(&frames).expect("a ring");
    let mismatches = [
        tagged("tick/4").open::<u64>(&name).err(),
        tagged("").open::<u64>(&name).err(),
        Ring::<u64>::open(&name).err(),
        // The same tag on records of another size or alignment.
        tagged("tick/3").open::<u32>(&name).err(),
        tagged("tick/3").open::<[u8; 8]>(&name).err(),
        Ring::<[u8]>::open(&frames).err(),
    ];
    for refusal in mismatches {
        refused!(refusal => Error::SchemaMismatch { .. });
    }
    let opened = [
        tagged("tick/3").open::<u64>(&name).err(),
        // With a tag, a type with another name is accepted.
        tagged("tick/3").open::<Price>(&name).err(),
        tagged("tick/3").open::<[u8]>(&frames).err(),
    ];
    assert!(opened.iter().all(Option::is_none), "{opened:?}");
}

/// How to make another kind of file, and the possible reasons of the refusal. `lifecycle::walk` has
/// others.
type Other = (fn(&Path), &'static [&'static str]);

const OTHERS: [Other; 4] = [
    (
        |file| fs::create_dir(file).expect("a directory"),
        // `shm_open` and `open` refuse it with different errors.
        &["it is a directory", "it is not a regular file"],
    ),
    (
        |file| symlink("nothing", file).expect("a link"),
        &["it is a symbolic link"],
    ),
    (
        |file| drop(UnixListener::bind(file).expect("a socket")),
        &["it is not a regular file"],
    ),
    (
        |file| mknodat(CWD, file, FileType::Fifo, Mode::RUSR, 0).expect("a FIFO"),
        &["it is not a regular file"],
    ),
];

/// By a path on a disk, and by a plain name.
fn another_kind_of_file_is_not_a_ring_and_blocks_no_call() {
    for (make, reasons) in OTHERS {
        let (directory, plain) = (file_directory(), RingName::new("other"));
        for name in [directory.path().join("ticks"), plain.as_str().into()] {
            make(&file_of(&name));
            let opened = Ring::<u64>::open(&name).err();
            refused!(opened => Error::NotARing { reason, .. });
            assert!(reasons.contains(&reason), "{reason}");
            is_refused(&name, &no_ring(&name.to_string_lossy(), reason));
            // The same for a call that only reads, which a FIFO would block until there is a writer.
            let observed = while_waiting(|| Observer::open(name).map(drop), || ()).err();
            refused!(observed => Error::NotARing { .. });
        }
    }
}
