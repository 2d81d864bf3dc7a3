//! What the system refuses is an error that says what to do, never a signal,
//! and leaves nothing behind: memory, descriptors, file size, permission, a file
//! system that cannot be written. And the mode bits of a ring are those that
//! were asked for, whatever the umask.
//!
//! Limits belong to a process, so most tests have a child that lives under one.

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
use huge_pages::{a_ring_in_huge_pages_is_as_any_other, on_huge_pages};
use memory::{
    a_file_size_limit_is_an_error_and_not_a_signal,
    a_full_file_system_is_an_error_that_says_how_much_is_missing,
    a_ring_larger_than_all_of_shared_memory_is_an_error,
    memory_that_must_not_be_locked_is_an_error, on_a_small_file_system,
    too_little_address_space_is_an_error, under_a_file_size_limit, under_a_lock_limit,
    under_an_address_space_limit,
};
use mounts::{
    a_file_system_that_cannot_be_written_is_an_error, nothing_but_a_ring_without_a_name_needs_proc,
    on_a_read_only_file_system, without_proc,
};
use rights::{
    a_directory_of_somebody_else_is_refused, a_ring_of_somebody_else_is_refused,
    a_ring_without_a_name_of_somebody_else_is_refused, intruder,
    mode_bits_are_exact_whatever_the_umask, stranger, turncoat, under_umasks,
};
use seccomp::{
    a_call_that_is_forbidden_is_named_with_a_way_out,
    a_lock_that_is_forbidden_is_no_lock_that_is_taken, a_ring_is_not_made_where_there_are_no_locks,
    without_a_call, without_getrandom, without_getrandom_rings_still_differ, without_locks,
    without_the_right_to_lock,
};

common::suite::suite! {
    tests: [
        a_full_file_system_is_an_error_that_says_how_much_is_missing,
        a_ring_larger_than_all_of_shared_memory_is_an_error,
        a_ring_beyond_a_limit_that_kills_is_an_error,
        a_ring_in_huge_pages_is_as_any_other,
        a_file_size_limit_is_an_error_and_not_a_signal,
        too_little_address_space_is_an_error,
        memory_that_must_not_be_locked_is_an_error,
        too_few_descriptors_are_an_error_at_every_call,
        a_ring_of_somebody_else_is_refused,
        a_ring_without_a_name_of_somebody_else_is_refused,
        a_directory_of_somebody_else_is_refused,
        mode_bits_are_exact_whatever_the_umask,
        a_file_system_that_cannot_be_written_is_an_error,
        nothing_but_a_ring_without_a_name_needs_proc,
        a_ring_is_not_made_where_there_are_no_locks,
        a_lock_that_is_forbidden_is_no_lock_that_is_taken,
        a_call_that_is_forbidden_is_named_with_a_way_out,
        without_getrandom_rings_still_differ,
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
        turncoat,
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

/// Lets a child play its part in a directory of its own.
fn plays_in_a_directory(part: &str) {
    let directory = shared_memory_directory();
    let path = directory.path().to_str().expect("a path in UTF-8");
    Child::start(part, &[path]).succeeds();
}

/// The system refused for this reason, and the text says what, and what to do.
fn is_refused<R>(result: Result<R, Error>, reason: i32, says: [&str; 2]) {
    let refusal = result.err().expect("it is refused");
    let text = refusal.to_string();
    let Error::Io { source, .. } = refusal else {
        panic!("not the right refusal: {refusal:?}");
    };
    assert_eq!(source.raw_os_error(), Some(reason), "{text}");
    for part in says {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

/// Limits this process, which may raise the limit again.
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

/// Gives up root's rights, for which mode bits do not count. Anybody else's
/// rights are few enough.
fn become_nobody() {
    const NOBODY: u32 = 65534;
    // SAFETY: the call only asks.
    if unsafe { libc::geteuid() } == 0 {
        // SAFETY: no list is given, and so none is read.
        let groups = unsafe { libc::setgroups(0, core::ptr::null()) };
        // SAFETY: the call changes nothing but this process's group.
        let group = unsafe { libc::setgid(NOBODY) };
        // SAFETY: the call changes nothing but this process's user.
        let user = unsafe { libc::setuid(NOBODY) };
        assert_eq!((groups, group, user), (0, 0, 0));
    }
}
