//! The models of sleeping: both ends may have to wait for each other, and in
//! most of them no goodbye comes that would end a sleep whose wake was lost.

use std::rc::Rc;

use loom::thread;

use super::First::{self, Reader, Writer};
use super::Form::{self, Awake, Symmetric};
use super::{Consumer, Producer, Ring, Steps, work};
use crate::harness::model::{Model, Scenario};
use crate::harness::reached::State::{
    self, Abandoned, Empty, Full, Granted, Interrupted, Late, Slept, Unblocked,
};
use crate::kernel::Kernel;
use crate::parker::Rest;

/// Some messages through a ring of some slots.
struct Talk {
    capacity: usize,
    count: u64,
    form: Form,
    first: First,
    batch: bool,
    /// How the first sleeps end.
    ends: &'static [Option<Rest>],
    /// Whether the producer says goodbye and the consumer waits for it.
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
        let ((), taken) = work(self.first, write, read);
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
}

impl Scenario<Steps> for Pair {
    fn run(&'static self, steps: &'static Steps) {
        let kernel = Rc::new(Kernel::new(self.ends, steps.compares));
        let rings = [0, 1].map(|_| Ring::beside(&kernel, 1, self.form, steps));
        let writing = rings.clone();
        let write = move || {
            let [one, other] = writing;
            let other =
                thread::spawn(move || Producer::take(&other, steps, self.form).push(&[2], false));
            Producer::take(&one, steps, self.form).push(&[1], false);
            other.join().expect("the other writer returns");
        };
        let read = move || {
            let mut consumers = rings.map(|ring| Consumer::take(&ring, steps, self.form));
            let mut taken = [0, 1].map(|_| Consumer::pop_first(&mut consumers));
            taken.sort_unstable();
            taken
        };
        let ((), taken) = work(self.first, write, read);
        assert!(taken == [1, 2], "taken {taken:?}");
    }
}

macro_rules! pairs {
    ($($name:literal, $preemptions:literal, $floor:literal, $states:expr => { $($field:ident: $value:expr),* $(,)? })*) => {
        pub(crate) const PAIRS: &[Model<Steps>] = &[$(Model {
            name: $name,
            preemptions: Some($preemptions),
            floor: $floor,
            states: $states,
            scenario: &Pair { $($field: $value),* },
            ..Model::EMPTY
        }),*];
    };
}

pairs! {
    "the_first_of_two", 2, 25_000, &[Empty, Slept, Unblocked] => {
        form: Symmetric, ends: &[], first: Reader,
    }
    "the_first_of_two_awake", 2, 10_000, &[Empty, Slept] => {
        form: Awake, ends: &[], first: Reader,
    }
    "the_first_of_two_by_deadlines", 2, 42_000, &[Empty, Interrupted, Late] => {
        form: Symmetric, ends: &[TIMED_OUT, TIMED_OUT], first: Reader,
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
    "sleepers_of_one_three_messages", 2, 13_000, TIGHT => { count: 3 }
    "sleepers_of_two", 2, 16_000, TIGHT => { capacity: 2, count: 3 }
    "sleepers_of_two_reader_first", 2, 25_000, TIGHT => { capacity: 2, count: 3, first: Reader }
    "sleepers_in_batches", 2, 19_000, TIGHT => { capacity: 2, count: 4, batch: true }
    "awake_of_one", 3, 17_000, &[Full, Empty, Slept, Unblocked, Granted] => { form: Awake }
    "awake_of_one_reader_first", 3, 30_000, &[Full, Empty, Slept, Unblocked, Granted] => {
        form: Awake, first: Reader,
    }
    "awake_of_two", 2, 5_400, &[Full, Empty, Slept, Granted] => {
        form: Awake, capacity: 2, count: 3,
    }
    "sleep_ends_for_no_reason", 2, 12_000, &[Full, Empty, Slept, Interrupted] => {
        ends: &[ENDED, None, ENDED],
    }
    "sleep_ends_by_its_deadline", 2, 15_000, &[Full, Empty, Slept, Interrupted] => {
        ends: &[TIMED_OUT, None, TIMED_OUT],
    }
    "sleep_ends_by_two_deadlines", 3, 8_300, &[Empty, Interrupted, Late] => {
        capacity: 2, count: 1, ends: &[TIMED_OUT, TIMED_OUT],
    }
    "goodbye_to_a_sleeper", 3, 5_700, &[Empty, Slept, Abandoned] => {
        capacity: 2, count: 1, close: true,
    }
    "goodbye_to_a_sleeper_reader_first", 3, 10_000, &[Empty, Slept, Abandoned] => {
        capacity: 2, count: 1, close: true, first: Reader,
    }
    "goodbye_after_a_wait_for_room", 3, 79_000, &[Full, Empty, Slept, Abandoned] => { close: true }
    "goodbye_to_one_who_was_awake", 3, 18_000, &[Empty, Slept, Granted, Abandoned] => {
        capacity: 2, close: true, form: Awake,
    }
}
