//! A file that records the progress of both endpoints and outlives them. A restarted
//! endpoint must begin at the recorded message, otherwise the ring has lost something.
//!
//! Each endpoint records what it is about to do and what it has done. After a kill its
//! progress is between the two.
#![allow(clippy::disallowed_types, reason = "killed processes share the ledger")]

use std::fs::OpenOptions;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use memmap2::{MmapOptions, MmapRaw};

/// Positions: each is the one after the last message.
#[repr(C)]
struct Lines {
    /// The producer may have published the messages before this one.
    intended: AtomicU64,
    /// It has published the messages before this one.
    published: AtomicU64,
    /// A consumer has received the messages before this one, whole and in order.
    seen: AtomicU64,
    /// The messages before this one were released.
    released: AtomicU64,
    /// The number of redelivered messages.
    redelivered: AtomicU64,
}

/// A mapped ledger: a store is kept even if its process is killed directly afterwards.
pub(crate) struct Ledger(MmapRaw);

impl Ledger {
    /// Opens or creates the ledger with this path.
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
        // SAFETY: the mapping has this length and is aligned to a page, and every process
        // accesses it only by atomics.
        unsafe { &*self.0.as_ptr().cast::<Lines>() }
    }

    /// A producer begins at this position.
    pub(crate) fn producer_begins(&self, position: u64) {
        let lines = self.lines();
        let (least, most) = (lines.published.load(SeqCst), lines.intended.load(SeqCst));
        assert!(
            (least..=most).contains(&position),
            "a producer continues at {position}; the previous one had published {least} to {most}"
        );
    }

    /// A consumer begins at this position.
    pub(crate) fn consumer_begins(&self, position: u64) {
        let lines = self.lines();
        let (least, most) = (lines.released.load(SeqCst), lines.seen.load(SeqCst));
        assert!(
            (least..=most).contains(&position),
            "a consumer continues at {position}; the previous one had released {least} of {most}"
        );
    }

    /// The producer is about to publish messages up to here.
    pub(crate) fn intends(&self, end: u64) {
        self.lines().intended.store(end, SeqCst);
    }

    /// The producer has published the messages before this position.
    pub(crate) fn published(&self, position: u64) {
        self.lines().published.store(position, SeqCst);
    }

    /// A consumer has received this message whole.
    pub(crate) fn sees(&self, message: Range<u64>) {
        let lines = self.lines();
        if message.start < lines.seen.load(SeqCst) {
            lines.redelivered.fetch_add(1, SeqCst);
        } else {
            lines.seen.store(message.end, SeqCst);
        }
    }

    /// The consumer has released the messages before this position.
    pub(crate) fn released(&self, position: u64) {
        self.lines().released.store(position, SeqCst);
    }

    /// How many messages were redelivered.
    pub(crate) fn redelivered(&self) -> u64 {
        self.lines().redelivered.load(SeqCst)
    }
}
