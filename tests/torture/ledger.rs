//! Memory that records the progress of both endpoints and outlives them. A restarted endpoint must
//! begin at the recorded message, otherwise the ring has lost something.
//!
//! Each endpoint records what it is about to do and what it has done. After a kill its progress is
//! between the two.
#![allow(clippy::disallowed_types, reason = "killed processes share the ledger")]

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use quoit::Role;

/// By role: positions, each of which is the one after the last message.
pub(crate) struct Ledger {
    /// The messages before this one may be published, or a consumer has received them, whole and in
    /// order.
    begun: [AtomicU64; 2],
    /// The messages before this one were published, or released.
    done: [AtomicU64; 2],
}

impl Ledger {
    /// Shared with every child from now on.
    pub(crate) fn new() -> &'static Self {
        let (rights, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a new mapping touches no other memory.
        let map = unsafe { libc::mmap(ptr::null_mut(), size_of::<Self>(), rights, flags, -1, 0) };
        assert_ne!(map, libc::MAP_FAILED, "there is memory");
        // SAFETY: it has this length, is never unmapped, and zeros are atomics.
        unsafe { &*map.cast::<Self>() }
    }

    /// An endpoint begins at this position.
    pub(crate) fn begins(&self, role: Role, position: u64) {
        let [done, begun] = [&self.done, &self.begun].map(|all| all[role as usize].load(SeqCst));
        assert!(
            (done..=begun).contains(&position),
            "a {role} continues at {position}; the previous one had moved from {done} up to {begun}"
        );
    }

    /// The producer is about to publish messages up to here.
    pub(crate) fn intends(&self, end: u64) {
        self.begun[Role::Producer as usize].store(end, SeqCst);
    }

    /// A consumer has received the message before this position whole, perhaps again.
    pub(crate) fn sees(&self, end: u64) {
        self.begun[Role::Consumer as usize].fetch_max(end, SeqCst);
    }

    /// An endpoint has published or released the messages before this position.
    pub(crate) fn has_moved(&self, role: Role, position: u64) {
        self.done[role as usize].store(position, SeqCst);
    }
}
