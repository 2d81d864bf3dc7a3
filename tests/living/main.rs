//! A ring in use is kept: no process removes it because of an outdated check, takes it for
//! superseded because of its own root directory, or changes a file of another program. A
//! superseded ring blocks no other one.

#[path = "../common/mod.rs"]
mod common;
mod foreign;
mod marks;
mod places;
mod room;

use foreign::*;
use marks::*;
use places::*;
use room::*;

common::suite::suite! {
    tests: [
        a_ring_whose_removal_failed_is_kept_by_a_waiting_opener,
        a_ring_is_kept_if_its_removers_have_no_permission,
        a_mark_of_a_killed_remover_blocks_no_other_user,
        a_wait_continues_when_the_name_refers_to_nothing,
        unlink_reports_a_name_that_refers_to_another_file,
        an_observer_sees_that_its_file_was_copied_up,
        a_foreign_file_takes_no_memory_and_causes_no_signal,
        a_foreign_memfd_takes_no_memory,
        a_sparse_copy_gets_its_memory_or_is_refused,
        a_stale_ring_is_replaced_where_there_is_no_room_for_two,
    ],
    parts: [
        opener, remover, frequent_opener, stranger, displaced, unlinker, over_a_layer,
        with_a_foreign_file, with_a_sparse_copy, with_room_for_one,
    ],
}

/// Becomes a user that may not remove files of other users in a sticky directory. Only root can do this.
fn drop_root() {
    const UNPRIVILEGED: u32 = 65534;
    // SAFETY: there is no list, so none is read.
    let groups = unsafe { libc::setgroups(0, core::ptr::null()) };
    // SAFETY: the call changes only this process's group.
    let group = unsafe { libc::setgid(UNPRIVILEGED) };
    // SAFETY: the call changes only this process's user.
    let user = unsafe { libc::setuid(UNPRIVILEGED) };
    assert_eq!((groups, group, user), (0, 0, 0));
}

/// Whether this process may become another user; prints a note if not.
fn is_root() -> bool {
    // SAFETY: the call only reads.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        eprintln!("[no other user: this process is not root] ");
    }
    root
}

/// Runs a child's part in a private directory.
fn plays_in_a_directory(part: &str) {
    let directory = common::names::shared_memory_directory();
    let path = directory.path().to_str().expect("a path in UTF-8");
    common::child::Child::start(part, &[path]).succeeds();
}
