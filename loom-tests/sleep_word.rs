//! Sleep words under loom, and the fences around them.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use crate::harness::death;

thread_local! {
    static LIGHT_FENCE: Cell<bool> = const { Cell::new(true) };
}

/// Whether `light_fence` acts as a full fence, as it does with the sleeper's barrier.
pub(crate) fn set_light_fence(counts: bool) {
    LIGHT_FENCE.set(counts);
}

/// The waker's half of `awake -> drowsy`.
pub(crate) fn light_fence() {
    if LIGHT_FENCE.get() {
        full_fence();
    }
}

/// A full fence: for a barrier, or for a light fence that a barrier completes.
pub(crate) fn full_fence() {
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// A sleep word: its owner swaps it, its waker loads and replaces it.
#[derive(Debug)]
pub(crate) struct AtomicU32(loom::sync::atomic::AtomicU32);

impl AtomicU32 {
    pub(crate) fn new(value: u32) -> Self {
        Self(loom::sync::atomic::AtomicU32::new(value))
    }

    pub(crate) fn load(&self, edge: Ordering) -> u32 {
        death::step();
        self.0.load(edge)
    }

    pub(crate) fn swap(&self, value: u32, edge: Ordering) -> u32 {
        death::step();
        self.0.swap(value, edge)
    }

    pub(crate) fn replace(&self, old: u32, new: u32, edge: Ordering) -> bool {
        death::step();
        self.0.compare_exchange(old, new, edge, edge).is_ok()
    }

    /// The kernel's read: always the newest value, and not a load, which would hide another
    /// load (loom #166).
    pub(crate) fn load_in_kernel(&self) -> u32 {
        self.0.fetch_or(0, Ordering::Relaxed)
    }
}
