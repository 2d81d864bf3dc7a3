//! The owner of a ring, and the users that may open it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use quoit::{Consumer, Producer, Ring, RingOptions, StalePolicy};

use crate::common::child::Child;
use crate::common::names::{RingName, files_in, shared_memory_directory};
use crate::common::process::{drop_root, plays_in_a_directory};
use crate::limits::is_refused;

crate::common::suite::tests! {
    a_ring_of_another_user_is_refused,
    a_ring_without_a_name_of_another_user_is_refused,
    a_directory_of_another_user_is_refused,
    mode_bits_are_exact_with_any_umask;
    parts: stranger, user_that_drops_root, intruder, under_umasks
}

fn a_ring_of_another_user_is_refused() {
    let (private, readable) = (RingName::new("private"), RingName::new("readable"));
    let public = RingName::new("public");
    for (name, mode) in [(&private, 0), (&readable, 0o444), (&public, 0o666)] {
        let options = RingOptions::new(64).mode(mode);
        options.create::<u64>(name).expect("a ring");
    }
    let names = [private.as_str(), readable.as_str(), public.as_str()];
    Child::start("stranger", &names).succeeds();
    assert!(private.file().exists() && readable.file().exists());
}

fn stranger(arguments: &[String]) {
    drop_root();
    let [private, readable, public] = arguments else {
        panic!("three names are expected");
    };
    let refused = |result| is_refused(result, libc::EACCES, ["open", "RingOptions::mode"]);
    let options = RingOptions::new(64);
    let replacing = options.clone().stale(StalePolicy::Replace);
    for name in [private, readable] {
        refused(Ring::<u64>::open(name).map(drop));
        refused(Producer::<u64>::open(name).map(drop));
        refused(Consumer::<u64>::open_or_create(name, 64).map(drop));
        refused(options.create::<u64>(name).map(drop));
        refused(replacing.create::<u64>(name).map(drop));
        refused(quoit::unlink(name));
    }
    let mut producer = Producer::<u64>::open(public).expect("every user may open it");
    producer.try_push(7).expect("there is room");
}

fn a_ring_without_a_name_of_another_user_is_refused() {
    Child::start("user_that_drops_root", &[]).succeeds();
}

/// Becomes another user while it has rings.
fn user_that_drops_root(_: &[String]) {
    let ring = |mode| {
        let ring = RingOptions::new(64).mode(mode).create_anonymous::<u64>();
        ring.expect("a ring")
    };
    let (private, readable, public) = (ring(0), ring(0o444), ring(0o666));
    drop_root();
    for ring in [private, readable] {
        let descriptor = ring.descriptor().expect("it is anonymous");
        let again = RingOptions::default().open_descriptor::<u64>(descriptor);
        for refusal in [ring.producer().map(drop), again.map(drop)] {
            is_refused(refusal, libc::EACCES, ["reopen", "RingOptions::mode"]);
        }
    }
    let mut producer = public.producer().expect("every user may open it");
    producer.try_push(7).expect("there is room");
}

fn a_directory_of_another_user_is_refused() {
    let directory = shared_memory_directory();
    let path = directory.path();
    fs::set_permissions(path, Permissions::from_mode(0o555)).expect("our directory");
    Child::start("intruder", &[path.to_str().expect("a path in UTF-8")]).succeeds();
    assert_eq!(files_in(path), [""; 0]);
}

fn intruder(arguments: &[String]) {
    drop_root();
    let path = Path::new(&arguments[0]).join("ring");
    let refused = |result| is_refused(result, libc::EACCES, ["create", "its directory"]);
    refused(Producer::<u64>::create(&path, 64));
    refused(Producer::<u64>::open_or_create(&path, 64));
}

fn mode_bits_are_exact_with_any_umask() {
    plays_in_a_directory("under_umasks");
}

fn under_umasks(arguments: &[String]) {
    let path = Path::new(&arguments[0]).join("ring");
    let mode = || {
        let metadata = fs::metadata(&path).expect("the file exists");
        metadata.permissions().mode() & 0o7777
    };
    for umask in [0, 0o022, 0o077, 0o777] {
        // SAFETY: the call only changes this process's umask.
        unsafe { libc::umask(umask) };
        for wanted in [0o600, 0o640, 0o660, 0o666, 0o606] {
            let options = RingOptions::new(64)
                .stale(StalePolicy::Replace)
                .mode(wanted);
            options.create::<u64>(&path).expect("a ring");
            assert_eq!(mode(), wanted);
            // An existing ring keeps its bits.
            let other = RingOptions::new(64).mode(0o644);
            other.open_or_create::<u64>(&path).expect("it opens");
            assert_eq!(mode(), wanted);
        }
        RingOptions::new(64)
            .stale(StalePolicy::Replace)
            .create::<u64>(&path)
            .expect("a ring");
        assert_eq!(mode(), 0o600, "the default");
    }
}
