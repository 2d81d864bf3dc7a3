//! Opening checks everything: a file that is not the requested ring is refused with the
//! right error, and not changed.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::common::names::{RingName, file_directory, files_in};
use crate::common::rings::named;
use crate::common::segment_file::{
    CAPACITY, DOORBELL, LAYOUT, LENGTH, MAGIC, SCHEMA, SHAPE, SLOT_ALIGN, SLOT_SIZE, SegmentFile,
};
use crate::common::threads::while_waiting;
use quoit::{Consumer, Corrupt, Error, Observer, Producer, Ring, RingOptions, StalePolicy};
use tempfile::TempDir;
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
    a_directory_is_not_a_ring,
    a_symbolic_link_is_not_followed,
    a_fifo_is_not_a_ring_and_blocks_no_call,
    a_socket_is_not_a_ring,
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
        let Error::NotARing {
            name: shown,
            reason,
        } = refusal
        else {
            panic!("the wrong error: {refusal:?}");
        };
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
type Field = (u64, usize, &'static [u64], fn(u64) -> Error);

const FIELDS: [Field; 6] = [
    (LAYOUT, 4, &[0, 2, 0xffff_ffff], |found| {
        Error::VersionMismatch {
            found: found as u32,
            expected: 1,
        }
    }),
    (DOORBELL, 4, &[2, 0x100, 0xffff_ffff], |found| {
        Error::DoorbellMismatch {
            found: found as u32,
        }
    }),
    // Numbers that are not powers of two, and two that overflow in bytes.
    (
        CAPACITY,
        8,
        &[0, 3, 63, 65, u64::MAX, 1 << 60, 1 << 63],
        |found| corrupt("capacity", found),
    ),
    (SLOT_SIZE, 8, &[4], |found| corrupt("slot size", found)),
    (SLOT_ALIGN, 4, &[0, 4, 16, 0xffff_ffff], |found| {
        corrupt("slot align", found)
    }),
    (LENGTH, 8, &[0, 4096, 16384 + 64 * 8 - 1], |found| {
        corrupt("length", found)
    }),
];

fn corrupt(field: &'static str, found: u64) -> Error {
    Error::Corrupt(Corrupt { field, found })
}

fn an_impossible_field_of_the_header_is_refused() {
    for (field, width, values, error) in FIELDS {
        for &value in values {
            let (name, file) = words("field");
            file.write_bytes(field, &value.to_le_bytes()[..width]);
            let expected = error(value).to_string();
            for refusal in refusals(name.as_ref()) {
                assert_eq!(refusal.to_string(), expected);
            }
        }
    }
}

fn another_shape_is_refused() {
    let shape_mismatch = |refusal| match refusal {
        Error::ShapeMismatch {
            found, expected, ..
        } => (found, expected),
        other => panic!("the wrong error: {other:?}"),
    };
    let (name, file) = words("shape");
    let refusal = Ring::<[u8]>::open(&name).expect_err("records were opened as frames");
    assert_eq!(shape_mismatch(refusal), ("records", "frames"));
    file.write_half(SHAPE, 2);
    for refusal in refusals(name.as_ref()) {
        assert_eq!(shape_mismatch(refusal), ("frames", "records"));
    }
    file.write_half(SHAPE, 3);
    for refusal in refusals(name.as_ref()) {
        assert_eq!(shape_mismatch(refusal), ("an unknown shape", "records"));
    }
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
        let Some(Error::SchemaMismatch {
            found,
            expected,
            found_size,
            ..
        }) = refusal
        else {
            panic!("the wrong error: {refusal:?}");
        };
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
        let Error::NotARing { reason, .. } = refusal else {
            panic!("the wrong error: {refusal:?}");
        };
        assert_eq!(reason, "it is shorter than its header says");
    }
    for length in [20481, 1 << 40, u64::MAX] {
        let (name, file) = words("long");
        file.write(LENGTH, length);
        let refusal = Ring::<u64>::open(&name).expect_err("it is shorter than that");
        assert!(matches!(refusal, Error::NotARing { .. }), "{refusal:?}");
    }
    for capacity in [1 << 20, 1 << 40, 1 << 58] {
        let (name, file) = words("greedy");
        file.write(CAPACITY, capacity);
        let refusal = Ring::<u64>::open(&name).expect_err("it is shorter than that");
        assert!(matches!(refusal, Error::NotARing { .. }), "{refusal:?}");
    }
}

fn frames_of_less_than_64_bytes_are_corrupt() {
    let name = RingName::new("small-frames");
    RingOptions::new(64).create::<[u8]>(&name).expect("a ring");
    SegmentFile::open(&name.file()).write(CAPACITY, 32);
    let refusal = Ring::<[u8]>::open(&name).expect_err("32 bytes hold no frames");
    assert!(matches!(
        refusal,
        Error::Corrupt(Corrupt {
            field: "capacity",
            found: 32
        })
    ));
}

/// A directory on the disk and one in shared memory, with a name in each for another kind
/// of file: as a path, and as a plain name.
fn names_for_other_files(test: &str) -> (TempDir, [PathBuf; 2], RingName) {
    let directory = file_directory();
    let plain = RingName::new(test);
    let names = [
        directory.path().join("ticks"),
        PathBuf::from(plain.as_str()),
    ];
    (directory, names, plain)
}

fn a_directory_is_not_a_ring() {
    let (_directory, names, _plain) = names_for_other_files("directory");
    for name in &names {
        fs::create_dir(file_of(name)).expect("a directory");
        let refusal = Ring::<u64>::open(name).expect_err("a directory opened");
        let Error::NotARing { reason, .. } = refusal else {
            panic!("the wrong error: {refusal:?}");
        };
        is_no_ring(name, reason);
        assert_eq!(files_in(&file_of(name)), [""; 0]);
    }
}

fn a_symbolic_link_is_not_followed() {
    let (directory, names, _plain) = names_for_other_files("link");
    let target = directory.path().join("target");
    RingOptions::new(64).create::<u64>(&target).expect("a ring");
    for name in &names {
        std::os::unix::fs::symlink(&target, file_of(name)).expect("a link");
        is_no_ring(name, "it is a symbolic link");
    }
    quoit::unlink(&target).expect("the target is unchanged");
    // A dangling link is refused too.
    for name in &names {
        is_no_ring(name, "it is a symbolic link");
    }
}

fn a_fifo_is_not_a_ring_and_blocks_no_call() {
    let (_directory, names, _plain) = names_for_other_files("fifo");
    for name in &names {
        let path = CString::new(file_of(name).as_os_str().as_bytes()).expect("no zero byte");
        // SAFETY: the path is a C string.
        let made = unsafe { libc::mkfifo(path.as_ptr(), 0o600) };
        assert_eq!(made, 0, "a FIFO");
        is_no_ring(name, "it is not a regular file");
        // The same for a call that only reads, which a FIFO would block until there is a writer.
        let name = name.clone();
        let observed = while_waiting(|| Observer::open(name).map(drop), || ());
        assert!(
            matches!(observed, Err(Error::NotARing { .. })),
            "{observed:?}"
        );
    }
}

fn a_socket_is_not_a_ring() {
    let (_directory, names, _plain) = names_for_other_files("socket");
    for name in &names {
        let _listener = UnixListener::bind(file_of(name)).expect("a socket");
        is_no_ring(name, "it is not a regular file");
    }
}
