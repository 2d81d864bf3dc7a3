//! Waits for the peer itself: `wait_for_peer` and `closed` with a goal that awaits no
//! position. Only the peer's epoch or its state ends such a sleep, and the endpoint that
//! stores it wakes the sleeper.

use std::rc::Rc;

use loom::thread::yield_now;

use super::First::{self, Reader, Writer};
use super::Form::{self, Awake, Polling, Symmetric};
use super::{Consumer, Producer, Ring, Steps, both};
use crate::cursor::Awaited;
use crate::harness::death::mortal;
use crate::harness::model::{Model, Scenario};
use crate::harness::reached::State::{Abandoned, Attached, Died, Slept, Unblocked};
use crate::harness::reached::reach;
use crate::peer::{Goal, State};
use crate::sync::PLAIN;

/// As in `ring/role.rs`.
pub(super) fn until_attached(ring: &Ring) -> Option<Goal> {
    let peer = State::poll(&ring.state);
    Goal::attachment(peer, Awaited::Nothing, || ring.is_held())
}

/// The kernel's answer may precede a restarted peer.
pub(super) fn lock_before_state(ring: &Ring) -> Option<Goal> {
    let is_held = ring.is_held();
    Goal::attachment(State::poll(&ring.state), Awaited::Nothing, || is_held)
}

impl Consumer {
    /// Sleeps until the goal is reached.
    fn wait_for(&mut self, goal: Goal) {
        while !goal.is_reached(&self.ring.tail, &self.ring.state) {
            if self.form == Polling {
                yield_now();
            } else {
                self.park(goal);
            }
        }
    }

    fn wait_for_peer(&mut self) {
        if let Some(goal) = (self.steps.until_attached)(&self.ring) {
            self.wait_for(goal);
            reach(Attached);
        }
    }
}

/// Producers that only attach; all but the last are mortal.
struct Attaching {
    mortals: usize,
    form: Form,
    first: First,
}

impl Scenario<Steps> for Attaching {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(1, self.form, &[], steps);
        let (writing, reading) = (Rc::clone(&ring), ring);
        let write = move || {
            for generation in 0..=self.mortals {
                writing.hold(true);
                let attach = || {
                    let waker = self.form.waker();
                    writing.pid.model_store(generation as u64 + 1, PLAIN);
                    (steps.attach)(&writing, &waker, steps);
                };
                if generation == self.mortals {
                    attach();
                } else {
                    mortal(generation, attach);
                    writing.hold(false);
                }
            }
        };
        let read = move || {
            let mut consumer = Consumer::take(&reading, steps, self.form);
            consumer.wait_for_peer();
            let epoch = State::poll(&reading.state).epoch();
            let pid = reading.pid.model_load(PLAIN);
            assert!(epoch > 0, "no producer attached");
            assert!(pid >= epoch, "the pid {pid} is of an epoch before {epoch}");
        };
        both(self.first, write, read);
    }
}

/// A producer of one value that closes, and a restarted producer. The consumer takes all
/// values, and waits for the next holder if the first one has closed.
struct Succeeding {
    form: Form,
    first: First,
}

impl Scenario<Steps> for Succeeding {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(2, self.form, &[], steps);
        let (writing, reading) = (Rc::clone(&ring), ring);
        let write = move || {
            for (value, closes) in [(1, true), (2, false)] {
                writing.hold(true);
                let mut producer = Producer::take(&writing, steps, self.form);
                producer.push(&[value], false);
                if closes {
                    producer.close();
                    writing.hold(false);
                }
            }
        };
        let read = move || {
            let mut consumer = Consumer::take(&reading, steps, self.form);
            let mut taken = Vec::new();
            while taken.len() < 2 {
                match consumer.pop() {
                    Some(value) => taken.push(value),
                    None => {
                        assert!(taken == [1], "taken {taken:?} of one that closed");
                        consumer.wait_for_peer();
                    }
                }
            }
            taken
        };
        let ((), taken) = both(self.first, write, read);
        assert!(taken == [1, 2], "taken {taken:?}");
    }
}

/// A producer of one value that closes, and a consumer that waits only for the close.
struct Closing {
    form: Form,
    first: First,
}

impl Scenario<Steps> for Closing {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(1, self.form, &[], steps);
        let (writing, reading) = (Rc::clone(&ring), ring);
        let write = move || {
            let mut producer = Producer::take(&writing, steps, self.form);
            producer.push(&[1], false);
            producer.close();
        };
        let read = move || {
            let mut consumer = Consumer::take(&reading, steps, self.form);
            consumer.wait_for(Goal::of_work(Awaited::Nothing));
            let taken = consumer.try_pop();
            assert!(taken == Some(1), "closed, and {taken:?} taken");
        };
        both(self.first, write, read);
    }
}

const WAIT: Model<Steps> = Model {
    preemptions: Some(2),
    states: &[Attached, Slept, Unblocked],
    ..Model::EMPTY
};

pub(crate) const MODELS: &[Model<Steps>] = &[
    Model {
        name: "a_peer_attaches",
        preemptions: None,
        floor: 480,
        scenario: &Attaching {
            mortals: 0,
            form: Symmetric,
            first: Reader,
        },
        ..WAIT
    },
    Model {
        name: "a_peer_attaches_writer_first",
        preemptions: None,
        floor: 110,
        scenario: &Attaching {
            mortals: 0,
            form: Awake,
            first: Writer,
        },
        ..WAIT
    },
    Model {
        name: "a_polled_peer_closes",
        preemptions: None,
        floor: 13_000,
        states: &[],
        // No fence of the sleepers stands between position and state.
        scenario: &Closing {
            form: Polling,
            first: Reader,
        },
        ..WAIT
    },
    Model {
        name: "a_peer_dies_and_another_attaches",
        mortals: 1,
        floor: 1_100,
        states: &[Attached, Slept, Unblocked, Died],
        scenario: &Attaching {
            mortals: 1,
            form: Symmetric,
            first: Reader,
        },
        ..WAIT
    },
    Model {
        name: "a_peer_closes_and_another_attaches",
        floor: 11_000,
        states: &[Attached, Slept, Abandoned],
        scenario: &Succeeding {
            form: Symmetric,
            first: Reader,
        },
        ..WAIT
    },
    Model {
        name: "a_peer_closes_and_another_attaches_awake",
        floor: 4_800,
        states: &[Attached, Slept, Abandoned],
        scenario: &Succeeding {
            form: Awake,
            first: Writer,
        },
        ..WAIT
    },
    Model {
        name: "a_peer_closes",
        preemptions: Some(3),
        floor: 18_000,
        states: &[Slept, Unblocked],
        scenario: &Closing {
            form: Symmetric,
            first: Reader,
        },
        ..WAIT
    },
];
