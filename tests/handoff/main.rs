//! Rings without a name, given from process to process over a Unix socket.

#[path = "../common/mod.rs"]
mod common;
mod deaths;
mod forks;
mod memory;
mod refusals;
mod travels;
mod wire;

use std::os::unix::net::{UnixListener, UnixStream};

use common::PATIENCE;
use common::child::{Child, say};
use common::names::file_directory;

use deaths::{
    a_successor_goes_on_at_the_stored_positions, a_worker_that_is_killed_is_missed, creator,
    the_creator_may_die_first, worker,
};
use forks::{
    a_child_of_fork_opens_the_ring_by_its_descriptor, a_child_of_fork_takes_a_role_nobody_had,
    a_role_is_free_when_the_parent_is_killed_and_the_child_lives, forker_with_a_role,
    forker_without_roles, parent_to_be_killed,
};
use memory::{
    a_ring_larger_than_the_machine_is_an_error, it_can_neither_shrink_nor_grow,
    it_has_the_mode_that_was_asked_for, it_is_never_superseded, unlinking_ends_its_life,
};
use refusals::{
    a_descriptor_that_is_no_ring_is_refused, a_message_that_is_none_is_refused,
    a_process_without_descriptors_is_told_so, a_ring_of_another_kind_is_refused,
    a_ring_with_a_name_is_not_sent, a_signal_ends_the_wait,
    a_socket_that_adds_ancillary_data_works, a_socket_that_ends_or_does_not_wait_is_an_error,
    interrupted, nothing_is_sent_into_the_void, with_few_descriptors,
};
use travels::{
    frames_go_both_ways, frames_worker, holder, no_descriptor_outlives_an_exec,
    nothing_of_it_has_a_name, records_go_both_ways, records_worker, spawner,
    the_roles_are_the_receivers_own,
};

common::suite::suite! {
    tests: [
        records_go_both_ways,
        frames_go_both_ways,
        the_roles_are_the_receivers_own,
        nothing_of_it_has_a_name,
        no_descriptor_outlives_an_exec,
        a_worker_that_is_killed_is_missed,
        a_successor_goes_on_at_the_stored_positions,
        the_creator_may_die_first,
        a_role_is_free_when_the_parent_is_killed_and_the_child_lives,
        a_child_of_fork_takes_a_role_nobody_had,
        a_child_of_fork_opens_the_ring_by_its_descriptor,
        it_is_never_superseded,
        unlinking_ends_its_life,
        it_can_neither_shrink_nor_grow,
        it_has_the_mode_that_was_asked_for,
        a_ring_larger_than_the_machine_is_an_error,
        a_message_that_is_none_is_refused,
        a_descriptor_that_is_no_ring_is_refused,
        a_ring_of_another_kind_is_refused,
        a_ring_with_a_name_is_not_sent,
        nothing_is_sent_into_the_void,
        a_socket_that_ends_or_does_not_wait_is_an_error,
        a_socket_that_adds_ancillary_data_works,
        a_process_without_descriptors_is_told_so,
        a_signal_ends_the_wait,
    ],
    parts: [
        records_worker,
        frames_worker,
        holder,
        spawner,
        worker,
        creator,
        parent_to_be_killed,
        forker_without_roles,
        forker_with_a_role,
        with_few_descriptors,
        interrupted,
    ],
}

/// A child that plays a part, and the socket to it.
fn start(part: &str) -> (Child, UnixStream) {
    let directory = file_directory();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let child = Child::start(part, &[path.to_str().expect("a path in UTF-8")]);
    child.expect("connected");
    let (socket, _) = listener.accept().expect("the child is there");
    (child, patient(socket))
}

/// In a child: the socket to the test.
fn socket(arguments: &[String]) -> UnixStream {
    let socket = UnixStream::connect(&arguments[0]).expect("the test listens");
    say("connected");
    patient(socket)
}

/// A pair within this process.
fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    (patient(ours), patient(theirs))
}

/// A socket that does not wait forever.
fn patient(socket: UnixStream) -> UnixStream {
    socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    socket
}
