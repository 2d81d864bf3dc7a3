//! Names between C and Rust: replacing, unlinking, and the state of an earlier holder.

use std::fs;
use std::thread;

use quoit::{Error, Holder, Ring, RingOptions, StalePolicy, unlink};

use super::client::{Client, VARIANTS, verb};
use super::until;
use crate::common::names::{RingName, files_in, shared_memory_directory};
use crate::common::positions::ROLES;
use crate::common::refused::{is, refused};
use crate::common::rings::{consumer, named, producer};
use crate::common::segment_file::{RIDE_POSITION, SUPERSEDED, SegmentFile, TAIL};

crate::common::suite::tests! {
    c_unlinks_and_replaces_a_ring_that_no_process_holds,
    rust_neither_unlinks_nor_takes_what_c_holds,
    c_and_rust_race_for_a_name,
    c_clears_the_state_of_the_previous_holder,
}

/// The producer's sleep word.
const PRODUCER_WORD: u64 = 12416;
/// The state of an endpoint that has closed in its first epoch.
const CLOSED: u64 = 1 << 1 | 1;

fn c_unlinks_and_replaces_a_ring_that_no_process_holds() {
    for command in ["unlink", "replace"] {
        let (ring, name) = named::<i64>("c-takes", &RingOptions::new(64));
        let does = || {
            let new = ["records", "128", "futex", "0"];
            let count = if command == "unlink" { 0 } else { new.len() };
            Client::compiled().does(&[&[command, &name], &new[..count]].concat())
        };
        for is_producer in [true, false] {
            let held = is_producer.then(|| producer(&ring));
            let held = held.ok_or_else(|| consumer(&ring));
            assert_eq!(does(), "in use");
            assert_eq!(SegmentFile::open(&name.file()).read(SUPERSEDED), 0);
            drop(held);
        }
        assert_eq!(does(), "done");
        is!(ring.producer() => Err(Error::Superseded { .. }));
        let new = Ring::<i64>::open(&name).map(|ring| ring.capacity()).ok();
        assert_eq!(new, (command == "replace").then_some(128));
    }
}

fn rust_neither_unlinks_nor_takes_what_c_holds() {
    for (role, variant) in ROLES.into_iter().zip(VARIANTS) {
        let name = RingName::new("c-holds");
        variant.create(None, &name, 0);
        let c = Client::compiled().attached(&[verb(role), &name, variant.shape, "1000000"]);
        let replace = RingOptions::new(64).stale(StalePolicy::Replace);
        for refusal in [unlink(&name).err(), replace.create::<u8>(&name).err()] {
            refused!(refusal => Error::InUse { role: found, holder });
            assert_eq!((found, holder), (role, Holder::Known(c.pid())));
        }
        // It waits for a peer that can no longer attach.
        fs::remove_file(name.file()).expect("a name");
        assert_eq!(c.end().errors, "error: superseded\n");
    }
}

fn c_and_rust_race_for_a_name() {
    const ROUNDS: u64 = 25;
    let client = Client::compiled();
    let directory = shared_memory_directory();
    let path = directory.path().join("ring");
    let name = path.to_str().expect("a path in UTF-8");
    let does = |arguments: &[&str]| match &*client.does(arguments) {
        "done" => true,
        "in use" | "there is no ring of that name" => false,
        other => panic!("{}: {other}", arguments[0]),
    };
    let repeat = |arguments: &[&str]| {
        let done = (0..ROUNDS).filter(|_| does(arguments)).count();
        until("it takes the name", || done > 0 || does(arguments));
    };
    thread::scope(|scope| {
        let c = [
            scope.spawn(|| repeat(&["replace", name, "records", "64", "futex", "0"])),
            scope.spawn(|| repeat(&["unlink", name])),
        ];
        let mut rounds = 0_u64;
        while rounds == 0 || c.iter().any(|thread| !thread.is_finished()) {
            let ring = RingOptions::new(64).open_or_create::<i64>(name);
            let ring = ring.expect("a ring");
            let ends = ring
                .producer()
                .and_then(|producer| Ok((producer, ring.consumer()?)));
            match ends {
                Ok((mut producer, mut consumer)) => {
                    producer.push(7).expect("room");
                    assert_eq!(consumer.pop(), Ok(7));
                    rounds += 1;
                }
                Err(Error::Superseded { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        for thread in c {
            thread.join().expect("no refusal");
        }
    });
    let left = files_in(directory.path());
    assert!(left.iter().all(|file| file == "ring"), "{left:?}");
}

fn c_clears_the_state_of_the_previous_holder() {
    let client = Client::compiled();
    let name = RingName::new("c-clears");
    drop(RingOptions::new(64).create::<i64>(&name).expect("a ring"));
    let file = SegmentFile::open(&name.file());
    // A producer that crashed in its publish, and slept before.
    file.write(RIDE_POSITION, 1 << 1 | 1);
    file.write_half(PRODUCER_WORD, 2);
    client
        .start(&["produce", &name, "records", "0"])
        .end()
        .is(0, "attached\n", "");
    let found = [RIDE_POSITION, PRODUCER_WORD, TAIL + 128].map(|place| file.read(place));
    assert_eq!(found, [0, 0, CLOSED]);
}
