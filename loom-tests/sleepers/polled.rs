//! An endpoint in an event loop: the first half of the park is in the loop, the wait is in
//! another thread, and an eventfd connects them. The eventfd is a word that is `PARKED`
//! while there is nothing to read, so that the model's kernel can sleep on it as `epoll`
//! does. Each of its operations is a system call, modelled as a Relaxed swap.

use std::mem;
use std::rc::Rc;

use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::First;
use super::Form::{self, Awake, Symmetric};
use super::{Consumer, Producer, Ring, Steps, both};
use crate::harness::model::{Model, Scenario};
use crate::harness::reached::State::{Empty, Slept, Unblocked};
use crate::harness::reached::reach;
use crate::kernel::Kernel;
use crate::parker::{DROWSY, Doorbell, PARKED};
use crate::sync::{AtomicU32, WORD};
use crate::wait::sleep::{self, Ending};

struct Event {
    word: AtomicU32,
    kernel: Rc<Kernel>,
}

impl Event {
    fn set(&self) {
        self.word.swap(DROWSY, WORD);
        self.kernel.wake(&self.word);
    }

    fn drain(&self) {
        self.word.swap(PARKED, WORD);
    }
}

/// A consumer behind an event.
pub(crate) struct Polled {
    consumer: Consumer,
    event: Rc<Event>,
    reactor: Rc<Reactor>,
    is_parked: bool,
}

/// The thread that waits, and its tasks.
struct Reactor {
    task: Mutex<Task>,
    told: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Nothing,
    Wait,
    End,
}

impl Reactor {
    fn new() -> Self {
        Self {
            task: Mutex::new(Task::Nothing),
            told: Condvar::new(),
        }
    }

    fn tell(&self, task: Task) {
        *self.task.lock().expect("no thread dies with the lock") = task;
        self.told.notify_one();
    }

    /// Sets the event for each wait, when the word has changed.
    fn run(&self, word: &AtomicU32, event: &Event) {
        loop {
            let mut task = self.task.lock().expect("no thread dies with the lock");
            while *task == Task::Nothing {
                task = self.told.wait(task).expect("no thread dies with the lock");
            }
            if mem::replace(&mut *task, Task::Nothing) == Task::End {
                return;
            }
            drop(task);
            while word.load(WORD) == PARKED {
                event.kernel.wait_any(&[word]);
            }
            event.set();
        }
    }
}

impl Polled {
    /// The steps of dropping the guard.
    pub(super) fn arm(&mut self) {
        if !self.is_empty() {
            return self.event.set();
        }
        self.event.drain();
        if !self.park() {
            self.event.set();
        }
    }

    pub(super) fn drained_after_the_second_poll(&mut self) {
        if !self.is_empty() {
            return self.event.set();
        }
        if self.park() {
            self.event.drain();
        } else {
            self.event.set();
        }
    }

    pub(super) fn second_poll_untold(&mut self) {
        if !self.is_empty() {
            return self.event.set();
        }
        self.event.drain();
        self.park();
    }

    fn is_empty(&mut self) -> bool {
        let is_empty = !self.consumer.poll();
        if is_empty {
            reach(Empty);
        }
        is_empty
    }

    /// The first half of the park; `false` if the second poll finds something.
    fn park(&mut self) -> bool {
        let ring = Rc::clone(&self.consumer.ring);
        let mut ends = [self.consumer.parking(&ring)];
        self.is_parked = sleep::start_sleep(&mut ends, &*ring.kernel).is_some();
        if self.is_parked {
            self.reactor.tell(Task::Wait);
        }
        self.is_parked
    }

    /// One round of the loop: sleeps until the event can be read, and takes all values.
    fn round(&mut self, taken: &mut Vec<u64>) {
        while self.event.word.load(WORD) == PARKED {
            self.event.kernel.wait_any(&[&self.event.word]);
        }
        if mem::take(&mut self.is_parked) {
            let ring = Rc::clone(&self.consumer.ring);
            sleep::wake_up(&mut [self.consumer.parking(&ring)], Ending::Untold);
        }
        while let Some(value) = self.consumer.try_pop() {
            taken.push(value);
        }
    }
}

/// Some messages for a consumer behind an event.
struct Loop {
    count: u64,
    form: Form,
    first: First,
}

impl Scenario<Steps> for Loop {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(2, self.form, &[], steps);
        let given: Vec<u64> = (1..=self.count).collect();
        let values = given.clone();
        let (writing, reading) = (Rc::clone(&ring), ring);
        let write = move || Producer::take(&writing, steps, self.form).push(&values, false);
        let read = move || {
            let event = Event {
                word: AtomicU32::new(DROWSY),
                kernel: Rc::clone(&reading.kernel),
            };
            let (event, reactor) = (Rc::new(event), Rc::new(Reactor::new()));
            let mut polled = Polled {
                consumer: Consumer::take(&reading, steps, self.form),
                event: Rc::clone(&event),
                reactor: Rc::clone(&reactor),
                is_parked: false,
            };
            let runs = Rc::clone(&reactor);
            let thread = thread::spawn(move || runs.run(&reading.consumer_word, &event));
            let mut taken: Vec<u64> = Vec::new();
            while (taken.len() as u64) < self.count {
                (steps.arm)(&mut polled);
                polled.round(&mut taken);
            }
            reactor.tell(Task::End);
            thread.join().expect("the reactor returns");
            taken
        };
        let ((), taken) = both(self.first, write, read);
        assert!(taken == given, "taken {taken:?}, given {given:?}");
    }
}

macro_rules! loops {
    ($($name:literal, $preemptions:literal, $floor:literal => { $($field:ident: $value:expr),* $(,)? })*) => {
        pub(crate) const MODELS: &[Model<Steps>] = &[$(Model {
            name: $name,
            preemptions: Some($preemptions),
            floor: $floor,
            states: &[Empty, Slept, Unblocked],
            scenario: &Loop { $($field: $value),* },
            ..Model::EMPTY
        }),*];
    };
}

loops! {
    "an_event_loop", 2, 8_300 => { count: 1, form: Symmetric, first: First::Reader }
    "an_event_loop_writer_first", 2, 900 => { count: 1, form: Symmetric, first: First::Writer }
    "an_event_loop_awake", 2, 6_400 => { count: 1, form: Awake, first: First::Reader }
}
