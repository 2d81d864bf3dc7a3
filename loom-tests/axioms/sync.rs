//! Stands for `super::sync` in the protocol files, and records their traces.
//!
//! The orderings are those of `src/sync.rs`, which is compiled here again, so they cannot
//! differ. A word keeps its initial value: a store is only an event of the trace, and a
//! load gets the value of some store. Each operation that is not Relaxed is an ordering
//! site that can be weakened, as in the loom models.

use std::cell::Cell;
use std::panic::Location;
use std::sync::atomic::Ordering;

use crate::axioms::trace::{self, Kind};
use crate::harness::sites::{Operation, Site};

#[allow(dead_code, unused_imports, reason = "only its constants are used here")]
#[path = "../../src/sync.rs"]
mod shipped;

pub(crate) use shipped::{
    CHECK, CLOSE, COPIED, FORK, FORMAT, FREE, LEFT, LOCKED, OPEN, PARK, PLAIN, PUBLISH, READY,
    RECLAIM, REUSE, RIDE, RIDING, WAKE, WORD,
};

/// The name of the compiler fence, which has no ordering.
const LIGHT: &str = "light_fence";

/// Every edge by name, for the search for ordering sites.
pub(crate) const EDGES: &[(&str, Ordering)] = &[
    ("CHECK", CHECK),
    ("CLOSE", CLOSE),
    ("COPIED", COPIED),
    ("FORMAT", FORMAT),
    ("FREE", FREE),
    ("LEFT", LEFT),
    ("OPEN", OPEN),
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
    (LIGHT, Ordering::SeqCst),
];

/// A fence of one of the edges.
#[track_caller]
pub(crate) fn fence(edge: Ordering) {
    // A Relaxed fence does not exist: a weakened fence is omitted.
    match Site::new(Operation::Fence, Location::caller()).in_force(edge) {
        Ordering::Relaxed => {}
        edge => trace::fence(Kind::Fence, edge),
    }
}

/// The waker's half of `awake -> drowsy`.
#[track_caller]
pub(crate) fn light_fence() {
    match Site::new(Operation::Fence, Location::caller()).in_force(Ordering::SeqCst) {
        Ordering::Relaxed => {}
        edge => trace::fence(Kind::Light, edge),
    }
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $value:ty) => {
        $(#[$doc])*
        #[repr(transparent)]
        #[derive(Debug)]
        pub(crate) struct $name(Cell<$value>);

        impl $name {
            pub(crate) const fn new(value: $value) -> Self {
                Self(Cell::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, edge: Ordering) -> $value {
                let site = Site::new(Operation::Load, Location::caller());
                self.model_load(site.in_force(edge))
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $value, edge: Ordering) {
                let site = Site::new(Operation::Store, Location::caller());
                self.model_store(value, site.in_force(edge));
            }

            /// Loads in a model's own code; its orderings are not weakened.
            #[track_caller]
            pub(crate) fn model_load(&self, edge: Ordering) -> $value {
                trace::load(self.address(), self.initial(), Some(edge)) as $value
            }

            /// Stores in a model's own code; its orderings are not weakened.
            #[track_caller]
            pub(crate) fn model_store(&self, value: $value, edge: Ordering) {
                trace::store(self.address(), self.initial(), value.into(), Some(edge));
            }

            /// Swaps in a model's own code; its orderings are not weakened.
            #[track_caller]
            pub(crate) fn model_swap(&self, value: $value, edge: Ordering) -> $value {
                let change = |_| Some(value.into());
                trace::modify(self.address(), self.initial(), edge, change) as $value
            }

            fn address(&self) -> usize {
                std::ptr::from_ref(self).addr()
            }

            fn initial(&self) -> u64 {
                self.0.get().into()
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
    #[track_caller]
    pub(crate) fn swap(&self, value: u32, edge: Ordering) -> u32 {
        self.model_swap(value, relaxed(edge))
    }

    #[track_caller]
    pub(crate) fn replace(&self, old: u32, new: u32, edge: Ordering) -> bool {
        let change = |found| (found == u64::from(old)).then_some(new.into());
        let found = trace::modify(self.address(), self.initial(), relaxed(edge), change);
        found == u64::from(old)
    }
}

/// The protocol's read-modify-writes are Relaxed, so they are no sites.
fn relaxed(edge: Ordering) -> Ordering {
    assert_eq!(
        edge,
        Ordering::Relaxed,
        "a swap with an ordering would be a new site"
    );
    edge
}

impl AtomicU64 {
    /// Loads a word that only the caller's role stores.
    #[track_caller]
    pub(crate) fn load_own(&self) -> u64 {
        self.model_load(Ordering::Relaxed)
    }
}

/// A word of payload: ordinary memory.
#[derive(Debug)]
pub(crate) struct Payload(AtomicU64);

impl Payload {
    pub(crate) const fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    #[track_caller]
    pub(crate) fn read(&self) -> u64 {
        trace::load(self.0.address(), self.0.initial(), None)
    }

    #[track_caller]
    pub(crate) fn write(&self, value: u64) {
        trace::store(self.0.address(), self.0.initial(), value, None);
    }
}
