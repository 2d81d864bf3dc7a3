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

use common::clock::until;

common::suite::suite! {
    examples,
    layout,
    names,
    refusals,
    sleepers,
    takeovers,
}
