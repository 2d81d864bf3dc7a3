//! Two ends that sleep: what `producer.rs`, `consumer.rs` and `ring/role.rs` do
//! with `parker.rs`, on a ring whose positions are as `cursor.rs` has them.
//! Cursors are proved on their own, so here they are two plain words.

pub(crate) mod deaths;
pub(crate) mod models;
pub(crate) mod mutants;

use std::rc::Rc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;
use loom::thread;

use crate::harness::death;
use crate::harness::reached::{State, reach};
use crate::kernel::Kernel;
use crate::parker::{Rest, Sleeper, Waker};
use crate::sync::{AtomicU32, CLOSE, FREE, LEFT, PUBLISH, READY, RECLAIM};

/// What both processes map.
pub(crate) struct Ring {
    tail: AtomicU64,
    head: AtomicU64,
    slots: Vec<UnsafeCell<u64>>,
    producer_word: AtomicU32,
    consumer_word: AtomicU32,
    /// 1 once the producer has said goodbye.
    closed: AtomicU64,
    kernel: Kernel,
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
    park: fn(&mut Sleeper, &AtomicU32, &Kernel, &dyn Fn() -> bool, u64) -> bool,
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
            producer
                .ring
                .store(&producer.ring.tail, producer.tail, PUBLISH);
            producer.moved();
        },
        moved: |waker, word, kernel| {
            waker.moved(word, kernel);
        },
        take: |waker, word, kernel| waker.rouse(word, kernel),
        close: |producer| {
            let ring = &producer.ring;
            ring.store(&ring.closed, 1, CLOSE);
            producer.waker.rouse(&ring.consumer_word, &ring.kernel);
        },
        is_over: |consumer| {
            let ring = &consumer.ring;
            // The goodbye first, then the position once more.
            ring.load(&ring.closed, LEFT) == 1 && ring.load(&ring.tail, READY) == consumer.head
        },
        park: |sleeper, word, kernel, stirred, position| {
            sleeper.park(word, kernel, stirred, u64::MAX, position)
        },
        compares: true,
        light_fence: true,
    };
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
        // Nobody who is never awake runs a barrier for others.
        crate::sync::set_light_fence(form == Form::Awake && steps.light_fence);
        Rc::new(Self {
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            slots: (0..capacity).map(|_| UnsafeCell::new(0)).collect(),
            producer_word: AtomicU32::new(0),
            consumer_word: AtomicU32::new(0),
            closed: AtomicU64::new(0),
            kernel: Kernel::new(ends, steps.compares),
        })
    }

    fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    fn slot(&self, position: u64) -> &UnsafeCell<u64> {
        &self.slots[(position % self.capacity()) as usize]
    }

    fn load(&self, word: &AtomicU64, edge: std::sync::atomic::Ordering) -> u64 {
        death::step();
        word.load(edge)
    }

    fn store(&self, word: &AtomicU64, value: u64, edge: std::sync::atomic::Ordering) {
        death::step();
        word.store(value, edge);
    }

    /// A position that only the caller's role stores.
    fn own(word: &AtomicU64) -> u64 {
        // SAFETY: loom's threads take turns on one thread, and loom panics if
        // one of them stores the word at the same time.
        unsafe { word.unsync_load() }
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
        let tail = Ring::own(&ring.tail);
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
            self.head = self.ring.load(&self.ring.head, FREE);
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
            let ring = Rc::clone(&self.ring);
            let (tail, capacity) = (self.tail, ring.capacity());
            let stirred = || ring.load(&ring.head, FREE) + capacity != tail;
            let (word, kernel) = (&ring.producer_word, &ring.kernel);
            let late = (self.steps.park)(&mut self.sleeper, word, kernel, &stirred, tail);
            note_late(late);
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
        let head = Ring::own(&ring.head);
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
        while self.head == self.tail {
            self.tail = self.ring.load(&self.ring.tail, READY);
            if self.head != self.tail {
                if self.sleeper.is_due(self.head) {
                    reach(State::Granted);
                    let word = &self.ring.consumer_word;
                    self.sleeper
                        .grant(word, self.head, self.form == Form::Awake);
                }
                break;
            }
            if (self.steps.is_over)(self) {
                reach(State::Abandoned);
                return None;
            }
            reach(State::Empty);
            let ring = Rc::clone(&self.ring);
            let head = self.head;
            let stirred =
                || ring.load(&ring.tail, READY) != head || ring.load(&ring.closed, LEFT) == 1;
            let (word, kernel) = (&ring.consumer_word, &ring.kernel);
            let late = (self.steps.park)(&mut self.sleeper, word, kernel, &stirred, head);
            note_late(late);
        }
        let value = self.ring.slot(self.head).with(|slot| {
            // SAFETY: loom has just checked that nobody writes.
            unsafe { slot.read() }
        });
        self.head += 1;
        self.ring.store(&self.ring.head, self.head, RECLAIM);
        (self.steps.moved)(&self.waker, &self.ring.producer_word, &self.ring.kernel);
        Some(value)
    }
}

/// Only a list of ends with two deadlines in a row makes a sleep late.
fn note_late(late: bool) {
    if late {
        reach(State::Late);
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
