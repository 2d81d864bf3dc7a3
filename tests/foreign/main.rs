//! Programs in other languages, written from `layout.md` alone, share rings with quoit.

mod client;
#[path = "../common/mod.rs"]
mod common;
mod compiler;
mod consumers;
mod examples;
mod layout;
mod names;
mod refusals;
mod sleepers;
mod takeovers;
#[path = "../../examples/common/traffic.rs"]
mod traffic;

use common::PATIENCE;
use common::clock::until;
use quoit::FrameProducer;
use traffic::{Traffic, frame};

/// Pushes the frame with this number, and counts it.
fn push(producer: &mut FrameProducer, traffic: &mut Traffic, number: u64) {
    let frame = frame(number);
    let pushed = producer.push_timeout(&frame, PATIENCE);
    pushed.expect("a consumer takes it");
    traffic.count(&frame);
}

common::suite::suite! {
    examples,
    layout,
    names,
    refusals,
    sleepers,
    takeovers,
}
