//! A ring that lives stays: no process removes it by an old look, takes it for over because
//! of where it stands itself, or harms another program's file in its search. And a ring
//! that is over is in nobody's way.

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
        a_ring_whose_removal_failed_outlives_an_opener_that_waited,
        a_ring_that_its_removers_may_not_remove_stays,
        a_mark_that_a_dead_remover_left_keeps_no_other_user_out,
        an_end_waits_on_where_its_name_leads_nowhere_for_itself,
        a_ring_whose_name_leads_elsewhere_is_not_called_unlinked,
        an_observer_sees_that_its_file_was_copied_up,
        a_foreign_file_takes_no_memory_and_kills_nobody,
        a_foreign_memfd_takes_no_memory,
        a_sparse_copy_gets_its_memory_or_is_refused,
        a_stale_ring_is_replaced_where_there_is_no_room_for_two,
    ],
    parts: [
        opener, remover, frequent_opener, stranger, displaced, unlinker, over_a_layer,
        beside_a_foreign_file, beside_a_sparse_copy, with_room_for_one,
    ],
}

/// Becomes a user who may not remove what others own in a sticky directory; only root can.
fn become_nobody() {
    const NOBODY: u32 = 65534;
    // SAFETY: no list is given, and so none is read.
    let groups = unsafe { libc::setgroups(0, core::ptr::null()) };
    // SAFETY: the call changes nothing but this process's group.
    let group = unsafe { libc::setgid(NOBODY) };
    // SAFETY: the call changes nothing but this process's user.
    let user = unsafe { libc::setuid(NOBODY) };
    assert_eq!((groups, group, user), (0, 0, 0));
}

/// Whether this process may become another user; says so if not.
fn is_root() -> bool {
    // SAFETY: the call only asks.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        eprintln!("[no other user: this process is not root] ");
    }
    root
}

/// Lets a child play its part in a directory of its own.
fn plays_in_a_directory(part: &str) {
    let directory = common::names::shared_memory_directory();
    let path = directory.path().to_str().expect("a path in UTF-8");
    common::child::Child::start(part, &[path]).succeeds();
}
