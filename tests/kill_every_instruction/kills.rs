//! Real kills for operations that involve the kernel: locks, futexes, names.
//!
//! Between two system calls, and between two changes of the shared memory, an instruction
//! changes only private state. So a child is killed after each call, after each change, and
//! in its sleep; or, with `QUOIT_EVERY_INSTRUCTION`, at every instruction.

use std::env;
use std::mem::forget;
use std::path::Path;
use std::thread::{self, sleep};
use std::time::Duration;

use quoit::{
    Consumer, Error, PopError, Producer, Ring, RingOptions, Role, StalePolicy, WaitStrategy, unlink,
};

use super::stepper::{Image, Next, Stepper, traced};
use crate::common::PATIENCE;
use crate::common::clock::until;
use crate::common::fork::{forked, succeeds};
use crate::common::names::{files_in, shared_memory_directory};
use crate::common::positions::{End, ROLES, other};
use crate::common::rings::named;
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};
use crate::common::sleep_state::{SleepPage, assert_no_rescues};

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

fn ring(path: &Path) -> Ring<u64> {
    options().open(path).expect("the ring")
}

/// An operation of a child with this role on the ring at this path.
type Act = fn(&Path, Role);

fn take(path: &Path, role: Role) {
    let ring = ring(path);
    forget(traced(|| End::of(&ring, role)));
}

fn moves(path: &Path, role: Role) {
    let mut end = End::of(&ring(path), role);
    assert_eq!(traced(|| end.moves(Duration::ZERO)), Ok(()));
    forget(end);
}

fn park(path: &Path, role: Role) {
    let mut end = End::of(&ring(path), role);
    assert_eq!(traced(|| end.moves(NAP)), Err(PopError::TimedOut));
    forget(end);
}

fn leave(path: &Path, role: Role) {
    let end = End::of(&ring(path), role);
    traced(|| drop(end));
}

/// Fills the ring if it is the producer, and then moves up to the last record, with any peer.
fn survive(path: &Path, role: Role) {
    let mut end = End::of(&ring(path), role);
    while role == Role::Producer && end.position() < CAPACITY {
        end.moves(Duration::ZERO).expect("there is room");
    }
    while end.position() <= LAST {
        match end.moves(PATIENCE) {
            Ok(()) => {}
            Err(PopError::Abandoned) => sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error}"),
        }
    }
}

/// A point of death: after this many system calls, and this many changes of the ring after these.
#[derive(Default)]
struct Moment {
    calls: u64,
    changes: u64,
    /// In the sleep of the next call.
    asleep: bool,
}

/// The environment variable that kills a child at every instruction, which takes long.
const EVERY: &str = "QUOIT_EVERY_INSTRUCTION";

/// Steps a child to the point of death after this one, or to the end of its operation. Returns
/// whether that is the end.
fn step_beyond(moment: &mut Moment, stepper: &Stepper, path: &Path, sleeps: bool) -> bool {
    let mut image = Image::of(path);
    for _ in 0..moment.calls {
        if stepper.pass_call() == libc::SYS_getppid {
            return false; // this child has made fewer calls
        }
    }
    let every = env::var_os(EVERY).is_some();
    let mut changes = 0;
    image.has_changed(); // by the calls
    loop {
        match stepper.next() {
            Next::End => return true,
            Next::Call(libc::SYS_futex) if sleeps && !moment.asleep => {
                moment.asleep = true;
                stepper.run_into_sleep();
                return false;
            }
            Next::Call(_) => {
                stepper.step();
                let calls = moment.calls + 1;
                *moment = Moment {
                    calls,
                    ..Moment::default()
                };
                return false;
            }
            Next::Instruction => {
                stepper.step();
                changes += u64::from(every || image.has_changed());
                if changes > moment.changes {
                    moment.changes = changes;
                    return false;
                }
            }
        }
    }
}

/// Kills a child at every point of `act`. `scene` creates the ring, starts the other
/// processes, waits until the child may begin, and checks the ring after the kill. Returns
/// the number of kills.
fn at_every_moment(
    operation: &str,
    act: impl Fn(&Path),
    scene: impl Fn(&mut dyn FnMut(&Path, &dyn Fn()), usize),
) -> usize {
    let mut moment = Moment::default();
    let (mut deaths, mut is_over) = (0, false);
    while !is_over {
        let mut kill = |path: &Path, is_set: &dyn Fn()| {
            let stepper = Stepper::start(|| act(path));
            is_set();
            // The first child is killed before its first instruction.
            is_over = deaths > 0
                && step_beyond(&mut moment, &stepper, path, operation.starts_with("park"));
            stepper.kill();
        };
        scene(&mut kill, deaths);
        deaths += 1;
    }
    println!("  {operation:22} {deaths:4} deaths");
    deaths
}

/// An endpoint is killed while its peer sleeps. The next holder wakes the peer, or the peer
/// notices the death.
fn peer_sleeps(operation: &str, act: Act, role: Role) -> usize {
    at_every_moment(
        &format!("{operation}, {role}"),
        |path| act(path, role),
        |kill, moment| {
            let (_ring, name) = named::<u64>("killed", &options());
            let (path, peer) = (name.file(), other(role));
            let page = SleepPage::open(&path);
            let survivor = forked(|| survive(&path, peer));
            let sleeps = || until("it sleeps", || page.is_parked(peer));
            sleeps();
            kill(&path, &sleeps);
            if moment % 2 == 0 && operation != "take" {
                // By a liveness check, or by the dead endpoint's wake.
                until("it notices that it is alone", || !page.is_parked(peer));
            }
            // The role is free immediately.
            let mut successor = End::of(&ring(&path), role);
            let first = successor.position();
            assert!(role == Role::Producer || first <= u64::from(operation == "move"));
            let file = SegmentFile::open(&path);
            let has_moved = || match peer {
                Role::Producer => file.read(TAIL) > CAPACITY,
                Role::Consumer => file.read(HEAD) > 0,
            };
            if first > 0 {
                until("the next holder wakes it", has_moved);
            }
            while successor.position() <= LAST {
                successor.moves(PATIENCE).expect("the peer moves");
            }
            succeeds(survivor);
            assert_no_rescues(&name);
        },
    )
}

/// A sleeper is killed. Its peer continues, and the next holder sleeps and is woken.
fn sleeper_dies(role: Role) -> usize {
    at_every_moment(
        &format!("park, {role}"),
        |path| park(path, role),
        |kill, moment| {
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
            assert_no_rescues(&name);
        },
    )
}

/// An operation on a name. `exists`: whether there was a ring before.
fn operation_on_a_name(operation: &str, exists: bool, act: fn(&Path)) -> usize {
    at_every_moment(operation, act, |kill, _| {
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
    let replace = |path: &Path| {
        let options = options().stale(StalePolicy::Replace);
        forget(traced(|| options.create::<u64>(path)).expect("a ring"));
    };
    let acts: [(_, Act); 3] = [("take", take), ("move", moves), ("drop", leave)];
    let of_roles = ROLES.into_iter().flat_map(|role| {
        let deaths = acts.map(|(operation, act)| peer_sleeps(operation, act, role));
        deaths.into_iter().chain([sleeper_dies(role)])
    });
    let of_names = [
        operation_on_a_name("create", false, |path| {
            forget(traced(|| options().create::<u64>(path)).expect("a ring"));
        }),
        operation_on_a_name("open", true, |path| forget(traced(|| ring(path)))),
        operation_on_a_name("replace", true, replace),
        operation_on_a_name("unlink", true, |path| {
            traced(|| unlink(path)).expect("no process holds the ring");
        }),
    ];
    of_roles.chain(of_names).sum()
}
