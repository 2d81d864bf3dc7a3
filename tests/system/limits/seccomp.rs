//! System calls that a seccomp profile, or a kernel other than Linux, refuses: the ring
//! works without the call, or an error names the call, what refuses it and what to do, and
//! leaves no files.

use std::fs;
use std::path::Path;

use quoit::{RingOptions, StalePolicy};

use crate::common::child::Child;
use crate::common::forbid::refuse_with;
use crate::common::names::{files_in, shared_memory_directory};
use crate::limits::is_refused;

crate::common::suite::tests! {
    a_ring_is_not_created_without_locks,
    a_forbidden_lock_is_not_reported_as_taken,
    an_error_names_a_forbidden_call_and_an_alternative,
    incarnations_differ_without_getrandom;
    parts: without_locks, without_the_right_to_lock, without_a_call, without_getrandom
}

/// Open-file-description locks: set, query and wait.
const OFD_LOCKS: [u32; 2] = [libc::F_OFD_GETLK as u32, libc::F_OFD_SETLKW as u32];
const SEALS: [u32; 2] = [libc::F_ADD_SEALS as u32; 2];

fn each(part: &str, calls: &[&str]) {
    for call in calls {
        let directory = shared_memory_directory();
        let path = directory.path().to_str().expect("a path in UTF-8");
        Child::start(part, &[path, call]).succeeds();
    }
}

fn a_ring_is_not_created_without_locks() {
    each("without_locks", &["22", "38", "1"]); // EINVAL, as in gVisor; ENOSYS; EPERM
}

fn without_locks(arguments: &[String]) {
    let directory = Path::new(&arguments[0]);
    let answer = arguments[1].parse().expect("a number");
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
    each("without_the_right_to_lock", &[""]);
}

fn without_the_right_to_lock(arguments: &[String]) {
    let path = Path::new(&arguments[0]).join("ring");
    let ring = RingOptions::new(64).create::<u64>(&path).expect("a ring");
    let set = [libc::F_OFD_SETLK as u32; 2];
    refuse_with(libc::SYS_fcntl, libc::EACCES, Some(set));
    is_refused(ring.producer(), libc::EACCES, ["lock a role", "SELinux"]);
    is_refused(ring.unlink(), libc::EACCES, ["could not lock", "SELinux"]);
}

fn an_error_names_a_forbidden_call_and_an_alternative() {
    each(
        "without_a_call",
        &["memfd_create", "fallocate", "seals", "linkat"],
    );
}

fn without_a_call(arguments: &[String]) {
    let directory = Path::new(&arguments[0]);
    let options = RingOptions::new(64);
    let named = || options.create::<u64>(directory.join("ring"));
    let anonymous = || options.create_anonymous::<u64>();
    for answer in [libc::EPERM, libc::ENOSYS] {
        let refuse = |call, commands| refuse_with(call, answer, commands);
        match &*arguments[1] {
            "memfd_create" => {
                refuse(libc::SYS_memfd_create, None);
                is_refused(
                    anonymous(),
                    answer,
                    ["make the memfd", "a ring with a name"],
                );
                drop(named().expect("it needs none").unlink());
            }
            "fallocate" => {
                refuse(libc::SYS_fallocate, None);
                is_refused(anonymous(), answer, ["reserve memory", "allow fallocate"]);
                is_refused(named(), answer, ["reserve memory", "allow fallocate"]);
            }
            "seals" => {
                refuse(libc::SYS_fcntl, Some(SEALS));
                is_refused(anonymous(), answer, ["could not seal", "F_ADD_SEALS"]);
            }
            "linkat" => {
                refuse(libc::SYS_linkat, None);
                is_refused(named(), answer, ["could not link", "linkat"]);
            }
            other => panic!("an unknown call: {other}"),
        }
        assert_eq!(files_in(directory), [""; 0]);
    }
}

fn incarnations_differ_without_getrandom() {
    each("without_getrandom", &[""]);
}

fn without_getrandom(arguments: &[String]) {
    let directory = Path::new(&arguments[0]);
    refuse_with(libc::SYS_getrandom, libc::EPERM, None);
    let ring = |name| RingOptions::new(64).create::<u64>(directory.join(name));
    let [first, second] = ["first", "second"].map(|name| ring(name).expect("a ring"));
    assert_ne!(first.incarnation(), second.incarnation());
}
