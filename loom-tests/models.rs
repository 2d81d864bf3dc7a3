//! The models: explored completely, or up to three preemptions with inline copies, or up to
//! two with a death. In each, a producer and a consumer share a ring that begins at some
//! position. The model compares the messages taken with the messages given.

mod deaths;
mod frames;
mod inline;
mod observing;
mod positions;
mod slots;

use std::fmt::Debug;

use crate::harness::model::Model;
use crate::steps::Steps;

/// Every model, simple ones first.
pub(crate) fn all() -> Vec<&'static Model<Steps>> {
    let all = [
        slots::MODELS,
        frames::MODELS,
        inline::MODELS,
        observing::MODELS,
        positions::MODELS,
        deaths::MODELS,
    ];
    all.into_iter().flatten().collect()
}

/// Compares: no message is lost, torn, repeated or out of order.
fn compare<M: PartialEq + Debug>(taken: &[M], given: &[M]) {
    for (place, (taken, given)) in taken.iter().zip(given).enumerate() {
        assert!(
            taken == given,
            "message {place} is {taken:x?}, not {given:x?}"
        );
    }
    assert_eq!(taken.len(), given.len(), "messages taken, messages given");
}
