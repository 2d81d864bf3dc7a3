//! A refusal of the system is an error that says what to do. It is never a signal, and
//! leaves no files: memory, descriptors, file size, permission, a read-only file system. A
//! ring has exactly the requested mode bits, with any umask.
//!
//! Limits apply to a process, so most tests run a child under a limit.

#[path = "../common/mod.rs"]
mod common;
mod descriptors;
mod groups;
mod huge_pages;
mod memory;
mod mounts;
mod rights;
mod seccomp;

use std::io;

use common::child::Child;
use common::names::shared_memory_directory;
use quoit::Error;

use descriptors::{too_few_descriptors_are_an_error_at_every_call, under_a_descriptor_limit};
use groups::{a_ring_beyond_a_limit_that_kills_is_an_error, under_a_memory_limit};
use huge_pages::{a_ring_in_huge_pages_behaves_like_any_other, on_huge_pages};
use memory::{
    a_file_size_limit_is_an_error_and_not_a_signal,
    a_full_file_system_is_an_error_that_says_how_much_is_missing,
    a_ring_larger_than_all_of_shared_memory_is_an_error, memory_that_may_not_be_locked_is_an_error,
    on_a_small_file_system, too_little_address_space_is_an_error, under_a_file_size_limit,
    under_a_lock_limit, under_an_address_space_limit,
};
use mounts::{
    a_read_only_file_system_is_an_error, on_a_read_only_file_system,
    only_a_ring_without_a_name_needs_proc, without_proc,
};
use rights::{
    a_directory_of_another_user_is_refused, a_ring_of_another_user_is_refused,
    a_ring_without_a_name_of_another_user_is_refused, intruder, mode_bits_are_exact_with_any_umask,
    stranger, under_umasks, user_that_drops_root,
};
use seccomp::{
    a_forbidden_lock_is_not_reported_as_taken, a_ring_is_not_created_without_locks,
    an_error_names_a_forbidden_call_and_an_alternative, incarnations_differ_without_getrandom,
    without_a_call, without_getrandom, without_locks, without_the_right_to_lock,
};

common::suite::suite! {
    tests: [
        a_full_file_system_is_an_error_that_says_how_much_is_missing,
        a_ring_larger_than_all_of_shared_memory_is_an_error,
        a_ring_beyond_a_limit_that_kills_is_an_error,
        a_ring_in_huge_pages_behaves_like_any_other,
        a_file_size_limit_is_an_error_and_not_a_signal,
        too_little_address_space_is_an_error,
        memory_that_may_not_be_locked_is_an_error,
        too_few_descriptors_are_an_error_at_every_call,
        a_ring_of_another_user_is_refused,
        a_ring_without_a_name_of_another_user_is_refused,
        a_directory_of_another_user_is_refused,
        mode_bits_are_exact_with_any_umask,
        a_read_only_file_system_is_an_error,
        only_a_ring_without_a_name_needs_proc,
        a_ring_is_not_created_without_locks,
        a_forbidden_lock_is_not_reported_as_taken,
        an_error_names_a_forbidden_call_and_an_alternative,
        incarnations_differ_without_getrandom,
    ],
    parts: [
        on_a_small_file_system,
        under_a_memory_limit,
        on_huge_pages,
        under_a_file_size_limit,
        under_an_address_space_limit,
        under_a_lock_limit,
        under_a_descriptor_limit,
        stranger,
        user_that_drops_root,
        intruder,
        under_umasks,
        on_a_read_only_file_system,
        without_proc,
        without_locks,
        without_the_right_to_lock,
        without_a_call,
        without_getrandom,
    ],
}

/// Runs a child's part in a private directory.
fn plays_in_a_directory(part: &str) {
    let directory = shared_memory_directory();
    let path = directory.path().to_str().expect("a path in UTF-8");
    Child::start(part, &[path]).succeeds();
}

/// Checks that the system refused for this reason, and that the text says what failed and what to do.
fn is_refused<R>(result: Result<R, Error>, reason: i32, says: [&str; 2]) {
    let refusal = result.err().expect("it is refused");
    let text = refusal.to_string();
    let Error::Io { source, .. } = refusal else {
        panic!("the wrong error: {refusal:?}");
    };
    assert_eq!(source.raw_os_error(), Some(reason), "{text}");
    for part in says {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

/// Sets a limit of this process, which may raise it again.
fn set_limit(resource: impl Into<i64>, most: u64) {
    let resource = resource.into();
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` outlives the call.
    let known = unsafe { libc::getrlimit(resource as _, &raw mut limit) };
    limit.rlim_cur = most;
    // SAFETY: `limit` outlives the call.
    let set = unsafe { libc::setrlimit(resource as _, &raw const limit) };
    assert_eq!((known, set), (0, 0), "{}", io::Error::last_os_error());
}

/// Drops root's rights, which override mode bits. Other users have few enough rights
/// already.
fn drop_root() {
    const UNPRIVILEGED: u32 = 65534;
    // SAFETY: the call only reads.
    if unsafe { libc::geteuid() } == 0 {
        // SAFETY: there is no list, so none is read.
        let groups = unsafe { libc::setgroups(0, core::ptr::null()) };
        // SAFETY: the call changes only this process's group.
        let group = unsafe { libc::setgid(UNPRIVILEGED) };
        // SAFETY: the call changes only this process's user.
        let user = unsafe { libc::setuid(UNPRIVILEGED) };
        assert_eq!((groups, group, user), (0, 0, 0));
    }
}
