//! Whatever the bytes of a segment are: no call panics, loops forever or leaves the segment.

mod attacked;
#[path = "../common/mod.rs"]
mod common;
mod corrupt;
mod hostile;
mod not_a_ring;
mod queue;

common::suite::suite! {
    attacked::calls,
    attacked::steps,
    #[cfg(feature = "futures")] attacked::tasks,
    corrupt::advice,
    corrupt::semaphores,
    corrupt::values,
    hostile,
    not_a_ring,
    queue,
}
