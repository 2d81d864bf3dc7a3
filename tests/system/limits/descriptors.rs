//! Descriptors: with any number of free descriptors, a call takes what it needs, or returns
//! an error and closes all of them.

use std::fs;

use quoit::{Error, Producer, RingOptions};
use rustix::process::Resource;

use crate::calls::{CALLS, Place};
use crate::common::descriptors::take_all_but;
use crate::common::names::{files_in, shared_memory_directory};
use crate::common::process::set_limit;
use crate::common::refused::refused;

crate::common::suite::tests! {
    too_few_descriptors_are_an_error_at_every_call,
    a_ring_stays_if_its_creator_gets_no_role,
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

/// One descriptor suffices for a new ring, and the next call opens it.
fn a_ring_stays_if_its_creator_gets_no_role() {
    let directory = shared_memory_directory();
    let name = directory.path().join("ring");
    set_limit(Resource::Nofile, 32);
    let taken = take_all_but(1);
    has_none(Producer::<u64>::create(&name, 64));
    drop(taken);
    drop(Producer::<u64>::open(&name).expect("the ring"));
}

/// Requires the error of a process that has no free descriptor.
fn has_none<R>(result: Result<R, Error>) {
    let refusal = result.err();
    let text = refusal.as_ref().map(Error::to_string).unwrap_or_default();
    assert!(text.contains("ulimit -n"), "{text:?}");
    refused!(refusal => Error::Io { source, .. });
    assert_eq!(source.raw_os_error(), Some(libc::EMFILE));
}
