//! Anything other than a ring over the socket is an error that says what it is. No received
//! descriptor is kept.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use quoit::RingOptions;
use quoit::handoff::{self, HandoffError};
use rustix::fs::{SealFlags, fcntl_add_seals};
use rustix::process::Resource;

use crate::common::descriptors::{open_descriptors, take_all_but};
use crate::common::fork::in_a_child;
use crate::common::names::shared_memory_directory;
use crate::common::process::{alarm, drop_root, handle, set_limit};
use crate::common::refused::{is, refused};
use crate::common::rings::{anonymous, named};
use crate::common::worker::{pair, patient};
use crate::handoff::wire::{memfd, message, ring, send, set_option};

crate::common::suite::tests! {
    an_invalid_message_is_refused,
    a_descriptor_that_is_not_that_ring_is_refused,
    a_ring_with_a_name_is_not_sent,
    a_ring_is_not_sent_to_a_closed_socket,
    a_socket_that_ends_or_does_not_wait_is_an_error,
    a_socket_that_adds_ancillary_data_works,
    a_process_without_free_descriptors_gets_an_error,
    a_signal_ends_the_wait,
}

/// The seals of a ring.
const SEALS: SealFlags = SealFlags::SHRINK
    .union(SealFlags::GROW)
    .union(SealFlags::SEAL);

/// SO_PASSPIDFD: adds the descriptor of the sender's process.
const PASS_PIDFD: libc::c_int = 76;

/// Receives a message with these descriptors: an error that says this, and no descriptor is kept.
fn refuses(says: &str, bytes: &[u8], sent: &[BorrowedFd<'_>]) {
    for passes_process in [0, 1] {
        let (ours, theirs) = pair();
        // An older kernel refuses the option, and passes none.
        set_option(&theirs, PASS_PIDFD, passes_process);
        let before = open_descriptors();
        send(&ours, bytes, sent);
        let refusal = handoff::receive::<u64>(&theirs).expect_err("it is accepted");
        assert_eq!(open_descriptors(), before, "one is kept: {refusal}");
        let text = refusal.to_string();
        assert!(text.contains(says), "{text} does not say {says}");
    }
}

fn an_invalid_message_is_refused() {
    let good = memfd(&ring::<u64>(64), SEALS);
    let one = [good.as_fd()];
    for bytes in [&b"hello"[..], b"quoit-fd", &message(1)[..15], &[0; 100]] {
        for sent in [&one[..], &[]] {
            refuses("the message is not a ring", bytes, sent);
        }
    }
    // A few bytes ahead of the message make it invalid.
    let (ours, theirs) = pair();
    send(&ours, b"hello", &[]);
    send(&ours, &message(1), &one);
    is!(handoff::receive::<u64>(&theirs) => Err(HandoffError::OtherMessage));
    for version in [0, 2, u64::MAX] {
        let says = format!("version {version}, this program 1");
        refuses(&says, &message(version), &one);
    }
    for count in [0, 2, 3, 20] {
        let says = format!("{count} descriptors instead of one");
        refuses(&says, &message(1), &vec![good.as_fd(); count]);
    }
    // There is room for 28, which the sender's process may share.
    let (ours, theirs) = pair();
    send(&ours, &message(1), &[good.as_fd(); 28]);
    is!(handoff::receive::<u64>(&theirs) => Err(HandoffError::NotOneDescriptor { found: 28 }));
    for (says, message) in [
        ("lost in transit", &message(1)[..]),
        ("version 2, this program 1", &message(2)),
        ("the message is not a ring", b"something else!!"),
    ] {
        for count in [29, 253] {
            refuses(says, message, &vec![good.as_fd(); count]);
        }
    }
}

fn a_descriptor_that_is_not_that_ring_is_refused() {
    let is_wrong = |file: &dyn AsFd, says| refuses(says, &message(1), &[file.as_fd()]);
    let (socket, _other) = pair();
    let directory = shared_memory_directory();
    let path = directory.path().join("ring");
    let named = RingOptions::new(64).create::<u64>(&path).expect("a ring");
    let opened = |flags| {
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).custom_flags(flags);
        opened.open(&path).expect("the ring's file")
    };
    let null = File::open("/dev/null").expect("there is one");
    let folder = File::open(directory.path()).expect("a directory");
    for file in [&null as &dyn AsFd, &socket, &opened(libc::O_PATH), &folder] {
        is_wrong(file, "it is not a memfd");
    }
    drop(named);

    let good = ring::<u64>(64);
    for seals in [SealFlags::empty(), SealFlags::GROW, SealFlags::SEAL] {
        is_wrong(&memfd(&good, seals), "it is not sealed against shrinking");
    }
    is_wrong(&opened(0), "it is not sealed against shrinking");
    for seal in [SealFlags::WRITE, SealFlags::FUTURE_WRITE] {
        is_wrong(&memfd(&good, SEALS | seal), "it is sealed against writing");
    }
    // As a file with a name: `tests/memory/not_a_ring` has the rest.
    is_wrong(&memfd(&good[..16384], SEALS), "it is too short");
    let sparse = memfd(&[], SealFlags::empty());
    sparse.set_len(65536).expect("it takes no memory");
    fcntl_add_seals(&sparse, SEALS).expect("it can be sealed");
    is_wrong(&sparse, "it does not begin with quoit's magic");
    assert_eq!(sparse.metadata().expect("it is open").blocks(), 0);
    is_wrong(&memfd(&ring::<i64>(64), SEALS), "has the schema");
}

fn a_ring_with_a_name_is_not_sent() {
    let (ring, name) = named::<u64>("named", &RingOptions::new(64));
    assert!(ring.descriptor().is_none());
    let (ours, theirs) = pair();
    let refusal = handoff::send(&ours, &ring).err();
    refused!(refusal => HandoffError::Named { name: shown });
    assert_eq!(shown, name.as_str());
    drop(ours);
    is!(handoff::receive::<u64>(&theirs) => Err(HandoffError::Closed));
}

fn a_ring_is_not_sent_to_a_closed_socket() {
    let ring = anonymous::<u64>(64);
    let (ours, theirs) = pair();
    ours.set_nonblocking(true).expect("it does not wait");
    let sends = std::iter::repeat_with(|| handoff::send(&ours, &ring));
    let sent = sends.take_while(Result::is_ok).count();
    is!(handoff::send(&ours, &ring) => Err(HandoffError::TimedOut));
    for _ in 0..sent {
        let received = handoff::receive::<u64>(&theirs).expect("a ring");
        assert_eq!(received.incarnation(), ring.incarnation());
    }
    drop(theirs);
    is!(handoff::send(&ours, &ring) => Err(HandoffError::Closed));
    // A user may have as many descriptors in flight as its limit of open files.
    in_a_child(|| {
        drop_root();
        set_limit(Resource::Nofile, 16);
        let (ours, _theirs) = UnixStream::pair().expect("two sockets");
        let mut sends = std::iter::repeat_with(|| handoff::send(&ours, &ring));
        let refusal = sends.find_map(Result::err).expect("too many");
        assert!(
            refusal
                .to_string()
                .contains("when the receivers have taken some"),
            "{refusal}"
        );
    });
}

fn a_socket_that_ends_or_does_not_wait_is_an_error() {
    let ring = anonymous::<u64>(64);
    let (ours, theirs) = pair();
    let receive = || handoff::receive::<u64>(&theirs);
    theirs.set_nonblocking(true).expect("it does not wait");
    is!(receive() => Err(HandoffError::TimedOut));
    theirs.set_nonblocking(false).expect("it may wait");
    let soon = Some(Duration::from_millis(1));
    theirs.set_read_timeout(soon).expect("a timeout");
    is!(receive() => Err(HandoffError::TimedOut));
    // Nothing was taken: the next message is complete.
    handoff::send(&ours, &ring).expect("it is sent");
    let received = receive().expect("a ring");
    assert_eq!(received.incarnation(), ring.incarnation());
    (&ours).write_all(b"quo").expect("it is sent");
    drop(ours);
    is!(receive() => Err(HandoffError::OtherMessage));
    is!(receive() => Err(HandoffError::Closed));
}

fn a_socket_that_adds_ancillary_data_works() {
    for option in [libc::SO_PASSCRED, PASS_PIDFD] {
        let (ours, theirs) = pair();
        set_option(&theirs, option, 1);
        let ring = anonymous::<u64>(64);
        let before = open_descriptors();
        handoff::send(&ours, &ring).expect("it is sent");
        handoff::receive::<u64>(&theirs).expect("a ring");
        assert_eq!(open_descriptors(), before);
    }
}

/// Receives with no free descriptor, with one, and so on.
fn a_process_without_free_descriptors_gets_an_error() {
    let ring = anonymous::<u64>(64);
    let (ours, theirs) = pair();
    set_limit(Resource::Nofile, 32);
    let answers = [0, 1, 2].map(|free| {
        handoff::send(&ours, &ring).expect("it takes no descriptor");
        let _taken = take_all_but(free);
        let received = handoff::receive::<u64>(&theirs);
        let kept = usize::from(received.is_ok());
        assert_eq!(
            take_all_but(0).len(),
            free - kept,
            "unusable descriptors are closed"
        );
        received.map_or_else(|refusal| refusal.to_string(), |_| "received".to_owned())
    });
    let [none, one, two] = answers;
    assert!(none.contains("lost in transit") && none.contains("ulimit -n"));
    assert!(one.contains("could not reopen") && one.contains("ulimit -n"));
    assert_eq!(two, "received");
}

/// Receives while signals come.
fn a_signal_ends_the_wait() {
    extern "C" fn nothing(_: libc::c_int) {}
    handle(libc::SIGALRM, nothing);
    alarm(Duration::from_millis(1));
    let (ours, theirs) = pair();
    let refusal = handoff::receive::<u64>(&theirs).err();
    refused!(refusal => HandoffError::Io(error));
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    alarm(Duration::ZERO);
    handoff::send(&ours, &anonymous::<u64>(64)).expect("it is sent");
    handoff::receive::<u64>(&patient(theirs)).expect("nothing was lost");
}
