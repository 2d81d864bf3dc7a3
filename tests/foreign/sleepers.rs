//! Wakes between C and Rust, on either doorbell. An endpoint in C sleeps until a wake here: in a
//! tenth of a second it would notice by itself that one is missing. One in Rust counts that.

use std::process::Command;

use quoit::Ring;
use quoit::Role::{self, Consumer, Producer};

use super::client::{Client, End, Placed, VARIANTS, Variant, verb};
use super::consumers::{patient_c, start};
use super::until;
use crate::common::calls::{Wait, pop, push};
use crate::common::child::is_asleep;
use crate::common::ends::End as _;
use crate::common::names::RingName;
use crate::common::positions::{ROLES, other};
use crate::common::program::Program;
use crate::common::rings::{consumer, producer};
use crate::common::segment_file::{SegmentFile, TAIL, position};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    c_wakes_rust_from_each_sleep,
    rust_wakes_c_from_each_sleep,
}

/// The number of sleeps of each endpoint.
const SLEEPS: u64 = 20;
const NEVER: u64 = 1 << 62;

/// Makes one step of a sleeper's peer.
type Step = Box<dyn FnMut()>;

/// Starts an endpoint that sleeps whenever it can, and its peer, which makes each of its steps
/// during a sleep and then closes or is killed.
fn steps(
    variant: Variant,
    sleeper: Role,
    start: impl Fn(&RingName) -> (End, Step),
    finish: fn(End),
) {
    let name = RingName::new("sleeps");
    variant.create(None, &name, 0);
    let page = SleepPage::open(&name.file());
    let file = SegmentFile::open(&name.file());
    let (end, mut step) = start(&name);
    for _ in 0..SLEEPS {
        let sleeps = || page.is_parked(sleeper) && is_asleep(end.pid());
        until("it sleeps", sleeps);
        let positions = ROLES.map(|role| file.read(position(role)));
        let moves = |role| file.read(position(role)) != positions[role as usize];
        step();
        until("the step is made", || moves(other(sleeper)));
        // A frame may leave too little room for another one.
        if sleeper == Consumer || !variant.has_frames() {
            until("it continues", || moves(sleeper));
        }
    }
    until("it sleeps again", || page.is_parked(sleeper));
    let state = page.of(sleeper);
    let sleeps = if let End::Rust(_) = end { SLEEPS } else { 0 };
    assert!(state.parks >= sleeps, "{variant:?}: {state:?}");
    assert_eq!(state.rescues, 0, "{variant:?}: each wake arrives");
    drop(step);
    finish(end);
}

fn c_wakes_rust_from_each_sleep() {
    for variant in VARIANTS {
        let rust = |role, name: &RingName| End::start(None, role, name, variant, NEVER);
        for sleeper in ROLES {
            let start = |name: &RingName| {
                let rust = rust(sleeper, name);
                let verb = verb(other(sleeper));
                let arguments = [verb, name, variant.shape, &NEVER.to_string(), "steps"];
                let mut c = Client::compiled().attached(&arguments);
                let step: Step = Box::new(move || c.feed(b"\n"));
                (rust, step)
            };
            steps(variant, sleeper, start, End::kill);
        }
        // The example makes a step whenever it is not stopped.
        let start = |name: &RingName| {
            let c = start("consume.c", name);
            let file = SegmentFile::open(&name.file());
            let step: Step = Box::new(move || {
                let before = file.read(TAIL);
                c.signal(libc::SIGCONT);
                until("its producer continues", || file.read(TAIL) != before);
                c.signal(libc::SIGSTOP);
            });
            (rust(Producer, name), step)
        };
        if variant.has_frames() {
            steps(variant, Producer, start, End::kill);
        }
    }
}

fn rust_wakes_c_from_each_sleep() {
    let (client, example) = (Client::patient(), patient_c());
    for variant in VARIANTS {
        let peer = |role, name: &RingName| match variant.has_frames() {
            true => each::<[u8]>(role, name),
            false => each::<i64>(role, name),
        };
        for sleeper in ROLES {
            let start = |name: &RingName| {
                let c = End::start(Some(&client), sleeper, name, variant, NEVER);
                (c, peer(other(sleeper), name))
            };
            // With room for one frame it may sleep again, woken or not.
            if sleeper == Consumer || !variant.has_frames() {
                steps(variant, sleeper, start, End::kill);
            }
        }
        let start = |name: &RingName| {
            let c = Program::start(Command::new(&example).arg(&**name));
            (End::C(c), peer(Producer, name))
        };
        if variant.has_frames() {
            steps(variant, Consumer, start, End::ends);
        }
    }
}

/// Each step moves one message.
fn each<T: Placed + ?Sized>(role: Role, name: &RingName) -> Step {
    let ring = Ring::<T>::open(name).expect("a ring");
    if role == Producer {
        let mut producer = producer(&ring);
        return Box::new(move || {
            let message = T::at(producer.position());
            push::<T>(&mut producer, &message, Wait::Never).expect("room");
        });
    }
    let mut consumer = consumer(&ring);
    Box::new(move || drop(pop::<T>(&mut consumer, Wait::Never).expect("a message")))
}
