//! A child of `fork` shares neither the roles of its parent nor the ring: it has a private
//! copy of the ring, in which the peer has closed.
//!
//! A test forks before it has another thread, so that the child may call anything; except
//! for the test that takes roles on other threads.

use std::fs::{self, File};
use std::hash::RandomState;
use std::io::{ErrorKind, Read};
use std::mem;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::common::PATIENCE;
use crate::common::calls::{Calls, Wait, Way, Write, pop, push, ways};
use crate::common::ends::End as _;
use crate::common::fork::{self, done, ending, fork, forked, in_a_child, pause, succeeds};
use crate::common::names::RingName;
use crate::common::positions::{End, ROLES, other};
use crate::common::process::set_limit;
use crate::common::refused::{is, refused};
use crate::common::rings::{anonymous, consumer, ends, heap, named, producer};
use crate::common::sample::Words;
use crate::common::worker::{Worker, hear, tell};
use quoit::rpc::Client;
use quoit::{
    ClaimError, Deadline, DoorbellKind, Error, Holder, PeerError, PopError, Producer, Ring,
    RingOptions, Role, Select, SelectError, Selectable, Selected, WaitStrategy,
};
use rustix::process::Resource;

crate::common::suite::tests! {
    a_role_is_free_when_the_parent_is_killed_and_the_child_runs,
    what_a_child_does_with_inherited_records_changes_nothing,
    what_a_child_does_with_inherited_frames_changes_nothing,
    clients_in_two_children_use_different_ids,
    a_child_may_take_roles,
    a_child_removes_the_ring_and_not_its_copy,
    a_child_closes_only_inherited_descriptors,
    a_child_without_memory_for_a_copy_cannot_change_the_ring,
    a_dropped_role_is_free_although_a_clone_has_its_descriptor,
    no_role_is_taken_during_a_fork,
    roles_that_are_taken_during_a_fork_belong_to_the_parent,
}

const CAPACITY: u64 = 64;
/// The number of a frame whose payload is too long for an inline copy.
const LONG: u64 = 13;

fn ring(test: &str) -> (Ring<u64>, RingName) {
    named(test, &RingOptions::new(CAPACITY))
}

/// The whole segment.
fn segment(name: &RingName) -> Vec<u8> {
    fs::read(name.file()).expect("the segment can be read")
}

fn a_role_is_free_when_the_parent_is_killed_and_the_child_runs() {
    let (named, _name) = named("killed-parent", &RingOptions::new(1));
    let anonymous = anonymous(1);
    for role in ROLES {
        for (ring, is_limited) in [(&named, false), (&named, true), (&anonymous, false)] {
            let worker = Worker::start(|socket| {
                let _end = End::of(ring, role);
                if is_limited {
                    set_limit(Resource::Nofile, 3);
                }
                if fork().is_none() {
                    tell(&socket, 0);
                    tell(&socket, hear(&socket));
                    done();
                }
                pause();
            });
            hear(&worker.socket);
            let mut end = End::of(ring, other(role));
            if role == Role::Consumer && end.is_empty() {
                end.moves(PATIENCE).expect("there is room");
            }
            assert!(!end.is_abandoned());
            fork::kill(worker.pid);
            assert!(end.is_abandoned());
            assert_eq!(end.moves(Deadline::NEVER), Err(PopError::Abandoned));
            drop(End::of(ring, role)); // its holder has died
            tell(&worker.socket, 7);
            assert_eq!(hear(&worker.socket), 7, "the child runs");
        }
    }
}

/// Every form of a call.
fn forms() -> [Wait; 3] {
    [Wait::Never, Wait::Forever, Wait::Until(PATIENCE.into())]
}

/// Holds both endpoints, lets children use and drop them, and continues. The consumer parks, or
/// never does.
fn inherited_endpoints_change_nothing<T: Calls<Consumer: Selectable> + ?Sized>(capacity: u64) {
    // An endpoint that parks does it at once.
    let options = RingOptions::new(capacity).unlink_on_drop(true);
    let options = options.spin(Duration::ZERO);
    for (doorbell, strategy) in [
        (DoorbellKind::Futex, WaitStrategy::Park),
        (DoorbellKind::Futex, WaitStrategy::Spin),
        (DoorbellKind::Semaphore, WaitStrategy::Park),
    ] {
        let options = options.clone().doorbell(doorbell).wait_strategy(strategy);
        let (ring, name) = named::<T>("in-a-child", &options);
        let (mut producer, mut consumer) = ends(&ring);
        // The producer has seen that its consumer is AWAKE, and has seen room.
        for number in 0..10 {
            push::<T>(&mut producer, &T::message(number), Wait::Never).expect("room");
            if number < 8 {
                let popped = pop::<T>(&mut consumer, Wait::Forever);
                assert_eq!(popped, Ok(T::message(number)));
            }
        }
        let before = segment(&name);
        let Some(child) = fork() else {
            for number in 8..10 {
                let popped = pop::<T>(&mut consumer, Wait::Forever);
                assert_eq!(popped, Ok(T::message(number)));
            }
            assert!(consumer.is_abandoned() && producer.is_abandoned());
            for read in ways(T::READS, &forms()) {
                let took = (read.call)(&mut consumer, 1, read.wait, 0, &mut |_| ());
                assert_eq!(took, Err(PopError::Abandoned), "{}", read.name());
            }
            let no_peer = Err(PeerError::Superseded);
            assert_eq!(consumer.wait_for_peer_timeout(Deadline::NEVER), no_peer);
            assert_eq!(producer.wait_for_peer_timeout(Deadline::NEVER), no_peer);
            if doorbell == DoorbellKind::Futex {
                let mut select = Select::new();
                let selected = select.wait(&mut [&mut consumer], None);
                is!(selected => Ok(Selected::Abandoned(0)));
                // It sleeps.
                let selected = select.wait(&mut [&mut consumer], Duration::from_millis(1));
                is!(selected => Err(SelectError::TimedOut));
            }
            let pushed = push::<T>(&mut producer, &T::message(7), Wait::Never);
            assert_eq!(pushed, Err(ClaimError::Abandoned));
            drop((producer, consumer, ring));
            done();
        };
        succeeds(child);
        assert!(segment(&name) == before, "a child that reads changes it");
        for write in ways(T::WRITES, &forms()) {
            // A short frame, and a long one.
            for message in [T::message(7), T::varied(LONG)] {
                in_a_child(|| loses::<T>(&mut producer, write, &[message.clone(), message]));
                assert!(segment(&name) == before, "{} changes it", write.name());
            }
        }
        push::<T>(&mut producer, &T::message(10), Wait::Never).expect("room");
        for number in 8..=10 {
            let popped = pop::<T>(&mut consumer, Wait::Forever);
            assert_eq!(popped, Ok(T::message(number)));
        }
        drop((producer, consumer, ring));
        assert!(!name.file().exists(), "the parent drops the ring last");
    }
}

/// Every push fails, except that commits in place return no error the first time.
fn loses<T: Calls + ?Sized>(
    producer: &mut T::Producer,
    write: Way<Write<T>>,
    messages: &[T::Message],
) {
    let (call, lost) = (write.name(), Err(ClaimError::Abandoned));
    let before = producer.position();
    let mut push = || (write.call)(producer, messages, write.wait, 0);
    let first = push();
    assert!(first == lost || call.contains("claim") || call.contains("Batch"));
    assert_eq!(push(), lost, "{call} again");
    assert_eq!(producer.position(), before, "{call}");
    let after = self::push::<T>(producer, &messages[0], Wait::Never);
    assert_eq!(after, lost.map(drop), "after {call}");
}

fn what_a_child_does_with_inherited_records_changes_nothing() {
    inherited_endpoints_change_nothing::<Words<2>>(CAPACITY);
}

fn what_a_child_does_with_inherited_frames_changes_nothing() {
    inherited_endpoints_change_nothing::<[u8]>(1024);
}

/// A worker that is started again must not take the reply to a call of the first one.
fn clients_in_two_children_use_different_ids() {
    let [requests, replies] = [(); 2].map(|()| anonymous::<[u8]>(1024));
    // The standard library keeps a random state for each thread, which the children inherit.
    let _state = RandomState::new();
    for _ in 0..2 {
        in_a_child(|| {
            let mut client = Client::new(producer(&requests), consumer(&replies));
            drop(client.start(b"", PATIENCE).expect("there is room"));
        });
    }
    let mut requests = consumer(&requests);
    let ids = [(); 2].map(|()| {
        let mut request = Vec::new();
        requests.try_pop_into(&mut request).expect("a request");
        request[..8].to_vec()
    });
    assert_ne!(ids[0], ids[1]);
}

fn a_child_may_take_roles() {
    let (ring, name) = ring("roles-in-a-child");
    children_take_roles(ring, |_| Ring::open(&name));
    children_take_roles(anonymous(CAPACITY), |ring| {
        let descriptor = ring.descriptor().expect("it is anonymous");
        RingOptions::default().open_descriptor(descriptor)
    });
    // A ring on the heap is copied with both its endpoints.
    let (mut heap_in, mut heap_out) = heap::<u64>(CAPACITY);
    let Some(child) = fork() else {
        heap_in.push(9).expect("there is room");
        assert_eq!(heap_out.pop(), Ok(9));
        drop(heap_in);
        assert_eq!(heap_out.pop(), Err(PopError::Abandoned));
        assert_eq!(heap_out.wait_for_peer(), Err(PeerError::Superseded));
        done();
    };
    succeeds(child);
    assert_eq!(heap_out.try_pop(), Err(PopError::Empty));
}

fn children_take_roles(ring: Ring<u64>, open: impl Fn(&Ring<u64>) -> Result<Ring<u64>, Error>) {
    // Of a ring whose roles are free, each process takes one.
    let Some(child) = fork() else {
        assert_eq!(consumer(&ring).pop(), Ok(7));
        done();
    };
    let mut producer = producer(&ring);
    producer.try_push(7).expect("there is room");
    succeeds(child);
    assert!(producer.is_abandoned(), "the child has not closed");
    producer.try_push(8).expect("there is room");
    let pid = std::process::id();
    // Of a ring of which the parent holds a role, the child has a copy.
    let Some(child) = fork() else {
        is!(ring.consumer() => Err(Error::Superseded { .. }));
        is!(ring.producer() => Err(Error::InUse { .. }));
        let again = open(&ring).expect("a ring");
        let refused = again.producer().err();
        refused!(refused => Error::InUse { role, holder });
        assert_eq!((role, holder), (Role::Producer, Holder::Known(pid)));
        let mut consumer = consumer(&again);
        assert_eq!(consumer.pop(), Ok(8));
        // The inherited endpoint has no influence.
        drop((ring, producer));
        assert_eq!(consumer.try_pop(), Err(PopError::Empty));
        assert!(!consumer.is_abandoned());
        done();
    };
    succeeds(child);
    assert_eq!(producer.len(), 0);
}

fn a_child_removes_the_ring_and_not_its_copy() {
    let (named, _name) = ring("copied");
    for ring in [named, anonymous(CAPACITY)] {
        let mut end = producer(&ring);
        let (ours, theirs) = UnixStream::pair().expect("two sockets");
        let child = forked(|| {
            hear(&theirs);
            is!(ring.unlink_if_read() => Ok(false));
            tell(&theirs, 0);
            hear(&theirs);
            ring.unlink().expect("no process holds it");
            is!(ring.unlink() => Err(Error::Superseded { .. }));
        });
        // The copy has the tail of before.
        end.try_push(7).expect("there is room");
        drop(end);
        tell(&ours, 0);
        hear(&ours);
        assert_eq!(consumer(&ring).try_pop(), Ok(7));
        tell(&ours, 0);
        succeeds(child);
        is!(ring.consumer() => Err(Error::Superseded { .. }));
        is!(ring.unlink() => Err(Error::Superseded { .. }));
        is!(ring.unlink_if_read() => Ok(false));
    }
}

fn a_child_closes_only_inherited_descriptors() {
    let (ring, _name) = ring("descriptors-in-a-child");
    let ends = ends(&ring);
    in_a_child(move || {
        let open = || File::open("/dev/null").expect("it exists");
        let files: Vec<_> = std::iter::repeat_with(open).take(64).collect();
        drop((ends, ring));
        for file in files {
            file.metadata().expect("the file is open");
        }
    });
}

fn a_child_without_memory_for_a_copy_cannot_change_the_ring() {
    let name = RingName::new("child-without-memory");
    let mut producer = Producer::<u64>::create(&name, 1 << 20).expect("a ring");
    let before = segment(&name);
    set_limit(Resource::Core, 0);
    let memory = set_limit(Resource::Data, 1);
    let Some(dropping) = fork() else {
        drop(producer);
        done();
    };
    let Some(pushing) = fork() else {
        let _ = producer.try_push(7);
        done();
    };
    set_limit(Resource::Data, memory);
    assert_eq!(ending(dropping), 0);
    let status = ending(pushing);
    assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV);
    assert!(segment(&name) == before, "the ring has changed");
    producer.try_push(7).expect("there is room");
}

/// Forks without handlers; `None` in the child.
fn clone_without_handlers() -> Option<libc::pid_t> {
    // SAFETY: there is no other thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    (pid != 0).then_some(pid as libc::pid_t)
}

/// Drops a role while a clone, like a process that is being started, has its descriptor. Such a
/// child is a second producer of the same ring: `docs::process` warns about it.
fn a_dropped_role_is_free_although_a_clone_has_its_descriptor() {
    let (ring, _name) = ring("cloner");
    let mut held = producer(&ring);
    let Some(child) = clone_without_handlers() else {
        let _ = held.try_push(7);
        pause();
    };
    let mut consumer = consumer(&ring);
    assert_eq!(consumer.pop_timeout(PATIENCE), Ok(7));
    drop(held);
    let successor = ring.producer();
    fork::kill(child);
    drop(successor.expect("the role is free"));
}

/// A handler asks for a role, between quoit's handler and the fork.
fn no_role_is_taken_during_a_fork() {
    static RING: Mutex<Option<Ring<u64>>> = Mutex::new(None);
    static ANSWER: Mutex<Option<Error>> = Mutex::new(None);
    extern "C" fn ask() {
        let ring = RING.lock().expect("the ring");
        let answer = ring.as_ref().expect("it was passed").producer();
        *ANSWER.lock().expect("room for the answer") = answer.err();
    }
    // SAFETY: the handler is a function of this program.
    let installed = unsafe { libc::pthread_atfork(Some(ask), None, None) };
    assert_eq!(installed, 0);
    let (ring, _name) = ring("asker");
    *RING.lock().expect("room for the ring") = Some(ring.clone());
    in_a_child(|| ());
    let answer = ANSWER.lock().expect("the answer").take();
    refused!(answer => Error::Io { source, .. });
    assert_eq!(source.kind(), ErrorKind::TimedOut);
    drop(producer(&ring));
}

/// The number of forks of the test below, and of rings whose roles are taken at the same time.
const FORKS: usize = 200;

fn roles_that_are_taken_during_a_fork_belong_to_the_parent() {
    let name = RingName::new("among-threads");
    let names: Vec<_> = (0..FORKS)
        .map(|index| name.and(format!("-{index}")))
        .collect();
    let options = RingOptions::new(CAPACITY);
    let create = |name| options.create::<u64>(name).expect("a ring");
    let rings: Vec<Ring<u64>> = names.iter().map(create).collect();
    let forker = Worker::start(|socket| fork_among_threads(&socket, &names));
    for _ in 0..=FORKS {
        hear(&forker.socket); // no child holds a role
    }
    for ring in &rings {
        for refusal in [ring.producer().err(), ring.consumer().err()] {
            is!(refusal => Some(Error::InUse { .. }));
        }
    }
    fork::kill(forker.pid);
    for ring in &rings {
        drop(ends(ring)); // their holder has died
    }
}

/// Takes roles on two threads while a third one forks; the children keep running.
fn fork_among_threads(socket: &UnixStream, names: &[RingName]) {
    let open = |name| Ring::<u64>::open(name).expect("a ring");
    let rings: Vec<_> = names.iter().map(open).collect();
    let (sender, taken) = mpsc::sync_channel(4);
    thread::scope(|scope| {
        for rings in rings.chunks(FORKS / 2) {
            let sender = sender.clone();
            scope.spawn(move || {
                for ring in rings {
                    mem::forget(ends(ring)); // until this process is killed
                    sender.send(()).expect("the forking thread counts");
                }
            });
        }
        for _ in 0..FORKS {
            taken.recv().expect("the threads send their counts");
            if fork().is_none() {
                tell(socket, 0);
                let _ = (&*socket).read(&mut [0]); // until the suite closes it
                done();
            }
        }
    });
    tell(socket, 0);
    pause();
}
