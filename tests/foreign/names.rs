//! Names between C and Rust: creating, replacing, unlinking, and the role of a child process.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::thread;

use quoit::{Error, Holder, Ring, RingOptions, StalePolicy, unlink};

use super::client::{Client, VARIANTS, record};
use super::consumers::python_program;
use super::until;
use crate::common::child::is_asleep;
use crate::common::descriptors::lock_all;
use crate::common::names::{RingName, files_in, shared_memory_directory};
use crate::common::program::Program;
use crate::common::rings::{consumer, named, producer};
use crate::common::segment_file::{RIDE_POSITION, SUPERSEDED, SegmentFile, TAIL};

crate::common::suite::tests! {
    c_and_rust_create_identical_rings,
    c_unlinks_and_replaces_a_ring_that_no_process_holds,
    rust_replaces_a_ring_of_c_unless_c_holds_it,
    c_finishes_the_unlink_of_a_killed_process,
    c_continues_with_a_ring_whose_unlink_failed,
    c_and_rust_race_for_a_name,
    c_clears_the_state_of_the_previous_holder,
    no_client_holds_a_role_in_a_child,
}

/// The producer's sleep word.
const PRODUCER_WORD: u64 = 12416;

fn c_and_rust_create_identical_rings() {
    let client = Client::compiled();
    for variant in VARIANTS {
        let [theirs, ours] = [RingName::new("made-by-c"), RingName::new("made-by-rust")];
        let capacity = variant.capacity().to_string();
        let (shape, bell) = (variant.shape(), variant.bell());
        let arguments = ["create", &theirs, shape, &capacity, bell, "4096"];
        assert_eq!(client.does(&arguments), "");
        let taken = client.does(&arguments);
        assert_eq!(taken, "error: there is a ring of that name");
        variant.create(&ours, 4096);
        let [theirs, ours] = [theirs, ours].map(|name| {
            let mode = fs::metadata(name.file()).expect("a file").permissions();
            let mut bytes = fs::read(name.file()).expect("a segment");
            bytes[48..64].fill(0); // incarnation and time
            (mode.mode(), bytes)
        });
        assert!(theirs == ours, "{variant:?}");
    }
}

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
        assert!(matches!(ring.producer(), Err(Error::Superseded { .. })));
        if command == "unlink" {
            assert!(!name.file().exists());
            assert_eq!(does(), "there is no ring of that name");
        } else {
            let new = Ring::<i64>::open(&name).expect("a ring");
            assert_eq!(new.capacity(), 128);
            drop(producer(&new));
        }
    }
}

fn rust_replaces_a_ring_of_c_unless_c_holds_it() {
    let client = Client::compiled();
    let name = RingName::new("c-replaced");
    client.does(&["create", &name, "records", "128", "futex", "0"]);
    let options = RingOptions::new(64).stale(StalePolicy::Replace);
    let ring = options.create::<i64>(&name).expect("a ring");
    let waiting = client.attached(&["consume", &name, "records", "9"]);
    let in_use = unlink(&name).expect_err("the client has a role");
    let by_it = Holder::Known(waiting.pid());
    assert!(matches!(in_use, Error::InUse { holder, .. } if holder == by_it));
    assert!(matches!(ring.consumer(), Err(Error::InUse { .. })));
    // It waits for a producer that can no longer attach.
    fs::remove_file(name.file()).expect("a name");
    assert_eq!(waiting.end().errors, "error: superseded\n");
}

fn c_finishes_the_unlink_of_a_killed_process() {
    let client = Client::compiled();
    let name = RingName::new("c-finishes");
    RingOptions::new(64).create::<i64>(&name).expect("a ring");
    SegmentFile::open(&name.file()).write_half(SUPERSEDED, 1);
    let said = client.does(&["consume", &name, "records", "9"]);
    assert_eq!(said, "error: there is no ring of that name");
    assert!(!name.file().exists());
}

fn c_continues_with_a_ring_whose_unlink_failed() {
    let client = Client::compiled();
    let (ring, name) = named::<i64>("c-goes-on", &RingOptions::new(64));
    producer(&ring).push(record(0)).expect("room");
    let inode = fs::metadata(name.file()).expect("a file").ino();
    let file = SegmentFile::open(&name.file());
    let locks = OpenOptions::new().read(true).write(true).open(name.file());
    let locks = locks.expect("a file");
    lock_all(&locks);
    file.write_half(SUPERSEDED, 1);
    let mut opener = client.start(&["consume", &name, "records", "9"]);
    until("it waits for the name's byte", || is_asleep(opener.pid()));
    file.write_half(SUPERSEDED, 0);
    drop(locks);
    assert_eq!(opener.line(), "attached");
    let found = fs::metadata(name.file())
        .expect("the ring has its name")
        .ino();
    assert_eq!(found, inode);
    opener.kill();
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
        .run(&["produce", &name, "records", "0"])
        .is(0, "attached\n", "");
    assert_eq!(file.read(RIDE_POSITION), 0);
    assert_eq!(file.read(PRODUCER_WORD), 0);
    assert_eq!(
        file.read(TAIL + 128),
        1 << 1 | 1,
        "it has closed in its first epoch"
    );
}

/// A child process that has inherited everything of a client.
const FORKS: [&str; 2] = [
    "kept = os.dup(0)  # multiprocessing closes the other one
multiprocessing.get_context('fork').Process(target=os.read, args=(kept, 100)).start()
print('forked', flush=True)
time.sleep(1000)
",
    "if os.fork() == 0:
    os.read(0, 100)
    os._exit(0)
print('forked', flush=True)
time.sleep(1000)
",
];

fn no_client_holds_a_role_in_a_child() {
    let c = |role: &'static str| {
        move |name: &RingName| Client::compiled().start(&[role, name, "frames", "1000000", "forks"])
    };
    let python = |program: &'static str| move |name: &RingName| python_program(name, program);
    let consumers: [&dyn Fn(&RingName) -> Program; 4] = [
        &c("produce"),
        &c("consume"),
        &python(FORKS[0]),
        &python(FORKS[1]),
    ];
    for (index, start) in consumers.into_iter().enumerate() {
        let (ring, name) = named::<[u8]>("forks", &RingOptions::new(1024));
        let is_free = || match index {
            0 => ring.producer().is_ok(),
            _ => ring.consumer().is_ok(),
        };
        let mut parent = start(&name);
        parent.reads_until("forked\n");
        let input = parent.child().stdin.take();
        assert!(!is_free(), "the parent has the role");
        parent.kill();
        // The role is free as soon as the child has run.
        until("the child releases it", is_free);
        // The child still reads.
        let written = input.expect("a pipe").write_all(b"there?\n");
        written.expect("the child runs");
    }
}
