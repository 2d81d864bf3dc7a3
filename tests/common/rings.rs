//! Rings and their endpoints, where a test expects both to be there.

use quoit::{Ring, RingOptions, Shape};

use super::names::RingName;

/// Both endpoints of a ring that no process holds.
pub(crate) fn ends<T: Shape + ?Sized>(ring: &Ring<T>) -> (T::Producer, T::Consumer) {
    let producer = ring.producer().expect("the role is free");
    (producer, ring.consumer().expect("the role is free"))
}

/// A new ring under a new name. Dropping the name removes the file.
pub(crate) fn named<T: Shape + ?Sized>(test: &str, options: &RingOptions) -> (Ring<T>, RingName) {
    let name = RingName::new(test);
    (options.create(&name).expect("a ring"), name)
}
