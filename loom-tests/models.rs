//! The models: small enough to be explored whole, or to three preemptions
//! where messages are copied inline, or to two where a thread dies. In each, a producer and
//! a consumer share a ring that begins at some position, and what was taken is
//! compared with what was given.

mod deaths;
mod frames;
mod observing;
mod riding;
mod slots;

use std::fmt::Debug;

use crate::harness::model::Model;
use crate::steps::Steps;

/// Every model, simple ones first.
pub(crate) fn all() -> Vec<&'static Model<Steps>> {
    let all = [
        slots::MODELS,
        frames::MODELS,
        riding::MODELS,
        observing::MODELS,
        deaths::MODELS,
    ];
    all.into_iter().flatten().collect()
}

/// Nothing lost, nothing torn, nothing twice, and all in order.
fn compare<M: PartialEq + Debug>(taken: &[M], given: &[M]) {
    for (place, (taken, given)) in taken.iter().zip(given).enumerate() {
        assert!(
            taken == given,
            "message {place} is {taken:x?}, not {given:x?}"
        );
    }
    assert_eq!(taken.len(), given.len(), "messages taken, messages given");
}
