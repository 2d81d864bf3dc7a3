//! Wakes between C and Rust, on either doorbell. An endpoint in C sleeps until a wake here: in a
//! tenth of a second it would notice by itself that one is missing. One in Rust counts that.

use std::process::Command;

use quoit::Role::{self, Consumer, Producer};

use super::client::{Client, End, VARIANTS, Variant, verb};
use super::consumers::{patient_c, start};
use super::until;
use crate::common::calls::Wait;
use crate::common::child::is_asleep;
use crate::common::names::RingName;
use crate::common::positions::{ROLES, other};
use crate::common::program::Program;
use crate::common::segment_file::{SegmentFile, TAIL, position};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    c_wakes_rust_from_each_sleep_and_rust_c,
    the_example_wakes_rust_from_each_sleep_and_rust_it,
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

/// The steps of an endpoint in Rust.
fn rust(role: Role, name: &RingName, variant: Variant) -> Step {
    let mut step = variant.steps(role, name);
    Box::new(move || {
        step(Wait::Never);
    })
}

fn c_wakes_rust_from_each_sleep_and_rust_c() {
    let patient = Client::patient();
    for variant in VARIANTS {
        for sleeper in ROLES {
            let peer = other(sleeper);
            let c_wakes = |name: &RingName| {
                let end = End::start(None, sleeper, name, variant, NEVER);
                let arguments = [verb(peer), name, variant.shape, &NEVER.to_string(), "steps"];
                let mut c = Client::compiled().attached(&arguments);
                let step: Step = Box::new(move || c.feed(b"\n"));
                (end, step)
            };
            steps(variant, sleeper, c_wakes, End::kill);
            let rust_wakes = |name: &RingName| {
                let end = End::start(Some(&patient), sleeper, name, variant, NEVER);
                (end, rust(peer, name, variant))
            };
            // With room for one frame it may sleep again, woken or not.
            if sleeper == Consumer || !variant.has_frames() {
                steps(variant, sleeper, rust_wakes, End::kill);
            }
        }
    }
}

fn the_example_wakes_rust_from_each_sleep_and_rust_it() {
    let patient = patient_c();
    for variant in VARIANTS.into_iter().filter(|of| of.has_frames()) {
        // It makes a step whenever it is not stopped.
        let it_wakes = |name: &RingName| {
            let c = start("consume.c", name);
            let file = SegmentFile::open(&name.file());
            let step: Step = Box::new(move || {
                let before = file.read(TAIL);
                c.signal(libc::SIGCONT);
                until("its producer continues", || file.read(TAIL) != before);
                c.signal(libc::SIGSTOP);
            });
            (End::start(None, Producer, name, variant, NEVER), step)
        };
        steps(variant, Producer, it_wakes, End::kill);
        let rust_wakes = |name: &RingName| {
            let c = Program::start(Command::new(&patient).arg(&**name));
            (End::C(c), rust(Producer, name, variant))
        };
        steps(variant, Consumer, rust_wakes, End::ends);
    }
}
