//! The only file that names atomics, fences and orderings.
//!
//! Every ordering of the protocol is a constant named after its edge and its
//! side; `cursor.rs` uses nothing else. The models in `loom-tests/` compile
//! the same protocol files against a second `sync` module made of loom's types, and
//! against a third, which records each access for the axioms of AArch64 and C11.
//!
//! | edge | first half | second half |
//! |---|---|---|
//! | publish -> ready | [`PUBLISH`] store of the tail | [`READY`] load of the tail |
//! | reclaim -> free | [`RECLAIM`] store of the head | [`FREE`] load of the head |
//! | ride -> check | [`RIDE`] fence, before the words | [`CHECK`] fence, after the words |
//! | park <-> wake | [`PARK`] fence, between word and second poll | [`WAKE`] fence, between position and word |
//! | awake -> drowsy | a membarrier, after the word | [`light_fence`], between position and word |
//! | close -> left | [`CLOSE`] store of the state | [`LEFT`] load of the state |
//! | format -> open | [`FORMAT`] store of the magic | [`OPEN`] load of the magic |
//! | copied -> overtaken | [`REUSE`] fence, between the producer's load of the head and its next payload | [`COPIED`] fence, between an observer's copy and its second load of the head |
//! | death -> left | the kernel, on exit, or [`WAKE`] fence on a drop, before the lock is free | the kernel's answer, then [`READY`] load of the tail |
//! | opened -> forked | [`FORK`] store of the entry, before the count | [`FORK`] count, before the copy |
#![allow(
    clippy::disallowed_types,
    reason = "this is the file that wraps the atomics"
)]

pub(crate) use core::hint::spin_loop;
use core::sync::atomic::{self, Ordering};

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

/// The producer's tail store: the bytes are visible before the position.
pub(crate) const PUBLISH: Ordering = Ordering::Release;
/// The consumer's tail load, partner of [`PUBLISH`].
pub(crate) const READY: Ordering = Ordering::Acquire;

/// The consumer's head store: reading is over before the room is reused.
pub(crate) const RECLAIM: Ordering = Ordering::Release;
/// The producer's head load, partner of [`RECLAIM`].
pub(crate) const FREE: Ordering = Ordering::Acquire;

/// The producer's fence between the inline copy's position and its words.
pub(crate) const RIDE: Ordering = Ordering::Release;
/// The consumer's fence between the inline copy's words and its position.
pub(crate) const CHECK: Ordering = Ordering::Acquire;
/// The producer's fence between the head that frees room and the payload that
/// reuses it: a process that reads a byte of that payload also reads that head, or a later one.
pub(crate) const REUSE: Ordering = Ordering::Release;
/// The observer's fence between its copy and its second load of the head, partner
/// of [`REUSE`].
pub(crate) const COPIED: Ordering = Ordering::Acquire;
/// The inline copy's position and words: the two fences order them.
pub(crate) const RIDING: Ordering = Ordering::Relaxed;

/// The sleeper's fence between its sleep word and its second poll.
pub(crate) const PARK: Ordering = Ordering::SeqCst;
/// The waker's fence between its position and the sleep word: one of the two
/// always sees the other.
pub(crate) const WAKE: Ordering = Ordering::SeqCst;
/// The sleep words themselves: the fences order them.
pub(crate) const WORD: Ordering = Ordering::Relaxed;
/// The reactor's own sleep word: the lock of its table orders it.
pub(crate) const LOCKED: Ordering = Ordering::Relaxed;

/// The closing endpoint's state store: its last messages are visible before the state.
pub(crate) const CLOSE: Ordering = Ordering::Release;
/// The peer's state load, partner of [`CLOSE`].
pub(crate) const LEFT: Ordering = Ordering::Acquire;

/// The creator's magic store, last of all: a partly written header is never accepted.
pub(crate) const FORMAT: Ordering = Ordering::Release;
/// The opener's magic load, first of all, partner of [`FORMAT`].
pub(crate) const OPEN: Ordering = Ordering::Acquire;

/// The table of what a fork must not share, and the count of forks: in one
/// order with each other, so that one of the two sides sees the other.
pub(crate) const FORK: Ordering = Ordering::SeqCst;

/// Header fields and hints that order nothing: an edge above covers them, or they are advice that
/// may arrive late.
pub(crate) const PLAIN: Ordering = Ordering::Relaxed;

/// A fence of one of the edges above.
#[inline(always)]
pub(crate) fn fence(edge: Ordering) {
    atomic::fence(edge);
}

/// The waker's half of awake -> drowsy: keeps the compiler from moving the
/// sleep word's load ahead of the position's store. The processor may still do
/// so, until the sleeper's membarrier drains it.
#[inline(always)]
pub(crate) fn light_fence() {
    atomic::compiler_fence(Ordering::SeqCst);
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $value:ty) => {
        $(#[$doc])*
        #[repr(transparent)]
        #[derive(Debug)]
        pub(crate) struct $name(atomic::$name);

        impl $name {
            /// A word of this process alone.
            pub(crate) const fn new(value: $value) -> Self {
                Self(atomic::$name::new(value))
            }

            #[inline(always)]
            pub(crate) fn load(&self, edge: Ordering) -> $value {
                self.0.load(edge)
            }

            #[inline(always)]
            pub(crate) fn store(&self, value: $value, edge: Ordering) {
                self.0.store(value, edge);
            }
        }
    };
}

word!(
    /// A 32-bit word of the segment.
    AtomicU32,
    u32
);
word!(
    /// A 64-bit word of the segment.
    AtomicU64,
    u64
);

impl AtomicU32 {
    #[inline(always)]
    pub(crate) fn swap(&self, value: u32, edge: Ordering) -> u32 {
        self.0.swap(value, edge)
    }

    /// Whether the word was `old` and now is `new`.
    #[inline(always)]
    pub(crate) fn replace(&self, old: u32, new: u32, edge: Ordering) -> bool {
        self.0.compare_exchange(old, new, edge, edge).is_ok()
    }

    /// The word's address, for the kernel.
    pub(crate) fn as_ptr(&self) -> *mut u32 {
        self.0.as_ptr()
    }
}

impl AtomicU64 {
    /// Loads a word that only the caller's role stores. Relaxed: its own stores need no edge, and
    /// the lock orders the stores of the role's previous holder. The model checks that no other
    /// role stores.
    #[inline(always)]
    pub(crate) fn load_own(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds to a word that others change as well; wraps.
    pub(crate) fn add(&self, value: u64, edge: Ordering) {
        self.0.fetch_add(value, edge);
    }

    /// Counts in a word that only the caller's role stores. From any value.
    pub(crate) fn increment(&self) {
        self.store(self.load_own().wrapping_add(1), PLAIN);
    }
}

/// An append-only list of leaked items. Walking it takes no lock, so that a handler may.
#[derive(Debug)]
pub(crate) struct List<T: 'static>(atomic::AtomicPtr<Link<T>>);

#[derive(Debug)]
struct Link<T: 'static> {
    item: T,
    next: Option<&'static Self>,
}

impl<T: Sync> List<T> {
    pub(crate) const fn new() -> Self {
        Self(atomic::AtomicPtr::new(core::ptr::null_mut()))
    }

    /// Puts `item` at the beginning.
    pub(crate) fn add(&self, item: T) -> &'static T {
        let link = Box::leak(Box::new(Link { item, next: None }));
        loop {
            let first = self.0.load(FORK);
            // SAFETY: items in the list are never removed, and only read.
            let next: Option<&'static Link<T>> = unsafe { first.as_ref() };
            link.next = next;
            let added = self.0.compare_exchange(first, link, FORK, FORK);
            if added.is_ok() {
                return &link.item;
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static T> {
        // SAFETY: as above.
        let first: Option<&'static Link<T>> = unsafe { self.0.load(FORK).as_ref() };
        core::iter::successors(first, |link| link.next).map(|link| &link.item)
    }
}
