//! What an observer reports about a ring: exactly the state that both endpoints see. It
//! changes nothing, in any ring.

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::process;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::common::calls::{Calls, Wait, pop, push};
use crate::common::dice::Dice;
use crate::common::ends::End;
use crate::common::fork::in_a_child;
use crate::common::names::{RingName, file_directory};
use crate::common::positions::{ROLES, peer, start};
use crate::common::process::set_limit;
use crate::common::refused::{is, refused};
use crate::common::rings::{consumer, ends, named, producer};
use crate::common::sample::mix;
use crate::common::segment_file::{
    CAPACITY, DOORBELL, HEAD, SLOT_SIZE, SUPERSEDED, SegmentFile, TAIL,
};
use quoit::observer::{Message, Rates, ShapeKind};
use quoit::{DoorbellKind, Error, Observer, Ring, RingOptions, Role};
use rustix::process::Resource;

crate::common::suite::tests! {
    it_knows_the_header,
    it_sees_the_messages_that_both_endpoints_see,
    it_sees_the_holders_of_the_roles,
    it_sees_every_word_of_the_endpoints,
    what_a_role_drops_is_counted,
    read_permission_suffices_and_the_memory_is_mapped_for_no_more,
    any_bytes_in_the_segment_are_handled,
    a_record_that_does_not_fit_into_memory_is_an_error,
    it_sees_that_a_ring_is_superseded;
    parts: peer
}

fn ring<T: quoit::Shape + ?Sized>(test: &str, capacity: u64) -> (Ring<T>, RingName, Observer) {
    let (ring, name) = named(test, &RingOptions::new(capacity));
    let observer = Observer::open(&name).expect("a ring");
    (ring, name, observer)
}

/// The messages that an observer sees from this position on.
fn unread_from(observer: &Observer, position: u64) -> Vec<Message> {
    let mut messages = Vec::new();
    let take = |message| messages.push(message);
    let seen = observer.unread_from(position, usize::MAX, take);
    assert_eq!(seen.expect("a sound ring"), messages.len());
    messages
}

fn it_knows_the_header() {
    let before = SystemTime::now() - Duration::from_secs(1);
    let (ring, name, observer) = ring::<[u32; 3]>("header", 64);
    let shown = format!("{observer:?}");
    for part in [name.as_str(), "capacity: 64", "tail: 0"] {
        assert!(shown.contains(part), "{shown} lacks {part}");
    }
    let info = observer.info();
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
    is!(Observer::open(&bells) => Err(Error::Corrupt(_)));
    assert!(info.created > before && info.created < SystemTime::now());
}

/// After each of many random pushes and pops. `shown` is the kind and the bytes of a message.
fn sees_the_messages<T: Calls + ?Sized>(shown: impl Fn(&T::Message) -> (u32, Vec<u8>)) {
    let (ring, name, observer) = ring::<T>("messages", 8 * T::SMALL);
    let bytes = || fs::read(name.file()).expect("the segment");
    let (mut producer, mut consumer) = ends(&ring);
    let (mut dice, mut queue, mut number, mut follower) = (Dice(1), VecDeque::new(), 0, 0);
    let first = producer.position();
    let seen = |messages: Vec<Message>| {
        let seen = messages.into_iter();
        seen.map(|message| (message.next, message.kind, message.bytes))
            .collect::<Vec<_>>()
    };
    for _ in 0..4000 {
        let message = T::varied(number);
        if dice.roll(2) == 1 {
            queue.pop_front();
            let _ = pop::<T>(&mut consumer, Wait::Never);
        } else if push::<T>(&mut producer, &message, Wait::Never).is_ok() {
            let (kind, bytes) = shown(&message);
            let new = (producer.position(), kind, bytes);
            // From the last one on there is exactly this one.
            let found = unread_from(&observer, follower);
            assert_eq!(found[0].from, follower);
            assert_eq!(seen(found), std::slice::from_ref(&new));
            follower = new.0;
            queue.push_back(new);
            number += 1;
        }
        let before = bytes();
        assert!(unread_from(&observer, follower).is_empty());
        let positions = observer.positions();
        let expected = (producer.position(), consumer.position(), producer.len());
        assert_eq!((positions.tail, positions.head, positions.len()), expected);
        assert_eq!(positions.is_empty(), queue.is_empty());
        // A released message is not shown.
        let all = unread_from(&observer, first);
        // Between two messages there is at most what frames leave out at the end of the ring.
        let mut end = positions.head;
        for message in &all {
            assert_eq!(message.from, end);
            assert!(end <= message.position, "{message:?}");
            end = message.next;
        }
        assert_eq!(seen(all), Vec::from_iter(queue.iter().cloned()));
        let mut two = 0;
        let some = observer.unread(2, |_| two += 1).expect("a sound ring");
        assert_eq!((some, two), (queue.len().min(2), queue.len().min(2)));
        for role in ROLES {
            assert!(observer.is_alive(role).expect("an answer"));
            assert!(!observer.endpoint(role).is_closed);
        }
        assert!(before == bytes(), "a byte has changed");
    }
    assert!(number > 500, "too few messages");
}

fn it_sees_the_messages_that_both_endpoints_see() {
    // Of a size that is not a multiple of a word.
    sees_the_messages::<[u8; 5]>(|record| (0, record.to_vec()));
    sees_the_messages::<[u8]>(Clone::clone);
}

fn it_sees_the_holders_of_the_roles() {
    let (ring, name, observer) = ring::<u64>("holders", 8);
    let alive = |role| observer.is_alive(role).expect("an answer");
    for role in ROLES {
        assert!(!alive(role) && observer.endpoint(role).epoch == 0);
    }
    let consumer = consumer(&ring);
    let end = observer.endpoint(Role::Consumer);
    assert!(alive(Role::Consumer) && !end.is_closed);
    assert_eq!((end.epoch, end.pid, end.rescues), (1, process::id(), 0));
    drop(consumer);
    assert!(!alive(Role::Consumer) && observer.endpoint(Role::Consumer).is_closed);

    let idler = start(Role::Producer, &name, "0");
    assert!(alive(Role::Producer));
    assert_eq!(observer.endpoint(Role::Producer).pid, idler.pid());
    drop(idler); // kill -9
    let is_closed = observer.endpoint(Role::Producer).is_closed;
    assert!(!alive(Role::Producer) && !is_closed, "it has not closed");
}

/// At the places that `layout.md` has; and the rates between two samples.
fn it_sees_every_word_of_the_endpoints() {
    const PARKED: u32 = 2;
    let (_ring, name, observer) = ring::<u64>("words", 8);
    let (file, before) = (SegmentFile::open(&name.file()), observer.sample());
    for (role, state, sleep_word, first) in [
        (Role::Producer, 4224, 12416, 10),
        (Role::Consumer, 8320, 12288, 20),
    ] {
        let [pid, since, parks, wakes, rescues, dropped] =
            [1, 2, 3, 4, 5, 6].map(|add| first + add);
        let words = [first << 1 | 1, pid, since, parks, wakes, rescues, dropped];
        for (place, word) in (state..).step_by(8).zip(words) {
            file.write(place, word);
        }
        assert!(!observer.endpoint(role).is_asleep);
        file.write_half(sleep_word, PARKED);
        let end = observer.endpoint(role);
        assert_eq!(
            (end.epoch, end.is_closed, end.is_asleep),
            (first, true, true)
        );
        let since = UNIX_EPOCH + Duration::from_nanos(since);
        assert_eq!((u64::from(end.pid), end.since), (pid, since));
        let counters = [end.parks, end.wakes, end.rescues, end.dropped];
        assert_eq!(counters, [parks, wakes, rescues, dropped]);
    }
    file.write(TAIL, 6);
    file.write(HEAD, 5);
    let after = observer.sample();
    assert_eq!(after.positions, observer.positions());
    let ends = ROLES.map(|role| observer.endpoint(role));
    assert_eq!([after.producer, after.consumer], ends);
    let seconds = (after.at - before.at).as_secs_f64();
    let rates = after.rates_since(&before);
    let counts = [rates.pushed, rates.popped, rates.parks, rates.wakes];
    let counts = counts.map(|rate| (rate * seconds).round());
    assert_eq!(counts, [6.0, 5.0, 13.0 + 23.0, 14.0 + 24.0]);
    assert_eq!(after.rates_since(&after), Rates::default());
}

/// By its next holder too.
fn what_a_role_drops_is_counted() {
    let (ring, _name, observer) = ring::<u64>("dropped", 8);
    let dropped = || ROLES.map(|role| observer.endpoint(role).dropped);
    let (mut first, mut consumer) = ends(&ring);
    first.count_dropped(3);
    first.count_dropped(4);
    consumer.count_dropped(1);
    drop((first, consumer));
    assert_eq!(dropped(), [7, 1]);
    producer(&ring).count_dropped(u64::MAX);
    assert_eq!(dropped(), [6, 1], "it wraps");
}

fn read_permission_suffices_and_the_memory_is_mapped_for_no_more() {
    let directory = file_directory();
    let path = directory.path().join("ring");
    let ring = RingOptions::new(8).create::<u64>(&path).expect("a ring");
    for (path, mode) in [(directory.path(), 0o755), (&*path, 0o444)] {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(path, mode).expect("the file of this process");
    }
    producer(&ring).push(7).expect("room");
    in_a_child(|| {
        // SAFETY: the call has no pointers.
        assert_eq!(unsafe { libc::setuid(65534) }, 0, "only root can do this");
        let observer = Observer::open(&path).expect("read permission");
        assert_eq!(observer.positions().len(), 1);
        is!(observer.is_alive(Role::Producer) => Ok(false));
        is!(observer.is_superseded() => Ok(false));
        assert!(Ring::<u64>::open(&path).is_err(), "no write permission");
    });
}

/// Overwrites any words: each call returns, and reads only within the segment.
fn any_bytes_in_the_segment_are_handled() {
    let mut dice = Dice(3);
    let (mut refused, mut shown) = (0, 0);
    for round in 0..300 {
        let name = RingName::new("overwritten");
        match round % 2 {
            0 => drop(RingOptions::new(64).create::<[u8; 3]>(&name)),
            _ => drop(RingOptions::new(64).create::<[u8]>(&name)),
        }
        let opened = Observer::open(&name).expect("a ring");
        let file = SegmentFile::open(&name.file());
        for _ in 0..50 {
            let (field, data, any) = (dice.roll(20), 2048 + dice.roll(8), dice.roll(2056));
            let place = [field, 512, 1024, data, any][dice.roll(5)] as u64 * 8;
            let small = dice.roll(64) as u64 * 8;
            let words = [small, mix(round ^ place), u64::MAX, 24, 0xffff_ffff];
            file.write(place, words[dice.roll(5)]);
            refused += u32::from(Observer::open(&name).is_err());
            let _ = opened.unread(100, |message| {
                assert!(message.bytes.len() <= 64);
                shown += 1;
            });
            let from = words[dice.roll(5)];
            let _ = opened.unread_from(from, 100, |message| assert!(message.bytes.len() <= 64));
            let _ = opened.positions().len();
            let _ = ROLES.map(|role| opened.endpoint(role));
        }
    }
    assert!(refused > 50 && shown > 50, "{refused} {shown}");
}

/// A record of 64 megabytes in a process that may allocate only two more.
fn a_record_that_does_not_fit_into_memory_is_an_error() {
    let record = 64 << 20;
    let (directory, options) = (file_directory(), RingOptions::new(record / 8));
    let name = directory.path().join("giant");
    let ring = options.create::<u64>(&name).expect("a ring");
    producer(&ring).try_push(7).expect("room");
    let file = SegmentFile::open(&name);
    file.write(CAPACITY, 1);
    file.write(SLOT_SIZE, record);
    let observer = Observer::open(&name).expect("a ring");
    in_a_child(|| {
        let pages = fs::read_to_string("/proc/self/statm").expect("its memory");
        let pages = pages.split(' ').next().map(str::parse::<u64>);
        let limit = pages.expect("a size").expect("a number") * 4096 + (2 << 20);
        set_limit(Resource::As, limit);
        let seen = observer.unread(1, |_| panic!("it was copied"));
        refused!(seen is Err(Error::Io { source, .. }));
        assert_eq!(source.kind(), ErrorKind::OutOfMemory);
    });
    assert_eq!(observer.unread(1, drop).expect("there is memory"), 1);
}

fn it_sees_that_a_ring_is_superseded() {
    let (ring, name, observer) = ring::<u64>("superseded", 8);
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
    let (_ring, name, observer) = self::ring::<u64>("moved", 8);
    let moved = name.and("-too");
    let over = || observer.is_superseded().expect("an answer");
    fs::rename(name.file(), moved.file()).expect("it exists");
    assert!(!over());
    RingOptions::new(8).create::<u64>(&name).expect("a ring");
    assert!(over());
}
