//! Two endpoints that sleep: the steps of `endpoint.rs` and `ring/role.rs` with the shipped
//! cursors, sleep words, states and goals, on a ring of single words.

pub(crate) mod deaths;
pub(crate) mod models;
pub(crate) mod mutants;
pub(crate) mod peers;
pub(crate) mod polled;
pub(crate) mod reactor;
pub(crate) mod selected;

use std::rc::Rc;

use loom::cell::UnsafeCell;
use loom::sync::Mutex;

use crate::cursor::{RIDE_WORDS, ReadCursor, TailLine, WriteCursor};
use crate::harness::reached::{State, reach};
pub(crate) use crate::harness::threads::{First, both};
use crate::kernel::Kernel;
use crate::parker::{PARKED, Rest, Sleeper, Waker};
use crate::peer::{self, Goal, last_poll};
use crate::sync::{AtomicU32, AtomicU64};
use crate::wait::sleep::{self, Parkable};

/// What both processes map.
pub(crate) struct Ring {
    tail: AtomicU64,
    ride_position: AtomicU64,
    ride: [AtomicU64; RIDE_WORDS],
    head: AtomicU64,
    slots: Vec<UnsafeCell<u64>>,
    producer_word: AtomicU32,
    consumer_word: AtomicU32,
    /// The producer's state word.
    state: AtomicU64,
    /// The consumer's state word; no consumer closes.
    consumer_state: AtomicU64,
    /// The producer's number; no decision depends on it.
    pid: AtomicU64,
    /// Whether a producer holds the lock of its role.
    held: Mutex<bool>,
    kernel: Rc<Kernel>,
}

/// The steps that a mutant may replace.
pub(crate) struct Steps {
    /// Publishes this many values and wakes the consumer.
    publish: fn(&mut Producer, u64),
    /// Wakes the sleeper on the word, after the store of a position.
    moved: fn(&Waker, &AtomicU32, &Kernel),
    /// Wakes unconditionally, after taking a role.
    take: fn(&Waker, &AtomicU32, &Kernel),
    /// Opens a producer's epoch, and wakes.
    attach: fn(&Ring, &Waker, &'static Steps),
    /// Closes a producer, and wakes.
    close: fn(&Producer),
    /// After an empty poll: whether the producer has closed or crashed and nothing is left.
    is_over: fn(&mut Consumer) -> bool,
    /// Sleeps, unless the second poll finds work, until a wake.
    park: fn(&mut [Parking<'_>], &Kernel),
    /// Registers a sleeping endpoint with the reactor.
    set_parked: fn(&Parking<'_>) -> Goal,
    /// The goal of a wait for a producer; `None` if one is attached.
    until_attached: fn(&Ring) -> Option<Goal>,
    /// In which order a `Select` checks an endpoint.
    order: selected::Order,
    /// Sets an event if there is a message, and otherwise parks.
    arm: fn(&mut polled::Polled),
    /// Whether the kernel compares the word before a sleep.
    compares: bool,
    /// Whether the AWAKE path acts as if it had a fence, as it does with the barrier.
    light_fence: bool,
}

/// The shipped steps.
pub(crate) static SHIPPED: Steps = Steps::SHIPPED;

impl Steps {
    const SHIPPED: Self = Self {
        publish: |producer, values| {
            producer.cursor.publish(values, producer.ring.line());
            producer.moved();
        },
        moved: |waker, word, kernel| {
            if let Some(seen) = waker.news(word) {
                waker.slow_path(seen, word, kernel);
            }
        },
        take: |waker, word, kernel| waker.wake_unconditionally(word, kernel),
        attach: |ring, waker, steps| {
            peer::attach(&ring.state);
            (steps.take)(waker, &ring.consumer_word, &ring.kernel);
        },
        close: |producer| {
            let ring = &producer.ring;
            peer::close(&ring.state);
            producer
                .waker
                .wake_unconditionally(&ring.consumer_word, &*ring.kernel);
        },
        is_over: |consumer| consumer.poll_leftover() == Some(0),
        park: |ends, kernel| {
            sleep::park(ends, kernel, u64::MAX, |ends, _| {
                let words: Vec<_> = ends.iter().map(|end| end.word).collect();
                kernel.wait_any(&words)
            });
        },
        set_parked: |end| end.goal,
        until_attached: peers::until_attached,
        order: selected::Order::Shipped,
        arm: polled::Polled::arm,
        compares: true,
        light_fence: true,
    };
}

/// An endpoint that is about to sleep, as `wait/sleep.rs` needs it.
pub(crate) struct Parking<'a> {
    sleeper: &'a mut Sleeper,
    word: &'a AtomicU32,
    position: u64,
    goal: Goal,
    /// The peer's position.
    peer: &'a AtomicU64,
    /// The peer's state.
    state: &'a AtomicU64,
}

impl Parkable for Parking<'_> {
    fn sleeper(&mut self) -> (&mut Sleeper, &AtomicU32) {
        (self.sleeper, self.word)
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn has_work(&self) -> bool {
        self.goal.is_reached(self.peer, self.state)
    }

    fn drain(&self) {}

    fn count_sleep(&self) {}

    fn count_rescue(&self) {
        // Only a list with two deadlines in a row makes a sleep late.
        reach(State::Late);
    }
}

/// Parks, and checks afterwards that no word is PARKED.
fn park(steps: &Steps, ends: &mut [Parking<'_>], kernel: &Kernel) {
    (steps.park)(ends, kernel);
    for end in ends {
        assert!(
            end.word.load_in_kernel() != PARKED,
            "an endpoint runs, and its word is PARKED"
        );
    }
}

/// Whether the endpoints let each other omit the fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Each publish and each release runs a fence.
    Symmetric,
    /// Both endpoints are AWAKE after every message.
    Awake,
    /// Neither endpoint ever sleeps.
    Polling,
}

impl Form {
    fn waker(self) -> Waker {
        Waker::new(self != Self::Symmetric)
    }

    fn sleeper(self, word: &AtomicU32, position: u64) -> Sleeper {
        let grant_interval = if self == Self::Awake { 1 } else { u64::MAX };
        Sleeper::new(word, self != Self::Polling, grant_interval, position)
    }
}

impl Ring {
    pub(crate) fn new(
        capacity: usize,
        form: Form,
        ends: &'static [Option<Rest>],
        steps: &'static Steps,
    ) -> Rc<Self> {
        Self::with_kernel(
            &Rc::new(Kernel::new(ends, steps.compares)),
            capacity,
            form,
            steps,
        )
    }

    /// A ring whose endpoints may sleep on several words together with those of another ring.
    pub(crate) fn with_kernel(
        kernel: &Rc<Kernel>,
        capacity: usize,
        form: Form,
        steps: &'static Steps,
    ) -> Rc<Self> {
        // An endpoint that is never AWAKE runs no barrier.
        crate::sync::set_light_fence(form == Form::Awake && steps.light_fence);
        Rc::new(Self {
            tail: AtomicU64::new(0),
            ride_position: AtomicU64::new(0),
            ride: std::array::from_fn(|_| AtomicU64::new(0)),
            head: AtomicU64::new(0),
            slots: (0..capacity).map(|_| UnsafeCell::new(0)).collect(),
            producer_word: AtomicU32::new(0),
            consumer_word: AtomicU32::new(0),
            state: AtomicU64::new(0),
            consumer_state: AtomicU64::new(0),
            pid: AtomicU64::new(0),
            held: Mutex::new(false),
            kernel: Rc::clone(kernel),
        })
    }

    fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    fn line(&self) -> TailLine<'_> {
        TailLine {
            tail: &self.tail,
            ride_position: &self.ride_position,
            ride: &self.ride,
        }
    }

    /// Takes or frees the lock of the producer's role, as the kernel does.
    fn hold(&self, held: bool) {
        *self.held.lock().expect("no thread dies with the lock") = held;
    }

    fn is_held(&self) -> bool {
        *self.held.lock().expect("no thread dies with the lock")
    }
}

/// The endpoint that waits for room.
pub(crate) struct Producer {
    ring: Rc<Ring>,
    steps: &'static Steps,
    form: Form,
    waker: Waker,
    sleeper: Sleeper,
    cursor: WriteCursor,
}

impl Producer {
    pub(crate) fn take(ring: &Rc<Ring>, steps: &'static Steps, form: Form) -> Self {
        let cursor = WriteCursor::resume(ring.line(), &ring.head, ring.capacity());
        let cursor = cursor.expect("the head is in range");
        let waker = form.waker();
        let sleeper = form.sleeper(&ring.producer_word, cursor.position());
        (steps.attach)(ring, &waker, steps);
        Self {
            ring: Rc::clone(ring),
            steps,
            form,
            waker,
            sleeper,
            cursor,
        }
    }

    /// Pushes all values: one per publish, or as many as there is room for.
    pub(crate) fn push(&mut self, mut values: &[u64], batch: bool) {
        while !values.is_empty() {
            let room = self.wait().min(values.len() as u64);
            let (now, later) = values.split_at(if batch { room as usize } else { 1 });
            for (ahead, &value) in now.iter().enumerate() {
                self.ring.slots[self.cursor.index(ahead)].with_mut(|slot| {
                    // SAFETY: loom has just checked that no other thread accesses it.
                    unsafe { slot.write(value) }
                });
            }
            (self.steps.publish)(self, now.len() as u64);
            values = later;
        }
    }

    /// Waits for room.
    fn wait(&mut self) -> u64 {
        loop {
            if let Some(room) = self.cursor.room(1) {
                return room;
            }
            let room = self.cursor.look(&self.ring.head);
            let room = room.expect("the head is in range");
            let position = self.cursor.position();
            let ring = &self.ring;
            if room > 0 {
                if self.sleeper.is_due(position) {
                    reach(State::Granted);
                    let is_registered = self.form == Form::Awake;
                    self.sleeper
                        .grant(&ring.producer_word, position, is_registered);
                }
                return room;
            }
            reach(State::Full);
            let mut parking = Parking {
                sleeper: &mut self.sleeper,
                word: &ring.producer_word,
                position,
                goal: Goal::of_work(self.cursor.awaited(1)),
                peer: &ring.head,
                state: &ring.consumer_state,
            };
            park(self.steps, std::slice::from_mut(&mut parking), &ring.kernel);
        }
    }

    fn moved(&self) {
        (self.steps.moved)(&self.waker, &self.ring.consumer_word, &self.ring.kernel);
    }

    pub(crate) fn close(self) {
        (self.steps.close)(&self);
    }
}

/// The endpoint that waits for messages.
pub(crate) struct Consumer {
    ring: Rc<Ring>,
    steps: &'static Steps,
    form: Form,
    waker: Waker,
    sleeper: Sleeper,
    cursor: ReadCursor,
}

impl Consumer {
    pub(crate) fn take(ring: &Rc<Ring>, steps: &'static Steps, form: Form) -> Self {
        let cursor = ReadCursor::resume(&ring.tail, &ring.head, ring.capacity());
        let cursor = cursor.expect("the tail is in range");
        let waker = form.waker();
        let sleeper = form.sleeper(&ring.consumer_word, cursor.position());
        (steps.take)(&waker, &ring.producer_word, &ring.kernel);
        Self {
            ring: Rc::clone(ring),
            steps,
            form,
            waker,
            sleeper,
            cursor,
        }
    }

    /// Pops a value; `None` if the producer has closed or crashed and everything is taken.
    pub(crate) fn pop(&mut self) -> Option<u64> {
        loop {
            if let Some(value) = self.try_pop() {
                return Some(value);
            }
            if (self.steps.is_over)(self) {
                reach(State::Abandoned);
                return None;
            }
            if self.cursor.seen() > 0 {
                continue; // left behind
            }
            reach(State::Empty);
            self.park(Goal::of_work(self.cursor.awaited()));
        }
    }

    /// Pops from the first of two rings that has a value, as `Select` does; `None` if a
    /// producer has closed or crashed and all its values are taken.
    pub(crate) fn pop_first(consumers: &mut [Self; 2]) -> Option<u64> {
        let steps = consumers[0].steps;
        loop {
            if let Some(value) = consumers.iter_mut().find_map(Self::try_pop) {
                return Some(value);
            }
            if consumers.iter_mut().any(steps.is_over) {
                reach(State::Abandoned);
                return None;
            }
            if consumers.iter().any(|end| end.cursor.seen() > 0) {
                continue; // left behind
            }
            reach(State::Empty);
            let rings = [0, 1].map(|index| Rc::clone(&consumers[index].ring));
            let [one, other] = consumers;
            let mut ends = [one.parking(&rings[0]), other.parking(&rings[1])];
            park(steps, &mut ends, &rings[0].kernel);
        }
    }

    /// Pops a value if there is one.
    fn try_pop(&mut self) -> Option<u64> {
        self.poll().then(|| self.take_next())
    }

    /// Whether there is a value.
    fn poll(&mut self) -> bool {
        if self.cursor.seen() > 0 {
            return true;
        }
        let position = self.cursor.position();
        let is_there = self.look() > 0;
        if is_there && self.sleeper.is_due(position) {
            reach(State::Granted);
            let word = &self.ring.consumer_word;
            self.sleeper.grant(word, position, self.form == Form::Awake);
        }
        is_there
    }

    /// The last messages of a producer that has closed.
    fn poll_leftover(&mut self) -> Option<u64> {
        let has_left = |end: &mut Self| peer::State::poll(&end.ring.state).is_closed();
        last_poll(self, has_left, Self::look)
    }

    fn look(&mut self) -> u64 {
        let unread = self.cursor.look(&self.ring.tail);
        unread.expect("the tail is in range")
    }

    fn park(&mut self, goal: Goal) {
        let ring = Rc::clone(&self.ring);
        let steps = self.steps;
        park(steps, &mut [self.parking_for(&ring, goal)], &ring.kernel);
    }

    /// About to sleep until there is a value, or the producer has closed.
    fn parking<'a>(&'a mut self, ring: &'a Ring) -> Parking<'a> {
        let goal = Goal::of_work(self.cursor.awaited());
        self.parking_for(ring, goal)
    }

    fn parking_for<'a>(&'a mut self, ring: &'a Ring, goal: Goal) -> Parking<'a> {
        Parking {
            sleeper: &mut self.sleeper,
            word: &ring.consumer_word,
            position: self.cursor.position(),
            goal,
            peer: &ring.tail,
            state: &ring.state,
        }
    }

    /// The next value, which a poll has found.
    fn take_next(&mut self) -> u64 {
        let value = self.ring.slots[self.cursor.index(0)].with(|slot| {
            // SAFETY: loom has just checked that no thread writes.
            unsafe { slot.read() }
        });
        self.cursor.release(1, &self.ring.head);
        (self.steps.moved)(&self.waker, &self.ring.producer_word, &self.ring.kernel);
        value
    }
}
