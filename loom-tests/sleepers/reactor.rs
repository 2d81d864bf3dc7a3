//! An endpoint that sleeps in the reactor: the park is split at the wait, and another
//! thread polls for the goal when the deadline passes. The waker stops at each of its
//! steps, also between position and wake. Then only the deadline ends the sleep.

use std::rc::Rc;

use loom::thread::{self, JoinHandle};

use super::{Consumer, Form, Parking, Producer, Ring, Steps};
use crate::cursor::Awaited;
use crate::harness::death::mortal;
use crate::harness::model::{Model, Scenario};
use crate::harness::reached::State::{Died, Empty, Expired, Late, Slept, Unblocked};
use crate::harness::reached::reach;
use crate::parker::PARKED;
use crate::peer::Goal;
use crate::sync::{READY, WORD};
use crate::wait::sleep;

/// How a sleep in the reactor ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Woken,
    Late,
}

impl Ending {
    fn ending(self) -> sleep::Ending {
        match self {
            Self::Woken => sleep::Ending::Woken(0),
            Self::Late => sleep::Ending::TimedOut {
                owed: 1,
                is_late: true,
            },
        }
    }
}

/// One message from a waker that may stop permanently.
struct Sleep {
    /// Whether the first deadline may pass at any time; otherwise only after the waker has stopped.
    early: bool,
}

impl Scenario<Steps> for Sleep {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(2, Form::Symmetric, &[], steps);
        // The role is taken first: a new producer wakes, and here every wake must be for the message.
        let taking = Rc::clone(&ring);
        let producer = thread::spawn(move || Producer::take(&taking, steps, Form::Symmetric));
        let mut producer = producer.join().expect("the role is free");
        let writer = thread::spawn(move || {
            mortal(0, || producer.push(&[1], false));
        });
        let mut consumer = Consumer::take(&ring, steps, Form::Symmetric);
        let mut writer = Some(writer);
        let taken = loop {
            if let Some(value) = consumer.try_pop() {
                break Some(value);
            }
            reach(Empty);
            let mut end = [consumer.parking(&ring)];
            if sleep::start_sleep(&mut end, &*ring.kernel).is_none() {
                continue;
            }
            let Some(writer) = writer.take() else {
                panic!("a sleep ended without work")
            };
            let ending = self.sleep(&ring, (steps.set_parked)(&end[0]), writer);
            sleep::wake_up(
                &mut end,
                ending.map_or(sleep::Ending::Untold, Ending::ending),
            );
            if ending.is_none() {
                // The reactor reports this when the peer has closed or crashed.
                break consumer.try_pop();
            }
        };
        if let Some(writer) = writer {
            writer.join().expect("the writer returns");
        }
        let published = ring.tail.model_load(READY);
        assert!(taken == (published == 1).then_some(1), "taken {taken:?}");
    }
}

impl Sleep {
    /// Sleeps in the reactor; `None` if nothing has happened before the waker stopped.
    fn sleep(&self, ring: &Rc<Ring>, goal: Goal, waker: JoinHandle<()>) -> Option<Ending> {
        let ring = Rc::clone(ring);
        let early = self.early;
        let reactor = thread::spawn(move || {
            let first = early.then(|| look(&ring, goal)).flatten();
            waker.join().expect("the writer returns");
            let ending = first.or_else(|| look(&ring, goal));
            let published = ring.tail.model_load(READY) == 1;
            assert!(
                ending.is_some() || !published,
                "a message has arrived, and the sleep continues"
            );
            ending
        });
        reactor.join().expect("the reactor returns")
    }
}

/// What the reactor does for an endpoint whose deadline has passed.
fn look(ring: &Ring, goal: Goal) -> Option<Ending> {
    let is_woken = || ring.consumer_word.load(WORD) != PARKED;
    if is_woken() {
        reach(Unblocked);
        return Some(Ending::Woken);
    }
    reach(Slept);
    if !goal.is_reached(&ring.tail, &ring.state) {
        reach(Expired);
        return None;
    }
    // The waker may be between position and word.
    Some(if is_woken() {
        Ending::Woken
    } else {
        Ending::Late
    })
}

const SLEEP: Model<Steps> = Model {
    preemptions: Some(3),
    mortals: 1,
    states: &[Died, Empty, Expired, Late, Slept, Unblocked],
    ..Model::EMPTY
};

pub(crate) const MODELS: &[Model<Steps>] = &[
    Model {
        name: "reactor_polls_when_the_waker_has_stopped",
        floor: 1_100,
        scenario: &Sleep { early: false },
        ..SLEEP
    },
    Model {
        name: "reactor_polls_at_any_time",
        floor: 2_500,
        scenario: &Sleep { early: true },
        ..SLEEP
    },
];

/// A fault that the reactor once had.
pub(super) fn fixed_too_late(end: &Parking<'_>) -> Goal {
    let seen = end.peer.model_load(READY);
    Goal {
        awaited: Awaited::Message { seen },
        ..end.goal
    }
}
