//! Opening checks everything: a file that is not the requested ring is refused with the
//! right error, and not changed.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::common::names::{RingName, file_directory, files_in};
use crate::common::refused::refused;
use crate::common::rings::named;
use crate::common::segment_file::{
    CAPACITY, DOORBELL, LAYOUT, LENGTH, MAGIC, SCHEMA, SHAPE, SLOT_ALIGN, SLOT_SIZE, SegmentFile,
};
use crate::common::threads::while_waiting;
use quoit::{Consumer, Corrupt, Error, Observer, Producer, Ring, RingOptions, StalePolicy};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use zerocopy::{FromBytes, Immutable, IntoBytes};

crate::common::suite::tests! {
    a_file_without_the_magic_is_not_a_ring,
    a_file_shorter_than_a_header_is_not_a_ring,
    a_file_of_another_program_is_not_a_ring,
    an_impossible_field_of_the_header_is_refused,
    another_shape_is_refused,
    a_type_of_another_name_is_another_schema,
    a_mismatch_says_whether_a_process_holds_the_ring,
    another_tag_is_another_schema,
    frames_have_a_schema_too,
    a_file_shorter_than_its_header_says_is_not_a_ring,
    frames_of_less_than_64_bytes_are_corrupt,
    another_kind_of_file_is_not_a_ring_and_blocks_no_call,
}

/// A ring of 64 words that no process holds, and its file.
fn words(test: &str) -> (RingName, SegmentFile) {
    let name = RingName::new(test);
    RingOptions::new(64).create::<u64>(&name).expect("a ring");
    let file = SegmentFile::open(&name.file());
    (name, file)
}

/// The errors of every call that opens this name as words.
fn refusals(name: &Path) -> [Error; 4] {
    [
        Ring::<u64>::open(name).expect_err("open accepts it"),
        Producer::<u64>::open(name).expect_err("a producer accepts it"),
        Consumer::<u64>::open(name).expect_err("a consumer accepts it"),
        RingOptions::new(64)
            .open_or_create::<u64>(name)
            .expect_err("open_or_create accepts it"),
    ]
}

/// Checks that it is neither opened nor replaced nor unlinked, with this error.
fn is_no_ring(name: &Path, expected: &str) {
    let replaced = RingOptions::new(64)
        .stale(StalePolicy::Replace)
        .create::<u64>(name);
    let others = [
        replaced.expect_err("it was replaced"),
        quoit::unlink(name).expect_err("it was unlinked"),
    ];
    for refusal in refusals(name).into_iter().chain(others) {
        refused!(refusal is Error::NotARing { name: shown, reason });
        assert_eq!((Path::new(&shown), reason), (name, expected));
    }
    assert!(
        fs::symlink_metadata(file_of(name)).is_ok(),
        "it was removed"
    );
}

fn file_of(name: &Path) -> PathBuf {
    Path::new("/dev/shm").join(name) // an absolute path is not changed
}

fn a_file_without_the_magic_is_not_a_ring() {
    for magic in [0, 1, u64::from_le_bytes(*b"quoit\n\x1a\0")] {
        let (name, file) = words("magic");
        file.write(MAGIC, magic);
        is_no_ring(name.as_ref(), "it does not begin with quoit's magic");
        assert_eq!(file.read(MAGIC), magic);
    }
}

fn a_file_shorter_than_a_header_is_not_a_ring() {
    for length in [0, 1, 4095, 4096, 8192, 16384] {
        let (name, file) = words("short");
        file.truncate(length);
        is_no_ring(name.as_ref(), "it is too short");
    }
}

fn a_file_of_another_program_is_not_a_ring() {
    let directory = file_directory();
    let path = directory.path().join("notes.txt");
    let text = "just some notes\n".repeat(4000);
    fs::write(&path, &text).expect("the file can be written");
    is_no_ring(&path, "it does not begin with quoit's magic");
    assert_eq!(fs::read_to_string(&path).expect("the file exists"), text);
}

/// A field of the header, its bytes, values that it cannot have, and the error.
type Field = (u64, usize, &'static [u64], fn(&str, u64) -> Error);

#[rustfmt::skip]
const FIELDS: [Field; 10] = [
    (LAYOUT, 4, &[0, 2, 0xffff_ffff],
        |_, found| Error::VersionMismatch { found: found as u32, expected: 1 }),
    (DOORBELL, 4, &[2, 7, 0x100, 0x20_0401, 0x21_0101, 0xffff_ffff],
        |_, found| Error::DoorbellMismatch { found: found as u32 }),
    (SHAPE, 4, &[2], |name, _| shape_mismatch(name, "frames", "records")),
    (SHAPE, 4, &[3], |name, _| shape_mismatch(name, "an unknown shape", "records")),
    // Numbers that are not powers of two, and two that overflow in bytes.
    (CAPACITY, 8, &[0, 3, 63, 65, u64::MAX, 1 << 60, 1 << 63],
        |_, found| corrupt("capacity", found)),
    (SLOT_SIZE, 8, &[4], |_, found| corrupt("slot size", found)),
    (SLOT_ALIGN, 4, &[0, 4, 16, 0xffff_ffff], |_, found| corrupt("slot align", found)),
    (LENGTH, 8, &[0, 4096, 16384 + 64 * 8 - 1], |_, found| corrupt("length", found)),
    // More than the file has.
    (LENGTH, 8, &[20481, 1 << 40, u64::MAX], |name, _| too_short(name)),
    (CAPACITY, 8, &[1 << 20, 1 << 40, 1 << 58], |name, _| too_short(name)),
];

fn corrupt(field: &'static str, found: u64) -> Error {
    Error::Corrupt(Corrupt { field, found })
}

fn shape_mismatch(name: &str, found: &'static str, expected: &'static str) -> Error {
    Error::ShapeMismatch {
        name: name.to_owned(),
        found,
        expected,
        in_use: false,
    }
}

fn too_short(name: &str) -> Error {
    Error::NotARing {
        name: name.to_owned(),
        reason: "it is shorter than its header says",
    }
}

fn an_impossible_field_of_the_header_is_refused() {
    for (field, width, values, error) in FIELDS {
        for &value in values {
            let (name, file) = words("field");
            file.write_bytes(field, &value.to_le_bytes()[..width]);
            let expected = error(&name, value).to_string();
            for refusal in refusals(name.as_ref()) {
                assert_eq!(refusal.to_string(), expected, "{field}: {value}");
            }
        }
    }
}

fn another_shape_is_refused() {
    let (name, _file) = words("shape");
    let refusal = Ring::<[u8]>::open(&name).expect_err("records were opened as frames");
    let expected = shape_mismatch(&name, "records", "frames");
    assert_eq!(refusal.to_string(), expected.to_string());
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(transparent)]
struct Price(u64);

fn a_type_of_another_name_is_another_schema() {
    let (name, file) = words("schema");
    let mismatches = [
        Ring::<[f32; 2]>::open(&name).err(),
        Ring::<[u8; 8]>::open(&name).err(),
        Ring::<i64>::open(&name).err(),
        Ring::<Price>::open(&name).err(),
        Ring::<u32>::open(&name).err(),
    ];
    for refusal in mismatches {
        refused!(refusal => Error::SchemaMismatch { found, expected, found_size, .. });
        assert_eq!(found_size, 8);
        assert_eq!(found, file.read(SCHEMA));
        assert_ne!(found, expected);
    }
    Ring::<u64>::open(&name).expect("the right type opens");
}

fn a_mismatch_says_whether_a_process_holds_the_ring() {
    let (ring, name) = named::<u64>("holder", &RingOptions::new(64));
    let mismatches = || {
        let refusals = [
            Ring::<[u8]>::open(&name).err(),
            Ring::<u32>::open(&name).err(),
            RingOptions::new(128).open_or_create::<u64>(&name).err(),
        ];
        refusals.map(|refusal| match refusal {
            Some(
                Error::ShapeMismatch { name, in_use, .. }
                | Error::SchemaMismatch { name, in_use, .. }
                | Error::CapacityMismatch { name, in_use, .. },
            ) => (name, in_use),
            other => panic!("the wrong error: {other:?}"),
        })
    };
    let expected = |in_use| [(); 3].map(|()| (name.as_str().to_owned(), in_use));
    assert_eq!(mismatches(), expected(false));
    let producer = ring.producer().expect("the role is free");
    assert_eq!(mismatches(), expected(true));
    drop(producer);
    let _consumer = ring.consumer().expect("the role is free");
    assert_eq!(mismatches(), expected(true));
}

fn another_tag_is_another_schema() {
    let name = RingName::new("tag");
    let tagged = |tag: &str| RingOptions::new(64).schema_tag(tag);
    let mismatch = |result: Result<_, Error>| matches!(result, Err(Error::SchemaMismatch { .. }));
    tagged("tick/3").create::<u64>(&name).expect("a ring");
    assert!(mismatch(tagged("tick/4").open::<u64>(&name).map(drop)));
    assert!(mismatch(tagged("").open::<u64>(&name).map(drop)));
    assert!(mismatch(Ring::<u64>::open(&name).map(drop)));
    // The same tag on records of another size or alignment.
    assert!(mismatch(tagged("tick/3").open::<u32>(&name).map(drop)));
    assert!(mismatch(tagged("tick/3").open::<[u8; 8]>(&name).map(drop)));
    tagged("tick/3")
        .open::<u64>(&name)
        .expect("the right tag opens");
    // With a tag, a type with another name is accepted.
    tagged("tick/3")
        .open::<Price>(&name)
        .expect("the right tag opens");
}

fn frames_have_a_schema_too() {
    let name = RingName::new("frame-tag");
    let tagged = RingOptions::new(64).schema_tag("log/1");
    tagged.create::<[u8]>(&name).expect("a ring");
    let refusal = Ring::<[u8]>::open(&name).expect_err("a missing tag was accepted");
    assert!(matches!(refusal, Error::SchemaMismatch { .. }));
    tagged.open::<[u8]>(&name).expect("the right tag opens");
}

fn a_file_shorter_than_its_header_says_is_not_a_ring() {
    let (name, file) = words("truncated");
    file.truncate(16384 + 64 * 8 - 1);
    for refusal in refusals(name.as_ref()) {
        assert_eq!(refusal.to_string(), too_short(&name).to_string());
    }
}

fn frames_of_less_than_64_bytes_are_corrupt() {
    let name = RingName::new("small-frames");
    RingOptions::new(64).create::<[u8]>(&name).expect("a ring");
    SegmentFile::open(&name.file()).write(CAPACITY, 32);
    let refusal = Ring::<[u8]>::open(&name).expect_err("32 bytes hold no frames");
    assert_eq!(refusal.to_string(), corrupt("capacity", 32).to_string());
}

/// How to make another kind of file, in the directory of a ring, and the possible reasons of the refusal.
type Other = (fn(&Path, &Path), &'static [&'static str]);

const OTHERS: [Other; 5] = [
    (
        |file, _| fs::create_dir(file).expect("a directory"),
        &["it is a directory", "it is not a regular file"],
    ),
    (
        |file, ring| symlink(ring, file).expect("a link"),
        &["it is a symbolic link"],
    ),
    (
        |file, _| symlink("nothing", file).expect("a link"),
        &["it is a symbolic link"],
    ),
    (
        |file, _| drop(UnixListener::bind(file).expect("a socket")),
        &["it is not a regular file"],
    ),
    (
        |file, _| mknodat(CWD, file, FileType::Fifo, Mode::RUSR, 0).expect("a FIFO"),
        &["it is not a regular file"],
    ),
];

/// By a path on a disk, and by a plain name.
fn another_kind_of_file_is_not_a_ring_and_blocks_no_call() {
    for (make, reason) in OTHERS {
        let (directory, plain) = (file_directory(), RingName::new("other"));
        let ring = directory.path().join("ring");
        RingOptions::new(64).create::<u64>(&ring).expect("a ring");
        for name in [directory.path().join("ticks"), plain.as_str().into()] {
            make(&file_of(&name), &ring);
            // `shm_open` and `open` refuse a directory with different errors.
            let is_found = Ring::<u64>::open(&name).err();
            refused!(is_found => Error::NotARing { reason: found, .. });
            assert!(reason.contains(&found), "{found}");
            is_no_ring(&name, found);
            // The same for a call that only reads, which a FIFO would block until there is a writer.
            let observed = while_waiting(|| Observer::open(name).map(drop), || ());
            let refused = matches!(observed, Err(Error::NotARing { .. }));
            assert!(refused, "{observed:?}");
        }
        quoit::unlink(&ring).expect("the target of a link is unchanged");
        let is_changed = plain.file().is_dir() && !files_in(&plain.file()).is_empty();
        assert!(!is_changed, "a directory is empty");
    }
}
