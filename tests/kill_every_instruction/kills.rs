//! Real kills for operations that involve the kernel: locks, futexes, names.
//!
//! Between two system calls, and between two changes of the shared memory, an instruction
//! changes only private state. So a child is killed after each call, after each change, and
//! in its sleep; or, with `QUOIT_EVERY_INSTRUCTION`, at every instruction.

use std::env;
use std::fs::File;
use std::path::Path;
use std::thread::{self, sleep};
use std::time::Duration;

use memmap2::Mmap;
use quoit::{
    Consumer, Error, PopError, Producer, PushError, Ring, RingOptions, Role, StalePolicy,
    WaitStrategy, unlink,
};

use super::stepper::{Next, Stepper, traced};
use crate::common::PATIENCE;
use crate::common::child::{Child, hold, say};
use crate::common::clock::until;
use crate::common::names::{RingName, files_in, shared_memory_directory};
use crate::common::rings::named;
use crate::common::sleep_state::SleepPage;

/// The capacity: two records of a number.
const CAPACITY: u64 = 2;
/// The last number, at which the peer stops.
const LAST: u64 = 2;
/// The timeout of a park.
const NAP: Duration = Duration::from_millis(250);

fn options() -> RingOptions {
    let options = RingOptions::new(CAPACITY).wait_strategy(WaitStrategy::Park);
    options.spin(Duration::ZERO)
}

/// In a child: takes the roles that the operation needs, and performs it between two marks.
pub(crate) fn mortal(words: &[String]) {
    let (path, operation) = (Path::new(&words[0]), words[1].as_str());
    let ring = || options().open::<u64>(path).expect("the ring");
    let producer = || ring().producer().expect("the role is free");
    let consumer = || ring().consumer().expect("the role is free");
    match operation {
        "push" => {
            let mut producer = producer();
            traced(|| producer.try_push(0)).expect("there is room");
            hold();
        }
        "pop" => {
            let mut consumer = consumer();
            traced(|| consumer.try_pop()).expect("there is a record");
            hold();
        }
        "park of the producer" => {
            let mut producer = producer();
            let _ = traced(|| producer.push_timeout(9, NAP));
            hold();
        }
        "park of the consumer" => {
            let mut consumer = consumer();
            let _ = traced(|| consumer.pop_timeout(NAP));
            hold();
        }
        "take the producer" => {
            let ring = ring();
            let _producer = traced(|| ring.producer()).expect("the role is free");
            hold();
        }
        "take the consumer" => {
            let ring = ring();
            let _consumer = traced(|| ring.consumer()).expect("the role is free");
            hold();
        }
        "drop the producer" => {
            let producer = producer();
            traced(|| drop(producer));
        }
        "drop the consumer" => {
            let consumer = consumer();
            traced(|| drop(consumer));
        }
        "create" => drop(traced(|| options().create::<u64>(path)).expect("a ring")),
        "open" => drop(traced(|| options().open::<u64>(path)).expect("a ring")),
        "replace" => {
            let options = options().stale(StalePolicy::Replace);
            drop(traced(|| options.create::<u64>(path)).expect("a ring"));
        }
        "unlink" => traced(|| unlink(path)).expect("no process holds the ring"),
        other => panic!("there is no operation {other}"),
    }
    hold();
}

/// In a child: pops until the last number, from any producer.
pub(crate) fn reader(words: &[String]) {
    let ring = options().open::<u64>(&words[0]).expect("the ring");
    let mut consumer = ring.consumer().expect("the role is free");
    say("ready");
    loop {
        match consumer.pop_timeout(PATIENCE) {
            Ok(number) => {
                say(number);
                if number == LAST {
                    break;
                }
            }
            Err(PopError::Abandoned) => alone(),
            Err(error) => panic!("{error}"),
        }
    }
    hold();
}

/// In a child: pushes the last number when any consumer has made room.
pub(crate) fn writer(words: &[String]) {
    let ring = options().open::<u64>(&words[0]).expect("the ring");
    let mut producer = ring.producer().expect("the role is free");
    for number in 0..LAST {
        producer.try_push(number).expect("there is room");
    }
    say("ready");
    loop {
        match producer.push_timeout(LAST, PATIENCE) {
            Ok(()) => break,
            Err(PushError::Abandoned(_)) => alone(),
            Err(error) => panic!("{error}"),
        }
    }
    say(LAST);
    hold();
}

fn alone() {
    say("abandoned");
    sleep(Duration::from_millis(1));
}

/// A point of death.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// After this many system calls.
    calls: u64,
    then: Then,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    /// This many changes of the ring later.
    Changes(u64),
    /// This many instructions later.
    Instructions(u64),
    /// In the sleep of the next call.
    Sleep,
}

/// The environment variable that kills a child at every instruction, which takes long.
const EVERY: &str = "QUOIT_EVERY_INSTRUCTION";

/// A ring's memory for the tracer. System calls create and remove a name, so it needs no copy.
struct Image {
    map: Option<Mmap>,
    before: Vec<u8>,
}

impl Image {
    fn of(path: &Path) -> Self {
        let map = File::open(path).ok().map(|file| {
            // SAFETY: it is read while the child is stopped.
            unsafe { Mmap::map(&file) }.expect("the segment")
        });
        let before = map.as_ref().map_or_else(Vec::new, |map| map.to_vec());
        Self { map, before }
    }

    fn has_changed(&mut self) -> bool {
        let changed = self.map.as_ref().filter(|map| map[..] != self.before);
        let Some(map) = changed else {
            return false;
        };
        self.before = map.to_vec();
        true
    }
}

/// All points of death in a child's operation on the ring at `path`. Ends the child.
fn moments(stepper: &mut Stepper, path: &Path, sleeps: bool) -> Vec<Moment> {
    let every = env::var_os(EVERY).is_some();
    let mut image = Image::of(path);
    let (mut calls, mut changes, mut instructions) = (0, 0, 0);
    let mut moments = vec![Moment {
        calls,
        then: Then::Changes(0),
    }];
    loop {
        let next = stepper.next();
        if next == Next::End {
            return moments;
        }
        let mut add = |calls, then| moments.push(Moment { calls, then });
        if sleeps && next == Next::Call(libc::SYS_futex) {
            add(calls, Then::Sleep);
        }
        stepper.step();
        let changed = image.has_changed();
        if next != Next::Instruction {
            (calls, changes, instructions) = (calls + 1, 0, 0);
            add(calls, Then::Changes(0));
            continue;
        }
        instructions += 1;
        if every {
            add(calls, Then::Instructions(instructions));
        } else if changed {
            changes += 1;
            add(calls, Then::Changes(changes));
        }
    }
}

/// Steps a child to this point, or to the end of the operation if that is earlier.
fn step_to(stepper: &mut Stepper, path: &Path, moment: Moment) {
    for _ in 0..moment.calls {
        if stepper.pass_call() == libc::SYS_getppid {
            return;
        }
    }
    match moment.then {
        Then::Sleep => stepper.run_into_sleep(),
        Then::Instructions(count) => {
            for _ in 0..count {
                if stepper.is_at_end() {
                    return;
                }
                stepper.step();
            }
        }
        Then::Changes(count) => {
            let mut image = Image::of(path);
            let mut changes = 0;
            while changes < count && !stepper.is_at_end() {
                stepper.step();
                changes += u64::from(image.has_changed());
            }
        }
    }
}

/// Kills a child at every point of `operation`. `scene` creates the ring, starts the other
/// processes, waits until the child may begin, and checks the ring after the kill. Returns
/// the number of kills.
fn at_every_moment(
    operation: &str,
    scene: impl Fn(&mut dyn FnMut(&Path, &dyn Fn()), usize),
) -> usize {
    let mut found = Vec::new();
    let mut deaths = 0;
    while deaths <= found.len() {
        let mut kill = |path: &Path, is_set: &dyn Fn()| {
            let words = [path.to_str().expect("a path in UTF-8"), operation];
            let mut stepper = Stepper::attach(Child::start("mortal", &words));
            is_set();
            stepper.begin();
            match deaths.checked_sub(1) {
                Some(moment) => step_to(&mut stepper, path, found[moment]),
                // The first child is killed at the end.
                None => found = moments(&mut stepper, path, operation.starts_with("park")),
            }
            stepper.kill();
        };
        scene(&mut kill, deaths);
        deaths += 1;
    }
    println!("  {operation:22} {deaths:4} deaths");
    deaths
}

/// The peer's next line: a number, or that it is alone.
fn hear_from(survivor: &Child, heard: &mut Vec<u64>) {
    let line = survivor.says();
    if line != "abandoned" {
        heard.push(line.parse().expect("a number"));
    }
}

/// An endpoint is killed while its peer sleeps. The next holder wakes the peer, or the peer
/// notices the death.
fn peer_sleeps(operation: &str, role: Role) -> usize {
    at_every_moment(operation, |kill, moment| {
        let name = RingName::new("killed");
        options().create::<u64>(&name).expect("a ring");
        let path = name.file();
        let words = [path.to_str().expect("a path in UTF-8")];
        let page = SleepPage::open(&path);
        let (part, sleeper_role): (_, fn(&SleepPage) -> bool) = match role {
            Role::Producer => ("reader", SleepPage::consumer_is_parked),
            Role::Consumer => ("writer", SleepPage::producer_is_parked),
        };
        let survivor = Child::start(part, &words);
        survivor.expect("ready");
        until("it sleeps", || sleeper_role(&page));
        kill(&path, &|| until("it sleeps", || sleeper_role(&page)));
        let mut heard = Vec::new();
        if moment % 2 == 1 && !operation.starts_with("take") {
            hear_from(&survivor, &mut heard); // alone: by a liveness check, or by the dead endpoint's wake
        }
        let ring = options().open::<u64>(&name).expect("the ring");
        match role {
            Role::Producer => {
                let mut successor = ring.producer().expect("the role is free immediately");
                let first = successor.position();
                if first > 0 && heard.is_empty() {
                    hear_from(&survivor, &mut heard); // the next holder wakes it
                }
                for number in first..=LAST {
                    let pushed = successor.push_timeout(number, PATIENCE);
                    pushed.expect("the peer reads");
                }
            }
            Role::Consumer => {
                let mut successor = ring.consumer().expect("the role is free immediately");
                let first = successor.position();
                assert!(first <= u64::from(operation == "pop"));
                if first > 0 && heard.is_empty() {
                    hear_from(&survivor, &mut heard); // the next holder wakes it
                }
                for number in first..=LAST {
                    assert_eq!(successor.pop_timeout(PATIENCE), Ok(number));
                }
            }
        }
        while heard.last() != Some(&LAST) {
            hear_from(&survivor, &mut heard);
        }
        assert!(role == Role::Consumer || heard == [0, 1, 2], "{heard:?}");
        let state = page.read();
        assert_eq!(state.producer.rescues + state.consumer.rescues, 0);
    })
}

/// A sleeper is killed. Its peer continues, and the next holder sleeps and is woken.
fn sleeper_dies(operation: &str, role: Role) -> usize {
    at_every_moment(operation, |kill, moment| {
        let (ring, name) = named::<u64>("sleeper", &options());
        let page = SleepPage::open(&name.file());
        let (mut producer, mut consumer);
        match role {
            Role::Consumer => {
                producer = ring.producer().expect("the role is free");
                kill(&name.file(), &|| ());
                let before = page.read().producer.wakes;
                producer.try_push(0).expect("there is room");
                producer.try_push(1).expect("there is room");
                assert!(page.read().producer.wakes - before <= 1, "moment {moment}");
                consumer = ring.consumer().expect("the role is free immediately");
            }
            Role::Producer => {
                producer = ring.producer().expect("the role is free");
                for number in 0..CAPACITY {
                    producer.try_push(number).expect("there is room");
                }
                drop(producer);
                consumer = ring.consumer().expect("the role is free");
                kill(&name.file(), &|| ());
                producer = ring.producer().expect("the role is free immediately");
            }
        }
        for number in 0..CAPACITY {
            assert_eq!(consumer.pop_timeout(PATIENCE), Ok(number));
        }
        let sleeper = thread::spawn(move || consumer.pop_timeout(PATIENCE));
        until("it sleeps", || page.consumer_is_parked());
        producer.try_push(CAPACITY).expect("there is room");
        assert_eq!(sleeper.join().expect("no panic"), Ok(CAPACITY));
        let state = page.read();
        assert_eq!(state.producer.rescues + state.consumer.rescues, 0);
    })
}

/// An operation on a name. `exists`: whether there was a ring before.
fn operation_on_a_name(operation: &str, exists: bool) -> usize {
    at_every_moment(operation, |kill, _| {
        let directory = shared_memory_directory();
        let path = directory.path().join("ring");
        if exists {
            options().create::<u64>(&path).expect("a ring");
        }
        kill(&path, &|| ());
        for file in files_in(directory.path()) {
            let draft = operation == "replace" && file.starts_with(".quoit-");
            assert!(file == "ring" || draft, "{operation} left {file}");
        }
        // A complete ring or none, or a superseded one.
        match Ring::<u64>::open(&path) {
            Ok(_) => {}
            Err(Error::NotFound { .. }) => assert_ne!(operation, "open"),
            Err(error) => panic!("{operation}: {error}"),
        }
        // The next process continues.
        let mut producer = Producer::<u64>::open_or_create(&path, CAPACITY).expect("a ring");
        let mut consumer = Consumer::<u64>::open(&path).expect("a ring");
        producer.try_push(7).expect("there is room");
        assert_eq!(consumer.try_pop(), Ok(7));
    })
}

/// All operations; returns the number of kills.
pub(crate) fn all() -> usize {
    let mut deaths = 0;
    for operation in ["take the producer", "push", "drop the producer"] {
        deaths += peer_sleeps(operation, Role::Producer);
    }
    for operation in ["take the consumer", "pop", "drop the consumer"] {
        deaths += peer_sleeps(operation, Role::Consumer);
    }
    deaths += sleeper_dies("park of the producer", Role::Producer);
    deaths += sleeper_dies("park of the consumer", Role::Consumer);
    for (operation, exists) in [
        ("create", false),
        ("open", true),
        ("replace", true),
        ("unlink", true),
    ] {
        deaths += operation_on_a_name(operation, exists);
    }
    deaths
}
