//! Endpoints in event loops: when their descriptor is readable. `tests/waits/sleep` has the
//! events of the peer.
//!
//! Each test of a named ring checks the rings' counters of rescues at its end, which count
//! lost wake-ups.

use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use crate::common::PATIENCE;
use crate::common::descriptors::{becomes_readable, readable, take_all_but};
use crate::common::fork::{done, ending, fork, in_a_child};
use crate::common::positions::{peer, start};
use crate::common::process::set_limit;
use crate::common::refused::is;
use crate::common::rings::{self, anonymous, ends, heap, named};
use crate::common::sample::mix;
use crate::common::sleep_state::{SleepPage, assert_no_rescues};
use quoit::raw::{self, RawRing, Reachable};
use quoit::{
    AsyncError, ClaimError, Consumer, DoorbellKind, Pollable, PopError, Producer, PushError,
    RingOptions, Role,
};
use rustix::process::Resource;
use tokio::io::unix::AsyncFd;

crate::common::suite::tests! {
    the_descriptor_is_readable_while_there_is_a_record,
    a_frame_needs_room_of_its_own_length_at_its_position,
    an_edge_triggered_loop_may_leave_records_unread,
    a_peer_that_is_back_before_the_report_is_not_reported,
    a_closed_endpoint_is_not_readable,
    without_a_descriptor_the_endpoint_is_returned,
    endpoints_can_be_swapped_and_sent,
    an_endpoint_that_was_put_in_has_a_peer_of_its_own,
    an_endpoint_that_was_put_in_may_sleep_on_a_semaphore,
    a_child_of_fork_neither_waits_nor_takes_messages,
    a_child_of_fork_sees_the_end_of_what_it_makes_pollable,
    a_raw_endpoint_is_armed_before_each_wait;
    parts: peer
}

/// Longer than two liveness checks.
const QUIET: Duration = Duration::from_millis(250);

fn is_readable(end: &impl AsRawFd) -> bool {
    readable(end, Duration::ZERO)
}

fn watched(consumer: Consumer<u64>) -> Pollable<Consumer<u64>> {
    consumer.into_pollable().expect("a pollable end")
}

/// A pollable consumer of a ring without a name.
fn pollable() -> (Producer<u64>, Pollable<Consumer<u64>>) {
    let (producer, consumer) = ends(&anonymous::<u64>(4));
    (producer, watched(consumer))
}

fn the_descriptor_is_readable_while_there_is_a_record() {
    let (ring, name) = named::<u64>("readable", &RingOptions::new(4));
    let (mut producer, consumer) = ends(&ring);
    let mut consumer = watched(consumer);
    for number in 0..1000 {
        assert!(!is_readable(&consumer), "{number}");
        producer.try_push_slice(&[number, 7]).expect("room");
        becomes_readable(&consumer);
        assert!(is_readable(&consumer), "until it is used");
        assert_eq!(consumer.get().try_pop(), Ok(number));
        assert!(is_readable(&consumer), "one is unread");
        assert_eq!(consumer.get().try_peek().map(|peek| peek.read()), Ok(7));
        assert!(is_readable(&consumer), "it was not released");
        consumer.get().try_peek().expect("it exists").release();
    }
    drop(consumer.get()); // takes nothing
    assert!(!is_readable(&consumer));
    assert!(consumer.failure().is_none());
    // The plain endpoint is AWAKE, so that its peer needs no wake.
    let page = SleepPage::open(&name.file());
    assert!(page.consumer_is_parked());
    let consumer = consumer.into_inner();
    assert!(!page.consumer_is_parked());
    // Earlier messages count too.
    producer.try_push(7).expect("there is room");
    let consumer = watched(consumer);
    assert!(is_readable(&consumer));
    assert_eq!(consumer.get_ref().len(), 1);
    assert_no_rescues(&name);
}

/// Takes everything.
fn drain(consumer: &mut Consumer<u64>) {
    while consumer.try_pop().is_ok() {}
}

/// As a guard is dropped, and when the consumer makes room. Where a frame does not fit before the
/// end of the ring, it takes the rest of the ring as well.
fn a_frame_needs_room_of_its_own_length_at_its_position() {
    const LEN: usize = 500;
    let (producer, mut consumer) = heap::<[u8]>(1024);
    let mut producer = producer.into_pollable(LEN).expect("a pollable end");
    let mut counts = [0; 2];
    for number in 0..2000 {
        let random = mix(number) as usize;
        let mut end = producer.get();
        if random % 5 < 2 {
            let _ = consumer.skip(1 + random / 5 % 3);
        }
        let _ = end.try_push(&vec![7; random / 16 % LEN]);
        let fits = end.try_claim(LEN).is_ok();
        drop(end);
        assert_eq!(is_readable(&producer), fits, "frame {number}");
        counts[usize::from(fits)] += 1;
        if !fits && random % 7 == 0 {
            consumer.skip(usize::MAX).expect("frames");
            becomes_readable(&producer);
        }
    }
    assert!(counts.iter().all(|&count| count > 200), "{counts:?}");
    // A frame that never fits is ready immediately, and the push returns the error.
    let producer = producer.into_inner();
    let mut producer = producer.into_pollable(1 << 20).expect("a pollable end");
    assert!(is_readable(&producer));
    let refused = producer.get().try_push(&vec![0; 1 << 20]);
    is!(refused => Err(ClaimError::TooLong { .. }));
}

/// That of tokio.
fn an_edge_triggered_loop_may_leave_records_unread() {
    const COUNT: u64 = 10_000;
    let (ring, name) = named::<u64>("tokio", &RingOptions::new(16));
    let (mut producer, consumer) = ends(&ring);
    let writer = thread::spawn(move || {
        for number in 0..COUNT {
            producer.push(number).expect("a reader");
            if number % 97 == 0 {
                thread::sleep(Duration::from_micros(mix(number) % 3000));
            }
        }
    });
    let read = async move {
        #[allow(
            deprecated,
            reason = "the newer method does not exist in the oldest tokio"
        )]
        let mut consumer = AsyncFd::new(watched(consumer)).expect("tokio takes it");
        let (mut next, mut idle) = (0, 0);
        while next < COUNT {
            let before = next;
            let mut guard = consumer.readable_mut().await.expect("a reactor");
            // Some of possibly many: the rest triggers another edge.
            for _ in 0..5 {
                if let Ok(found) = guard.get_inner_mut().get().try_pop() {
                    assert_eq!(found, next);
                    next += 1;
                }
            }
            guard.clear_ready();
            idle += u64::from(next == before);
        }
        assert!(idle < 1000, "{idle} times readable for nothing");
    };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    let read = async { tokio::time::timeout(PATIENCE, read).await };
    runtime.block_on(read).expect("it hangs");
    writer.join().expect("no panic");
    assert_no_rescues(&name);
}

fn a_peer_that_is_back_before_the_report_is_not_reported() {
    let (ring, name) = named::<u64>("back", &RingOptions::new(8));
    let mut consumer = watched(rings::consumer(&ring));
    let start = || start(Role::Producer, &name, "0");
    let mut child = start();
    becomes_readable(&consumer);
    drop(consumer.get());
    child.kill();
    becomes_readable(&consumer); // the crash was noticed
    child = start();
    assert_eq!(consumer.get().try_pop(), Err(PopError::Empty));
    assert!(!is_readable(&consumer), "it is silent");
    // Its own crash is news.
    child.kill();
    becomes_readable(&consumer);
    assert!(consumer.get().is_abandoned());
    assert_no_rescues(&name);
}

fn a_closed_endpoint_is_not_readable() {
    let (mut producer, mut consumer) = pollable();
    producer.try_push(1).expect("there is room");
    becomes_readable(&consumer);
    consumer.get().close();
    assert!(is_readable(&consumer), "there is something left");
    assert_eq!(consumer.get().try_pop(), Ok(1));
    assert!(!readable(&consumer, QUIET));
}

fn without_a_descriptor_the_endpoint_is_returned() {
    let (_producer, consumer) = heap::<u64>(4);
    set_limit(Resource::Nofile, 64);
    let files = take_all_but(0);
    let refused = consumer.into_pollable();
    drop(files);
    let refused = refused.expect_err("no descriptor is left");
    is!(refused.reason() => AsyncError::NoDescriptor(_));
    assert!(refused.to_string().contains("ulimit -n"), "{refused}");
    drop(watched(refused.into_inner()));
}

fn endpoints_can_be_swapped_and_sent() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let [(mut one_in, one), (mut two_in, two)] = [pollable(), pollable()];
    let (mut one, mut two) = (sent(one), sent(two));
    std::mem::swap::<Consumer<u64>>(&mut one.get(), &mut two.get());
    two_in.try_push(2).expect("there is room");
    becomes_readable(&one);
    assert!(!is_readable(&two));
    assert_eq!(one.get().try_pop(), Ok(2));
    one_in.try_push(1).expect("there is room");
    becomes_readable(&two);
    assert_eq!(two.get().try_pop(), Ok(1));
    assert_eq!(format!("{:?}", two.get()), "Ready { .. }");
    let shown = format!("{two:?}");
    assert!(shown.contains("fd"), "{shown}");
    // A forgotten guard does not change the descriptor.
    one_in.try_push(1).expect("there is room");
    becomes_readable(&two);
    std::mem::forget(two.get());
    assert!(is_readable(&two));
    assert_eq!(two.get().try_pop(), Ok(1));
    assert!(!is_readable(&two));
}

fn an_endpoint_that_was_put_in_has_a_peer_of_its_own() {
    let (producer, mut consumer) = pollable();
    drop(producer);
    becomes_readable(&consumer);
    assert_eq!(consumer.get().try_pop(), Err(PopError::Abandoned));
    assert!(!is_readable(&consumer), "it was seen");
    // The first peer of this one has closed as well, which is news.
    let (producer, other) = ends(&anonymous::<u64>(4));
    drop(producer);
    *consumer.get() = other;
    assert!(is_readable(&consumer));
    assert_eq!(consumer.get().try_pop(), Err(PopError::Abandoned));
    assert!(!is_readable(&consumer));
}

fn an_endpoint_that_was_put_in_may_sleep_on_a_semaphore() {
    let (mut producer, mut consumer) = pollable();
    let options = RingOptions::new(8).doorbell(DoorbellKind::Semaphore);
    let (_producer, other) = options.heap::<u64>().expect("a ring");
    let futex = std::mem::replace::<Consumer<u64>>(&mut consumer.get(), other);
    is!(consumer.failure() => Some(AsyncError::NotAFutex));
    assert!(is_readable(&consumer), "it cannot be waited for");
    *consumer.get() = futex;
    assert!(consumer.failure().is_none());
    assert!(!is_readable(&consumer));
    producer.try_push(7).expect("there is room");
    becomes_readable(&consumer);
    assert_eq!(consumer.get().try_pop(), Ok(7));
}

/// That of the bindings. What the program has not answered by another call stays readable.
fn a_raw_endpoint_is_armed_before_each_wait() {
    let (_, name) = named::<u64>("raw", &RingOptions::new(4));
    let options = RingOptions::default().schema_tag("u64");
    let content = raw::records(8, 8).expect("a size");
    let ring = RawRing::open(&options, content, name.as_ref()).expect("the ring");
    let mut reader = Reachable::new(ring.consumer().expect("the role is free"));
    // Without a descriptor it is as it was.
    set_limit(Resource::Nofile, 64);
    let files = take_all_but(0);
    is!(reader.arm(1) => Err(AsyncError::NoDescriptor(_)));
    drop(files);
    let bell = reader.arm(1).expect("a descriptor");
    let mut child = start(Role::Producer, &name, "0");
    becomes_readable(&bell); // it has attached
    reader.get();
    assert_eq!(reader.arm(1).expect("armed"), bell);
    child.kill();
    becomes_readable(&bell);
    for _ in 0..2 {
        assert!(reader.get_unseen().is_abandoned());
        reader.arm(1).expect("armed");
        assert!(is_readable(&bell), "no call has seen the crash");
    }
    assert!(reader.get().is_abandoned());
    reader.arm(1).expect("armed");
    assert!(!is_readable(&bell));
    // Each wait for as much room as is wanted.
    let mut writer = Reachable::new(ring.producer().expect("the role is free"));
    let room = writer.arm(4).expect("a descriptor");
    assert!(is_readable(&room));
    writer.get().try_push(&[7; 8]).expect("room");
    becomes_readable(&bell);
    for (wanted, has_room) in [(4, false), (3, true), (4, false)] {
        writer.arm(wanted).expect("armed");
        assert_eq!(is_readable(&room), has_room, "{wanted}");
    }
}

/// Its parent has no pollable endpoint.
fn a_child_of_fork_sees_the_end_of_what_it_makes_pollable() {
    let (producer, consumer) = ends(&anonymous::<u64>(1));
    let mut ends = Some((producer, consumer));
    in_a_child(|| {
        let (producer, consumer) = ends.take().expect("its copies");
        let mut consumer = watched(consumer);
        assert!(is_readable(&consumer));
        assert_eq!(consumer.get().try_pop(), Err(PopError::Abandoned));
        assert!(!is_readable(&consumer), "it was seen");
        let mut producer = producer.into_pollable().expect("a pollable end");
        assert!(is_readable(&producer));
        assert_eq!(producer.get().try_push(1), Err(PushError::Abandoned(1)));
        drop(producer.get()); // finds no room
        assert!(!is_readable(&producer), "it was seen");
    });
}

fn a_child_of_fork_neither_waits_nor_takes_messages() {
    let (mut producer, mut consumer) = pollable();
    let (mut heap_in, heap_out) = heap::<u64>(4);
    let mut on_heap = watched(heap_out);
    producer.try_push(1).expect("there is room");
    heap_in.try_push(1).expect("there is room");
    becomes_readable(&consumer);
    becomes_readable(&on_heap);
    let Some(child) = fork() else {
        is!(consumer.failure() => Some(AsyncError::Forked));
        assert_eq!(consumer.get().try_pop(), Ok(1)); // from its own copy
        assert_eq!(consumer.get().try_pop(), Err(PopError::Abandoned));
        drain(&mut on_heap.get());
        is!(on_heap.failure() => Some(AsyncError::Forked));
        let (_, other) = heap::<u64>(8);
        let refused = other.into_pollable().expect_err("the parent's thread");
        is!(refused.reason() => AsyncError::Forked);
        drop((consumer.into_inner(), on_heap));
        done();
    };
    assert_eq!(ending(child), 0, "the child succeeds");
    assert!(is_readable(&consumer), "the child took nothing");
    assert!(is_readable(&on_heap), "the child took nothing");
    assert_eq!(consumer.get().try_pop(), Ok(1));
    assert_eq!(on_heap.get().try_pop(), Ok(1));
    assert!(!is_readable(&consumer));
    producer.try_push(2).expect("there is room");
    becomes_readable(&consumer);
    assert!(consumer.failure().is_none());
}
