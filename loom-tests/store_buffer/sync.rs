//! Words with a store buffer, and the modelled machine.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use loom::sync::{Condvar, Mutex, MutexGuard};
use loom::thread::{self, JoinHandle, ThreadId};

use crate::harness::death;

pub(crate) use crate::sync::{PARK, WAKE, WORD};

/// Memory, and the queue of stores that have not reached it yet. Everything happens under
/// one lock: only the queue causes reordering.
pub(crate) struct Machine {
    state: Mutex<Memory>,
    /// There is a store to move, or none will follow.
    queued: Condvar,
    /// The sleeper may wake up.
    woken: Condvar,
}

struct Memory {
    words: Vec<u64>,
    queue: VecDeque<(usize, u64)>,
    waker: ThreadId,
    /// Whether the waker's process is registered for barriers.
    registered: bool,
    fences: bool,
    asleep: bool,
    over: bool,
}

thread_local! {
    // Loom's threads are coroutines of one thread, so they share this variable.
    static MACHINE: RefCell<Option<Rc<Machine>>> = const { RefCell::new(None) };
}

impl Machine {
    /// Starts a new machine. Returns the thread that empties the queue, to be joined after
    /// `halt`.
    pub(crate) fn start(fences: bool) -> JoinHandle<()> {
        let machine = Rc::new(Self {
            state: Mutex::new(Memory {
                words: Vec::new(),
                queue: VecDeque::new(),
                waker: thread::current().id(),
                registered: true,
                fences,
                asleep: false,
                over: false,
            }),
            queued: Condvar::new(),
            woken: Condvar::new(),
        });
        MACHINE.set(Some(Rc::clone(&machine)));
        thread::spawn(move || {
            let mut memory = machine.lock();
            loop {
                if let Some((word, value)) = memory.queue.pop_front() {
                    memory.words[word] = value;
                    drop(memory); // anything may happen between two stores
                    memory = machine.lock();
                } else if memory.over {
                    return;
                } else {
                    memory = machine
                        .queued
                        .wait(memory)
                        .expect("no thread dies while it holds the lock");
                }
            }
        })
    }

    /// Queues the stores of the caller's thread from now on.
    pub(crate) fn i_am_the_waker() {
        Self::with(|memory| memory.waker = thread::current().id());
    }

    /// Sets whether the waker's process is registered for barriers.
    pub(crate) fn register(registered: bool) {
        Self::with(|memory| memory.registered = registered);
    }

    /// Ends the waker's process, which empties its queue.
    pub(crate) fn end_waker() {
        Self::with(Memory::empty_queue);
    }

    /// Tells the machine that no more stores follow.
    pub(crate) fn halt() {
        Self::with(|memory| memory.over = true);
        Self::current().queued.notify_one();
    }

    /// `membarrier`: every registered process passes a full fence.
    pub(crate) fn barrier() {
        death::step();
        Self::with(|memory| {
            if memory.registered {
                memory.empty_queue();
            }
        });
    }

    /// Sleeps until a wake if `word` holds `value`; returns whether it did.
    pub(crate) fn sleep_while(word: &AtomicU32, value: u32) -> bool {
        death::step();
        let machine = Self::current();
        let mut memory = machine.lock();
        if memory.words[word.0] != u64::from(value) {
            return false;
        }
        memory.asleep = true;
        while memory.asleep {
            memory = machine
                .woken
                .wait(memory)
                .expect("no thread dies while it holds the lock");
        }
        true
    }

    /// Wakes the sleeper; the system call empties the queue.
    pub(crate) fn wake() {
        death::step();
        Self::with(|memory| {
            memory.empty_queue();
            memory.asleep = false;
        });
        Self::current().woken.notify_one();
    }

    fn current() -> Rc<Self> {
        let machine = MACHINE.with_borrow(|machine| machine.clone());
        machine.expect("the scenario has started one")
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.state
            .lock()
            .expect("no thread dies while it holds the lock")
    }

    fn with<R>(access: impl FnOnce(&mut Memory) -> R) -> R {
        access(&mut Self::current().lock())
    }
}

impl Memory {
    fn empty_queue(&mut self) {
        while let Some((word, value)) = self.queue.pop_front() {
            self.words[word] = value;
        }
    }

    fn is_waker(&self) -> bool {
        thread::current().id() == self.waker
    }

    fn new_word(&mut self, value: u64) -> usize {
        self.words.push(value);
        self.words.len() - 1
    }

    fn load(&self, word: usize) -> u64 {
        let own = self.queue.iter().rev().find(|(stored, _)| *stored == word);
        match own {
            Some(&(_, value)) if self.is_waker() => value,
            _ => self.words[word],
        }
    }

    /// Queues the store if the caller is the waker; returns whether it is.
    fn store(&mut self, word: usize, value: u64) -> bool {
        let queued = self.is_waker();
        if queued {
            self.queue.push_back((word, value));
        } else {
            self.words[word] = value;
        }
        queued
    }

    /// Reads and writes in one step, in memory itself.
    fn modify(&mut self, word: usize, change: impl FnOnce(u64) -> u64) -> u64 {
        if self.is_waker() {
            self.empty_queue();
        }
        let old = self.words[word];
        self.words[word] = change(old);
        old
    }
}

/// A fence. Only a full fence has an effect on this machine.
pub(crate) fn fence(edge: Ordering) {
    death::step();
    Machine::with(|memory| {
        if edge == Ordering::SeqCst && memory.is_waker() && memory.fences {
            memory.empty_queue();
        }
    });
}

/// A compiler fence.
pub(crate) fn light_fence() {}

/// A sleep word, identified by its place in memory.
pub(crate) struct AtomicU32(usize);

impl AtomicU32 {
    pub(crate) fn new(value: u32) -> Self {
        Self(Machine::with(|memory| memory.new_word(value.into())))
    }

    pub(crate) fn load(&self, _edge: Ordering) -> u32 {
        death::step();
        Machine::with(|memory| memory.load(self.0)) as u32
    }

    pub(crate) fn swap(&self, value: u32, _edge: Ordering) -> u32 {
        death::step();
        Machine::with(|memory| memory.modify(self.0, |_| value.into())) as u32
    }

    pub(crate) fn replace(&self, old: u32, new: u32, _edge: Ordering) -> bool {
        death::step();
        let (old, new) = (u64::from(old), u64::from(new));
        let change = |value| if value == old { new } else { value };
        Machine::with(|memory| memory.modify(self.0, change)) == old
    }
}

/// A position, identified by its place in memory.
pub(crate) struct AtomicU64(usize);

impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        Self(Machine::with(|memory| memory.new_word(value)))
    }

    pub(crate) fn load(&self) -> u64 {
        death::step();
        Machine::with(|memory| memory.load(self.0))
    }

    pub(crate) fn store(&self, value: u64) {
        death::step();
        if Machine::with(|memory| memory.store(self.0, value)) {
            Machine::current().queued.notify_one();
        }
    }
}
