//! What an observer reports about a ring: exactly the state that both endpoints see. It
//! changes nothing, in any ring.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::process;
use std::time::{Duration, Instant, SystemTime};

use crate::common::PATIENCE;
use crate::common::child::Child;
use crate::common::clock::until;
use crate::common::dice::Dice;
use crate::common::fork::{done, ending, fork};
use crate::common::names::{RingName, file_directory};
use crate::common::positions::{peer, start};
use crate::common::process::set_limit;
use crate::common::refused::refused;
use crate::common::rings::{ends, named};
use crate::common::sample::mix;
use crate::common::segment_file::{CAPACITY, DOORBELL, SLOT_SIZE, SUPERSEDED, SegmentFile};
use crate::common::threads::while_repeating;
use quoit::observer::{Message, ShapeKind};
use quoit::{DoorbellKind, Error, FrameConsumer, FrameProducer, Observer, Ring, RingOptions, Role};
use rustix::process::Resource;

crate::common::suite::tests! {
    it_knows_the_header,
    it_sees_the_records_that_both_endpoints_see,
    it_sees_the_frames_that_both_endpoints_see,
    it_sees_the_holders_of_the_roles,
    it_sees_what_each_role_counts_as_dropped,
    it_measures_the_rates_of_a_ring,
    it_sees_which_endpoint_sleeps,
    at_full_load_it_sees_only_what_was_sent,
    read_permission_suffices,
    its_memory_cannot_be_written,
    it_changes_nothing,
    any_bytes_in_the_segment_are_handled,
    it_reports_errors,
    a_record_that_does_not_fit_into_memory_is_an_error,
    it_sees_that_a_ring_is_superseded;
    parts: peer, sender
}

fn ring<T: quoit::Shape + ?Sized>(test: &str, capacity: u64) -> (Ring<T>, RingName) {
    named(test, &RingOptions::new(capacity))
}

/// The messages that an observer sees.
fn unread(observer: &Observer) -> Vec<Message> {
    let mut messages = Vec::new();
    let seen = observer.unread(usize::MAX, |message| messages.push(message));
    assert_eq!(seen.expect("a sound ring"), messages.len());
    messages
}

/// The position after the last message that it has seen.
struct Follower(u64);

impl Follower {
    /// Checks that there is exactly one new message.
    fn looks(&mut self, observer: &Observer, expected: &[u8]) {
        let looked = observer.unread_from(self.0, 10, |message| {
            assert!(message.position >= self.0 && message.next > message.position);
            assert_eq!(message.bytes, expected);
            self.0 = message.next;
        });
        assert_eq!(looked.expect("a sound ring"), 1);
        let again = observer.unread_from(self.0, 10, |message| panic!("{message:?} again"));
        assert_eq!(again.expect("a sound ring"), 0);
    }
}

fn it_knows_the_header() {
    let before = SystemTime::now() - Duration::from_secs(1);
    let (ring, name) = ring::<[u32; 3]>("header", 64);
    let info = Observer::open(&name).expect("a ring").info();
    assert_eq!((info.shape, info.capacity), (ShapeKind::Records, 64));
    assert_eq!((info.slot_size, info.slot_align, info.layout), (12, 4, 1));
    assert_eq!(info.incarnation, ring.incarnation());
    assert_eq!(info.doorbell, DoorbellKind::Futex);
    let bells = RingName::new("bells");
    let options = RingOptions::new(8).doorbell(DoorbellKind::Semaphore);
    options.create::<u64>(&bells).expect("a ring");
    let file = SegmentFile::open(&bells.file());
    for library in [None, Some(9)] {
        if let Some(library) = library {
            file.write_half(DOORBELL, 1 | library << 8);
        }
        let info = Observer::open(&bells).expect("a ring").info();
        assert_eq!(info.doorbell, DoorbellKind::Semaphore);
    }
    file.write_half(DOORBELL, 2);
    let refused = Observer::open(&bells).map(drop);
    assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
    assert!(info.created > before && info.created < SystemTime::now());
}

fn it_sees_the_records_that_both_endpoints_see() {
    // Of a size that is not a multiple of a word.
    let (ring, name) = ring::<[u8; 5]>("records", 8);
    let (mut producer, mut consumer) = ends(&ring);
    let observer = Observer::open(&name).expect("a ring");
    let (mut dice, mut queue, mut number) = (Dice(1), VecDeque::new(), 0u64);
    let mut follower = Follower(0);
    for _ in 0..2000 {
        if dice.roll(2) == 0 {
            let record = [number as u8; 5].map(|byte| byte.wrapping_mul(7));
            if producer.try_push(record).is_ok() {
                follower.looks(&observer, &record);
                queue.push_back((number, record));
                number += 1;
            }
        } else if consumer.try_pop().is_ok() {
            queue.pop_front();
        }
        let positions = observer.positions();
        assert_eq!(positions.tail, producer.position());
        assert_eq!(positions.head, consumer.position());
        assert_eq!(positions.len(), queue.len() as u64);
        let seen = unread(&observer);
        let seen: Vec<_> = seen.iter().map(|m| (m.position, &*m.bytes)).collect();
        let queued: Vec<_> = queue
            .iter()
            .map(|(at, record)| (*at, &record[..]))
            .collect();
        assert_eq!(seen, queued);
    }
    assert!(number > 500, "too few messages");
    let left = observer.unread_from(number - 1 - 8, 10, |_| {});
    assert_eq!(
        left.expect("a sound ring"),
        queue.len(),
        "a released message is not shown"
    );
}

fn it_sees_the_frames_that_both_endpoints_see() {
    let (ring, name) = ring::<[u8]>("frames", 256);
    let (mut producer, mut consumer) = ends(&ring);
    let observer = Observer::open(&name).expect("a ring");
    let (mut dice, mut queue, mut laps) = (Dice(2), VecDeque::new(), 0);
    let mut follower = Follower(0);
    for number in 0..4000u64 {
        if dice.roll(2) == 0 {
            let frame = vec![number as u8; dice.roll(100)];
            let kind = number as u32;
            if producer.try_push_kind(kind, &frame).is_ok() {
                follower.looks(&observer, &frame);
                queue.push_back((kind, frame));
                laps = producer.position() / 256;
            }
        } else if consumer.try_pop(&mut [0; 100]).is_ok() {
            queue.pop_front();
        }
        let seen = unread(&observer);
        let seen: Vec<_> = seen.into_iter().map(|m| (m.kind, m.bytes)).collect();
        assert_eq!(seen, Vec::from_iter(queue.iter().cloned()));
        let some = observer.unread(2, |_| {}).expect("a sound ring");
        assert_eq!(some, queue.len().min(2));
    }
    assert!(laps > 100, "too few messages");
}

fn it_sees_what_each_role_counts_as_dropped() {
    let (ring, name) = ring::<u64>("dropped", 8);
    let observer = Observer::open(&name).expect("a ring");
    let dropped = || {
        [Role::Producer, Role::Consumer].map(|role| {
            let state = observer.endpoint(role);
            (state.dropped, state.rescues)
        })
    };
    assert_eq!(dropped(), [(0, 0), (0, 0)]);
    let (mut producer, mut consumer) = ends(&ring);
    producer.count_dropped(3);
    producer.count_dropped(4);
    consumer.count_dropped(1);
    assert_eq!(dropped(), [(7, 0), (1, 0)]);
    drop((producer, consumer));
    let mut producer = ring.producer().expect("the role is free");
    assert_eq!(
        dropped(),
        [(7, 0), (1, 0)],
        "the next holder continues to count"
    );
    producer.count_dropped(u64::MAX);
    assert_eq!(dropped(), [(6, 0), (1, 0)], "it wraps");
}

fn it_sees_the_holders_of_the_roles() {
    let (ring, name) = ring::<u64>("holders", 8);
    let observer = Observer::open(&name).expect("a ring");
    let alive = |role| observer.is_alive(role).expect("an answer");
    for role in [Role::Producer, Role::Consumer] {
        assert!(!alive(role) && observer.endpoint(role).epoch == 0);
    }
    let consumer = ring.consumer().expect("the role is free");
    let end = observer.endpoint(Role::Consumer);
    assert!(alive(Role::Consumer) && !end.is_closed);
    assert_eq!((end.epoch, end.pid, end.rescues), (1, process::id(), 0));
    drop(consumer);
    assert!(!alive(Role::Consumer) && observer.endpoint(Role::Consumer).is_closed);

    let idler = start(Role::Producer, &name, "0");
    assert!(alive(Role::Producer));
    assert_eq!(observer.endpoint(Role::Producer).pid, idler.pid());
    drop(idler); // kill -9
    let end = observer.endpoint(Role::Producer);
    assert!(
        !alive(Role::Producer) && !end.is_closed,
        "it has not closed"
    );
}

fn it_measures_the_rates_of_a_ring() {
    let (ring, name) = ring::<u64>("rates", 8);
    let (mut producer, mut consumer) = ends(&ring);
    let observer = Observer::open(&name).expect("a ring");
    let before = observer.sample();
    (0..5).for_each(|number| producer.try_push(number).expect("room"));
    consumer.try_pop().expect("a record");
    assert_eq!(consumer.try_iter().count(), 4);
    // A process that gets no CPU time cannot sleep.
    while observer.endpoint(Role::Consumer).parks == 0 {
        assert!(consumer.pop_timeout(Duration::from_millis(50)).is_err());
    }
    producer.try_push(5).expect("room");
    let after = observer.sample();
    assert_eq!(after.positions, observer.positions());
    assert_eq!(after.producer, observer.endpoint(Role::Producer));
    assert_eq!(after.consumer, observer.endpoint(Role::Consumer));

    let seconds = (after.at - before.at).as_secs_f64();
    let rates = after.rates_since(&before);
    let counts = [rates.pushed, rates.popped, rates.parks].map(|rate| (rate * seconds).round());
    assert_eq!(counts, [6.0, 5.0, after.consumer.parks as f64]);
    let wakes = after.producer.wakes + after.consumer.wakes;
    let before_that = before.producer.wakes + before.consumer.wakes;
    let counted = (rates.wakes * seconds).round();
    assert_eq!(counted, (wakes - before_that) as f64);
    let none = after.rates_since(&after);
    assert_eq!([none.pushed, none.popped, none.parks, none.wakes], [0.0; 4]);
}

fn it_sees_which_endpoint_sleeps() {
    for doorbell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
        let name = RingName::new("sleeps");
        let options = RingOptions::new(1).doorbell(doorbell).spin(Duration::ZERO);
        let ring = options.create::<u64>(&name).expect("a ring");
        let observer = Observer::open(&name).expect("a ring");
        let asleep =
            || [Role::Producer, Role::Consumer].map(|role| observer.endpoint(role).is_asleep);
        let until = |wanted| until("they sleep and wake", || asleep() == wanted);
        let (mut producer, mut consumer) = ends(&ring);
        assert_eq!(asleep(), [false, false]);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| consumer.pop());
            until([false, true]);
            producer.push(7).expect("room");
            assert_eq!(reader.join().expect("no panic"), Ok(7));
        });
        assert_eq!(asleep(), [false, false]);
        producer.push(8).expect("room");
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| producer.push(9));
            until([true, false]);
            assert_eq!(consumer.pop(), Ok(8));
            assert_eq!(writer.join().expect("no panic"), Ok(()));
        });
        assert_eq!(asleep(), [false, false]);
    }
}

/// A frame whose bytes are computed from its number.
fn frame(number: u64) -> Vec<u8> {
    let mut frame = number.to_le_bytes().to_vec();
    frame.resize(8 + (mix(number) % 60) as usize, number as u8);
    frame
}

/// Sends frames until the consumer has closed.
fn sender(arguments: &[String]) {
    let mut producer = FrameProducer::open(&arguments[0]).expect("the role is free");
    for number in 0.. {
        if producer.push(&frame(number)).is_err() {
            return;
        }
    }
}

fn at_full_load_it_sees_only_what_was_sent() {
    let (ring, name) = ring::<[u8]>("load", 4096);
    let mut consumer: FrameConsumer = ring.consumer().expect("the role is free");
    let _sender = Child::start("sender", &[name.as_str()]);
    let observer = Observer::open(&name).expect("a ring");
    let reads = || {
        let _ = consumer.try_pop(&mut [0; 100]);
    };
    while_repeating(reads, || {
        let (mut seen, mut before, begun) = (0, observer.positions(), Instant::now());
        while seen < 20_000 {
            assert!(begun.elapsed() < PATIENCE, "only {seen} frames were seen");
            let now = observer.positions();
            assert!(now.tail >= before.tail && now.head >= before.head);
            assert!(now.len() <= 4096);
            before = now;
            let looked = observer.unread(100, |message| {
                let number = message.bytes.first_chunk().expect("a number");
                assert_eq!(message.bytes, frame(u64::from_le_bytes(*number)));
                seen += 1;
            });
            looked.expect("a sound ring");
        }
    });
}

fn read_permission_suffices() {
    let directory = file_directory();
    let path = directory.path().join("ring");
    let ring = RingOptions::new(8).create::<u64>(&path).expect("a ring");
    for (path, mode) in [(directory.path(), 0o755), (&*path, 0o444)] {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("the file of this process");
    }
    ring.producer()
        .expect("the role is free")
        .push(7)
        .expect("room");
    let Some(child) = fork() else {
        // SAFETY: the call has no pointers.
        assert_eq!(unsafe { libc::setuid(65534) }, 0, "only root can do this");
        let observer = Observer::open(&path).expect("read permission");
        assert_eq!(observer.positions().len(), 1);
        assert!(!observer.is_alive(Role::Producer).expect("an answer"));
        assert!(!observer.is_superseded().expect("an answer"));
        assert!(Ring::<u64>::open(&path).is_err(), "no write permission");
        done();
    };
    assert_eq!(ending(child), 0, "the child succeeded");
}

fn its_memory_cannot_be_written() {
    let (_ring, name) = ring::<u64>("read-only", 8);
    let observer = Observer::open(&name);
    let maps = std::fs::read_to_string("/proc/self/maps").expect("this process's mappings");
    let ours: Vec<_> = maps
        .lines()
        .filter(|line| line.contains(name.as_str()))
        .collect();
    let modes = ours.iter().map(|line| line.split(' ').nth(1));
    // The ring's own mapping has the draft's name.
    assert_eq!(modes.flatten().collect::<Vec<_>>(), ["r--s"]);
    drop(observer);
}

fn it_changes_nothing() {
    let (ring, name) = ring::<[u8]>("nothing", 256);
    let mut producer = ring.producer().expect("the role is free");
    producer.push(b"untouched").expect("room");
    let before = std::fs::read(name.file()).expect("the segment");
    let observer = Observer::open(&name).expect("a ring");
    unread(&observer);
    observer.positions();
    for role in [Role::Producer, Role::Consumer] {
        observer.endpoint(role);
        observer.is_alive(role).expect("an answer");
    }
    drop(observer);
    let after = std::fs::read(name.file()).expect("the segment");
    assert!(before == after, "a byte has changed");
}

/// Overwrites any words: each call returns, and reads only within the segment.
fn any_bytes_in_the_segment_are_handled() {
    let mut dice = Dice(3);
    let (mut refused, mut shown) = (0, 0);
    for round in 0..300 {
        let name = RingName::new("overwritten");
        let options = RingOptions::new(64);
        match round % 2 {
            0 => drop(options.create::<[u8; 3]>(&name).expect("a ring")),
            _ => drop(options.create::<[u8]>(&name).expect("a ring")),
        }
        let file = SegmentFile::open(&name.file());
        let opened = Observer::open(&name).expect("a ring");
        for _ in 0..50 {
            let places = [
                dice.roll(20),
                512,
                1024,
                2048 + dice.roll(8),
                dice.roll(2056),
            ];
            let place = places[dice.roll(5)] as u64 * 8;
            let words = [
                dice.roll(64) as u64 * 8,
                mix(round ^ place),
                u64::MAX,
                24,
                0xffff_ffff,
            ];
            file.write(place, words[dice.roll(5)]);
            refused += u32::from(Observer::open(&name).is_err());
            let _ = opened.unread(100, |message| {
                assert!(message.bytes.len() <= 64);
                shown += 1;
            });
            let from = words[dice.roll(5)];
            let _ = opened.unread_from(from, 100, |message| assert!(message.bytes.len() <= 64));
            let _ = opened.positions().len();
            for role in [Role::Producer, Role::Consumer] {
                opened.endpoint(role);
            }
        }
    }
    assert!(
        refused > 50 && shown > 50,
        "{refused} refused, {shown} shown"
    );
}

fn it_reports_errors() {
    let name = RingName::new("refuses");
    assert!(matches!(Observer::open(&name), Err(Error::NotFound { .. })));
    for (len, reason) in [(100, "too short"), (20_000, "magic")] {
        std::fs::write(name.file(), vec![0; len]).expect("a file");
        let refusal = Observer::open(&name).expect_err("no ring").to_string();
        assert!(refusal.contains(reason), "{refusal}");
    }
}

/// A record of 64 megabytes in a process that may allocate only two more.
fn a_record_that_does_not_fit_into_memory_is_an_error() {
    let record = 64 << 20;
    let (directory, options) = (file_directory(), RingOptions::new(record / 8));
    let name = directory.path().join("giant");
    let ring = options.create::<u64>(&name).expect("a ring");
    ring.producer().expect("free").try_push(7).expect("room");
    let file = SegmentFile::open(&name);
    file.write(CAPACITY, 1);
    file.write(SLOT_SIZE, record);
    let observer = Observer::open(&name).expect("a ring");
    let Some(child) = fork() else {
        let pages = std::fs::read_to_string("/proc/self/statm").expect("its memory");
        let pages = pages.split(' ').next().map(str::parse::<u64>);
        let limit = pages.expect("a size").expect("a number") * 4096 + (2 << 20);
        set_limit(Resource::As, limit);
        let seen = observer.unread(1, |_| panic!("it was copied"));
        refused!(seen is Err(Error::Io { source, .. }));
        assert_eq!(source.kind(), ErrorKind::OutOfMemory);
        done();
    };
    assert_eq!(ending(child), 0, "the child succeeded");
    assert_eq!(observer.unread(1, drop).expect("there is memory"), 1);
}

fn it_sees_that_a_ring_is_superseded() {
    let (ring, name) = ring::<u64>("superseded", 8);
    let observer = Observer::open(&name).expect("a ring");
    let seen = || {
        let half = observer.is_half_removed().expect("an answer");
        (half, observer.is_superseded().expect("an answer"))
    };
    assert_eq!(seen(), (false, false));
    let file = SegmentFile::open(&name.file());
    file.write_half(SUPERSEDED, 1);
    assert_eq!(seen(), (true, false));
    file.write_half(SUPERSEDED, 0);
    assert_eq!(seen(), (false, false));
    ring.unlink().expect("no process holds a role");
    assert_eq!(seen(), (false, true));

    // A name that refers to nothing, or to another file, while the ring has a second name.
    let (_ring, name) = self::ring::<u64>("moved", 8);
    let (observer, moved) = (Observer::open(&name).expect("a ring"), name.and("-too"));
    let over = || observer.is_superseded().expect("an answer");
    std::fs::rename(name.file(), moved.file()).expect("it exists");
    assert!(!over());
    RingOptions::new(8).create::<u64>(&name).expect("a ring");
    assert!(over());
}
