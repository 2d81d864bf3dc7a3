//! What a `Select` reports: the shipped `adapters/select/news.rs` polls a consumer whose
//! producer closes or dies at each of its steps, and restarts.
//!
//! Every published message is taken before `Abandoned` is reported. `Abandoned` is never reported for
//! an attached peer. `Abandoned` and `Attached` alternate. A restarted peer wakes a `Select` that
//! sleeps.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use loom::thread::yield_now;

use super::First::{self, Reader, Writer};
use super::Form::Symmetric;
use super::{Consumer, Producer, Ring, Steps, both};
use crate::harness::death::mortal;
use crate::harness::model::{Model, Scenario};
use crate::harness::reached::State::{Abandoned, Attached, Died, Empty, Slept};
use crate::harness::reached::reach;
use crate::news::{Asked, News, Reported};
use crate::peer::{Change, Goal, State};

/// In which order an endpoint is checked: all but the first are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Shipped,
    /// The result of the first poll is used.
    NoSecondPoll,
    /// The reported epoch may be that of a restarted peer.
    EpochAfterSecondPoll,
    /// No poll for remaining messages follows a liveness check.
    NoLastPoll,
    /// The same as the second, with a liveness check.
    EpochAfterCheck,
    /// The epoch is from an earlier state than the one that is checked.
    EpochBeforeState,
    /// The poll precedes the liveness check.
    PollBeforeCheck,
}

/// A consumer that the shipped file checks, in one of the orders.
struct Watched<'a> {
    consumer: RefCell<&'a mut Consumer>,
    order: Order,
    /// A cached answer, or one that was read too early.
    found: Cell<Option<Option<bool>>>,
    was_checked: bool,
}

impl<'a> Watched<'a> {
    fn new(consumer: &'a mut Consumer) -> Self {
        Self {
            order: consumer.steps.order,
            consumer: RefCell::new(consumer),
            found: Cell::new(None),
            was_checked: false,
        }
    }

    /// The same poll as in `Endpoint`.
    fn look(&self) -> Option<bool> {
        let mut consumer = self.consumer.borrow_mut();
        if consumer.poll() {
            return Some(false);
        }
        consumer.poll_leftover().map(|left| left == 0)
    }

    fn state(&self) -> State {
        State::poll(&self.consumer.borrow().ring.state)
    }
}

impl Asked for Watched<'_> {
    fn poll(&mut self) -> Option<bool> {
        if let Some(found) = self.found.get() {
            return found;
        }
        if self.order == Order::NoLastPoll && self.was_checked {
            return Some(true);
        }
        let found = self.look();
        if self.order == Order::NoSecondPoll {
            self.found.set(Some(found));
        }
        found
    }

    fn peer_epoch(&self) -> u64 {
        if self.order == Order::EpochAfterSecondPoll {
            self.found.set(Some(self.look()));
        }
        self.state().epoch()
    }

    fn check_peer(&mut self) -> Option<u64> {
        if self.order == Order::PollBeforeCheck {
            self.found.set(Some(self.look()));
        }
        let before = self.state();
        let peer = match self.order {
            Order::EpochBeforeState => self.state(),
            _ => before,
        };
        let ring = Rc::clone(&self.consumer.borrow().ring);
        self.was_checked = peer.closed_or_crashed(|| ring.is_held());
        let after = match self.order {
            Order::EpochAfterCheck => self.state(),
            _ => before,
        };
        self.was_checked.then(|| after.epoch())
    }

    fn identity(&self) -> u64 {
        0
    }
}

/// Two producers of one value each, one after the other; the second closes.
struct Restart {
    /// Whether the first closes; otherwise it crashes behind its value, if not before.
    closes: bool,
    first: First,
}

/// The actual state of the producers, which no thread reads from the ring.
#[derive(Default)]
struct Truth {
    /// The last epoch that has ended, or whose endpoint has begun to close.
    left: Cell<u64>,
    /// Whether the last producer has ended.
    is_last: Cell<bool>,
}

impl Restart {
    /// One producer. `false` if it crashes after its value.
    fn produce(ring: &Rc<Ring>, steps: &'static Steps, value: u64, closes: bool, truth: &Truth) {
        let mut producer = Producer::take(ring, steps, Symmetric);
        producer.push(&[value], false);
        if closes {
            truth.is_last.set(value == 2);
            truth.left.set(epoch(ring));
            producer.close();
        }
    }
}

/// The epoch of the own role.
fn epoch(ring: &Ring) -> u64 {
    ring.state.load_own() >> 1
}

impl Scenario<Steps> for Restart {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(2, Symmetric, &[], steps);
        let truth = Rc::new(Truth::default());
        let (writing, reading) = (Rc::clone(&ring), ring);
        let (making, seeing) = (Rc::clone(&truth), truth);
        let write = move || {
            writing.hold(true);
            mortal(0, || {
                Self::produce(&writing, steps, 1, self.closes, &making)
            });
            making.left.set(epoch(&writing));
            let end = (epoch(&writing), writing.tail.load_own());
            writing.hold(false);
            writing.hold(true);
            Self::produce(&writing, steps, 2, true, &making);
            [end, (epoch(&writing), writing.tail.load_own())]
        };
        let read = move || Self::read(&reading, steps, &seeing);
        let (ends, (taken, departures)) = both(self.first, write, read);
        let epochs = departures.windows(2);
        for pair in epochs {
            assert!(pair[0].0 < pair[1].0, "Abandoned twice: {departures:?}");
        }
        for (epoch, count) in departures {
            let end = ends.iter().find(|(ended, _)| *ended == epoch);
            let (_, published) = end.expect("an epoch that was there");
            assert!(
                count >= *published,
                "epoch {epoch} has ended, {count} of its {published} values are taken"
            );
        }
        let given = &[1, 2][2 - ends[1].1 as usize..];
        assert!(taken == given, "taken {taken:?}, given {given:?}");
    }
}

impl Restart {
    /// Takes what is `Ready` until the last producer is `Abandoned`. Returns the values, and how
    /// many were taken before each `Abandoned`.
    fn read(ring: &Rc<Ring>, steps: &'static Steps, truth: &Truth) -> (Vec<u64>, Vec<(u64, u64)>) {
        let mut consumer = Consumer::take(ring, steps, Symmetric);
        let mut reported = Reported::NOTHING;
        let (mut taken, mut departures) = (Vec::new(), Vec::new());
        loop {
            let mut end = Watched::new(&mut consumer);
            let news = reported.poll(&mut end).or_else(|| {
                let news = reported.check(&mut Watched::new(end.consumer.into_inner()));
                news.filter(|&news| news != News::Ready)
            });
            let departed = reported.departed(&Watched::new(&mut consumer));
            match news {
                Some(News::Ready) => {
                    taken.push(consumer.try_pop().expect("ready, and there is nothing"));
                }
                Some(News::Abandoned) => {
                    reach(Abandoned);
                    let epoch = departed.expect("Abandoned was reported");
                    assert!(epoch <= truth.left.get(), "epoch {epoch} has not ended");
                    departures.push((epoch, taken.len() as u64));
                    if truth.is_last.get() && epoch == truth.left.get() {
                        return (taken, departures);
                    }
                }
                Some(News::Attached) => reach(Attached),
                None => match departed {
                    // No liveness check ends this sleep: a restarted peer always follows.
                    Some(epoch) => consumer.park(Goal {
                        awaited: consumer.cursor.awaited(),
                        change: Change::Successor(epoch),
                    }),
                    None => {
                        reach(Empty);
                        yield_now();
                    }
                },
            }
        }
    }
}

const RESTART: Model<Steps> = Model {
    preemptions: Some(2),
    mortals: 1,
    states: &[Abandoned, Attached, Died, Empty, Slept],
    ..Model::EMPTY
};

pub(crate) const MODELS: &[Model<Steps>] = &[
    Model {
        name: "select_and_a_peer_that_crashes",
        floor: 7_000,
        scenario: &Restart {
            closes: false,
            first: Reader,
        },
        ..RESTART
    },
    Model {
        name: "select_and_a_peer_that_closes",
        least: 2,
        floor: 53_000,
        scenario: &Restart {
            closes: true,
            first: Writer,
        },
        ..RESTART
    },
];
