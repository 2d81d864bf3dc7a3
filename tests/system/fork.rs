//! A child of `fork` shares neither the roles of its parent nor the ring: it has a private
//! copy of the ring, in which the peer has closed. After `exec` nothing of the library is
//! left.
//!
//! The forks are in single-threaded parts, so that the grandchild may call anything; except
//! for the test that takes roles on other threads.

use std::fs::{self, File};
use std::io::{ErrorKind, IoSlice, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use crate::common::PATIENCE;
use crate::common::calls::{AFTER_A_FORK, Calls, Wait, pop, push, ways};
use crate::common::child::{Child, hear, say};
use crate::common::fork::{done, ending, fork};
use crate::common::names::{RingName, files_in};
use crate::common::process::set_limit;
use crate::common::refused::refused;
use crate::common::rings::{ends, named};
use crate::common::sample::{Words, bytes, record};
use quoit::rpc::{CallError, Client};
use quoit::{
    AsyncError, ClaimError, Consumer, DoorbellKind, Error, FrameConsumer, FrameProducer, Holder,
    PeerError, PopError, Popped, Producer, PushError, Ring, RingOptions, Role, Select, Selected,
    WaitStrategy,
};
use rustix::process::Resource;

crate::common::suite::tests! {
    a_role_is_free_when_the_parent_is_killed_and_the_child_runs,
    what_a_child_does_with_inherited_records_changes_nothing,
    what_a_child_does_with_inherited_frames_changes_nothing,
    every_push_of_records_in_a_child_fails,
    every_push_of_frames_in_a_child_fails,
    calls_of_other_inherited_endpoints_end,
    a_daemon_has_lost_its_role,
    a_spawned_program_has_no_effect_on_the_ring,
    a_clone_without_handlers_is_not_detected,
    a_child_may_take_roles,
    a_child_closes_only_inherited_descriptors,
    a_child_without_memory_for_a_copy_cannot_change_the_ring,
    nothing_is_left_after_exec,
    a_dropped_role_is_free_although_a_clone_has_its_descriptor,
    no_role_is_taken_during_a_fork,
    roles_that_are_taken_during_a_fork_belong_to_the_parent;
    parts:
    parent_to_be_killed,
    records_in_a_child,
    frames_in_a_child,
    pushes_of_records,
    pushes_of_frames,
    other_endpoints,
    daemonizer,
    spawner,
    sharer,
    roles_in_a_child,
    descriptors_in_a_child,
    child_without_memory,
    executor,
    cloner,
    asker,
    forker_among_threads,
}

const CAPACITY: u64 = 64;
/// The number of a frame whose payload is too long for an inline copy.
const LONG: u64 = 13;

/// Kills a child whose children keep its input.
fn kill(child: &Child) {
    child.signal(libc::SIGKILL);
    // SAFETY: all zero bytes are a valid record.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WNOWAIT;
    // SAFETY: the record outlives the call.
    let waited = unsafe { libc::waitid(libc::P_PID, child.pid(), &raw mut info, options) };
    assert_eq!(waited, 0, "the child dies");
}

/// The whole segment.
fn segment(name: &str) -> Vec<u8> {
    fs::read(format!("/dev/shm/{name}")).expect("the segment can be read")
}

fn a_role_is_free_when_the_parent_is_killed_and_the_child_runs() {
    for role in ["producer", "consumer"] {
        for descriptors in ["default", "limited"] {
            let name = RingName::new("killed-parent");
            let options = RingOptions::new(CAPACITY);
            let ring = options.create::<u64>(&name).expect("a ring");
            let arguments = [name.as_str(), role, descriptors];
            let mut child = Child::start("parent_to_be_killed", &arguments);
            child.expect("ready");
            if role == "producer" {
                let mut consumer = ring.consumer().expect("the role is free");
                assert!(!consumer.is_abandoned());
                kill(&child);
                assert!(consumer.is_abandoned());
                assert_eq!(consumer.pop(), Err(PopError::Abandoned));
                drop(ring.producer().expect("its holder has died"));
            } else {
                let mut producer = ring.producer().expect("the role is free");
                while producer.try_push(0).is_ok() {}
                assert!(!producer.is_abandoned());
                kill(&child);
                assert!(producer.is_abandoned());
                assert_eq!(producer.push(0), Err(PushError::Abandoned(0)));
                drop(ring.consumer().expect("its holder has died"));
            }
            child.tell("there?");
            child.expect("the child runs");
            child.end();
        }
    }
}

/// Takes a role and forks a child that stays.
fn parent_to_be_killed(arguments: &[String]) {
    let ring = Ring::<u64>::open(&arguments[0]).expect("a ring");
    let _ends = match arguments[1].as_str() {
        "producer" => (Some(ring.producer().expect("the role is free")), None),
        _ => (None, Some(ring.consumer().expect("the role is free"))),
    };
    if arguments[2] == "limited" {
        set_limit(Resource::Nofile, 3);
    }
    if fork().is_none() {
        say("ready");
        hear();
        say("the child runs");
        hear();
        done();
    }
    // SAFETY: waits for the kill.
    unsafe { libc::pause() };
}

fn what_a_child_does_with_inherited_records_changes_nothing() {
    for doorbell in ["futex", "semaphore"] {
        let name = RingName::new("records-in-a-child");
        Child::start("records_in_a_child", &[name.as_str(), doorbell]).succeeds();
        assert!(!name.file().exists(), "the parent exited last");
    }
}

/// Holds both endpoints, lets a child use and drop them, and continues.
fn records_in_a_child(arguments: &[String]) {
    let name = &arguments[0];
    let doorbell = match arguments[1].as_str() {
        "semaphore" => DoorbellKind::Semaphore,
        _ => DoorbellKind::Futex,
    };
    let options = RingOptions::new(CAPACITY)
        .unlink_on_drop(true)
        .doorbell(doorbell);
    let ring = options.create::<Words<2>>(name).expect("a ring");
    let (mut producer, mut consumer) = ends(&ring);
    for number in 0..10 {
        producer.try_push(record(number)).expect("there is room");
    }
    for number in 0..3 {
        assert_eq!(consumer.try_pop(), Ok(record(number)));
    }
    let before = segment(name);
    let Some(child) = fork() else {
        for number in 3..10 {
            assert_eq!(consumer.pop(), Ok(record(number)));
        }
        assert!(consumer.is_abandoned());
        assert_eq!(consumer.try_pop(), Err(PopError::Abandoned));
        assert_eq!(consumer.pop(), Err(PopError::Abandoned));
        assert_eq!(consumer.pop_timeout(PATIENCE), Err(PopError::Abandoned));
        assert_eq!(consumer.peek().map(drop), Err(PopError::Abandoned));
        assert_eq!(consumer.wait_for_peer(), Err(PeerError::Superseded));
        if doorbell == DoorbellKind::Futex {
            let selected = Select::new().wait(&mut [consumer.interest()], None);
            assert!(matches!(selected, Ok(Selected::Gone(0))));
        }
        assert!(producer.is_abandoned());
        let refusal = PushError::Abandoned(record(0));
        assert_eq!(producer.try_push(record(0)), Err(refusal));
        let refusal = producer.push(record(0)).expect_err("it is lost");
        assert!(matches!(refusal, PushError::Abandoned(_)));
        assert_eq!(producer.claim().map(drop), Err(ClaimError::Abandoned));
        let refusal = producer.push_slice(&[record(0)]);
        assert_eq!(refusal, Err(ClaimError::Abandoned));
        assert_eq!(producer.wait_for_peer(), Err(PeerError::Superseded));
        drop((producer, consumer, ring));
        done();
    };
    assert_eq!(ending(child), 0);
    assert_eq!(segment(name), before);
    producer.try_push(record(10)).expect("there is room");
    for number in 3..=10 {
        assert_eq!(consumer.pop(), Ok(record(number)));
    }
}

fn what_a_child_does_with_inherited_frames_changes_nothing() {
    let name = RingName::new("frames-in-a-child");
    let options = RingOptions::new(1024);
    options.create::<[u8]>(&name).expect("a ring");
    let mut consumer = FrameConsumer::open(&name).expect("the role is free");
    let mut child = Child::start("frames_in_a_child", &[name.as_str()]);
    child.expect("ready"); // the grandchild has ended, and the child continues
    let mut buffer = [0; 100];
    for number in 0..3 {
        assert_eq!(consumer.pop(&mut buffer), Ok(Popped { len: 100, kind: 0 }));
        assert_eq!(buffer[..], bytes(number, 100));
    }
    child.tell("continue");
    assert_eq!(consumer.pop(&mut buffer), Ok(Popped { len: 5, kind: 0 }));
    assert_eq!(&buffer[..5], b"hello");
    assert_eq!(consumer.pop(&mut buffer), Err(PopError::Abandoned));
    child.succeeds();
}

/// Holds the producer, and lets a child fill the ring with it.
fn frames_in_a_child(arguments: &[String]) {
    let name = &arguments[0];
    let mut producer = FrameProducer::open(name).expect("the role is free");
    for number in 0..2 {
        producer
            .try_push(&bytes(number, 100))
            .expect("there is room");
    }
    // The fork happens during a claim that is partly written.
    let third = bytes(2, 100);
    let mut claim = producer.try_claim(100).expect("there is room");
    claim.write_at(0, &third[..50]);
    let before = segment(name);
    let Some(child) = fork() else {
        claim.copy_from_slice(&[0xff; 100]);
        claim.commit(); // returns no error, and is lost
        assert_eq!(producer.try_push(&[0xff; 100]), Err(ClaimError::Abandoned));
        assert_eq!(producer.push(&[0xff; 100]), Err(ClaimError::Abandoned));
        drop(producer);
        done();
    };
    assert_eq!(ending(child), 0);
    assert_eq!(segment(name), before);
    claim.write_at(50, &third[50..]);
    claim.commit();
    say("ready");
    hear();
    producer.push(b"hello").expect("the consumer is attached");
}

/// Runs `call` in a separate child, which must succeed and change nothing.
fn in_a_child(name: &str, call: impl FnOnce()) {
    let before = segment(name);
    let Some(child) = fork() else {
        call();
        done();
    };
    assert_eq!(ending(child), 0);
    assert!(segment(name) == before, "the ring has changed");
}

/// How the consumer waits: it parks, or never does.
const WAITS: [(&str, WaitStrategy); 2] =
    [("park", WaitStrategy::Park), ("spin", WaitStrategy::Spin)];

fn wait(named: &str) -> WaitStrategy {
    let found = WAITS.iter().find(|(name, _)| *name == named);
    found.expect("a strategy").1
}

fn every_push_of_records_in_a_child_fails() {
    for (wait, _) in WAITS {
        let name = RingName::new("pushes-of-records");
        Child::start("pushes_of_records", &[name.as_str(), wait]).succeeds();
    }
}

fn every_push_of_frames_in_a_child_fails() {
    for (wait, _) in WAITS {
        let name = RingName::new("pushes-of-frames");
        Child::start("pushes_of_frames", &[name.as_str(), wait]).succeeds();
    }
}

fn pushes_of_records(arguments: &[String]) {
    let (mut producer, mut consumer) = pushes::<u64>(arguments, CAPACITY);
    producer.push(10).expect("the parent holds its role");
    assert_eq!(consumer.pop(), Ok(10));
}

fn pushes_of_frames(arguments: &[String]) {
    let (mut producer, mut consumer) = pushes::<[u8]>(arguments, 1024);
    in_a_child(&arguments[0], || {
        let mut writer = producer.writer();
        let parts = [IoSlice::new(b"sh"), IoSlice::new(b"ort")];
        let error = writer.write_vectored(&parts).expect_err("it is lost");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let error = writer.write(b"short").expect_err("it is lost");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
    producer.push(b"the parent").expect("it holds its role");
    let popped = consumer.pop(&mut [0; 10]).map(|popped| popped.len);
    assert_eq!(popped, Ok(10));
}

/// Makes every push in a separate child; returns the endpoints.
fn pushes<T: Calls + ?Sized>(arguments: &[String], capacity: u64) -> (T::Producer, T::Consumer) {
    let name = &arguments[0];
    let options = RingOptions::new(capacity).wait_strategy(wait(&arguments[1]));
    let ring = options.create::<T>(name).expect("a ring");
    let (mut producer, mut consumer) = ends(&ring);
    // The producer has seen that its consumer is AWAKE, and has seen room.
    for number in 0..10 {
        push::<T>(&mut producer, &T::message(number), Wait::Forever).expect("room");
        pop::<T>(&mut consumer, Wait::Forever).expect("a message");
    }
    let forms = [Wait::Never, Wait::Forever, Wait::Until(PATIENCE.into())];
    for write in ways(T::WRITES, &forms) {
        // A short frame, and a long one.
        for message in [T::message(7), T::varied(LONG)] {
            in_a_child(name, || {
                let (call, messages) = (write.name(), [message.clone(), message]);
                let lost = Err(ClaimError::Abandoned);
                let mut push = || (write.call)(&mut producer, &messages, write.wait, AFTER_A_FORK);
                let first = push();
                // Commits in place return no error.
                assert!(first == lost || call.contains("claim") || call.contains("Batch"));
                assert_eq!(push(), lost, "{call} again");
                let after = self::push::<T>(&mut producer, &messages[0], Wait::Never);
                assert_eq!(after, lost.map(drop), "after {call}");
            });
        }
    }
    (producer, consumer)
}

fn calls_of_other_inherited_endpoints_end() {
    let name = RingName::new("other-ends");
    let replies = name.and("-replies");
    Child::start("other_endpoints", &[name.as_str(), replies.as_str()]).succeeds();
}

/// An inherited client of calls and an inherited pollable endpoint.
fn other_endpoints(arguments: &[String]) {
    let (name, replies) = (&arguments[0], &arguments[1]);
    let options = RingOptions::new(1024);
    let ring = options.create::<[u8]>(name).expect("a ring");
    let replies = options.create::<[u8]>(replies).expect("a ring");
    let producer = ring.producer().expect("the role is free");
    let consumer = replies.consumer().expect("the role is free");
    let mut client = Client::new(producer, consumer);
    in_a_child(name, || {
        for _ in 0..2 {
            let called = client.call(b"hello?", &mut Vec::new(), PATIENCE);
            assert!(matches!(called, Err(CallError::ServerGone)), "{called:?}");
        }
    });
    let other = RingOptions::new(1024).create_anonymous::<[u8]>();
    let producer = other.expect("a ring").producer().expect("the role is free");
    let mut pollable = producer.into_pollable(24).expect("a pollable endpoint");
    let Some(child) = fork() else {
        assert!(matches!(pollable.failure(), Some(AsyncError::Forked)));
        let pushed = pollable.get().try_push(b"lost");
        assert_eq!(pushed, Err(ClaimError::Abandoned));
        done();
    };
    assert_eq!(ending(child), 0);
    assert_eq!(pollable.get().try_push(b"the parent"), Ok(()));
}

fn a_daemon_has_lost_its_role() {
    let (ring, name) = named::<u64>("daemon", &RingOptions::new(CAPACITY));
    let mut child = Child::start("daemonizer", &[name.as_str()]);
    child.expect("it is lost, and not in the ring");
    drop(ring.producer().expect("the role is free"));
    child.tell("go"); // the daemon exits when its input ends
}

/// Takes a role, and then becomes a daemon.
fn daemonizer(arguments: &[String]) {
    let mut early = Producer::<u64>::open(&arguments[0]).expect("the role is free");
    // SAFETY: there is no other thread.
    #[allow(deprecated, reason = "deprecated only on Apple's systems")]
    let result = unsafe { libc::daemon(1, 1) };
    assert_eq!(result, 0, "it is a daemon");
    assert_eq!(early.push(7), Err(PushError::Abandoned(7)));
    drop(early);
    // The correct order: the daemon takes its role after its parent has exited.
    let late = loop {
        match Producer::<u64>::open(&arguments[0]) {
            Err(Error::InUse { .. }) => thread::yield_now(),
            other => break other.expect("the role is free"),
        }
    };
    assert!(late.is_empty());
    drop(late);
    say("it is lost, and not in the ring");
    hear();
}

fn a_spawned_program_has_no_effect_on_the_ring() {
    let name = RingName::new("spawner");
    Child::start("spawner", &[name.as_str()]).succeeds();
}

/// Starts programs by `posix_spawn`, which runs no fork handlers, between its messages.
fn spawner(arguments: &[String]) {
    let options = RingOptions::new(CAPACITY);
    let ring = options.create::<u64>(&arguments[0]).expect("a ring");
    let (mut producer, mut consumer) = ends(&ring);
    for number in 0..20 {
        producer.push(number).expect("the role is this process's");
        let status = Command::new("true").status().expect("it starts");
        assert!(status.success());
        assert_eq!(consumer.pop(), Ok(number));
        assert!(!producer.is_abandoned() && !consumer.is_abandoned());
    }
}

fn a_clone_without_handlers_is_not_detected() {
    let name = RingName::new("sharer");
    Child::start("sharer", &[name.as_str()]).succeeds();
}

/// `docs::process` warns about it: such a child is a second producer of the same ring.
fn sharer(arguments: &[String]) {
    let options = RingOptions::new(CAPACITY);
    let ring = options.create::<u64>(&arguments[0]).expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    // SAFETY: a fork without handlers, and there is no other thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    if pid == 0 {
        let _ = producer.try_push(7);
        done();
    }
    assert_eq!(ending(libc::pid_t::try_from(pid).expect("a pid")), 0);
    let mut consumer = ring.consumer().expect("the role is free");
    assert_eq!(consumer.try_pop(), Ok(7), "it is in the parent's ring");
}

fn a_child_may_take_roles() {
    let name = RingName::new("roles-in-a-child");
    Child::start("roles_in_a_child", &[name.as_str()]).succeeds();
}

fn roles_in_a_child(arguments: &[String]) {
    let name = &arguments[0];
    let options = RingOptions::new(CAPACITY);
    let ring = options.create::<u64>(name).expect("a ring");
    // Of a ring whose roles are free, each process takes one.
    let Some(child) = fork() else {
        let mut consumer = ring.consumer().expect("the role is free");
        assert_eq!(consumer.pop(), Ok(7));
        done();
    };
    let mut producer = ring.producer().expect("the role is free");
    producer.try_push(7).expect("there is room");
    assert_eq!(ending(child), 0);
    producer.try_push(8).expect("there is room");
    let pid = std::process::id();
    // Of a ring of which the parent holds a role, the child has a copy.
    let Some(child) = fork() else {
        let refused = ring.consumer().err();
        assert!(matches!(refused, Some(Error::Superseded { .. })));
        let refused = Producer::<u64>::open(name).err();
        refused!(refused => Error::InUse { role, holder });
        assert_eq!((role, holder), (Role::Producer, Holder::Known(pid)));
        let mut consumer = Consumer::<u64>::open(name).expect("the role is free");
        assert_eq!(consumer.pop(), Ok(8));
        // The inherited endpoint has no influence.
        drop((ring, producer));
        assert_eq!(consumer.try_pop(), Err(PopError::Empty));
        assert!(!consumer.is_abandoned());
        done();
    };
    assert_eq!(ending(child), 0);
    assert_eq!(producer.len(), 0);
    // A ring on the heap is copied with both its endpoints.
    let (mut heap_in, mut heap_out) = options.heap::<u64>().expect("a ring");
    let Some(child) = fork() else {
        heap_in.push(9).expect("there is room");
        assert_eq!(heap_out.pop(), Ok(9));
        drop(heap_in);
        assert_eq!(heap_out.pop(), Err(PopError::Abandoned));
        assert_eq!(heap_out.wait_for_peer(), Err(PeerError::Superseded));
        done();
    };
    assert_eq!(ending(child), 0);
    assert_eq!(heap_out.try_pop(), Err(PopError::Empty));
}

fn a_child_closes_only_inherited_descriptors() {
    let name = RingName::new("descriptors-in-a-child");
    Child::start("descriptors_in_a_child", &[name.as_str()]).succeeds();
}

fn descriptors_in_a_child(arguments: &[String]) {
    let options = RingOptions::new(CAPACITY);
    let ring = options.create::<u64>(&arguments[0]).expect("a ring");
    let ends = (ring.producer(), ring.consumer());
    let Some(child) = fork() else {
        let open = || File::open("/dev/null").expect("it exists");
        let files: Vec<_> = std::iter::repeat_with(open).take(64).collect();
        drop((ends, ring));
        for file in files {
            file.metadata().expect("the file is open");
        }
        done();
    };
    assert_eq!(ending(child), 0);
}

fn a_child_without_memory_for_a_copy_cannot_change_the_ring() {
    let name = RingName::new("child-without-memory");
    Child::start("child_without_memory", &[name.as_str()]).succeeds();
}

fn child_without_memory(arguments: &[String]) {
    let name = &arguments[0];
    let mut producer = Producer::<u64>::create(name, 1 << 20).expect("a ring");
    let before = segment(name);
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
    assert!(segment(name) == before, "the ring has changed");
    producer.try_push(7).expect("there is room");
}

fn nothing_is_left_after_exec() {
    let name = RingName::new("exec");
    Child::start("executor", &[name.as_str()]).succeeds();
}

fn executor(arguments: &[String]) {
    let name = &arguments[0];
    let options = RingOptions::new(CAPACITY);
    options.create::<u64>(name).expect("a ring");
    let ring = Ring::<u64>::open(name).expect("a ring");
    let _ends = (ring.producer(), ring.consumer());
    let link = |file: String| fs::read_link(format!("/proc/self/fd/{file}"));
    let own = files_in("/proc/self/fd".as_ref()).into_iter().map(link);
    let ours = own.filter(|link| link.as_ref().is_ok_and(|link| link.ends_with(name)));
    assert_eq!(ours.count(), 3, "the mapped file, and a lock for each role");
    let mut spawned = Command::new("ls");
    let mut forked = Command::new("ls");
    // SAFETY: the child does nothing before its `exec` except fork.
    unsafe { forked.pre_exec(|| Ok(())) };
    for command in [&mut spawned, &mut forked] {
        let output = command.args(["-l", "/proc/self/fd"]).output();
        let list = String::from_utf8(output.expect("ls runs").stdout).expect("a list");
        assert!(
            list.contains("/dev/null") || list.contains("pipe:"),
            "{list}"
        );
        assert!(!list.contains(name), "{list}");
    }
}

fn a_dropped_role_is_free_although_a_clone_has_its_descriptor() {
    let name = RingName::new("cloner");
    Child::start("cloner", &[name.as_str()]).succeeds();
}

/// Drops a role while a clone, like a process that is being started, has its descriptor.
fn cloner(arguments: &[String]) {
    let options = RingOptions::new(CAPACITY);
    let ring = options.create::<u64>(&arguments[0]).expect("a ring");
    let producer = ring.producer().expect("the role is free");
    // SAFETY: a fork without handlers; the child changes nothing.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    if pid == 0 {
        // SAFETY: waits for the kill.
        unsafe { libc::pause() };
    }
    drop(producer);
    let successor = ring.producer();
    let pid = libc::pid_t::try_from(pid).expect("a pid");
    // SAFETY: the clone is not reaped yet, so the pid still belongs to it.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    ending(pid);
    drop(successor.expect("the role is free"));
}

/// `asker` passes a ring to the handler here, and the handler its result.
static RING: Mutex<Option<Ring<u64>>> = Mutex::new(None);
static ANSWER: Mutex<Option<Result<Producer<u64>, Error>>> = Mutex::new(None);

fn no_role_is_taken_during_a_fork() {
    let name = RingName::new("asker");
    Child::start("asker", &[name.as_str()]).succeeds();
}

/// Installs a handler that asks for a role, between quoit's handler and the fork.
fn asker(arguments: &[String]) {
    extern "C" fn ask() {
        let ring = RING.lock().expect("the ring");
        let ring = ring.as_ref().expect("the ring was passed");
        *ANSWER.lock().expect("room for the answer") = Some(ring.producer());
    }
    // SAFETY: the handler is a function of this program.
    let installed = unsafe { libc::pthread_atfork(Some(ask), None, None) };
    assert_eq!(installed, 0);
    let options = RingOptions::new(CAPACITY);
    let ring = options.create::<u64>(&arguments[0]).expect("a ring");
    *RING.lock().expect("room for the ring") = Some(ring);
    let Some(child) = fork() else { done() };
    assert_eq!(ending(child), 0);
    let answer = ANSWER.lock().expect("the answer").take();
    let answer = answer.expect("the handler was called").err();
    refused!(answer => Error::Io { source, .. });
    assert_eq!(source.kind(), ErrorKind::TimedOut);
    let ring = RING.lock().expect("the ring");
    let ring = ring.as_ref().expect("the ring is still there");
    drop(ring.producer().expect("the role is free"));
}

/// The number of forks of the test below, and of rings whose roles are taken at the same time.
const FORKS: usize = 200;

fn roles_that_are_taken_during_a_fork_belong_to_the_parent() {
    let name = RingName::new("among-threads");
    let names = |index: usize| name.and(format!("-{index}"));
    let names: Vec<_> = (0..FORKS).map(names).collect();
    let options = RingOptions::new(CAPACITY);
    let create = |name| options.create::<u64>(name).expect("a ring");
    let rings: Vec<Ring<u64>> = names.iter().map(create).collect();
    let child = Child::start("forker_among_threads", &[name.as_str()]);
    for _ in 0..=FORKS {
        child.says(); // no child holds a role
    }
    for ring in &rings {
        let refusals = [ring.producer().err(), ring.consumer().err()];
        for refusal in refusals {
            assert!(matches!(refusal, Some(Error::InUse { .. })));
        }
    }
    kill(&child);
    for ring in &rings {
        drop(ring.producer().expect("its holder has died"));
        drop(ring.consumer().expect("its holder has died"));
    }
    child.end();
}

/// Takes roles on two threads while a third one forks; the children keep running.
fn forker_among_threads(arguments: &[String]) {
    let (sender, taken) = mpsc::sync_channel(4);
    let take = |first: usize, sender: SyncSender<()>| {
        let names = (first..FORKS).step_by(2);
        let names = names.map(|index| format!("{}-{index}", arguments[0]));
        let rings: Vec<_> = names.map(Ring::<u64>::open).collect();
        let take = |ring: Result<Ring<u64>, Error>| {
            let ring = ring.expect("a ring");
            let ends = (ring.producer(), ring.consumer());
            sender.send(()).expect("the forking thread sends its count");
            ends
        };
        rings.into_iter().map(take).collect::<Vec<_>>()
    };
    let _ends = thread::scope(|scope| {
        let threads = [0, 1].map(|first| {
            let sender = sender.clone();
            scope.spawn(move || take(first, sender))
        });
        for _ in 0..FORKS {
            taken.recv().expect("the threads send their counts");
            if fork().is_none() {
                stay();
            }
        }
        threads.map(|thread| thread.join().expect("the thread ends"))
    });
    say("ready");
    // SAFETY: waits for the kill.
    unsafe { libc::pause() };
}

/// In a child of a multi-threaded process: writes a line, and waits until the suite closes
/// the pipe.
fn stay() -> ! {
    let line = b"forked\n";
    // SAFETY: the line has the given length.
    unsafe { libc::write(1, line.as_ptr().cast(), line.len()) };
    let mut byte = 0_u8;
    // SAFETY: the byte outlives the call.
    unsafe { libc::read(0, (&raw mut byte).cast(), 1) };
    done()
}
