//! The names of rings: any file name, and any path.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::common::names::{RingName, file_directory, files_in};
use crate::common::refused::is;
use crate::common::rings::producer;
use quoit::{Consumer, Error, Producer, Ring, RingOptions};

crate::common::suite::tests! {
    a_name_is_any_file_name_or_path,
    names_that_are_no_file_names_are_refused,
    a_missing_directory_is_not_created,
}

/// Creates, opens and unlinks a ring of this name, and takes a role.
fn works(name: &Path) {
    let options = RingOptions::new(4);
    let ring = options.create::<u64>(name).expect("a ring");
    for again in [options.open_or_create::<u64>(name), Ring::open(name)] {
        let again = again.expect("the ring");
        assert_eq!(again.incarnation(), ring.incarnation());
        assert_eq!(again.name(), name.to_string_lossy());
    }
    drop(producer(&ring));
    quoit::unlink(name).expect("no process holds the ring");
    is!(Ring::<u64>::open(name) => Err(Error::NotFound { .. }));
}

/// Every call that takes a name refuses this one with the right error.
fn is_refused(name: &Path) {
    let refusals = [
        RingOptions::new(4).create::<u64>(name).err(),
        RingOptions::new(4).open_or_create::<u64>(name).err(),
        Ring::<u64>::open(name).err(),
        Producer::<u64>::open(name).err(),
        Consumer::<u64>::open_or_create(name, 4).err(),
        quoit::unlink(name).err(),
    ];
    for refusal in refusals {
        is!(refusal => Some(Error::InvalidName { name: shown, .. })
            if *shown == name.to_string_lossy());
    }
}

/// Of at most 255 bytes.
fn a_name_is_any_file_name_or_path() {
    let test = RingName::new("name-");
    let longest = "x".repeat(255 - test.as_str().len());
    let strange = "größe two\nlines\ttab back\\slash %s$(x)";
    for name in [
        OsStr::new(strange),
        OsStr::from_bytes(b"\xff\xfe"),
        longest.as_ref(),
    ] {
        works(test.and(name).as_ref());
    }
    is_refused(test.and(longest + "x").as_ref());

    let directory = file_directory();
    let here = env::current_dir().expect("a current directory");
    let to_root: PathBuf = here.ancestors().skip(1).map(|_| "..").collect();
    let absolute = directory.path().strip_prefix("/").expect("absolute");
    for parent in [directory.path(), &to_root.join(absolute)] {
        for name in ["ticks", "-rf", ".hidden", "...", &"x".repeat(255)] {
            works(&parent.join(name));
        }
    }
    is_refused(&directory.path().join("x".repeat(256)));
}

fn names_that_are_no_file_names_are_refused() {
    for name in ["", ".", "..", "/", "nul\0byte"] {
        is_refused(Path::new(name));
    }
    let directory = file_directory();
    for name in ["", ".", "..", "ticks/", "ticks/.", "ticks/..", "nul\0byte"] {
        let path = format!("{}/{name}", directory.path().display());
        is_refused(Path::new(&path));
    }
    assert_eq!(files_in(directory.path()), [""; 0]);
}

fn a_missing_directory_is_not_created() {
    let directory = file_directory();
    let path = directory.path().join("missing").join("ticks");
    is!(Ring::<u64>::open(&path) => Err(Error::NotFound { .. }));
    is!(quoit::unlink(&path) => Err(Error::NotFound { .. }));
    let options = RingOptions::new(4);
    for created in [options.create::<u64>(&path), options.open_or_create(&path)] {
        is!(created => Err(Error::Io { doing: "create", source, .. })
            if source.kind() == std::io::ErrorKind::NotFound);
    }
    assert_eq!(files_in(directory.path()), [""; 0]);
}
