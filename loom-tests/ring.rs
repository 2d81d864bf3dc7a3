//! The ring's memory in the model: the two lines of positions, and the payload
//! as words, so that headers inside it are checked like any other.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use loom::cell::UnsafeCell;

use crate::cursor::{RIDE_WORDS, TailLine};
use crate::harness::death;
use crate::harness::reached::{State, reach};
pub(crate) use crate::harness::threads::First;
use crate::harness::threads::both;
use crate::sync::AtomicU64;

/// What both processes map.
pub(crate) struct Ring {
    tail: AtomicU64,
    ride_position: AtomicU64,
    ride: [AtomicU64; RIDE_WORDS],
    pub(crate) head: AtomicU64,
    pub(crate) capacity: u64,
    payload: Vec<UnsafeCell<u64>>,
    /// Whether endpoints of records leave an incomplete line for their next poll (streaming
    /// mode).
    pub(crate) streams: bool,
    /// Where both positions begin.
    start: u64,
    /// Whether the producer has finished; only for `State::Concurrent`.
    written: Cell<bool>,
    /// Where messages with an inline copy end; only for `State::Walked` and `Refused`.
    ridden: RefCell<Vec<u64>>,
}

impl Ring {
    pub(crate) fn new(start: u64, capacity: u64, words: u64) -> Rc<Self> {
        Rc::new(Self::of(start, capacity, words, false))
    }

    /// A ring of records in streaming mode.
    pub(crate) fn streaming(start: u64, capacity: u64, words: u64) -> Rc<Self> {
        Rc::new(Self::of(start, capacity, words, true))
    }

    fn of(start: u64, capacity: u64, words: u64, streams: bool) -> Self {
        Self {
            tail: AtomicU64::new(start),
            ride_position: AtomicU64::new(0),
            ride: std::array::from_fn(|_| AtomicU64::new(0)),
            head: AtomicU64::new(start),
            capacity,
            payload: (0..words).map(|_| UnsafeCell::new(0)).collect(),
            streams,
            start,
            written: Cell::new(false),
            ridden: RefCell::new(Vec::new()),
        }
    }

    pub(crate) fn tail(&self) -> &AtomicU64 {
        &self.tail
    }

    pub(crate) fn line(&self) -> TailLine<'_> {
        TailLine {
            tail: &self.tail,
            ride_position: &self.ride_position,
            ride: &self.ride,
        }
    }

    /// Writes a word of payload; loom panics if another thread accesses it.
    pub(crate) fn write(&self, index: usize, value: u64) {
        death::step();
        assert!(
            index < self.payload.len(),
            "wrote beyond the end of the lap"
        );
        self.payload[index].with_mut(|word| {
            // SAFETY: loom has just checked that no other thread reads or writes.
            unsafe { word.write(value) }
        });
    }

    /// Writes a word of payload back unchanged; loom panics if another thread accesses it.
    pub(crate) fn touch(&self, index: usize) {
        self.payload[index].with_mut(|_| ());
    }

    /// Reads a word of payload; loom panics if another thread writes it.
    pub(crate) fn read(&self, index: usize) -> u64 {
        death::step();
        assert!(index < self.payload.len(), "read beyond the end of the lap");
        self.payload[index].with(|word| {
            // SAFETY: loom has just checked that no thread writes.
            unsafe { word.read() }
        })
    }

    /// Records the states of a producer that has reached `position`.
    pub(crate) fn note_written(&self, position: u64) {
        if position.wrapping_sub(self.start) > self.capacity {
            reach(State::Reused);
        }
        if position >> 32 != self.start >> 32 {
            reach(State::Carried);
        }
    }

    /// Records that a message with an inline copy ends at `position`.
    pub(crate) fn note_inline(&self, position: u64) {
        self.ridden.borrow_mut().push(position);
    }

    /// Records `state` if the message that ends at `position` has an inline copy.
    pub(crate) fn note_if_inline(&self, position: u64, state: State) {
        if self.ridden.borrow().contains(&position) {
            reach(state);
        }
    }

    /// Records whether a message is delivered before the producer has finished.
    pub(crate) fn note_delivered(&self) {
        if !self.written.get() {
            reach(State::Concurrent);
        }
    }
}

/// Runs both endpoints; returns their results.
pub(crate) fn work<W: 'static, R: 'static>(
    ring: &Rc<Ring>,
    first: First,
    write: impl FnOnce(&Rc<Ring>) -> W + 'static,
    read: impl FnOnce(&Rc<Ring>) -> R + 'static,
) -> (W, R) {
    let (writing, reading) = (Rc::clone(ring), Rc::clone(ring));
    let write = move || {
        let written = write(&writing);
        writing.written.set(true);
        written
    };
    let read = move || read(&reading);
    both(first, write, read)
}
