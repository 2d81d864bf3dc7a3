//! System calls that a seccomp profile, or a kernel other than Linux, refuses: the ring
//! works without the call, or an error names the call, what refuses it and what to do, and
//! leaves no files.

use std::fs;
use std::path::Path;

use quoit::{RingOptions, StalePolicy};

use crate::common::forbid::refuse_with;
use crate::common::fork::in_a_directory;
use crate::common::names::{files_in, shared_memory_directory};
use crate::common::rings::named;
use crate::limits::is_refused;

crate::common::suite::tests! {
    a_ring_is_not_created_without_locks,
    a_forbidden_lock_is_not_reported_as_taken,
    an_error_names_a_forbidden_call_and_an_alternative,
    incarnations_differ_without_getrandom,
}

/// Open-file-description locks: set, query and wait.
const OFD_LOCKS: [u32; 2] = [libc::F_OFD_GETLK as u32, libc::F_OFD_SETLKW as u32];
const SEALS: [u32; 2] = [libc::F_ADD_SEALS as u32; 2];

fn a_ring_is_not_created_without_locks() {
    // As in gVisor, of an older kernel, and of a profile.
    for answer in [libc::EINVAL, libc::ENOSYS, libc::EPERM] {
        in_a_directory(|directory| without_locks(directory, answer));
    }
}

fn without_locks(directory: &Path, answer: i32) {
    let (old, new) = (directory.join("old"), directory.join("new"));
    let options = RingOptions::new(64);
    let ring = options.create::<u64>(&old).expect("a ring");
    refuse_with(libc::SYS_fcntl, answer, Some(OFD_LOCKS));
    let says = ["locks", "rm (/dev/shm/NAME)"];
    is_refused(options.create::<u64>(&new), answer, says);
    is_refused(options.open_or_create::<u64>(&new), answer, says);
    is_refused(options.create_anonymous::<u64>(), answer, says);
    is_refused(ring.producer(), answer, says);
    is_refused(quoit::unlink(&old), answer, says);
    let replace = options.stale(StalePolicy::Replace);
    is_refused(replace.create::<u64>(&old), answer, says);
    assert_eq!(files_in(directory), ["old"]);
    // As the texts advise.
    fs::remove_file(&old).expect("it exists");
}

/// The error of a security module differs from that of a lock that another process holds.
fn a_forbidden_lock_is_not_reported_as_taken() {
    let directory = shared_memory_directory();
    let ring = RingOptions::new(64).create::<u64>(directory.path().join("ring"));
    let ring = ring.expect("a ring");
    let set = [libc::F_OFD_SETLK as u32; 2];
    refuse_with(libc::SYS_fcntl, libc::EACCES, Some(set));
    is_refused(ring.producer(), libc::EACCES, ["lock a role", "SELinux"]);
    is_refused(ring.unlink(), libc::EACCES, ["could not lock", "SELinux"]);
}

fn an_error_names_a_forbidden_call_and_an_alternative() {
    let no_memfd = ["make the memfd", "a ring with a name"];
    let no_memory = ["reserve memory", "allow fallocate"];
    let no_seal = ["could not seal", "F_ADD_SEALS"];
    let no_link = ["could not link", "linkat"];
    // What a ring without a name says, and one with a name; `None` if it needs no such call.
    for (call, commands, of_anonymous, of_named) in [
        (libc::SYS_memfd_create, None, Some(no_memfd), None),
        (libc::SYS_fallocate, None, Some(no_memory), Some(no_memory)),
        (libc::SYS_fcntl, Some(SEALS), Some(no_seal), None),
        (libc::SYS_linkat, None, None, Some(no_link)),
    ] {
        for answer in [libc::EPERM, libc::ENOSYS] {
            in_a_directory(|directory| {
                let options = RingOptions::new(64);
                refuse_with(call, answer, commands);
                let named = options.create::<u64>(directory.join("ring"));
                for (ring, says) in [
                    (options.create_anonymous(), of_anonymous),
                    (named, of_named),
                ] {
                    match says {
                        Some(says) => is_refused(ring, answer, says),
                        None => drop(ring.expect("it needs none").unlink()),
                    }
                }
                assert_eq!(files_in(directory), [""; 0]);
            });
        }
    }
}

fn incarnations_differ_without_getrandom() {
    refuse_with(libc::SYS_getrandom, libc::EPERM, None);
    let [(first, _first), (second, _second)] =
        ["first", "second"].map(|test| named::<u64>(test, &RingOptions::new(64)));
    assert_ne!(first.incarnation(), second.incarnation());
}
