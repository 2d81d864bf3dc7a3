//! Stands for `super::sync` in the protocol files under loom.
//!
//! The orderings are those of `src/sync.rs`, which is compiled here again, so they cannot
//! differ. Only the words and the fence are loom's. Each operation is a step before which
//! its thread may die. Unless it is Relaxed, it is also an ordering site that can be
//! weakened.
//!
//! The words reject two uses that loom does not explore correctly:
//!
//! - A thread that loads and stores the same word hides every earlier load of it by another
//!   thread (loom #166), and a model passes unexplored. A role reads its own word by
//!   `load_own`, which also proves that no other thread writes it.
//! - Loom remembers the last seven stores of a word and forgets older ones.
//!
//! Loom does not explore load buffering, which C11 allows.

use std::cell::Cell;
use std::panic::Location;
use std::sync::atomic::Ordering;

use loom::thread::{self, ThreadId};

use crate::harness::death;
use crate::harness::sites::{Operation, Site};

#[allow(dead_code, unused_imports, reason = "only its constants are used here")]
#[path = "../src/sync.rs"]
mod shipped;

pub(crate) use shipped::{
    CHECK, CLOSE, COPIED, FREE, LEFT, LINE, PARK, PLAIN, PUBLISH, READY, RECLAIM, REUSE, RIDE,
    RIDING, WAKE, WORD,
};

pub(crate) use crate::sleep_word::{AtomicU32, full_fence, light_fence, set_light_fence};

/// Every edge by name, for the search for ordering sites.
pub(crate) const EDGES: &[(&str, Ordering)] = &[
    ("CHECK", CHECK),
    ("CLOSE", CLOSE),
    ("COPIED", COPIED),
    ("FREE", FREE),
    ("LEFT", LEFT),
    ("PARK", PARK),
    ("PLAIN", PLAIN),
    ("PUBLISH", PUBLISH),
    ("READY", READY),
    ("RECLAIM", RECLAIM),
    ("REUSE", REUSE),
    ("RIDE", RIDE),
    ("RIDING", RIDING),
    ("WAKE", WAKE),
    ("WORD", WORD),
];

/// The value with which a word begins, and six stores.
const LONGEST_HISTORY: u32 = 7;

/// A fence of one of the edges.
#[track_caller]
pub(crate) fn fence(edge: Ordering) {
    death::step();
    // A Relaxed fence does not exist: a weakened fence is omitted.
    match Site::new(Operation::Fence, Location::caller()).in_force(edge) {
        Ordering::Relaxed => {}
        edge => loom::sync::atomic::fence(edge),
    }
}

/// A 64-bit word of the segment that one thread stores and another loads.
#[derive(Debug)]
pub(crate) struct AtomicU64 {
    word: loom::sync::atomic::AtomicU64,
    history: Cell<u32>,
    writer: Cell<Option<ThreadId>>,
    reader: Cell<Option<ThreadId>>,
}

impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        Self {
            word: loom::sync::atomic::AtomicU64::new(value),
            history: Cell::new(1),
            writer: Cell::new(None),
            reader: Cell::new(None),
        }
    }

    #[track_caller]
    pub(crate) fn load(&self, edge: Ordering) -> u64 {
        death::step();
        let site = Site::new(Operation::Load, Location::caller());
        self.reader.set(Some(thread::current().id()));
        self.refuse_own_load();
        self.word.load(site.in_force(edge))
    }

    #[track_caller]
    pub(crate) fn store(&self, value: u64, edge: Ordering) {
        death::step();
        let site = Site::new(Operation::Store, Location::caller());
        let own = Some(thread::current().id());
        let writer = self.writer.replace(own);
        assert!(writer.is_none() || writer == own, "a word has two writers");
        self.refuse_own_load();
        self.history.set(self.history.get() + 1);
        assert!(
            self.history.get() <= LONGEST_HISTORY,
            "a word is stored more often than loom remembers"
        );
        self.word.store(value, site.in_force(edge));
    }

    /// Loads in a model's own code; its orderings are not weakened.
    pub(crate) fn model_load(&self, edge: Ordering) -> u64 {
        death::step();
        self.reader.set(Some(thread::current().id()));
        self.refuse_own_load();
        self.word.load(edge)
    }

    /// Stores in a model's own code; its orderings are not weakened.
    pub(crate) fn model_store(&self, value: u64, edge: Ordering) {
        death::step();
        self.writer.set(Some(thread::current().id()));
        self.refuse_own_load();
        self.word.store(value, edge);
    }

    /// Loads a word that only the caller's role stores.
    #[track_caller]
    pub(crate) fn load_own(&self) -> u64 {
        death::step();
        // SAFETY: loom's threads take turns on one thread, and loom panics if
        // one of them stores the word at the same time.
        unsafe { self.word.unsync_load() }
    }

    fn refuse_own_load(&self) {
        let writer = self.writer.get();
        assert!(
            writer.is_none() || writer != self.reader.get(),
            "a thread loads the word that it stores: loom would miss interleavings"
        );
    }
}
