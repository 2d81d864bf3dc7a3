//! Rings and their endpoints, where a test expects both to be there.

use quoit::{Observer, Ring, RingOptions, Role, Shape};

use super::clock::until;
use super::names::RingName;

/// The producer of a ring that has none.
pub(crate) fn producer<T: Shape + ?Sized>(ring: &Ring<T>) -> T::Producer {
    ring.producer().expect("the role is free")
}

/// The consumer of a ring that has none.
pub(crate) fn consumer<T: Shape + ?Sized>(ring: &Ring<T>) -> T::Consumer {
    ring.consumer().expect("the role is free")
}

/// Both endpoints of a ring that no process holds.
pub(crate) fn ends<T: Shape + ?Sized>(ring: &Ring<T>) -> (T::Producer, T::Consumer) {
    (producer(ring), consumer(ring))
}

/// A new ring under a new name. Dropping the name removes the file.
pub(crate) fn named<T: Shape + ?Sized>(test: &str, options: &RingOptions) -> (Ring<T>, RingName) {
    let name = RingName::new(test);
    (options.create(&name).expect("a ring"), name)
}

/// Both endpoints of a new ring on the heap.
pub(crate) fn heap<T: Shape + ?Sized>(capacity: u64) -> (T::Producer, T::Consumer) {
    RingOptions::new(capacity).heap::<T>().expect("a ring")
}

/// A new ring without a name.
pub(crate) fn anonymous<T: Shape + ?Sized>(capacity: u64) -> Ring<T> {
    RingOptions::new(capacity)
        .create_anonymous()
        .expect("a ring")
}

/// Waits until an endpoint has slept as often from now on: it waits, and looks around between two
/// sleeps.
pub(crate) fn sleeps_at(observer: &Observer, role: Role, times: u64) {
    let parks = || observer.endpoint(role).parks;
    let before = parks();
    until("it sleeps", || parks() >= before + times);
}
