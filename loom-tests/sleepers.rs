//! Two ends that sleep: what `producer.rs`, `consumer.rs` and `ring/role.rs` do
//! with `parker.rs`, on a ring whose positions are as `cursor.rs` has them.
//! Cursors are proved on their own, so here they are two plain words.

pub(crate) mod deaths;
pub(crate) mod models;
pub(crate) mod mutants;
pub(crate) mod polled;
pub(crate) mod reactor;

use std::rc::Rc;

use loom::cell::UnsafeCell;
use loom::thread;

use crate::cursor::Awaited;
use crate::harness::reached::{State, reach};
use crate::kernel::Kernel;
use crate::parker::{PARKED, Rest, Sleeper, Waker};
use crate::sync::{AtomicU32, AtomicU64, CLOSE, FREE, LEFT, PUBLISH, READY, RECLAIM};
use crate::wait::sleep::{self, Parkable};

/// What both processes map.
pub(crate) struct Ring {
    tail: AtomicU64,
    head: AtomicU64,
    slots: Vec<UnsafeCell<u64>>,
    producer_word: AtomicU32,
    consumer_word: AtomicU32,
    /// 1 once the producer has said goodbye.
    closed: AtomicU64,
    kernel: Rc<Kernel>,
}

/// The steps that a mutant may replace.
pub(crate) struct Steps {
    /// Publishes what was written and wakes the consumer.
    publish: fn(&Producer),
    /// Wakes whoever sleeps on the word, after a position's store.
    moved: fn(&Waker, &AtomicU32, &Kernel),
    /// Wakes in any case, on taking a role.
    take: fn(&Waker, &AtomicU32, &Kernel),
    /// Says goodbye, and wakes.
    close: fn(&Producer),
    /// Whether the producer is gone and nothing is left.
    is_over: fn(&Consumer) -> bool,
    /// Sleeps until the second look or a wake says otherwise.
    park: fn(&mut [Parking<'_>], &Kernel),
    /// What the reactor is told of an end that has fallen asleep.
    lie_down: fn(&Parking<'_>) -> Awaited,
    /// Makes an event say whether there is a message, and parks if there is none.
    arm: fn(&mut polled::Polled),
    /// Whether the kernel compares the word before a sleep.
    compares: bool,
    /// Whether the awake path has a fence, as the barrier makes it seem.
    light_fence: bool,
}

/// What the crate does.
pub(crate) static SHIPPED: Steps = Steps::SHIPPED;

impl Steps {
    const SHIPPED: Self = Self {
        publish: |producer| {
            producer.ring.tail.model_store(producer.tail, PUBLISH);
            producer.moved();
        },
        moved: |waker, word, kernel| {
            waker.moved(word, kernel);
        },
        take: |waker, word, kernel| waker.rouse(word, kernel),
        close: |producer| {
            let ring = &producer.ring;
            ring.closed.model_store(1, CLOSE);
            producer.waker.rouse(&ring.consumer_word, &*ring.kernel);
        },
        is_over: |consumer| {
            let ring = &consumer.ring;
            // The goodbye first, then the position once more.
            ring.closed.model_load(LEFT) == 1 && ring.tail.model_load(READY) == consumer.head
        },
        park: |ends, kernel| {
            sleep::park(ends, kernel, u64::MAX, |ends, _| {
                let words: Vec<_> = ends.iter().map(|end| end.word).collect();
                kernel.wait_any(&words)
            });
        },
        lie_down: |end| end.awaited,
        arm: polled::Polled::arm,
        compares: true,
        light_fence: true,
    };
}

/// An end on its way to sleep, as `wait/sleep.rs` sees it.
pub(crate) struct Parking<'a> {
    sleeper: &'a mut Sleeper,
    word: &'a AtomicU32,
    position: u64,
    awaited: Awaited,
    /// The peer's position.
    peer: &'a AtomicU64,
    /// Whether the peer has closed.
    closed: Option<&'a AtomicU64>,
}

impl Parkable for Parking<'_> {
    fn sleeper(&mut self) -> (&mut Sleeper, &AtomicU32) {
        (self.sleeper, self.word)
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn has_work(&self) -> bool {
        self.awaited.is_there(self.peer)
            || self
                .closed
                .is_some_and(|closed| closed.model_load(LEFT) == 1)
    }

    fn drain(&self) {}

    fn count_sleep(&self) {}

    fn count_rescue(&self) {
        // Only a list of ends with two deadlines in a row makes a sleep late.
        reach(State::Late);
    }
}

/// Parks, and sees that no word says so when the ends are up again.
fn park(steps: &Steps, ends: &mut [Parking<'_>], kernel: &Kernel) {
    (steps.park)(ends, kernel);
    for end in ends {
        assert!(
            end.word.load_in_kernel() != PARKED,
            "an end is up, and its word PARKED"
        );
    }
}

/// Whether the ends spare each other the fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Each publish and each release is fenced.
    Symmetric,
    /// Both ends are awake after every message.
    Awake,
}

impl Form {
    fn waker(self) -> Waker {
        Waker::new(self == Self::Awake)
    }

    fn sleeper(self, word: &AtomicU32, position: u64) -> Sleeper {
        let stretch = if self == Self::Awake { 1 } else { u64::MAX };
        Sleeper::new(word, true, stretch, position)
    }
}

impl Ring {
    pub(crate) fn new(
        capacity: usize,
        form: Form,
        ends: &'static [Option<Rest>],
        steps: &'static Steps,
    ) -> Rc<Self> {
        Self::beside(
            &Rc::new(Kernel::new(ends, steps.compares)),
            capacity,
            form,
            steps,
        )
    }

    /// A ring whose ends may sleep together with those of another one.
    pub(crate) fn beside(
        kernel: &Rc<Kernel>,
        capacity: usize,
        form: Form,
        steps: &'static Steps,
    ) -> Rc<Self> {
        // Nobody who is never awake runs a barrier for others.
        crate::sync::set_light_fence(form == Form::Awake && steps.light_fence);
        Rc::new(Self {
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            slots: (0..capacity).map(|_| UnsafeCell::new(0)).collect(),
            producer_word: AtomicU32::new(0),
            consumer_word: AtomicU32::new(0),
            closed: AtomicU64::new(0),
            kernel: Rc::clone(kernel),
        })
    }

    fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    fn slot(&self, position: u64) -> &UnsafeCell<u64> {
        &self.slots[(position % self.capacity()) as usize]
    }
}

/// The end that waits for room.
pub(crate) struct Producer {
    ring: Rc<Ring>,
    steps: &'static Steps,
    form: Form,
    waker: Waker,
    sleeper: Sleeper,
    tail: u64,
    /// The head as last seen.
    head: u64,
}

impl Producer {
    pub(crate) fn take(ring: &Rc<Ring>, steps: &'static Steps, form: Form) -> Self {
        let tail = ring.tail.load_own();
        let waker = form.waker();
        let sleeper = form.sleeper(&ring.producer_word, tail);
        (steps.take)(&waker, &ring.consumer_word, &ring.kernel);
        Self {
            ring: Rc::clone(ring),
            steps,
            form,
            waker,
            sleeper,
            tail,
            head: tail.wrapping_sub(ring.capacity()),
        }
    }

    /// Pushes all values with one publish each, or as many as there is room for.
    pub(crate) fn push(&mut self, values: &[u64], batch: bool) {
        let mut values = values.iter().copied().peekable();
        while values.peek().is_some() {
            self.wait();
            while self.tail < self.head + self.ring.capacity() {
                let Some(value) = values.next() else { break };
                self.ring.slot(self.tail).with_mut(|slot| {
                    // SAFETY: loom has just checked that nobody else is at it.
                    unsafe { slot.write(value) }
                });
                self.tail += 1;
                if !batch {
                    break;
                }
            }
            (self.steps.publish)(self);
        }
    }

    /// Waits for room.
    fn wait(&mut self) {
        loop {
            if self.tail != self.head.wrapping_add(self.ring.capacity()) {
                return;
            }
            self.head = self.ring.head.model_load(FREE);
            if self.tail != self.head + self.ring.capacity() {
                if self.sleeper.is_due(self.tail) {
                    reach(State::Granted);
                    let word = &self.ring.producer_word;
                    self.sleeper
                        .grant(word, self.tail, self.form == Form::Awake);
                }
                return;
            }
            reach(State::Full);
            let ring = &self.ring;
            let mut parking = Parking {
                sleeper: &mut self.sleeper,
                word: &ring.producer_word,
                position: self.tail,
                awaited: Awaited::Room {
                    position: self.tail,
                    capacity: ring.capacity(),
                    wanted: 1,
                },
                peer: &ring.head,
                closed: None,
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

/// The end that waits for messages.
pub(crate) struct Consumer {
    ring: Rc<Ring>,
    steps: &'static Steps,
    form: Form,
    waker: Waker,
    sleeper: Sleeper,
    head: u64,
    /// The tail as last seen.
    tail: u64,
}

impl Consumer {
    pub(crate) fn take(ring: &Rc<Ring>, steps: &'static Steps, form: Form) -> Self {
        let head = ring.head.load_own();
        let waker = form.waker();
        let sleeper = form.sleeper(&ring.consumer_word, head);
        (steps.take)(&waker, &ring.producer_word, &ring.kernel);
        Self {
            ring: Rc::clone(ring),
            steps,
            form,
            waker,
            sleeper,
            head,
            tail: head,
        }
    }

    /// Pops a value; `None` if the producer is gone and everything is taken.
    pub(crate) fn pop(&mut self) -> Option<u64> {
        loop {
            if let Some(value) = self.try_pop() {
                return Some(value);
            }
            if (self.steps.is_over)(self) {
                reach(State::Abandoned);
                return None;
            }
            reach(State::Empty);
            let ring = Rc::clone(&self.ring);
            park(self.steps, &mut [self.parking(&ring)], &ring.kernel);
        }
    }

    /// Pops from the first of two rings that has a value, as `Select` does; `None` if
    /// a producer is gone and everything of its is taken.
    pub(crate) fn pop_first(consumers: &mut [Self; 2]) -> Option<u64> {
        let steps = consumers[0].steps;
        loop {
            if let Some(value) = consumers.iter_mut().find_map(Self::try_pop) {
                return Some(value);
            }
            if consumers.iter().any(steps.is_over) {
                reach(State::Abandoned);
                return None;
            }
            reach(State::Empty);
            let rings = [0, 1].map(|index| Rc::clone(&consumers[index].ring));
            let [one, other] = consumers;
            let mut ends = [one.parking(&rings[0]), other.parking(&rings[1])];
            park(steps, &mut ends, &rings[0].kernel);
        }
    }

    /// Pops a value if there is one now.
    fn try_pop(&mut self) -> Option<u64> {
        self.poll().then(|| self.take_next())
    }

    /// Whether there is a value now.
    fn poll(&mut self) -> bool {
        if self.head == self.tail {
            self.tail = self.ring.tail.model_load(READY);
            if self.head == self.tail {
                return false;
            }
            if self.sleeper.is_due(self.head) {
                reach(State::Granted);
                let word = &self.ring.consumer_word;
                self.sleeper
                    .grant(word, self.head, self.form == Form::Awake);
            }
        }
        true
    }

    fn parking<'a>(&'a mut self, ring: &'a Ring) -> Parking<'a> {
        Parking {
            sleeper: &mut self.sleeper,
            word: &ring.consumer_word,
            position: self.head,
            awaited: Awaited::Message { seen: self.tail },
            peer: &ring.tail,
            closed: Some(&ring.closed),
        }
    }

    /// The next value, which a look has seen.
    fn take_next(&mut self) -> u64 {
        let value = self.ring.slot(self.head).with(|slot| {
            // SAFETY: loom has just checked that nobody writes.
            unsafe { slot.read() }
        });
        self.head += 1;
        self.ring.head.model_store(self.head, RECLAIM);
        (self.steps.moved)(&self.waker, &self.ring.producer_word, &self.ring.kernel);
        value
    }
}

/// Who runs in loom's main thread, which goes first.
#[derive(Clone, Copy)]
pub(crate) enum First {
    Writer,
    Reader,
}

/// Lets both ends work.
fn work<W: 'static, R: 'static>(
    first: First,
    write: impl FnOnce() -> W + 'static,
    read: impl FnOnce() -> R + 'static,
) -> (W, R) {
    match first {
        First::Writer => {
            let reader = thread::spawn(read);
            let written = write();
            (written, reader.join().expect("the reader returns"))
        }
        First::Reader => {
            let writer = thread::spawn(write);
            let taken = read();
            (writer.join().expect("the writer returns"), taken)
        }
    }
}
