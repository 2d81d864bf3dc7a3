//! Rings without a name, sent from process to process over a Unix socket.

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
    a_new_worker_continues_at_the_stored_positions, creator, the_creator_may_die_first,
    the_death_of_a_worker_is_noticed, worker,
};
use forks::{
    a_child_of_fork_opens_the_ring_by_its_descriptor, a_child_of_fork_takes_a_free_role,
    a_role_is_free_when_the_parent_is_killed_and_the_child_runs, forker_with_a_role,
    forker_without_roles, parent_to_be_killed,
};
use memory::{
    a_ring_larger_than_the_machine_is_an_error, it_cannot_change_its_size,
    it_has_the_requested_mode, it_is_never_superseded, unlink_supersedes_it,
};
use refusals::{
    a_descriptor_that_is_not_a_ring_is_refused, a_process_without_free_descriptors_gets_an_error,
    a_ring_is_not_sent_to_a_closed_socket, a_ring_of_another_kind_is_refused,
    a_ring_with_a_name_is_not_sent, a_signal_ends_the_wait,
    a_socket_that_adds_ancillary_data_works, a_socket_that_ends_or_does_not_wait_is_an_error,
    an_invalid_message_is_refused, interrupted, with_few_descriptors,
};
use travels::{
    frames_are_sent_in_both_directions, frames_worker, holder,
    neither_descriptor_nor_mapping_has_a_name, no_descriptor_outlives_an_exec,
    records_are_sent_in_both_directions, records_worker, spawner, the_receiver_owns_its_roles,
};

common::suite::suite! {
    tests: [
        records_are_sent_in_both_directions,
        frames_are_sent_in_both_directions,
        the_receiver_owns_its_roles,
        neither_descriptor_nor_mapping_has_a_name,
        no_descriptor_outlives_an_exec,
        the_death_of_a_worker_is_noticed,
        a_new_worker_continues_at_the_stored_positions,
        the_creator_may_die_first,
        a_role_is_free_when_the_parent_is_killed_and_the_child_runs,
        a_child_of_fork_takes_a_free_role,
        a_child_of_fork_opens_the_ring_by_its_descriptor,
        it_is_never_superseded,
        unlink_supersedes_it,
        it_cannot_change_its_size,
        it_has_the_requested_mode,
        a_ring_larger_than_the_machine_is_an_error,
        an_invalid_message_is_refused,
        a_descriptor_that_is_not_a_ring_is_refused,
        a_ring_of_another_kind_is_refused,
        a_ring_with_a_name_is_not_sent,
        a_ring_is_not_sent_to_a_closed_socket,
        a_socket_that_ends_or_does_not_wait_is_an_error,
        a_socket_that_adds_ancillary_data_works,
        a_process_without_free_descriptors_gets_an_error,
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

/// A child, and the socket to it.
fn start(part: &str) -> (Child, UnixStream) {
    let directory = file_directory();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let child = Child::start(part, &[path.to_str().expect("a path in UTF-8")]);
    child.expect("connected");
    let (socket, _) = listener.accept().expect("the child connects");
    (child, patient(socket))
}

/// In a child: the socket to the test.
fn socket(arguments: &[String]) -> UnixStream {
    let socket = UnixStream::connect(&arguments[0]).expect("the test accepts");
    say("connected");
    patient(socket)
}

/// A pair within this process.
fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    (patient(ours), patient(theirs))
}

/// A socket with a timeout.
fn patient(socket: UnixStream) -> UnixStream {
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}
