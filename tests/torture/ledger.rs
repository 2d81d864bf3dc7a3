//! What the two endpoints have done, in a file that outlives them: their later holders
//! begin where it says, or the ring has lost something.
//!
//! Each endpoint writes down what it is about to do and what it has done. Dead, it
//! has gone as far as the one, and no further than the other.
#![allow(clippy::disallowed_types, reason = "killed processes share the ledger")]

use std::fs::OpenOptions;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use memmap2::{MmapOptions, MmapRaw};

/// Numbers of messages, each one behind the last.
#[repr(C)]
struct Lines {
    /// The producer may have published those before.
    intended: AtomicU64,
    /// It has published those before.
    published: AtomicU64,
    /// Some consumer saw those before, whole and in order.
    seen: AtomicU64,
    /// Those before were released.
    released: AtomicU64,
    /// How many were seen again.
    redelivered: AtomicU64,
}

/// A mapped ledger: a store is there at once, whatever becomes of its process.
pub(crate) struct Ledger(MmapRaw);

impl Ledger {
    /// Opens the ledger of this path, or begins one.
    pub(crate) fn open(path: &Path) -> Self {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).expect("the ledger opens");
        let length = size_of::<Lines>();
        file.set_len(length as u64).expect("it has its length");
        let map = MmapOptions::new().len(length).map_raw(&file);
        Self(map.expect("it can be mapped"))
    }

    fn lines(&self) -> &Lines {
        // SAFETY: the mapping is so long, aligned to a page, and nothing but
        // atomics for all who have it.
        unsafe { &*self.0.as_ptr().cast::<Lines>() }
    }

    /// A producer begins at this number.
    pub(crate) fn producer_begins(&self, number: u64) {
        let lines = self.lines();
        let (least, most) = (lines.published.load(SeqCst), lines.intended.load(SeqCst));
        assert!(
            (least..=most).contains(&number),
            "a producer goes on at {number}; its predecessor had published {least} to {most}"
        );
    }

    /// A consumer begins at this number.
    pub(crate) fn consumer_begins(&self, number: u64) {
        let lines = self.lines();
        let (least, most) = (lines.released.load(SeqCst), lines.seen.load(SeqCst));
        assert!(
            (least..=most).contains(&number),
            "a consumer goes on at {number}; its predecessor had released {least} of {most}"
        );
    }

    /// The producer is about to publish these.
    pub(crate) fn intends(&self, numbers: &Range<u64>) {
        self.lines().intended.store(numbers.end, SeqCst);
    }

    /// The producer has published those before this number.
    pub(crate) fn published(&self, number: u64) {
        self.lines().published.store(number, SeqCst);
    }

    /// A consumer has this one before it, whole.
    pub(crate) fn sees(&self, number: u64) {
        let lines = self.lines();
        if number < lines.seen.load(SeqCst) {
            lines.redelivered.fetch_add(1, SeqCst);
        } else {
            lines.seen.store(number + 1, SeqCst);
        }
    }

    /// The consumer has released those before this number.
    pub(crate) fn released(&self, number: u64) {
        self.lines().released.store(number, SeqCst);
    }

    /// How many messages were seen more than once.
    pub(crate) fn redelivered(&self) -> u64 {
        self.lines().redelivered.load(SeqCst)
    }
}
