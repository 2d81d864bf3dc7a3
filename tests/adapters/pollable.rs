//! Endpoints in event loops: when their descriptor is readable.
//!
//! Each test of a named ring checks the rings' counters of rescues at its end, which count
//! lost wake-ups.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::common::PATIENCE;
use crate::common::child::{Child, say};
use crate::common::descriptors::{becomes_readable, readable};
use crate::common::fork::{done, ending, fork};
use crate::common::names::RingName;
use crate::common::positions::{peer, start};
use crate::common::process::set_limit;
use crate::common::rings::{ends, named};
use crate::common::sample::{bytes, mix};
use crate::common::segment_file::{SegmentFile, TAIL};
use crate::common::sleep_state::{SleepPage, assert_no_rescues};
use crate::common::tracer::Halted;
use quoit::{
    AsyncError, ClaimError, Consumer, DoorbellKind, FrameConsumer, FrameProducer, Pollable,
    PopError, Producer, PushError, Ready, Ring, RingOptions, Role,
};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::process::Resource;
use tokio::io::unix::AsyncFd;

crate::common::suite::tests! {
    the_descriptor_is_readable_while_there_is_a_record,
    the_descriptor_is_readable_while_there_is_room,
    a_frame_needs_its_own_room,
    unread_records_keep_it_readable,
    a_peeked_record_keeps_it_readable,
    a_level_triggered_loop_reads_two_processes,
    an_edge_triggered_loop_may_leave_records_unread,
    a_loop_writes_to_a_slow_process,
    pollable_endpoints_exchange_messages,
    tokio_waits_for_the_descriptor,
    python_waits_for_the_descriptor,
    a_close_of_the_peer_is_reported_once,
    a_crash_of_the_peer_is_reported_once_after_its_messages,
    a_restarted_peer_and_its_close_are_reported,
    an_anonymous_ring_works,
    a_producer_stopped_before_its_wake_is_noticed,
    a_message_without_a_wake_is_noticed,
    a_closed_endpoint_is_not_readable,
    a_superseded_ring_is_reported_once,
    the_plain_endpoint_is_returned,
    a_semaphore_ring_is_refused,
    without_a_descriptor_the_endpoint_is_returned,
    endpoints_can_be_swapped_and_sent,
    a_child_of_fork_neither_waits_nor_takes_messages,
    a_hundred_endpoints_share_a_loop;
    parts: writer, reader, peer
}

/// Longer than two liveness checks.
const QUIET: Duration = Duration::from_millis(250);

fn is_readable(end: &impl AsRawFd) -> bool {
    readable(end, Duration::ZERO)
}

struct Epoll(OwnedFd);

impl Epoll {
    fn new() -> Self {
        Self(epoll::create(CreateFlags::CLOEXEC).expect("an epoll instance"))
    }

    fn add(&self, end: &impl AsFd, token: u64, mode: EventFlags) {
        let token = EventData::new_u64(token);
        let added = epoll::add(&self.0, end, token, EventFlags::IN | mode);
        added.expect("epoll accepts the descriptor");
    }

    /// Waits; returns the tokens of the ready descriptors.
    fn wait(&self) -> Vec<u64> {
        let mut events = Vec::with_capacity(16);
        let patience = PATIENCE.try_into().ok();
        let waited = epoll::wait(&self.0, spare_capacity(&mut events), patience.as_ref());
        assert!(waited.expect("it can wait") > 0, "nothing is ready in time");
        events
            .iter()
            .map(|event: &Event| event.data.u64())
            .collect()
    }
}

fn heap() -> (Producer<u64>, Consumer<u64>) {
    RingOptions::new(4).heap::<u64>().expect("a ring")
}

/// A pollable consumer on the heap.
fn pollable() -> (Producer<u64>, Pollable<Consumer<u64>>) {
    let (producer, consumer) = heap();
    (producer, consumer.into_pollable().expect("a pollable end"))
}

/// A pollable consumer of a new ring of this capacity.
fn alone(test: &str, capacity: u64) -> (Ring<u64>, RingName, Pollable<Consumer<u64>>) {
    let (ring, name) = named::<u64>(test, &RingOptions::new(capacity));
    let consumer = ring.consumer().expect("the role is free");
    let consumer = consumer.into_pollable().expect("a pollable end");
    (ring, name, consumer)
}

/// The same with a producer.
fn attached(test: &str) -> (RingName, Producer<u64>, Pollable<Consumer<u64>>) {
    let (ring, name, consumer) = alone(test, 8);
    let producer = ring.producer().expect("the role is free");
    (name, producer, consumer)
}

fn the_descriptor_is_readable_while_there_is_a_record() {
    let (mut producer, mut consumer) = pollable();
    for number in 0..1000 {
        assert!(!is_readable(&consumer), "{number}");
        producer.try_push(number).expect("there is room");
        becomes_readable(&consumer);
        assert!(is_readable(&consumer), "until it is used");
        assert_eq!(consumer.get().try_pop(), Ok(number));
    }
    assert!(!is_readable(&consumer));
    assert!(consumer.failure().is_none());
    // Earlier messages count too.
    producer.try_push(7).expect("there is room");
    let plain = consumer.into_inner();
    let consumer = plain.into_pollable().expect("a pollable end");
    assert!(is_readable(&consumer));
    assert_eq!(consumer.get_ref().len(), 1);
}

fn the_descriptor_is_readable_while_there_is_room() {
    let (producer, mut consumer) = heap();
    let mut producer = producer.into_pollable().expect("a pollable end");
    for number in 0..1000 {
        assert!(is_readable(&producer), "there is room");
        while producer.get().try_push(number).is_ok() {}
        assert!(!is_readable(&producer));
        assert_eq!(consumer.try_pop(), Ok(number));
        becomes_readable(&producer);
        assert_eq!(producer.get().try_push(number), Ok(()));
        assert!(!is_readable(&producer));
        drain(&mut consumer);
        becomes_readable(&producer);
    }
}

/// Takes everything.
fn drain(consumer: &mut Consumer<u64>) {
    while consumer.try_pop().is_ok() {}
}

fn a_frame_needs_its_own_room() {
    let (producer, mut consumer) = RingOptions::new(256).heap::<[u8]>().expect("a ring");
    let mut producer = producer.into_pollable(100).expect("a pollable end");
    assert!(is_readable(&producer));
    producer.get().try_push(&[1; 100]).expect("there is room");
    producer.get().try_push(&[2; 50]).expect("there is room");
    assert!(!is_readable(&producer), "not for a hundred bytes more");
    producer
        .get()
        .try_push(&[3; 8])
        .expect("there is room for less");
    assert!(!is_readable(&producer));
    assert_eq!(
        consumer.try_pop(&mut [0; 100]).map(|popped| popped.len),
        Ok(100)
    );
    becomes_readable(&producer);
    // A frame that never fits is ready immediately, and the push returns the error.
    let producer = producer.into_inner();
    let mut producer = producer.into_pollable(1 << 20).expect("a pollable end");
    assert!(is_readable(&producer));
    let refused = producer.get().try_push(&vec![0; 1 << 20]);
    assert!(matches!(refused, Err(ClaimError::TooLong { .. })));
}

fn unread_records_keep_it_readable() {
    let (mut producer, mut consumer) = pollable();
    producer.try_push_slice(&[1, 2, 3]).expect("there is room");
    for number in 1..=3 {
        becomes_readable(&consumer);
        assert_eq!(consumer.get().try_pop(), Ok(number));
    }
    assert!(!is_readable(&consumer));
    drop(consumer.get()); // takes nothing
    assert!(!is_readable(&consumer));
}

fn a_peeked_record_keeps_it_readable() {
    let (mut producer, mut consumer) = pollable();
    producer.try_push(1).expect("there is room");
    for _ in 0..3 {
        becomes_readable(&consumer);
        assert_eq!(consumer.get().try_peek().map(|peek| peek.read()), Ok(1));
    }
    consumer.get().try_peek().expect("it exists").release();
    assert!(!is_readable(&consumer));
}

/// Pushes this many numbers, with a pause after some.
fn writer(arguments: &[String]) {
    let count: u64 = arguments[1].parse().expect("a number");
    let mut producer = Producer::<u64>::open(&arguments[0]).expect("the role is free");
    for number in 0..count {
        producer.push(mix(number)).expect("a reader");
        if number % 97 == 0 {
            thread::sleep(Duration::from_micros(mix(number) % 3000));
        }
    }
}

fn a_level_triggered_loop_reads_two_processes() {
    const COUNTS: [u64; 2] = [20_000, 10_000];
    let names = [RingName::new("lt-one"), RingName::new("lt-two")];
    let epoll = Epoll::new();
    let mut consumers = Vec::new();
    let mut children = Vec::new();
    for (token, name) in names.iter().enumerate() {
        let ring = RingOptions::new(64).create::<u64>(name).expect("a ring");
        let consumer = ring.consumer().expect("the role is free");
        let consumer = consumer.into_pollable().expect("a pollable end");
        epoll.add(&consumer, token as u64, EventFlags::empty());
        consumers.push(consumer);
        let count = COUNTS[token].to_string();
        children.push(Child::start("writer", &[name.as_str(), &count]));
    }
    let (mut taken, mut idle, mut gone) = ([0; 2], 0, [false; 2]);
    while gone != [true; 2] {
        for token in epoll.wait() {
            let token = token as usize;
            let mut consumer = consumers[token].get();
            let before = taken[token];
            loop {
                match consumer.try_pop() {
                    Ok(found) => {
                        assert_eq!(found, mix(taken[token]));
                        taken[token] += 1;
                    }
                    Err(PopError::Empty) => break,
                    Err(PopError::Abandoned) => break gone[token] = true,
                    Err(error) => panic!("{error}"),
                }
            }
            idle += u64::from(taken[token] == before);
        }
    }
    assert_eq!(taken, COUNTS);
    assert!(idle < 1000, "{idle} times readable for nothing");
    children.into_iter().for_each(Child::succeeds);
    names.iter().for_each(assert_no_rescues);
}

fn an_edge_triggered_loop_may_leave_records_unread() {
    const COUNT: u64 = 5_000;
    let (_ring, name, mut consumer) = alone("et", 64);
    let epoll = Epoll::new();
    epoll.add(&consumer, 0, EventFlags::ET);
    let child = Child::start("writer", &[name.as_str(), &COUNT.to_string()]);
    let mut taken = 0;
    while taken < COUNT {
        epoll.wait();
        // One of possibly many.
        if let Ok(found) = consumer.get().try_pop() {
            assert_eq!(found, mix(taken));
            taken += 1;
        }
    }
    child.succeeds();
    assert_no_rescues(&name);
}

/// Reads frames slowly; reports how many arrived.
fn reader(arguments: &[String]) {
    let mut consumer = FrameConsumer::open(&arguments[0]).expect("the role is free");
    say("ready");
    let mut count = 0;
    let mut frame = Vec::new();
    while consumer.pop_into(&mut frame).is_ok() {
        assert_eq!(frame, bytes(count, (count % 61) as usize));
        count += 1;
        if count % 50 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    say(count);
}

fn a_loop_writes_to_a_slow_process() {
    const COUNT: u64 = 5_000;
    let (ring, name) = named::<[u8]>("slow", &RingOptions::new(512));
    let producer: FrameProducer = ring.producer().expect("the role is free");
    let mut producer = producer.into_pollable(61).expect("a pollable end");
    let child = Child::start("reader", &[name.as_str()]);
    child.expect("ready");
    let epoll = Epoll::new();
    epoll.add(&producer, 0, EventFlags::empty());
    let (mut count, mut full) = (0, 0);
    while count < COUNT {
        epoll.wait();
        let mut producer = producer.get();
        loop {
            match producer.try_push(&bytes(count, (count % 61) as usize)) {
                Ok(()) => count += 1,
                Err(ClaimError::Full) => break full += 1,
                Err(error) => panic!("{error}"),
            }
            if count == COUNT {
                break;
            }
        }
    }
    assert!(full > 10, "the loop had to wait");
    drop(producer);
    child.expect(&COUNT.to_string());
    child.succeeds();
    assert_no_rescues(&name);
}

fn pollable_endpoints_exchange_messages() {
    const COUNT: u64 = 50_000;
    let (name, producer, mut consumer) = attached("both");
    let writer = thread::spawn(move || {
        let mut producer = producer.into_pollable().expect("a pollable end");
        let mut next = 0;
        while next < COUNT {
            becomes_readable(&producer);
            let mut producer = producer.get();
            while next < COUNT && producer.try_push(next).is_ok() {
                next += 1;
            }
        }
    });
    let mut next = 0;
    while next < COUNT {
        becomes_readable(&consumer);
        let mut consumer = consumer.get();
        while let Ok(found) = consumer.try_pop() {
            assert_eq!(found, next);
            next += 1;
        }
    }
    writer.join().expect("no panic");
    assert_no_rescues(&name);
}

fn tokio_waits_for_the_descriptor() {
    const COUNT: u64 = 10_000;
    let (ring, name) = named::<u64>("tokio", &RingOptions::new(16));
    let consumer = ring.consumer().expect("the role is free");
    let consumer = consumer.into_pollable().expect("a pollable end");
    let child = Child::start("writer", &[name.as_str(), &COUNT.to_string()]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let read = async move {
        #[allow(
            deprecated,
            reason = "the newer method does not exist in the oldest tokio"
        )]
        let mut consumer = AsyncFd::new(consumer).expect("tokio takes the descriptor");
        let mut next = 0;
        while next < COUNT {
            let mut guard = consumer.readable_mut().await.expect("a reactor");
            // Some of possibly many: the rest triggers another edge.
            for _ in 0..5 {
                if let Ok(found) = guard.get_inner_mut().get().try_pop() {
                    assert_eq!(found, mix(next));
                    next += 1;
                }
            }
            guard.clear_ready();
        }
    };
    let runtime = runtime.expect("a runtime");
    let read = async { tokio::time::timeout(PATIENCE, read).await };
    runtime.block_on(read).expect("it hangs");
    child.succeeds();
    assert_no_rescues(&name);
}

fn python_waits_for_the_descriptor() {
    const PROGRAM: &str = "import select\n\
        print(len(select.select([0], [], [], 0)[0]), flush=True)\n\
        print(len(select.select([0], [], [], 60)[0]), flush=True)";
    let (mut producer, consumer) = pollable();
    let descriptor = consumer.as_fd().try_clone_to_owned().expect("a descriptor");
    let mut python = Command::new("python3")
        .args(["-c", PROGRAM])
        .stdin(descriptor)
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut output = python.stdout.take().expect("its output is piped");
    let mut line = [0; 2];
    output.read_exact(&mut line).expect("a line");
    assert_eq!(&line, b"0\n");
    producer.try_push(1).expect("there is room");
    output.read_exact(&mut line).expect("a line");
    assert_eq!(&line, b"1\n");
    assert!(python.wait().expect("it can be reaped").success());
}

fn a_close_of_the_peer_is_reported_once() {
    let (_name, mut producer, mut consumer) = attached("closes");
    producer.try_push(1).expect("there is room");
    drop(producer);
    becomes_readable(&consumer);
    assert_eq!(consumer.get().try_pop(), Ok(1));
    // The remaining messages come first. The close is reported until it was seen.
    assert!(is_readable(&consumer));
    assert!(is_readable(&consumer));
    assert_eq!(consumer.get().try_pop(), Err(PopError::Abandoned));
    assert!(!readable(&consumer, QUIET), "it was seen");
    assert_eq!(consumer.get().try_pop(), Err(PopError::Abandoned));
    assert!(!readable(&consumer, QUIET), "and is not reported again");
    let (producer, consumer) = heap();
    let mut producer = producer.into_pollable().expect("a pollable end");
    while producer.get().try_push(0).is_ok() {}
    drop(consumer);
    becomes_readable(&producer);
    assert_eq!(producer.get().try_push(0), Err(PushError::Abandoned(0)));
    assert!(!readable(&producer, QUIET), "it was seen");
}

fn a_crash_of_the_peer_is_reported_once_after_its_messages() {
    let (_ring, name, mut consumer) = alone("crashes", 8);
    for position in 0..2 {
        let mut child = start(Role::Producer, &name, "1");
        becomes_readable(&consumer);
        drop(consumer.get());
        child.kill();
        assert!(is_readable(&consumer), "there is a record");
        assert_eq!(consumer.get().try_pop(), Ok(position));
        becomes_readable(&consumer);
        {
            let mut consumer = consumer.get();
            assert_eq!(consumer.try_pop(), Err(PopError::Empty));
            assert!(consumer.is_abandoned());
        }
        assert!(!readable(&consumer, QUIET), "it was seen");
    }
    assert_no_rescues(&name);
}

fn a_restarted_peer_and_its_close_are_reported() {
    let (name, producer, mut consumer) = attached("next-peer");
    drop(producer);
    becomes_readable(&consumer);
    drop(consumer.get());
    assert!(!is_readable(&consumer));
    for number in 0..50 {
        let mut producer = Producer::<u64>::open(&name).expect("the role is free");
        becomes_readable(&consumer); // another one is attached
        assert_eq!(consumer.get().try_pop(), Err(PopError::Empty));
        if number == 0 {
            assert!(!readable(&consumer, QUIET), "it is attached and silent");
        }
        producer.try_push(number).expect("there is room");
        becomes_readable(&consumer);
        assert_eq!(consumer.get().try_pop(), Ok(number));
        drop(producer);
        becomes_readable(&consumer);
        assert_eq!(consumer.get().try_pop(), Err(PopError::Abandoned));
        assert!(!is_readable(&consumer));
    }
    // A producer that attaches, publishes and closes between two rounds of the loop.
    let mut producer = Producer::<u64>::open(&name).expect("the role is free");
    producer.try_push(1).expect("there is room");
    drop(producer);
    becomes_readable(&consumer);
    assert_eq!(consumer.get().try_pop(), Ok(1));
    becomes_readable(&consumer);
    assert_eq!(consumer.get().try_pop(), Err(PopError::Abandoned));
    assert!(!readable(&consumer, QUIET));
    assert_no_rescues(&name);
}

fn an_anonymous_ring_works() {
    let ring = RingOptions::new(8)
        .create_anonymous::<u64>()
        .expect("a ring");
    let (mut producer, consumer) = ends(&ring);
    let mut consumer = consumer.into_pollable().expect("a pollable end");
    assert!(!is_readable(&consumer));
    producer.try_push(1).expect("there is room");
    becomes_readable(&consumer);
    assert_eq!(consumer.get().try_pop(), Ok(1));
    assert!(!is_readable(&consumer));
    drop(producer);
    becomes_readable(&consumer);
}

fn a_producer_stopped_before_its_wake_is_noticed() {
    let (_ring, name, mut consumer) = alone("stopped", 8);
    for position in 0..5 {
        let mut child = start(Role::Producer, &name, "on request");
        becomes_readable(&consumer);
        drop(consumer.get());
        let segment = SegmentFile::open(&name.file());
        let page = SleepPage::open(&name.file());
        assert!(page.consumer_is_parked());
        let halted = Halted::new(child.pid());
        child.tell("push");
        halted.stop_when(|| segment.read(TAIL) == position + 1);
        assert!(page.consumer_is_parked(), "no wake has come");
        assert!(readable(&consumer, Duration::from_millis(250)));
        assert!(child.is_stopped());
        assert_eq!(consumer.get().try_pop(), Ok(position));
        assert!(!is_readable(&consumer));
        child.kill();
        becomes_readable(&consumer);
        assert!(consumer.get().is_abandoned());
    }
    assert_no_rescues(&name);
}

/// The test publishes by writing to the segment while a producer is attached, and wakes no one.
fn a_message_without_a_wake_is_noticed() {
    let (name, _producer, mut consumer) = attached("no-wake");
    let segment = SegmentFile::open(&name.file());
    for position in 0..5 {
        segment.write(TAIL, position + 1);
        assert!(readable(&consumer, Duration::from_millis(250)));
        consumer.get().try_pop().expect("a record");
        assert!(!is_readable(&consumer));
    }
}

fn a_closed_endpoint_is_not_readable() {
    let (mut producer, mut consumer) = pollable();
    producer.try_push(1).expect("there is room");
    becomes_readable(&consumer);
    consumer.get().close();
    assert!(is_readable(&consumer), "there is something left");
    assert_eq!(consumer.get().try_pop(), Ok(1));
    assert!(!readable(&consumer, QUIET));
    let (producer, _consumer) = heap();
    let mut producer = producer.into_pollable().expect("a pollable end");
    assert!(is_readable(&producer));
    producer.get().close();
    assert!(!readable(&producer, QUIET));
}

fn a_superseded_ring_is_reported_once() {
    let (_ring, name, mut consumer) = alone("superseded", 8);
    assert!(!readable(&consumer, QUIET), "a producer may attach");
    std::fs::remove_file(name.file()).expect("it can be removed");
    becomes_readable(&consumer);
    assert!(consumer.get().is_superseded());
    assert!(!readable(&consumer, QUIET), "it was seen");
}

fn the_plain_endpoint_is_returned() {
    let (mut producer, consumer) = pollable();
    let mut plain = consumer.into_inner();
    producer.try_push(1).expect("there is room");
    assert_eq!(plain.pop(), Ok(1));
    let consumer = plain.into_pollable().expect("a pollable end");
    drop(consumer);
    assert!(producer.is_abandoned());
}

fn a_semaphore_ring_is_refused() {
    let options = RingOptions::new(8).doorbell(DoorbellKind::Semaphore);
    let (producer, consumer) = options.heap::<u64>().expect("a ring");
    let refused = consumer.into_pollable().expect_err("a semaphore");
    assert!(matches!(refused.reason(), AsyncError::NotAFutex));
    let refused_too = producer.into_pollable().expect_err("a semaphore");
    let (mut consumer, mut producer) = (refused.into_inner(), refused_too.into_inner());
    producer.try_push(7).expect("there is room");
    assert_eq!(consumer.pop(), Ok(7));
    let options = RingOptions::new(64).doorbell(DoorbellKind::Semaphore);
    let (producer, consumer) = options.heap::<[u8]>().expect("a ring");
    assert!(producer.into_pollable(1).is_err());
    assert!(consumer.into_pollable().is_err());
}

fn without_a_descriptor_the_endpoint_is_returned() {
    let (_producer, consumer) = heap();
    let mut files = Vec::new();
    let before = set_limit(Resource::Nofile, 64);
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    let refused = consumer.into_pollable();
    drop(files);
    set_limit(Resource::Nofile, before);
    let refused = refused.expect_err("no descriptor is left");
    assert!(matches!(refused.reason(), AsyncError::NoDescriptor(_)));
    assert!(refused.to_string().contains("ulimit -n"), "{refused}");
    drop(
        refused
            .into_inner()
            .into_pollable()
            .expect("a pollable end"),
    );
}

fn endpoints_can_be_swapped_and_sent() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let (mut one_in, one) = heap();
    let (mut two_in, two) = heap();
    let mut one = sent(one.into_pollable().expect("a pollable end"));
    let mut two = sent(two.into_pollable().expect("a pollable end"));
    std::mem::swap::<Consumer<u64>>(&mut one.get(), &mut two.get());
    two_in.try_push(2).expect("there is room");
    becomes_readable(&one);
    assert!(!is_readable(&two));
    assert_eq!(one.get().try_pop(), Ok(2));
    one_in.try_push(1).expect("there is room");
    becomes_readable(&two);
    assert_eq!(two.get().try_pop(), Ok(1));
    let ready: Ready<'_, Consumer<u64>> = two.get();
    let shown = format!("{ready:?}");
    drop(ready);
    let shown = format!("{shown} {two:?}");
    assert!(shown.contains("fd"), "{shown}");
    // A forgotten guard does not change the descriptor.
    one_in.try_push(1).expect("there is room");
    becomes_readable(&two);
    std::mem::forget(two.get());
    assert!(is_readable(&two));
    assert_eq!(two.get().try_pop(), Ok(1));
    assert!(!is_readable(&two));
}

fn a_child_of_fork_neither_waits_nor_takes_messages() {
    let (_name, mut producer, mut consumer) = attached("forked");
    let (mut heap_in, mut heap) = pollable();
    producer.try_push(1).expect("there is room");
    heap_in.try_push(1).expect("there is room");
    becomes_readable(&consumer);
    becomes_readable(&heap);
    let Some(child) = fork() else {
        assert!(matches!(consumer.failure(), Some(AsyncError::Forked)));
        {
            let mut consumer = consumer.get();
            assert_eq!(consumer.try_pop(), Ok(1)); // from its own copy
            assert_eq!(consumer.try_pop(), Err(PopError::Abandoned));
        }
        drain(&mut heap.get());
        assert!(matches!(heap.failure(), Some(AsyncError::Forked)));
        let (_, other) = RingOptions::new(8).heap::<u64>().expect("a ring");
        let refused = other
            .into_pollable()
            .expect_err("the thread is the parent's");
        assert!(matches!(refused.reason(), AsyncError::Forked));
        drop((consumer.into_inner(), heap));
        done();
    };
    assert_eq!(ending(child), 0, "the child succeeds");
    assert!(is_readable(&consumer), "the child took nothing");
    assert!(is_readable(&heap), "the child took nothing");
    assert_eq!(consumer.get().try_pop(), Ok(1));
    assert_eq!(heap.get().try_pop(), Ok(1));
    assert!(!is_readable(&consumer));
    producer.try_push(2).expect("there is room");
    becomes_readable(&consumer);
    assert!(consumer.failure().is_none());
}

fn a_hundred_endpoints_share_a_loop() {
    const ENDS: usize = 100;
    const ROUNDS: u64 = 30;
    let epoll = Epoll::new();
    let (mut producers, mut consumers) = (Vec::new(), Vec::new());
    for token in 0..ENDS {
        let (producer, consumer) = pollable();
        epoll.add(&consumer, token as u64, EventFlags::empty());
        producers.push(producer);
        consumers.push(consumer);
    }
    let writer = thread::spawn(move || {
        for number in 0..ROUNDS {
            for producer in &mut producers {
                producer.push(number).expect("a reader");
            }
        }
        producers
    });
    let mut taken = vec![0; ENDS];
    while taken.iter().any(|&count| count < ROUNDS) {
        for token in epoll.wait() {
            let token = token as usize;
            if let Ok(found) = consumers[token].get().try_pop() {
                assert_eq!(found, taken[token]);
                taken[token] += 1;
            }
        }
    }
    drop(writer.join().expect("no panic"));
}
