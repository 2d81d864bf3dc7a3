//! The models of sleeping: both endpoints may have to wait for each other. In most models
//! no endpoint closes, because a close would end a sleep whose wake was lost.

use std::rc::Rc;

use loom::thread;

use super::First::{self, Reader, Writer};
use super::Form::{self, Awake, Symmetric};
use super::{Consumer, Producer, Ring, Steps, both};
use crate::harness::death::mortal;
use crate::harness::model::{Model, Scenario};
use crate::harness::reached::State::{
    self, Abandoned, Died, Empty, Full, Granted, Interrupted, Late, Slept, Unblocked,
};
use crate::kernel::Kernel;
use crate::parker::Rest;

/// Messages through a ring.
struct Talk {
    capacity: usize,
    count: u64,
    form: Form,
    first: First,
    batch: bool,
    /// How the first sleeps end.
    ends: &'static [Option<Rest>],
    /// Whether the producer closes and the consumer waits for it.
    close: bool,
}

impl Scenario<Steps> for Talk {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(self.capacity, self.form, self.ends, steps);
        let given: Vec<u64> = (1..=self.count).collect();
        let values = given.clone();
        let (writing, reading) = (Rc::clone(&ring), ring);
        let write = move || {
            let mut producer = Producer::take(&writing, steps, self.form);
            producer.push(&values, self.batch);
            if self.close {
                producer.close();
            }
        };
        let read = move || {
            let mut consumer = Consumer::take(&reading, steps, self.form);
            let mut taken: Vec<u64> = Vec::new();
            while self.close || (taken.len() as u64) < self.count {
                let Some(value) = consumer.pop() else { break };
                taken.push(value);
            }
            taken
        };
        let ((), taken) = both(self.first, write, read);
        assert!(taken == given, "taken {taken:?}, given {given:?}");
    }
}

const TALK: Talk = Talk {
    capacity: 1,
    count: 2,
    form: Symmetric,
    first: Writer,
    batch: false,
    ends: &[],
    close: false,
};

/// One consumer of two rings, whose producers each send one message.
struct Pair {
    form: Form,
    ends: &'static [Option<Rest>],
    first: First,
    /// Whether the first ring's producer closes and the consumer waits for it.
    close: bool,
    /// Whether the first ring's producer dies and a restarted one attaches.
    mortal: bool,
}

impl Scenario<Steps> for Pair {
    fn run(&'static self, steps: &'static Steps) {
        let kernel = Rc::new(Kernel::new(self.ends, steps.compares));
        let rings = [0, 1].map(|_| Ring::with_kernel(&kernel, 1, self.form, steps));
        let writing = rings.clone();
        let write = move || {
            let [one, other] = writing;
            let other =
                thread::spawn(move || Producer::take(&other, steps, self.form).push(&[2], false));
            let produce = || {
                let mut producer = Producer::take(&one, steps, self.form);
                let published = one.tail.load_own() as usize;
                producer.push(&[1][published..], false);
                if self.close {
                    producer.close();
                }
            };
            if self.mortal {
                mortal(0, produce);
            }
            produce();
            other.join().expect("the other writer returns");
        };
        let read = move || {
            let mut consumers = rings.map(|ring| Consumer::take(&ring, steps, self.form));
            let wanted = if self.close { usize::MAX } else { 2 };
            let first = std::iter::from_fn(|| Consumer::pop_first(&mut consumers));
            let mut taken: Vec<u64> = first.take(wanted).collect();
            if !taken.contains(&2) {
                taken.extend(consumers[1].pop());
            }
            taken.sort_unstable();
            taken
        };
        let ((), taken) = both(self.first, write, read);
        assert!(taken == [1, 2], "taken {taken:?}");
    }
}

const PAIR: Pair = Pair {
    form: Symmetric,
    ends: &[],
    first: Reader,
    close: false,
    mortal: false,
};

macro_rules! pairs {
    ($($name:literal, $preemptions:literal, $floor:literal, $states:expr => { $($field:ident: $value:expr),* $(,)? })*) => {
        pub(crate) const PAIRS: &[Model<Steps>] = &[$(Model {
            name: $name,
            preemptions: Some($preemptions),
            mortals: Pair { $($field: $value,)* ..PAIR }.mortal as usize,
            floor: $floor,
            states: $states,
            scenario: &Pair { $($field: $value,)* ..PAIR },
            ..Model::EMPTY
        }),*];
    };
}

pairs! {
    "the_first_of_two", 2, 40_000, &[Empty, Slept, Unblocked] => {}
    "the_first_of_two_awake", 2, 19_000, &[Empty, Slept] => { form: Awake }
    "the_first_of_two_by_deadlines", 2, 115_000, &[Empty, Interrupted, Late] => {
        ends: &[TIMED_OUT, TIMED_OUT],
    }
    "close_of_one_of_two", 2, 57_000, &[Empty, Slept, Abandoned] => { close: true }
    "waker_of_one_of_two_dies", 1, 5_500, &[Empty, Slept, Died] => { mortal: true }
    "closing_waker_of_one_of_two_dies", 1, 6_500, &[Empty, Slept, Abandoned, Died] => {
        close: true, mortal: true,
    }
}

const ENDED: Option<Rest> = Some(Rest::Ended);
const TIMED_OUT: Option<Rest> = Some(Rest::TimedOut);

macro_rules! talks {
    ($($name:literal, $preemptions:literal, $floor:literal, $states:expr => { $($field:ident: $value:expr),* $(,)? })*) => {
        pub(crate) const MODELS: &[Model<Steps>] = &[$(Model {
            name: $name,
            preemptions: Some($preemptions),
            floor: $floor,
            states: $states,
            scenario: &Talk { $($field: $value,)* ..TALK },
            ..Model::EMPTY
        }),*];
    };
}

const TIGHT: &[State] = &[Full, Empty, Slept, Unblocked];

talks! {
    "sleepers_of_one", 3, 40_000, TIGHT => {}
    "sleepers_of_one_reader_first", 3, 55_000, TIGHT => { first: Reader }
    "sleepers_of_one_three_messages", 2, 26_000, TIGHT => { count: 3 }
    "sleepers_of_two", 2, 40_000, TIGHT => { capacity: 2, count: 3 }
    "sleepers_of_two_reader_first", 2, 41_000, TIGHT => { capacity: 2, count: 3, first: Reader }
    "sleepers_in_batches", 2, 19_000, TIGHT => { capacity: 2, count: 4, batch: true }
    "awake_of_one", 3, 42_000, &[Full, Empty, Slept, Unblocked, Granted] => { form: Awake }
    "awake_of_one_reader_first", 3, 30_000, &[Full, Empty, Slept, Unblocked, Granted] => {
        form: Awake, first: Reader,
    }
    "awake_of_two", 2, 16_000, &[Full, Empty, Slept, Granted] => {
        form: Awake, capacity: 2, count: 3,
    }
    "sleep_ends_for_no_reason", 2, 24_000, &[Full, Empty, Slept, Interrupted] => {
        ends: &[ENDED, None, ENDED],
    }
    "sleep_ends_by_its_deadline", 2, 33_000, &[Full, Empty, Slept, Interrupted] => {
        ends: &[TIMED_OUT, None, TIMED_OUT],
    }
    "sleep_ends_by_two_deadlines", 3, 24_000, &[Empty, Interrupted, Late] => {
        capacity: 2, count: 1, ends: &[TIMED_OUT, TIMED_OUT],
    }
    "close_wakes_a_sleeper", 3, 10_000, &[Empty, Slept, Abandoned] => {
        capacity: 2, count: 1, close: true,
    }
    "close_wakes_a_sleeper_reader_first", 3, 19_000, &[Empty, Slept, Abandoned] => {
        capacity: 2, count: 1, close: true, first: Reader,
    }
    "close_after_a_wait_for_room", 3, 79_000, &[Full, Empty, Slept, Abandoned] => { close: true }
    "close_and_sleeper_was_awake", 3, 18_000, &[Empty, Slept, Granted, Abandoned] => {
        capacity: 2, close: true, form: Awake,
    }
}
