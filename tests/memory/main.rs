//! Whatever the bytes of a segment are: no call panics, loops forever or leaves the segment.

mod attacked;
#[path = "../common/mod.rs"]
mod common;
mod corrupt;
mod hostile;
mod not_a_ring;
mod written_over;

common::suite::suite! {
    attacked::calls,
    attacked::lines,
    attacked::steps,
    #[cfg(feature = "futures")] attacked::tasks,
    attacked::waits,
    corrupt::advice,
    corrupt::frames,
    corrupt::positions,
    corrupt::semaphores,
    hostile,
    not_a_ring,
    written_over,
}
