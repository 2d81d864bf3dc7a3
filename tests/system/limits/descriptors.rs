//! Descriptors: with any number of free descriptors, a call takes what it needs, or returns
//! an error and closes all of them.

use std::fs;

use quoit::{Error, Producer, RingOptions};
use rustix::process::Resource;

use crate::calls::{CALLS, Place};
use crate::common::descriptors::take_all_but;
use crate::common::forbid::refuse_with;
use crate::common::fork::in_a_child;
use crate::common::names::{files_in, shared_memory_directory};
use crate::common::process::set_limit;
use crate::common::refused::{is, refused};
use crate::common::rings::{named, producer};

crate::common::suite::tests! {
    too_few_descriptors_are_an_error_at_every_call,
    a_ring_stays_if_its_creator_gets_no_role,
    a_drop_without_a_free_descriptor_removes_the_name,
}

fn too_few_descriptors_are_an_error_at_every_call() {
    let directory = shared_memory_directory();
    let place = Place::new(directory.path(), RingOptions::new(64));
    set_limit(Resource::Nofile, 32);
    for (name, call) in CALLS {
        for free in 0.. {
            let taken = take_all_but(free);
            let result = call(&place);
            let still_free = take_all_but(0).len();
            drop(taken);
            if result.is_ok() {
                assert!(free > 0 || name == "heap", "{name} takes a descriptor");
                break;
            }
            has_none(result);
            assert_eq!(still_free, free, "{name} keeps descriptors");
            assert_eq!(files_in(directory.path()), ["there"]);
        }
        let _ = fs::remove_file(place.new_name());
    }
}

/// The next call opens it.
fn a_ring_stays_if_its_creator_gets_no_role() {
    let directory = shared_memory_directory();
    let name = directory.path().join("ring");
    in_a_child(|| {
        let lock = [libc::F_OFD_SETLK as u32; 2];
        refuse_with(libc::SYS_fcntl, libc::EACCES, Some(lock));
        let refused = Producer::<u64>::create(&name, 64);
        is!(refused => Err(Error::Io { doing: "lock a role of", .. }));
    });
    drop(Producer::<u64>::open(&name).expect("the ring"));
}

fn a_drop_without_a_free_descriptor_removes_the_name() {
    let options = RingOptions::new(64).unlink_on_drop(true);
    let (ring, name) = named::<u64>("no-descriptor", &options);
    let held = producer(&ring);
    set_limit(Resource::Nofile, 32);
    let _taken = take_all_but(0);
    drop(held);
    assert!(!name.file().exists());
}

/// Requires the error of a process that has no free descriptor.
fn has_none<R>(result: Result<R, Error>) {
    let refusal = result.err();
    let text = refusal.as_ref().map(Error::to_string).unwrap_or_default();
    assert!(text.contains("ulimit -n"), "{text:?}");
    refused!(refusal => Error::Io { source, .. });
    assert_eq!(source.raw_os_error(), Some(libc::EMFILE));
}
