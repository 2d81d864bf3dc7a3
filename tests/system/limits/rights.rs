//! The owner of a ring, and the users that may open it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use quoit::{Consumer, Producer, Ring, RingOptions, StalePolicy};

use crate::common::fork::{in_a_child, in_a_directory};
use crate::common::names::{files_in, shared_memory_directory};
use crate::common::process::drop_root;
use crate::common::rings::{named, producer};
use crate::limits::is_refused;

crate::common::suite::tests! {
    a_ring_of_another_user_is_refused,
    a_ring_without_a_name_of_another_user_is_refused,
    a_directory_of_another_user_is_refused,
    mode_bits_are_exact_with_any_umask,
}

const MODES: [u32; 3] = [0, 0o444, 0o666];

fn a_ring_of_another_user_is_refused() {
    let rings = MODES.map(|mode| named::<u64>("modes", &RingOptions::new(64).mode(mode)));
    let [private, readable, public] = rings.map(|(_, name)| name);
    in_a_child(|| {
        drop_root();
        let refused = |result| is_refused(result, libc::EACCES, ["open", "RingOptions::mode"]);
        let options = RingOptions::new(64);
        let replacing = options.clone().stale(StalePolicy::Replace);
        for name in [&private, &readable] {
            refused(Ring::<u64>::open(name).map(drop));
            refused(Producer::<u64>::open(name).map(drop));
            refused(Consumer::<u64>::open_or_create(name, 64).map(drop));
            refused(options.create::<u64>(name).map(drop));
            refused(replacing.create::<u64>(name).map(drop));
            refused(quoit::unlink(name));
        }
        let mut producer = Producer::<u64>::open(&public).expect("every user may open it");
        producer.try_push(7).expect("there is room");
    });
    assert!(private.file().exists() && readable.file().exists());
}

/// Becomes another user while it has rings.
fn a_ring_without_a_name_of_another_user_is_refused() {
    let [private, readable, public] = MODES.map(|mode| {
        let ring = RingOptions::new(64).mode(mode).create_anonymous::<u64>();
        ring.expect("a ring")
    });
    drop_root();
    for ring in [private, readable] {
        let descriptor = ring.descriptor().expect("it is anonymous");
        let again = RingOptions::default().open_descriptor::<u64>(descriptor);
        for refusal in [ring.producer().map(drop), again.map(drop)] {
            is_refused(refusal, libc::EACCES, ["reopen", "RingOptions::mode"]);
        }
    }
    producer(&public)
        .try_push(7)
        .expect("every user may open it");
}

fn a_directory_of_another_user_is_refused() {
    in_a_directory(|directory| {
        fs::set_permissions(directory, Permissions::from_mode(0o555)).expect("our directory");
        drop_root();
        let path = directory.join("ring");
        let refused = |result| is_refused(result, libc::EACCES, ["create", "its directory"]);
        refused(Producer::<u64>::create(&path, 64));
        refused(Producer::<u64>::open_or_create(&path, 64));
        assert_eq!(files_in(directory), [""; 0]);
    });
}

fn mode_bits_are_exact_with_any_umask() {
    let directory = shared_memory_directory();
    let path = directory.path().join("ring");
    let mode = || {
        let metadata = fs::metadata(&path).expect("the file exists");
        metadata.permissions().mode() & 0o7777
    };
    let replacing = RingOptions::new(64).stale(StalePolicy::Replace);
    for umask in [0, 0o022, 0o077, 0o777] {
        // SAFETY: the call only changes this process's umask.
        unsafe { libc::umask(umask) };
        for wanted in [0o600, 0o640, 0o660, 0o666, 0o606] {
            let options = replacing.clone().mode(wanted);
            options.create::<u64>(&path).expect("a ring");
            assert_eq!(mode(), wanted);
            // An existing ring keeps its bits.
            let other = RingOptions::new(64).mode(0o644);
            other.open_or_create::<u64>(&path).expect("it opens");
            assert_eq!(mode(), wanted);
        }
        replacing.create::<u64>(&path).expect("a ring");
        assert_eq!(mode(), 0o600, "the default");
    }
}
