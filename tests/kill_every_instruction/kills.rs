//! Real kills for operations that involve the kernel: locks, futexes, names.
//!
//! Between two system calls, and between two changes of the shared memory, an instruction
//! changes only private state. So a child is killed after each call, after each change, and
//! in its sleep; or, with `QUOIT_EVERY_INSTRUCTION`, at every instruction.

use std::any::Any;
use std::env;
use std::fs::File;
use std::path::Path;
use std::thread::{self, sleep};
use std::time::Duration;

use memmap2::Mmap;
use quoit::{
    Consumer, Error, PopError, Producer, Ring, RingOptions, Role, StalePolicy, WaitStrategy, unlink,
};

use super::stepper::{Next, Stepper, traced};
use crate::common::PATIENCE;
use crate::common::child::{Child, hold, say};
use crate::common::clock::until;
use crate::common::names::{RingName, files_in, shared_memory_directory};
use crate::common::positions::{End, ROLES, other};
use crate::common::rings::named;
use crate::common::sleep_state::SleepPage;

/// The capacity: two records, each of which is its position.
const CAPACITY: u64 = 2;
/// The last position, at which the peer stops.
const LAST: u64 = 2;
/// The timeout of a park.
const NAP: Duration = Duration::from_millis(250);

fn options() -> RingOptions {
    let options = RingOptions::new(CAPACITY).wait_strategy(WaitStrategy::Park);
    options.spin(Duration::ZERO)
}

fn role_of(word: &str) -> Role {
    let is_it = |role: &Role| word.ends_with(&role.to_string());
    ROLES.into_iter().find(is_it).expect("a role")
}

/// In a child: takes the role that the operation needs, and performs it between two marks.
pub(crate) fn mortal(words: &[String]) {
    let (path, operation) = (Path::new(&words[0]), words[1].as_str());
    let ring = || options().open::<u64>(path).expect("the ring");
    let end = |role| End::of(&ring(), role);
    let moves = |role, timeout| -> Box<dyn Any> {
        let mut end = end(role);
        let moved = traced(|| end.moves(timeout));
        assert_eq!(moved.is_ok(), timeout == Duration::ZERO);
        Box::new(end)
    };
    let verb = operation.split(' ').next().expect("a verb");
    let _kept = match verb {
        "push" => moves(Role::Producer, Duration::ZERO),
        "pop" => moves(Role::Consumer, Duration::ZERO),
        "park" => moves(role_of(operation), NAP),
        "take" => {
            let ring = ring();
            Box::new(traced(|| End::of(&ring, role_of(operation))))
        }
        "drop" => {
            let end = end(role_of(operation));
            traced(|| drop(end));
            Box::new(())
        }
        "create" => Box::new(traced(|| options().create::<u64>(path)).expect("a ring")),
        "open" => Box::new(traced(|| options().open::<u64>(path)).expect("a ring")),
        "replace" => {
            let options = options().stale(StalePolicy::Replace);
            Box::new(traced(|| options.create::<u64>(path)).expect("a ring"))
        }
        "unlink" => {
            traced(|| unlink(path)).expect("no process holds the ring");
            Box::new(())
        }
        other => panic!("there is no operation {other}"),
    };
    hold();
}

/// In a child: fills the ring if it is the producer, and then moves up to the last record, with any peer.
pub(crate) fn peer(words: &[String]) {
    let ring = options().open::<u64>(&words[0]).expect("the ring");
    let role = role_of(&words[1]);
    let mut end = End::of(&ring, role);
    while role == Role::Producer && end.position() < CAPACITY {
        end.moves(Duration::ZERO).expect("there is room");
    }
    say("ready");
    while end.position() <= LAST {
        match end.moves(PATIENCE) {
            Ok(()) => say(end.position() - 1),
            Err(PopError::Abandoned) => {
                say("abandoned");
                sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
    hold();
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
        let page = SleepPage::open(&name.file());
        let is_parked = || match role {
            Role::Producer => page.consumer_is_parked(),
            Role::Consumer => page.producer_is_parked(),
        };
        let survivor = Child::start("peer", &[&name, &other(role).to_string()]);
        survivor.expect("ready");
        until("it sleeps", is_parked);
        kill(&name.file(), &|| until("it sleeps", is_parked));
        let mut heard = Vec::new();
        if moment % 2 == 1 && !operation.starts_with("take") {
            hear_from(&survivor, &mut heard); // alone: by a liveness check, or by the dead endpoint's wake
        }
        // The role is free immediately.
        let mut successor = End::of(&options().open(&name).expect("the ring"), role);
        let first = successor.position();
        assert!(role == Role::Producer || first <= u64::from(operation == "pop"));
        if first > 0 && heard.is_empty() {
            hear_from(&survivor, &mut heard); // the next holder wakes it
        }
        while successor.position() <= LAST {
            successor.moves(PATIENCE).expect("the peer moves");
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
        let fill = |producer: &mut End| {
            for _ in 0..CAPACITY {
                producer.moves(Duration::ZERO).expect("there is room");
            }
        };
        if role == Role::Producer {
            fill(&mut End::of(&ring, role));
        }
        let mut peer = End::of(&ring, other(role));
        kill(&name.file(), &|| ());
        if role == Role::Consumer {
            let before = page.read().producer.wakes;
            fill(&mut peer);
            assert!(page.read().producer.wakes - before <= 1, "moment {moment}");
        }
        // The role is free immediately.
        let successor = End::of(&ring, role);
        let (mut producer, mut consumer) = match role {
            Role::Producer => (successor, peer),
            Role::Consumer => (peer, successor),
        };
        for _ in 0..CAPACITY {
            consumer.moves(PATIENCE).expect("a record");
        }
        let sleeper = thread::spawn(move || consumer.moves(PATIENCE));
        until("it sleeps", || page.consumer_is_parked());
        producer.moves(Duration::ZERO).expect("there is room");
        assert_eq!(sleeper.join().expect("no panic"), Ok(()));
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
    let [producer, consumer] = ROLES;
    let deaths = [
        peer_sleeps("take the producer", producer),
        peer_sleeps("push", producer),
        peer_sleeps("drop the producer", producer),
        peer_sleeps("take the consumer", consumer),
        peer_sleeps("pop", consumer),
        peer_sleeps("drop the consumer", consumer),
        sleeper_dies("park of the producer", producer),
        sleeper_dies("park of the consumer", consumer),
        operation_on_a_name("create", false),
        operation_on_a_name("open", true),
        operation_on_a_name("replace", true),
        operation_on_a_name("unlink", true),
    ];
    deaths.iter().sum()
}
